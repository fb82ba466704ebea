"""A file that hashes what is written to it, while it is being written."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from safeload.attestation.digests import Digest, DigestAlgorithm, Hasher, hasher

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# What is gathered before anything is written.
_BUFFER_BYTES = 1 << 20
# From here on a thread hashes a piece while it is written.
_LARGE_BYTES = 4 << 20


class HashingFile(io.RawIOBase):
    """Gathers small pieces; writes and hashes large ones at the same time.

    It can tell its position but not go back.

    Parameters
    ----------
    write
        Writes all of a view, or raises.
    algorithm
        Of the digest.
    """

    def __init__(self, write: Callable[[memoryview], object], algorithm: DigestAlgorithm) -> None:
        self._write = write
        self._algorithm = algorithm
        self._gathered = bytearray()
        self._size = 0
        self._state: Hasher | None = None
        self._thread: ThreadPoolExecutor | None = None

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]
        view = memoryview(data).cast("B")
        self._size += len(view)
        if len(self._gathered) + len(view) < _BUFFER_BYTES:
            self._gathered += view
            return len(view)
        self._flush()
        if len(view) < _BUFFER_BYTES:
            self._gathered += view
        else:
            self._put(view)
        return len(view)

    def finish(self) -> tuple[Digest, int]:
        """Write what is left; return the digest and the size in bytes of all that was written."""
        if self._state is None:
            # So little that threads would cost more than they save.
            self._state = hasher(self._algorithm)
            self._state.update(memoryview(self._gathered))
            self._write(memoryview(self._gathered))
        else:
            self._flush()
        return Digest(self._algorithm, self._state.hexdigest()), self._size

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()
        super().close()

    def _flush(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, bytearray()
            self._put(memoryview(gathered))

    def _put(self, piece: memoryview) -> None:
        if self._state is None:
            self._state = hasher(self._algorithm, threads=True)
        if len(piece) < _LARGE_BYTES:
            self._write(piece)
            self._state.update(piece)
            return
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor

            self._thread = ThreadPoolExecutor(1)
        hashed = self._thread.submit(self._state.update, piece)
        try:
            self._write(piece)
        finally:
            # The caller may alter the piece's memory as soon as this returns.
            hashed.result()
