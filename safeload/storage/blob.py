"""A blob: the bytes of one file, read once into private memory."""

from __future__ import annotations

import os

from safeload.digests import Digest, DigestAlgorithm, digest_of

# Device and inode of a folder: what tells two folders apart however they are spelled.
FolderId = tuple[int, int]
# Inode and time of the last change in nanoseconds: what tells two states of a path apart.
FileVersion = tuple[int, int]


def file_version(status: os.stat_result) -> FileVersion:
    """Return what tells this state of a file from every other."""
    return (status.st_ino, status.st_ctime_ns)


class Blob:
    """Private, unchangeable bytes with their digests.

    Digest, verification and deserialization all use :attr:`data`, so that a file that changes on disk
    after it was read changes nothing.

    Parameters
    ----------
    data
        The bytes. ``bytes`` and not a view: nobody else can alter them.
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

    __slots__ = ("_digests", "data", "folder", "location", "mode", "owner", "version")

    def __init__(
        self,
        data: bytes,
        location: str,
        *,
        folder: FolderId | None = None,
        version: FileVersion | None = None,
        mode: int | None = None,
        owner: int | None = None,
        digests: tuple[Digest, ...] = (),
    ) -> None:
        # A bytearray or a view could be altered between the check and the use.
        if type(data) is not bytes:
            raise TypeError("a blob is made of bytes")
        self.data = data
        self.location = location
        self.folder = folder
        self.version = version
        self.mode = mode
        self.owner = owner
        self._digests: dict[DigestAlgorithm, Digest] = {digest.algorithm: digest for digest in digests}

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self.data)

    def digest(self, algorithm: DigestAlgorithm) -> Digest:
        """Return the digest of the bytes, computed once."""
        if algorithm not in self._digests:
            self._digests[algorithm] = digest_of(algorithm, self.data)
        return self._digests[algorithm]

    def __repr__(self) -> str:
        return f"<Blob {self.location!r}, {self.size} bytes>"
