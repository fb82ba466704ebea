"""A blob: the bytes of one file, read once into private memory."""

from __future__ import annotations

import os

from safeload.attestation.digests import Digest, DigestAlgorithm, digest_of
from safeload.storage.sealed import PrivateMemory, SealedMemory

Memory = bytes | PrivateMemory | SealedMemory

# Device and inode of a folder: what tells two folders apart however they are spelled.
FolderId = tuple[int, int]
# Inode and time of the last change in nanoseconds: what tells two states of a path apart.
FileVersion = tuple[int, int]


def file_version(status: os.stat_result) -> FileVersion:
    """Return what tells this state of a file from every other."""
    return (status.st_ino, status.st_ctime_ns)


class Blob:
    """Private bytes with their digests, which nobody else can alter.

    Digest, verification and deserialization all use this memory, so that a file that changes on disk after it
    was read changes nothing.

    Parameters
    ----------
    memory
        The bytes: ``bytes``, or memory that the reader has filled and kept to itself.
    location
        Where they came from, for messages.
    folder
        The folder that they were read from, or None for bytes that were handed over.
    version
        What changes whenever the file is written or replaced (inode and time of change), or None.
    mode, owner
        Permission bits and user id of the open file, or None for bytes that were handed over.
    digests
        What a reader computed of these very bytes on their way into memory.
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
        """The bytes, to be read."""
        return self.own().toreadonly()

    def own(self) -> memoryview:
        """Return the bytes for whoever turns them into an object, and uses the blob for nothing else then.

        Where the memory is this process's alone, and writable, so is the view.
        """
        return memoryview(self._memory) if isinstance(self._memory, bytes) else self._memory.view

    @property
    def data(self) -> bytes:
        """The bytes as such; a copy, if they are many."""
        return self._memory if isinstance(self._memory, bytes) else bytes(self._memory.view)

    @property
    def sealed(self) -> SealedMemory | None:
        """The memory file that holds the bytes, if it is one."""
        return self._memory if isinstance(self._memory, SealedMemory) else None

    def start(self, size: int) -> bytes:
        """Return the first `size` bytes, or as many as there are."""
        return bytes(self.view[:size])

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self._memory) if isinstance(self._memory, bytes) else len(self._memory.view)

    def digest(self, algorithm: DigestAlgorithm) -> Digest:
        """Return the digest of the bytes, computed once."""
        if algorithm not in self._digests:
            self._digests[algorithm] = digest_of(algorithm, self.view)
        return self._digests[algorithm]

    def __repr__(self) -> str:
        return f"<Blob {self.location!r}, {self.size} bytes>"
