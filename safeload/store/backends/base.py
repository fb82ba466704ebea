"""What a store asks of the place where it keeps its files. Nothing here decides about trust."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, NewType, Protocol

from safeload.attestation.digests import Digest, DigestAlgorithm
from safeload.errors import StoreError
from safeload.storage.blob import Blob

# Changes whenever the file does. Compared for equality and nothing else.
Version = NewType("Version", str)


class Conflict(StoreError):
    """A file is there that must not be, or is not the one that was expected."""


class Backend(Protocol):
    """A folder or a bucket. Paths are relative, with slashes.

    `location` names the place for messages and for the loader's memory.
    """

    location: str

    def read(self, path: str, *, limit: int) -> tuple[bytes, Version]:
        """Return a small file of at most `limit` bytes, with its version.

        Errors are NotFound, LimitExceeded, MalformedError and StorageError.
        """
        ...

    def read_artifact(self, path: str, *, limit: int, algorithm: DigestAlgorithm) -> Blob:
        """Return an artifact of at most `limit` bytes, read once into private memory and hashed on the way.

        Errors are those of :meth:`read`.
        """
        ...

    def conditional_write(self, path: str, data: bytes, *, replacing: Version | None) -> Version:
        """Put a small file in place at once and durably.

        Conflict if another version than `replacing` is there; None demands that there is none. StorageError
        if the place refused.
        """
        ...

    def write_artifact(
        self, path: str, produce: Callable[[IO[bytes]], None], *, algorithm: DigestAlgorithm
    ) -> tuple[Digest, int]:
        """Write what `produce` writes, hashed on the way, under a path that no other writer uses.

        Return its digest and its size.
        """
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the paths of all files below the folder `prefix` (all, if it is empty), in no order."""
        ...

    def folders(self) -> Iterator[str]:
        """Yield the folders directly below the root, each with a slash at its end."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file if it is there."""
        ...
