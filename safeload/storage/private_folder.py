"""A folder that only this user can look into, for loaders that take nothing but a path.

It is made in memory where the system has a file system there (Linux: ``/dev/shm``) with room enough, and
among the temporary files otherwise. Its files can be read and not written to, and it is deleted when nobody
needs it any more, at the latest when the program ends.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from safeload.errors import StorageError
from safeload.storage.beneath import NEW_FILE, write_all
from safeload.storage.reader import wrapped

_IN_MEMORY = "/dev/shm"  # noqa: S108  a folder of this user's own is made in it
# What must be left in memory for everybody else, in bytes.
_SPARE = 64 << 20


class PrivateFolder:
    """A folder of this process's own.

    Parameters
    ----------
    size
        What it will hold, in bytes; decides where it is made.
    name
        The name of the folder in it that is filled, so that loaders see the name that they know.

    Attributes
    ----------
    path
        The absolute path of that folder.

    Raises
    ------
    StorageError
        The operating system refused.
    """

    def __init__(self, size: int, name: str) -> None:
        try:
            place = _place(size) or tempfile.gettempdir()
            _require_safe(place)
            base = tempfile.mkdtemp(prefix="safeload-", dir=place)
            # A umask may take even the user's own bits away.
            os.chmod(base, 0o700)
            self._delete = weakref.finalize(self, _delete, base, os.getpid())
            # A name that is no file name here, such as one with a slash, is nobody's business inside.
            self.path = os.path.join(base, os.path.basename(name) or "folder")
            _make(self.path)
        except (OSError, ValueError) as error:
            raise wrapped(error, name) from error

    @contextmanager
    def create(self, relative: str) -> Iterator[int]:
        """Give the descriptor of a new file to be written, below folders that are made as needed.

        Parameters
        ----------
        relative
            A path that :func:`safeload.attestation.subjects.check_path` has admitted.
        """
        *folders, name = relative.split("/")
        path = os.path.join(self.path, *folders, name)
        try:
            self._make(folders)
            # Nothing can be there already: nobody else writes here, and no path comes twice.
            descriptor = os.open(path, NEW_FILE, 0o400)
        except OSError as error:
            raise wrapped(error, relative) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _make(self, folders: list[str]) -> None:
        """Make folders within each other; os.makedirs would leave all but the last to the umask."""
        path = self.path
        for folder in folders:
            path = os.path.join(path, folder)
            # Another thread may have made it.
            with suppress(FileExistsError):
                _make(path)

    def write(self, relative: str, data: bytes | memoryview) -> str:
        """Put a file in it and return its path."""
        with self.create(relative) as descriptor:
            try:
                write_all(descriptor, memoryview(data))
            except OSError as error:
                raise wrapped(error, relative) from error
        return os.path.join(self.path, *relative.split("/"))

    def delete(self) -> None:
        """Delete it now; what has been read or mapped from it stays."""
        self._delete()


def _make(path: str) -> None:
    os.mkdir(path, 0o700)
    os.chmod(path, 0o700)


def _require_safe(place: str) -> None:
    """Refuse a place in which others could give the folder another name and put their own there instead."""
    if not hasattr(os, "geteuid"):
        return  # Windows: the temporary files are below the user's own folder.
    status = os.stat(place)
    others_write = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
    if status.st_uid not in (0, os.geteuid()) or others_write:
        raise StorageError(
            "others can rename what lies in the folder for temporary files",
            where=place,
            hint="Name a folder of your own in TMPDIR.",
        )


def _place(size: int) -> str | None:
    """Return the folder for files in memory, None for the one of temporary files."""
    with suppress(OSError, AttributeError):
        state = os.statvfs(_IN_MEMORY)
        if os.access(_IN_MEMORY, os.W_OK | os.X_OK) and state.f_bavail * state.f_frsize >= size + _SPARE:
            return _IN_MEMORY
    return None


def _delete(base: str, owner: int) -> None:
    # A forked child has the object too, and must not take the folder away from its parent.
    if os.getpid() == owner:
        shutil.rmtree(base, ignore_errors=True)
