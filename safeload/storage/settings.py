"""Settings in TOML: read once, from a file that nobody else can change, with no field passed over."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from typing import Any

from safeload.errors import PolicyError
from safeload.storage.blob import Blob
from safeload.storage.reader import read
from safeload.trust.keys.files import refuse_changeable

_LIMIT_BYTES = 1 << 20


def read_settings(path: str | os.PathLike[str], *, what: str) -> tuple[dict[str, Any], Blob]:
    """Return the values of a file, and the file.

    Parameters
    ----------
    what
        What the file is, for messages.

    Raises
    ------
    NotFound, StorageError, MalformedError, LimitExceeded
        It cannot be read.
    KeyringError
        Others can change it.
    PolicyError
        It is not TOML.
    """
    location = os.path.abspath(path)
    blob = read(location, limit=_LIMIT_BYTES)
    refuse_changeable(blob)
    try:
        return tomllib.loads(blob.data.decode("utf-8")), blob
    except (ValueError, RecursionError):
        raise PolicyError(f"the {what} is not TOML", where=location) from None


def refuse_unknown(values: dict[str, Any], known: Iterable[str]) -> None:
    """Raise PolicyError for fields that there are not: one may be a misspelled demand."""
    known = set(known)
    unknown = sorted(set(values) - known)
    if unknown:
        raise PolicyError(f"{', '.join(unknown)} is not a setting; there are {', '.join(sorted(known))}")
