"""The one reader: a file becomes a blob, in one pass and from one open descriptor.

A small file becomes ``bytes``. A large one is read by threads into private memory, and hashed as it arrives
if the algorithm is known.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from safeload.attestation.digests import Digest, DigestAlgorithm, hasher
from safeload.errors import InvalidName, LimitExceeded, MalformedError, NotFound, SafeloadError, StorageError
from safeload.storage.beneath import open_below, open_beneath
from safeload.storage.blob import Blob, FolderId, Memory, file_version
from safeload.storage.memory import PrivateMemory
from safeload.storage.sealed import SealedMemory
from safeload.storage.transfer import fill, from_descriptor, into, readers

# What one read call may return on every platform.
_CHUNK = 1 << 30
# From here on threads and huge pages pay off.
_LARGE = (4 << 20) if hasattr(os, "preadv") else 1 << 62

Taken = tuple[Memory, tuple[Digest, ...]]
Opened = tuple[int, os.stat_result, FolderId]


def read(
    path: str | os.PathLike[str],
    *,
    limit: int,
    algorithm: DigestAlgorithm | None = None,
    sealed: bool = False,
) -> Blob:
    """Read the regular file at `path` into private memory.

    Parameters
    ----------
    path
        The file. A symbolic link is followed as long as it stays in the folder.
    limit
        The largest size that is read, in bytes; looked at before memory is spent.
    algorithm
        Of the digest that will be asked for, so that it can be computed on the way.
    sealed
        Into a sealed memory file, which other processes can map.

    Raises
    ------
    NotFound
        There is no such file.
    MalformedError
        It is not a regular file, a link that leaves its folder, or it changed its size meanwhile.
    LimitExceeded
        It is larger than `limit`, or than the memory that there is.
    StorageError
        The operating system refused.
    """
    location = os.fspath(path)
    return _read(location, lambda: open_beneath(location), _whole(limit, algorithm, sealed))


def read_below(folder: str, relative: str, *, limit: int, algorithm: DigestAlgorithm | None = None) -> Blob:
    """Read the file at a POSIX path below a folder, which no link on the way leads out of.

    Other parameters and errors are those of :func:`read`.
    """
    location = os.path.join(folder, relative)
    return _read(location, lambda: open_below(folder, relative), _whole(limit, algorithm, sealed=False))


def read_start(path: str | os.PathLike[str], *, size: int) -> Blob:
    """Read no more than the first `size` bytes of a file; errors are those of :func:`read`."""
    location = os.fspath(path)
    return _read(
        location, lambda: open_beneath(location), lambda descriptor, _, __: (os.read(descriptor, size), ())
    )


def _whole(limit: int, algorithm: DigestAlgorithm | None, sealed: bool) -> Callable[[int, int, str], Taken]:
    """Return what reads all of a file."""

    def whole(descriptor: int, size: int, location: str) -> Taken:
        if size > limit:
            raise LimitExceeded(f"the file has {size} bytes, {limit} are allowed", where=location)
        if sealed and size:
            return _read_large(descriptor, SealedMemory(size), size, algorithm, location)
        if size >= _LARGE:
            return _read_large(descriptor, PrivateMemory(size), size, algorithm, location)
        return _read_exactly(descriptor, size, location), ()

    return whole


def _read(location: str, opened: Callable[[], Opened], take: Callable[[int, int, str], Taken]) -> Blob:
    """Open a file and make a blob of what `take` gets from its descriptor, size and location."""
    try:
        descriptor, status, folder = opened()
        try:
            memory, digests = take(descriptor, status.st_size, location)
        finally:
            os.close(descriptor)
    except MemoryError:
        raise LimitExceeded("there is not memory enough to read it", where=location) from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise LimitExceeded("there is not memory enough to read it", where=location) from None
        raise wrapped(error, location) from error
    return Blob(
        memory,
        location,
        folder=folder,
        version=file_version(status),
        mode=status.st_mode,
        owner=status.st_uid,
        digests=digests,
    )


def _read_large(
    descriptor: int,
    memory: PrivateMemory | SealedMemory,
    size: int,
    algorithm: DigestAlgorithm | None,
    location: str,
) -> Taken:
    """Read `size` bytes into `memory` in parallel, and see that the file ends there."""
    state = hasher(algorithm, threads=True) if algorithm is not None else None
    fill(size, into(memory, from_descriptor(descriptor, location)), state, workers=readers())
    if os.pread(descriptor, 1, size):
        raise _changed(size, location)
    if isinstance(memory, SealedMemory):
        memory.seal()
    return memory, (Digest(algorithm, state.hexdigest()),) if algorithm is not None and state else ()


def _read_exactly(descriptor: int, size: int, location: str) -> bytes:
    """Read `size` bytes and see that the file ends there."""
    # One byte more than promised is asked for, so that a growing file is noticed in the same call.
    parts = [os.read(descriptor, min(size + 1, _CHUNK))]
    received = len(parts[0])
    while parts[-1] and received <= size:
        parts.append(os.read(descriptor, min(size + 1 - received, _CHUNK)))
        received += len(parts[-1])
    if received != size:
        raise _changed(size, location)
    return parts[0] if len(parts) <= 2 else b"".join(parts)


def _changed(size: int, location: str) -> MalformedError:
    return MalformedError(
        f"the file changed while it was read: {size} bytes were announced",
        where=location,
        hint="Try again; if it persists, find out what else writes this file.",
    )


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
