"""From what a user calls a store to the backend that keeps it."""

from __future__ import annotations

import os
import re
from typing import Any

from safeload.errors import StoreError
from safeload.store.backend import Backend
from safeload.store.folder import FolderBackend

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_SCHEMES = ("s3", "gs", "az", "memory")


def backend_of(location: Any, config: dict[str, Any]) -> Backend:
    """Return the backend for a folder, a URL, or an object store of obstore's.

    Raises
    ------
    StoreError
        The URL's scheme is not known, or the extra for it is not installed.
    TypeError
        `config` was given for a folder.
    """
    if isinstance(location, str | os.PathLike):
        text = os.fspath(location)
        match = _URL.match(text)
        if match is None:
            if config:
                raise TypeError(f"a folder has no setting {', '.join(sorted(config))}")
            return FolderBackend(text)
        if match[1].lower() not in _SCHEMES:
            raise StoreError(
                f"stores on {match[1]}:// are not supported", where=text, hint="Use s3, gs, az or a folder."
            )
        return _bucket(text, config)
    from safeload.store.bucket import BucketBackend

    return BucketBackend(location, f"{type(location).__name__}:{location!r}")


def _bucket(url: str, config: dict[str, Any]) -> Backend:
    try:
        import obstore.store
    except ImportError:
        raise StoreError(
            "stores in buckets need obstore", where=url, hint="Run `pip install safeload[cloud]`."
        ) from None
    from safeload.store.bucket import BucketBackend

    if url.lower().startswith("memory://"):
        return BucketBackend(obstore.store.MemoryStore(), url)
    return BucketBackend(obstore.store.from_url(url, **config), url.rstrip("/"))
