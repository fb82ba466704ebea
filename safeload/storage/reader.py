"""The one reader: a file becomes a blob, in one pass and from one open descriptor.

A small file becomes ``bytes``. A large one is read by threads into private memory, and hashed as it arrives
if the algorithm is known.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable

from safeload.attestation.digests import Digest, DigestAlgorithm, Hasher, hasher, processors
from safeload.errors import InvalidName, LimitExceeded, MalformedError, NotFound, SafeloadError, StorageError
from safeload.storage.beneath import open_below, open_beneath
from safeload.storage.blob import Blob, FolderId, Memory, file_version
from safeload.storage.sealed import PrivateMemory, SealedMemory

# The most bytes that one read call returns on every platform.
_CHUNK = 1 << 30
# From this size on, threads and huge pages pay off.
_LARGE = (4 << 20) if hasattr(os, "preadv") else 1 << 62
# Small enough that one processor hands a piece to another through their shared cache.
_PIECE_BYTES = 4 << 20
# Pieces that each worker may have read or be reading before they are hashed.
_AHEAD = 2


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
    path : str or os.PathLike
        The file. A symbolic link is followed as long as it stays in the folder.
    limit : int
        The largest size that is read, in bytes. It is compared before memory is spent.
    algorithm : {"blake3", "sha256"}, optional
        Algorithm of the digest that the caller will need. A large file is then hashed while it is read.
    sealed : bool
        Read into sealed memory, which other processes can map.

    Returns
    -------
    Blob
        The file's bytes.

    Raises
    ------
    NotFound
        The file does not exist.
    MalformedError
        It is not a regular file, it is a link that leads out of its folder, or its size changed while it
        was read.
    LimitExceeded
        It is larger than `limit`, or than the available memory.
    StorageError
        The operating system refused.
    """
    location = os.fspath(path)
    return _read(location, open_beneath, (location,), limit, algorithm, sealed)


def read_below(folder: str, relative: str, *, limit: int, algorithm: DigestAlgorithm | None = None) -> Blob:
    """Read the file at a POSIX path below a folder, of which no part may be a link that leads out of it.

    Other parameters and errors are those of :func:`read`.
    """
    location = os.path.join(folder, relative)
    return _read(location, open_below, (folder, relative), limit, algorithm)


def read_start(path: str | os.PathLike[str], *, size: int) -> Blob:
    """Read at most the first `size` bytes of a file; errors are those of :func:`read`."""
    location = os.fspath(path)
    return _read(location, open_beneath, (location,), size, start=True)


def _read(
    location: str,
    opened: Callable[..., tuple[int, os.stat_result, FolderId]],
    arguments: tuple[str, ...],
    limit: int,
    algorithm: DigestAlgorithm | None = None,
    sealed: bool = False,
    start: bool = False,
) -> Blob:
    """Open a file by a function of :mod:`safeload.storage.beneath`, and read all of it, or its start."""
    memory: Memory
    digests: tuple[Digest, ...] = ()
    try:
        descriptor, status, folder = opened(*arguments)
        try:
            size = status.st_size
            if start:
                memory = os.read(descriptor, limit)
            elif size > limit:
                raise LimitExceeded(f"the file has {size} bytes, {limit} are allowed", where=location)
            elif size >= _LARGE or (sealed and size):
                memory = SealedMemory(size) if sealed else PrivateMemory(size)
                digests = _read_large(descriptor, memory, size, algorithm, location)
            else:
                # One byte more is requested, so that a growing file is noticed in the same call.
                memory = os.read(descriptor, min(size + 1, _CHUNK))
                if len(memory) < size:
                    memory = _read_on(descriptor, memory, size)
                if len(memory) != size or os.read(descriptor, 1):
                    raise _changed(size, location)
        finally:
            os.close(descriptor)
    except MemoryError:
        raise LimitExceeded("there is not enough memory to read it", where=location) from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise LimitExceeded("there is not enough memory to read it", where=location) from None
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
) -> tuple[Digest, ...]:
    """Read `size` bytes into `memory` in parallel, check that the file ends there, and return its digest."""

    def source(piece: memoryview, position: int) -> None:
        received = 0
        while received < len(piece):
            count = os.preadv(descriptor, [piece[received:]], position + received)
            if not count:
                raise MalformedError("the file became shorter while it was read", where=location)
            received += count

    state = hasher(algorithm, threads=True) if algorithm is not None else None
    # Half of the processors read, the others hash.
    fill(memory, size, source, state, workers=max(1, min(4, processors() // 2)))
    if os.pread(descriptor, 1, size):
        raise _changed(size, location)
    if isinstance(memory, SealedMemory):
        memory.seal()
    return (Digest(algorithm, state.hexdigest()),) if algorithm is not None and state else ()


def _read_on(descriptor: int, received: bytes, size: int) -> bytes:
    """Return what was received of a file and what follows, up to one byte more than `size`."""
    parts = [received]
    while parts[-1] and (missing := size + 1 - sum(map(len, parts))) > 0:
        parts.append(os.read(descriptor, min(missing, _CHUNK)))
    return b"".join(parts)


def _changed(size: int, location: str) -> MalformedError:
    return MalformedError(
        f"the file changed while it was read: it had {size} bytes",
        where=location,
        hint="Try again; if it persists, find out what else writes this file.",
    )


def fill(
    memory: PrivateMemory | SealedMemory,
    size: int,
    source: Callable[[memoryview, int], None],
    state: Hasher | None,
    *,
    workers: int,
    piece_bytes: int | None = None,
) -> None:
    """Fill memory with pieces that are read in parallel, each hashed as soon as those before it are.

    Reading and hashing both release the interpreter lock, so that they overlap; together they take about as
    long as the slower one. The digest is that of the whole, in order. Several threads call `source`, which
    fills a view with the bytes at a position.
    """
    # Small files do not pay for this import.
    from concurrent.futures import Future, ThreadPoolExecutor

    def take(start: int, stop: int) -> memoryview:
        if isinstance(memory, SealedMemory):
            # It is mapped only once it is sealed.
            piece = memoryview(bytearray(stop - start))
            source(piece, start)
            memory.write(piece, start)
        else:
            piece = memory.view[start:stop]
            source(piece, start)
        return piece

    length = piece_bytes or _PIECE_BYTES
    starts = iter(range(0, size, length))
    under_way: deque[Future[memoryview]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            while True:
                while len(under_way) < workers * _AHEAD and (start := next(starts, None)) is not None:
                    under_way.append(pool.submit(take, start, min(start + length, size)))
                if not under_way:
                    return
                piece = under_way.popleft().result()
                if state is not None:
                    state.update(piece)
        except BaseException:
            for future in under_way:
                future.cancel()
            raise


def missing_folder(folder: str) -> NotFound:
    """Return the error for a folder that does not exist and is to be written to."""
    return NotFound("the folder to write to does not exist", where=folder or os.curdir)


def wrapped(error: OSError | ValueError, location: str) -> SafeloadError:
    """Return safeload's error for an error of the operating system about `location`."""
    if isinstance(error, SafeloadError):
        return error
    if isinstance(error, FileNotFoundError):
        return NotFound("there is no such file", where=location)
    if isinstance(error, ValueError):
        return InvalidName("this cannot be the path of a file", where=ascii(location))
    failure = StorageError(f"the operating system refused: {error.strerror}", where=location)
    failure.errno = error.errno
    return failure
