"""A file to be read, on memory that is not copied for it."""

from __future__ import annotations

import io


class MemoryFile:
    """What an unpickler asks of a file.

    It has no ``peek``, so that the C unpickler reads exactly what it needs, and its position is that of the
    pickle.
    """

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._position = 0

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, position: int) -> None:
        """Go to a position."""
        self._position = position

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer where the memory ends."""
        piece = bytes(self._memory[self._position : self._position + size])
        self._position += len(piece)
        return piece

    def readinto(self, target: bytearray | memoryview) -> int:
        """Fill `target` with the next bytes; return how many there were."""
        target = memoryview(target).cast("B")
        piece = self._memory[self._position : self._position + len(target)]
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def readline(self) -> bytes:
        """Return the next bytes up to a line feed."""
        line = bytearray()
        while True:
            piece = self._memory[
                self._position + len(line) : self._position + len(line) + io.DEFAULT_BUFFER_SIZE
            ]
            end = bytes(piece).find(b"\n")
            if end >= 0 or not piece:
                line += piece[: end + 1]
                self._position += len(line)
                return bytes(line)
            line += piece
