"""The one reader: a file becomes a blob, in one pass and from one open descriptor."""

from __future__ import annotations

import os

from safeload.errors import (
    InvalidName,
    LimitExceeded,
    MalformedError,
    NotFound,
    SafeloadError,
    StorageError,
)
from safeload.storage.beneath import open_beneath
from safeload.storage.blob import Blob, file_version

# What one read call may return on every platform.
_CHUNK = 1 << 30


def read(path: str | os.PathLike[str], *, limit: int) -> Blob:
    """Read the regular file at `path` into private memory.

    Parameters
    ----------
    path
        The file. A symbolic link is followed as long as it stays in the folder.
    limit
        The largest size that is read, in bytes; looked at before memory is spent.

    Raises
    ------
    NotFound
        There is no such file.
    MalformedError
        It is not a regular file, a link that leaves its folder, or it changed its size meanwhile.
    LimitExceeded
        It is larger than `limit`.
    StorageError
        The operating system refused.
    """
    location = os.fspath(path)
    try:
        descriptor, status, folder = open_beneath(location)
        try:
            if status.st_size > limit:
                raise LimitExceeded(
                    f"the file has {status.st_size} bytes, {limit} are allowed", where=location
                )
            data = _read_exactly(descriptor, status.st_size, location)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise wrapped(error, location) from error
    return Blob(
        data,
        location,
        folder=folder,
        version=file_version(status),
        mode=status.st_mode,
        owner=status.st_uid,
    )


def _read_exactly(descriptor: int, size: int, location: str) -> bytes:
    """Read `size` bytes and see that the file ends there."""
    # One byte more than promised is asked for, so that a growing file is noticed in the same call.
    parts = [os.read(descriptor, min(size + 1, _CHUNK))]
    received = len(parts[0])
    while parts[-1] and received <= size:
        parts.append(os.read(descriptor, min(size + 1 - received, _CHUNK)))
        received += len(parts[-1])
    if received != size:
        raise MalformedError(
            f"the file changed while it was read: {size} bytes were announced",
            where=location,
            hint="Try again; if it persists, find out what else writes this file.",
        )
    return parts[0] if len(parts) <= 2 else b"".join(parts)


def wrapped(error: OSError | ValueError, location: str) -> SafeloadError:
    """Return what safeload raises for an operating system's error about `location`."""
    if isinstance(error, SafeloadError):
        return error
    if isinstance(error, FileNotFoundError):
        return NotFound("there is no such file", where=location)
    if isinstance(error, ValueError):
        return InvalidName("this cannot be the path of a file", where=ascii(location))
    failure = StorageError(f"the operating system refused: {error.strerror}", where=location)
    failure.errno = error.errno
    return failure
