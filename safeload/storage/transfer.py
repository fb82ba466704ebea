"""Filling memory by pieces that arrive in parallel, each hashed as soon as those before it are.

Reading and hashing both leave the interpreter to others, so that they overlap; together they take about as
long as the slower one. The hash is that of the whole, in order: BLAKE3 of a file is what ``b3sum`` prints.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

from safeload.attestation.digests import Hasher, processors
from safeload.errors import MalformedError
from safeload.storage.memory import PrivateMemory
from safeload.storage.sealed import SealedMemory

# What two processors pass from one to the other in their caches.
PIECE_BYTES = 4 << 20
# Pieces that may be under way for each worker; what is not hashed yet stays in memory.
_AHEAD = 2


def fill(
    size: int,
    take: Callable[[int, int], memoryview],
    state: Hasher | None,
    *,
    workers: int,
    piece_bytes: int | None = None,
) -> None:
    """Take all pieces.

    Parameters
    ----------
    size
        Of the whole, in bytes.
    take
        Brings the piece from one position to another where it belongs, and returns its bytes. It is called
        by several threads.
    state
        Takes in the pieces in order; None for no hash.
    workers
        How many threads bring pieces.
    piece_bytes
        Size of a piece; None means what suits files.
    """
    # Small files do not come here, and pay nothing for it.
    from concurrent.futures import Future, ThreadPoolExecutor

    length = piece_bytes or PIECE_BYTES
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


def into(
    memory: PrivateMemory | SealedMemory, source: Callable[[memoryview, int], None]
) -> Callable[[int, int], memoryview]:
    """Return what brings pieces into `memory`.

    Parameters
    ----------
    source
        Fills a view with what stands at a position of the source.
    """
    if isinstance(memory, PrivateMemory):

        def direct(start: int, stop: int) -> memoryview:
            piece = memory.view[start:stop]
            source(piece, start)
            return piece

        return direct

    def through(start: int, stop: int) -> memoryview:
        piece = memoryview(bytearray(stop - start))
        source(piece, start)
        memory.write(piece, start)
        return piece

    return through


def from_descriptor(descriptor: int, location: str) -> Callable[[memoryview, int], None]:
    """Return what fills a view from an open file; a file that ends early is a MalformedError."""

    def source(piece: memoryview, position: int) -> None:
        received = 0
        while received < len(piece):
            count = os.preadv(descriptor, [piece[received:]], position + received)
            if not count:
                raise MalformedError("the file became shorter while it was read", where=location)
            received += count

    return source


def readers() -> int:
    """Return how many threads read a file: half of the processors, the others hash."""
    return max(1, min(4, processors() // 2))
