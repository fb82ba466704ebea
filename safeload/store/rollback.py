"""What a loader remembers outside the store: the highest sequence number that it has seen of each name.

Whoever can write the store can put back an old pointer with its old signature. Against that only memory
helps, and it must lie where they cannot write: in the user's state folder, in the folder that
``SAFELOAD_STATE`` names, or in that of ``state=``. One small file holds one number; it only grows.

The memory belongs to a location as it is spelled: a store that moves starts anew.
"""

from __future__ import annotations

import hashlib
import os

from safeload.errors import MalformedError, NotFound
from safeload.storage.lock import locked
from safeload.storage.reader import read
from safeload.storage.trusted_file import configured_path
from safeload.storage.writer import make_folders, write_bytes
from safeload.store.names import Place

STATE_VARIABLE = "SAFELOAD_STATE"

_LIMIT_BYTES = 32


class State:
    """The memory of one store, kept in `folder`; None means ``SAFELOAD_STATE`` or the user's state folder.

    KeyringError if ``SAFELOAD_STATE`` is a relative path.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, location: str) -> None:
        base = os.path.abspath(folder) if folder is not None else _default_folder()
        self.base = base
        self._folder = os.path.join(base, hashlib.sha256(location.encode("utf-8")).hexdigest()[:32])

    def seen(self, place: Place) -> int:
        """Return the highest sequence number seen of a name; 0 for none.

        MalformedError or StorageError if the memory cannot be read: refusing is better than forgetting.
        """
        path = self._path(place)
        try:
            data = read(path, limit=_LIMIT_BYTES).data
        except NotFound:
            return 0
        if not data.isascii() or not data.isdigit():
            raise MalformedError(
                "this memory of a sequence number is damaged",
                where=path,
                hint="Find out which version is the right one; then delete this file.",
            )
        return int(data)

    def record(self, place: Place, sequence: int) -> None:
        """Remember `sequence` if it is higher than what is remembered."""
        if sequence <= self.seen(place):
            return
        path = self._path(place)
        make_folders(os.path.dirname(path))
        with locked(os.path.dirname(path)):
            if sequence > self.seen(place):
                write_bytes(path, b"%d" % sequence)

    def _path(self, place: Place) -> str:
        return os.path.join(self._folder, *f"{place.folder[:-1]}.seq".split("/"))


def _default_folder() -> str:
    if folder := os.environ.get(STATE_VARIABLE):
        return configured_path(STATE_VARIABLE, folder)
    import platformdirs

    return platformdirs.user_state_dir("safeload", appauthor=False)
