"""Output that is held back for a while, so that what was begun can be dropped and begun anew."""

from __future__ import annotations

from typing import IO

# Held back at most, in bytes.
_CAPACITY = 64 << 20


class ReplayBuffer:
    """A file that keeps what is written to it until there is much of it.

    Parameters
    ----------
    target
        Where everything goes in the end.
    """

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._held: list[bytes] | None = []
        self._size = 0

    @property
    def is_held(self) -> bool:
        """Whether nothing has reached the target yet, so that the buffer can be dropped."""
        return self._held is not None

    def write(self, data: bytes | memoryview) -> int:
        """Take bytes."""
        size = memoryview(data).nbytes
        if self._held is None:
            self._target.write(data)
            return size
        # A pickler hands in views of memory that is somebody else's afterwards.
        self._held.append(data if isinstance(data, bytes) else bytes(data))
        self._size += size
        if self._size > _CAPACITY:
            self.release()
        return size

    def release(self) -> None:
        """Hand on what is held, and hold nothing back from now on."""
        held, self._held = self._held, None
        if held:
            self._target.write(b"".join(held))
