"""A folder that only this user can read, for loaders that accept only a path.

It is made in memory if the system has a file system there (Linux: ``/dev/shm``) with enough room, and among
the temporary files otherwise. Its files are read-only. It is deleted with its object, or when the program
ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from safeload.errors import StorageError
from safeload.storage.beneath import NEW_FILE, write_all
from safeload.storage.reader import wrapped
from safeload.storage.trusted_file import changeable_folder

_IN_MEMORY = "/dev/shm"  # noqa: S108  a folder of this user's own is made in it
# Memory that must be left for other programs, in bytes.
_SPARE = 64 << 20


class PrivateFolder:
    """A private folder, made where `size` bytes of future content fit.

    The folder within it that is filled, at `path`, has the given name, so that loaders see the artifact's
    name. A refusal of the operating system is a StorageError.
    """

    def __init__(self, size: int, name: str) -> None:
        try:
            place = _place(size) or tempfile.gettempdir()
            _require_safe(place)
            base = tempfile.mkdtemp(prefix="safeload-", dir=place)
            # A umask may take even the user's own bits away.
            os.chmod(base, 0o700)
            self._delete = weakref.finalize(self, _delete, base, os.getpid())
            # A signed name may have slashes.
            self.path = os.path.join(base, os.path.basename(name) or "folder")
            _make(self.path)
        except (OSError, ValueError) as error:
            raise wrapped(error, name) from error

    @contextmanager
    def create(self, relative: str) -> Iterator[int]:
        """Create a file, with the folders above it, at a checked path, and yield its descriptor."""
        *folders, name = relative.split("/")
        path = os.path.join(self.path, *folders, name)
        try:
            self._make(folders)
            # The path is free: no other process writes here, and no path comes twice.
            descriptor = os.open(path, NEW_FILE, 0o400)
        except OSError as error:
            raise wrapped(error, relative) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _make(self, folders: list[str]) -> None:
        """Make nested folders; os.makedirs would leave all but the last to the umask."""
        path = self.path
        for folder in folders:
            path = os.path.join(path, folder)
            # Another thread may have made it.
            with suppress(FileExistsError):
                _make(path)

    def write(self, relative: str, data: bytes | memoryview) -> str:
        """Write a file and return its path."""
        with self.create(relative) as descriptor:
            try:
                write_all(descriptor, memoryview(data))
            except OSError as error:
                raise wrapped(error, relative) from error
        return os.path.join(self.path, *relative.split("/"))

    def delete(self) -> None:
        """Delete the folder now; mappings of its files stay."""
        self._delete()


def _make(path: str) -> None:
    os.mkdir(path, 0o700)
    os.chmod(path, 0o700)


def _require_safe(place: str) -> None:
    """Refuse a place in which other users could rename the folder and put their own in its place."""
    # Nothing is checked on Windows, where temporary files are below the user's own folder.
    found = changeable_folder(place)
    if found is not None:
        raise StorageError(
            f"other users can rename what lies in the folder for temporary files: {found[0]} {found[1]}",
            where=place,
            hint="Set TMPDIR to a folder that only you can write.",
        )


def _place(size: int) -> str | None:
    """Return the folder for files in memory, or None if it does not exist or has not enough room."""
    with suppress(OSError, AttributeError):
        state = os.statvfs(_IN_MEMORY)
        if os.access(_IN_MEMORY, os.W_OK | os.X_OK) and state.f_bavail * state.f_frsize >= size + _SPARE:
            return _IN_MEMORY
    return None


def _delete(base: str, owner: int) -> None:
    # A forked child has the object too, and must not delete its parent's folder.
    if os.getpid() == owner:
        shutil.rmtree(base, ignore_errors=True)
