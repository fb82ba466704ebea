"""Memory for the bytes of large files: private to this process, or sealed and shared.

Private memory is mapped on huge pages where the system provides them, since a large file needs a hundred
thousand small ones, and each fresh page costs more than reading what goes into it. The mapping starts at a
page boundary, so that what is aligned in the file is aligned in memory.

Sealed memory (Linux) can be mapped by several processes and altered by none. ``memfd_create(2)`` makes a file
without a name, in memory. Once filled it gets every seal (``fcntl(2)``, F_ADD_SEALS): not even its maker can
grow, shrink or write it, and seals cannot be removed. So what was verified stays verified. Another process
finds the file by the number of its maker and of the descriptor, and accepts it only if it is the same file,
sealed and of the same size: numbers are reused, files are not.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from dataclasses import dataclass

from safeload.errors import NotFound, StorageError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_ANONYMOUS = getattr(mmap, "MAP_ANONYMOUS", None)
_HUGE = getattr(mmap, "MADV_HUGEPAGE", None)
# Whether this system has sealed memory.
AVAILABLE = hasattr(os, "memfd_create") and hasattr(fcntl, "F_ADD_SEALS")


class PrivateMemory:
    """Memory of a fixed size, at least one byte, that no other process has; or an OSError."""

    __slots__ = ("view",)

    def __init__(self, size: int) -> None:
        if _ANONYMOUS is None:
            mapping = mmap.mmap(-1, size)
        else:
            # Without these flags the memory would be shared with forked processes, and on small pages.
            mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | _ANONYMOUS)
        if _HUGE is not None:
            with contextlib.suppress(OSError):  # The kernel has no huge pages.
                mapping.madvise(_HUGE)
        # The view keeps the mapping alive, as does every array that is made from it.
        self.view = memoryview(mapping)


@dataclass(frozen=True, slots=True)
class Address:
    """Where another process finds a sealed file, and the identity and size by which it recognizes it."""

    process: int
    descriptor: int
    device: int
    inode: int
    size: int


class SealedMemory:
    """A memory file of at least one byte: filled once, sealed, then mapped; or an OSError."""

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
        """Seal it against every change, and map it for reading."""
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, _seals())
        self.view = self._mapped(mmap.ACCESS_READ)

    def copy_on_write(self) -> memoryview:
        """Return a writable mapping, of which this process alone sees the changes."""
        return self._mapped(mmap.ACCESS_COPY)

    @property
    def address(self) -> Address:
        """Where other processes find it until it is closed."""
        if self._descriptor < 0:
            raise _gone("sealed memory")
        status = os.fstat(self._descriptor)
        return Address(os.getpid(), self._descriptor, status.st_dev, status.st_ino, self.size)

    @classmethod
    def at(cls, address: Address) -> SealedMemory:
        """Map memory that another process has sealed; or raise NotFound or StorageError."""
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
        """Hide it from other processes; existing mappings stay."""
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
        "the shared artifact no longer exists",
        where=where,
        hint="Keep what safeload.share returned until every worker has loaded it.",
    )
