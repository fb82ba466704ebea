"""Bytes in a sealed memory file: several processes can map them, and nobody can alter them (Linux).

``memfd_create(2)`` makes a file without a name, in memory. Once filled it gets every seal there is
(``fcntl(2)``, F_ADD_SEALS): it cannot grow, shrink or be written to any more, not even by who made it, and
the seals cannot be taken off. So what was verified stays verified, whoever maps it.

Another process finds the file by the number of its maker and of the descriptor, and takes it only if it is
the very same file, sealed and of the same size: numbers are used again, files are not.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass

from safeload.errors import NotFound, StorageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

AVAILABLE = hasattr(os, "memfd_create") and hasattr(fcntl, "F_ADD_SEALS")


@dataclass(frozen=True, slots=True)
class Address:
    """Where another process finds a sealed file, and by what it knows it.

    Parameters
    ----------
    process, descriptor
        Of who holds it open.
    device, inode
        The file's identity.
    size
        In bytes.
    """

    process: int
    descriptor: int
    device: int
    inode: int
    size: int


class SealedMemory:
    """A memory file: filled once, sealed, then mapped.

    Parameters
    ----------
    size
        In bytes; at least one.

    Raises
    ------
    OSError
        The system gives none.
    """

    __slots__ = ("_descriptor", "size", "view")

    def __init__(self, size: int) -> None:
        self.size = size
        self.view = memoryview(b"")
        self._descriptor = os.memfd_create("safeload", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self._descriptor, size)
        except BaseException:
            self.close()
            raise

    def write(self, piece: memoryview, position: int) -> None:
        """Fill a part of it."""
        written = 0
        while written < len(piece):
            written += os.pwrite(self._descriptor, piece[written:], position + written)

    def seal(self) -> None:
        """Let nobody alter it from now on, and map it to be read."""
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, _seals())
        self.view = self._mapped(mmap.ACCESS_READ)

    def copy_on_write(self) -> memoryview:
        """Return a mapping that can be written to; what is written is this process's own."""
        return self._mapped(mmap.ACCESS_COPY)

    @property
    def address(self) -> Address:
        """Where other processes find it, as long as it is not closed."""
        if self._descriptor < 0:
            raise _gone("sealed memory")
        status = os.fstat(self._descriptor)
        return Address(os.getpid(), self._descriptor, status.st_dev, status.st_ino, self.size)

    @classmethod
    def at(cls, address: Address) -> SealedMemory:
        """Map what another process has sealed.

        Raises
        ------
        NotFound
            It is not there any more.
        StorageError
            The system refused.
        """
        where = f"/proc/{address.process}/fd/{address.descriptor}"
        found = cls.__new__(cls)
        try:
            found._descriptor = os.open(where, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _gone(where) from None
        except OSError as error:
            raise StorageError(f"the operating system refused: {error.strerror}", where=where) from error
        try:
            status = os.fstat(found._descriptor)
            identity = (status.st_dev, status.st_ino, status.st_size)
            if identity != (address.device, address.inode, address.size) or not _is_sealed(found._descriptor):
                raise _gone(where)
            found.size = address.size
            found.view = found._mapped(mmap.ACCESS_READ)
        except BaseException:
            found.close()
            raise
        return found

    def close(self) -> None:
        """Let other processes find it no longer; what is mapped stays mapped."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            self.close()

    def _mapped(self, access: int) -> memoryview:
        return memoryview(mmap.mmap(self._descriptor, self.size, access=access))


def _seals() -> int:
    return int(fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)


def _is_sealed(descriptor: int) -> bool:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _seals() == _seals()
    except OSError:  # A file of another kind has no seals.
        return False


def _gone(where: str) -> NotFound:
    return NotFound(
        "the shared artifact is not there any more",
        where=where,
        hint="Keep what safeload.share returned until every worker has loaded it.",
    )
