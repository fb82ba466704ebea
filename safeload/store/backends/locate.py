"""From what a user calls a store to the backend that keeps it."""

from __future__ import annotations

import os
import re
from typing import Any

from safeload.errors import StoreError
from safeload.store import names
from safeload.store.backends.base import Backend
from safeload.store.backends.folder import FolderBackend

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_SCHEMES = ("s3", "gs", "az", "memory")


def backend_of(location: Any, config: dict[str, Any]) -> Backend:
    """Return the backend for a folder, a URL, or an object store of obstore's.

    StoreError if the URL's scheme is not known or the extra for it is not installed; TypeError if `config`
    was given for a folder.
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
    from safeload.store.backends.bucket import BucketBackend

    return BucketBackend(location, f"{type(location).__name__}:{location!r}")


def is_store(location: str) -> bool:
    """Tell whether a command that was given `location` means a store: a URL, or a folder that looks like one.

    Whoever can write a folder decides what it looks like; all that follows is which rules its files must
    pass, none of which lets a file pass unsigned.
    """
    if _URL.match(location):
        return True
    backend = FolderBackend(location)
    for folder in backend.folders():
        # Below a folder with a long name's beginning there may be several names.
        paths = backend.list(folder) if folder.endswith("%/") else [folder + names.POINTER]
        for path in paths:
            place = names.place_of(path)
            if place is not None and path == place.pointer and os.path.lexists(os.path.join(location, path)):
                return True
    return False


def _bucket(url: str, config: dict[str, Any]) -> Backend:
    try:
        import obstore.store
    except ImportError:
        raise StoreError(
            "stores in buckets need obstore", where=url, hint="Run `pip install safeload[cloud]`."
        ) from None
    from safeload.store.backends.bucket import BucketBackend

    if url.lower().startswith("memory://"):
        return BucketBackend(obstore.store.MemoryStore(), url)
    return BucketBackend(obstore.store.from_url(url, **config), url.rstrip("/"))
