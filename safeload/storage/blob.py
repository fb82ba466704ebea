"""A blob: the bytes of one file, read once into private memory."""

from __future__ import annotations

import os

from safeload.attestation.digests import Digest, DigestAlgorithm, digest_of
from safeload.storage.sealed import PrivateMemory, SealedMemory

Memory = bytes | PrivateMemory | SealedMemory

# Device and inode of a folder: its identity, whatever its path.
FolderId = tuple[int, int]
# Inode and time of the last change in nanoseconds: the identity of one state of a path.
FileVersion = tuple[int, int]


def file_version(status: os.stat_result) -> FileVersion:
    """Return the identity of this state of a file."""
    return (status.st_ino, status.st_ctime_ns)


class Blob:
    """Private bytes with their digests, which no other process can alter.

    Digest, verification and deserialization all use this memory, so that a file that changes on disk after it
    was read has no effect. Memory that is not ``bytes`` belongs to the reader alone. What describes a file is
    None if the bytes are not from a file.
    """

    __slots__ = ("_digests", "_memory", "folder", "location", "mode", "owner", "version")

    def __init__(
        self,
        memory: Memory,
        location: str,
        *,
        folder: FolderId | None = None,
        version: FileVersion | None = None,
        mode: int | None = None,
        owner: int | None = None,
        digests: tuple[Digest, ...] = (),
    ) -> None:
        # A bytearray or a view could be altered between the check and the use.
        if type(memory) not in (bytes, PrivateMemory, SealedMemory):
            raise TypeError("a blob is made of bytes")
        self._memory = memory
        self.location = location
        self.folder = folder
        self.version = version
        self.mode = mode
        self.owner = owner
        self._digests: dict[DigestAlgorithm, Digest] = {digest.algorithm: digest for digest in digests}

    @property
    def view(self) -> memoryview:
        """A read-only view of the bytes."""
        return self.own().toreadonly()

    def own(self) -> memoryview:
        """Return a view that the object made from the blob may keep; do not use the blob afterwards.

        Private memory gives a writable view.
        """
        return memoryview(self._memory) if isinstance(self._memory, bytes) else self._memory.view

    @property
    def data(self) -> bytes:
        """The content as ``bytes``; a copy, for a large file."""
        return self._memory if isinstance(self._memory, bytes) else bytes(self._memory.view)

    @property
    def sealed(self) -> SealedMemory | None:
        """The sealed memory that holds the bytes, or None."""
        return self._memory if isinstance(self._memory, SealedMemory) else None

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self._memory) if isinstance(self._memory, bytes) else len(self._memory.view)

    def digest(self, algorithm: DigestAlgorithm) -> Digest:
        """Return the digest of the bytes; it is computed once."""
        if algorithm not in self._digests:
            self._digests[algorithm] = digest_of(algorithm, self.view)
        return self._digests[algorithm]

    def __repr__(self) -> str:
        return f"<Blob {self.location!r}, {self.size} bytes>"
