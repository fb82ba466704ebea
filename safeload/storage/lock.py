"""An advisory lock on a folder (``flock``), by which its writers take turns.

The lock leaves no file behind and ends with the process that held it. On a file system without such locks,
what is written still verifies, but the caller must make sure that there is one writer at a time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Iterator

from safeload.errors import StorageError
from safeload.storage.beneath import FOLDER
from safeload.storage.reader import missing_folder, wrapped

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EINVAL)
# Stands in for flock on Windows, between the threads of one process.
_in_process = threading.Lock()
_PATIENCE_SECONDS = 60


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Hold the folder's lock; raise StorageError if another process keeps it for a minute."""
    if fcntl is None:
        with _in_process:
            yield
        return
    try:
        # Each caller opens the folder anew, so that threads of one process exclude each other too.
        descriptor = os.open(folder or os.curdir, FOLDER)
    except FileNotFoundError as error:
        raise missing_folder(folder) from error
    except OSError as error:
        raise wrapped(error, folder) from error
    try:
        _lock(descriptor, folder)
        yield
    finally:
        # The lock ends here even if closing fails.
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _lock(descriptor: int, folder: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return
            if error.errno not in (errno.EWOULDBLOCK, errno.EINTR):
                raise wrapped(error, folder) from error
        if time.monotonic() > deadline:
            raise StorageError(
                f"another process has kept the folder locked for {_PATIENCE_SECONDS} seconds",
                where=folder or os.curdir,
                hint="Find that process, then store the object again.",
            )
        time.sleep(0.002)
