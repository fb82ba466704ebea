"""``dump_obj`` and ``load_obj`` of hetida designer, on a signed store.

They take the same arguments, work on the folder that ``MODEL_REPO_PATH`` names (``/mnt/obj_repo`` without
it), and refuse the same things with errors that are also a ``ValueError`` and a ``FileNotFoundError``. A
component that imports them from safeload instead is migrated.
"""

from __future__ import annotations

import os
from typing import Any

from safeload.store.names import LATEST
from safeload.store.store import Store

FOLDER_VARIABLE = "MODEL_REPO_PATH"
DEFAULT_FOLDER = "/mnt/obj_repo"


def dump_obj(obj: Any, name: str, tag: str) -> None:
    """Store an object under a name and a tag, and make it the latest.

    A tag may be stored again, as in hetida designer. It is then replaced atomically.

    Parameters
    ----------
    obj : object
        The object.
    name, tag : str
        As for :meth:`safeload.Store.dump`.

    Raises
    ------
    InvalidName
        The name or tag is impossible, or the tag is ``latest`` in any case. It is a ValueError.
    SafeloadError
        As :meth:`safeload.Store.dump`.

    Examples
    --------
    >>> safeload.dump_obj(model, "churn", "2026-11-23")
    """
    _store().dump(obj, name, tag, overwrite=True)


def load_obj(name: str, tag: str = LATEST) -> Any:
    """Verify and load an object.

    Parameters
    ----------
    name, tag : str
        Name and tag; ``latest`` is the tag that was stored last.

    Returns
    -------
    object
        What :func:`dump_obj` stored.

    Raises
    ------
    NotFound
        It does not exist. It is a FileNotFoundError.
    SafeloadError
        As :meth:`safeload.Store.load`.

    Examples
    --------
    >>> safeload.dump_obj(model, "churn", "2026-11-23")
    >>> safeload.load_obj("churn")
    LogisticRegression(max_iter=1000)
    """
    return _store().load(name, tag)


def folder() -> str:
    """Return the location on which the functions work."""
    return os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER


def _store() -> Store:
    return Store(folder())
