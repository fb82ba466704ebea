"""A store on a local folder: synced, atomic, and safe for many processes.

A file that must not be there yet is linked into place, which fails if it is; a file that replaces a certain
version is renamed into place while the folder's lock is held and the version has just been compared. Readers
take no lock.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import IO

from safeload.attestation.digests import Digest, DigestAlgorithm
from safeload.errors import LimitExceeded, NotFound
from safeload.storage.blob import Blob
from safeload.storage.lock import locked
from safeload.storage.reader import read, wrapped
from safeload.storage.writer import make_folders, stage, sync_folder
from safeload.store.backends.base import Conflict, Version

_TEMPORARY = ".tmp"


class FolderBackend:
    """A store in the folder `root`, which is made when first written to."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.location = self.root

    def read(self, path: str, *, limit: int) -> tuple[bytes, Version]:
        """See :class:`~safeload.store.backends.base.Backend`."""
        data = read(self._absolute(path), limit=limit).data
        return data, Version(hashlib.sha256(data).hexdigest())

    def read_artifact(self, path: str, *, limit: int, algorithm: DigestAlgorithm) -> Blob:
        """See :class:`~safeload.store.backends.base.Backend`."""
        return read(self._absolute(path), limit=limit, algorithm=algorithm)

    def conditional_write(self, path: str, data: bytes, *, replacing: Version | None) -> Version:
        """See :class:`~safeload.store.backends.base.Backend`."""
        target = self._prepared(path)
        staged = stage(target, lambda file: _write(file, data))
        try:
            with locked(os.path.dirname(target)):
                if self._present(path, len(data)) != replacing:
                    raise Conflict("another writer was there first", where=target)
                if replacing is None:
                    staged.commit_new()
                else:
                    staged.commit()
        except FileExistsError:
            raise Conflict("another writer was there first", where=target) from None
        finally:
            staged.discard()
        return Version(hashlib.sha256(data).hexdigest())

    def write_artifact(
        self, path: str, produce: Callable[[IO[bytes]], None], *, algorithm: DigestAlgorithm
    ) -> tuple[Digest, int]:
        """See :class:`~safeload.store.backends.base.Backend`."""
        staged = stage(self._prepared(path), produce, algorithm=algorithm)
        try:
            staged.commit()
        finally:
            staged.discard()
        return staged.digest, staged.size

    def list(self, prefix: str) -> Iterator[str]:
        """See :class:`~safeload.store.backends.base.Backend`."""
        try:
            entries = os.scandir(os.path.join(self.root, prefix))
        except FileNotFoundError:
            return
        except OSError as error:
            raise wrapped(error, self._absolute(prefix)) from error
        with entries:
            for entry in entries:
                # Links to folders are not followed: a store has none, and they may lead anywhere.
                if entry.is_dir(follow_symlinks=False):
                    yield from self.list(f"{prefix}{entry.name}/")
                elif not (entry.name.startswith(".") and entry.name.endswith(_TEMPORARY)):
                    yield prefix + entry.name

    def folders(self) -> Iterator[str]:
        """See :class:`~safeload.store.backends.base.Backend`."""
        try:
            entries = os.scandir(self.root)
        except FileNotFoundError:
            return
        except OSError as error:
            raise wrapped(error, self.root) from error
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield entry.name + "/"

    def delete(self, path: str) -> None:
        """See :class:`~safeload.store.backends.base.Backend`."""
        target = self._absolute(path)
        try:
            os.unlink(target)
            sync_folder(os.path.dirname(target))
        except FileNotFoundError:
            return
        except OSError as error:
            raise wrapped(error, target) from error

    def _absolute(self, path: str) -> str:
        return os.path.join(self.root, *path.split("/"))

    def _prepared(self, path: str) -> str:
        """Return the absolute path, with its folder made."""
        target = self._absolute(path)
        make_folders(os.path.dirname(target))
        return target

    def _present(self, path: str, size: int) -> Version | None:
        """Return the version in place, None if there is no file."""
        try:
            return self.read(path, limit=max(size, 1 << 20))[1]
        except NotFound:
            return None
        except LimitExceeded:
            raise Conflict("a file far larger than expected is in place", where=path) from None


def _write(file: IO[bytes], data: bytes) -> None:
    file.write(data)
