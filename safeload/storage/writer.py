"""The one writer: bytes are hashed while written to a temporary file, which is then renamed.

``stage`` writes ``.<name>.<random>.tmp`` in the target's folder (a rename is atomic only within one file
system), with the mode that the umask leaves, and syncs it. ``Staged.commit`` renames it and syncs the folder,
so that the new name survives a power cut, and no name ever stands for half a file.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, cast

from safeload.attestation.digests import Digest, DigestAlgorithm, Hasher, hasher
from safeload.errors import SafeloadError
from safeload.storage.beneath import FOLDER, NEW_FILE, write_all
from safeload.storage.reader import missing_folder, wrapped

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# Errors of file systems without hard links.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
# Long names are cut so that the temporary name stays within what file systems allow (255 bytes).
_MAX_STEM = 40
# Smaller writes are gathered up to this size.
_BUFFER_BYTES = 1 << 20
# From this size on, a thread hashes a piece while it is written.
_LARGE_BYTES = 4 << 20


class HashingFile(io.RawIOBase):
    """A binary file that hashes what is written to it, large pieces while they are written.

    It can tell its position but not seek. `write` writes all of a view, or raises.
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
            self._hash_and_write(view)
        return len(view)

    def finish(self) -> tuple[Digest, int]:
        """Write what is still gathered, and return the digest and the size in bytes of the whole."""
        if self._state is None:
            # For so little, threads cost more than they save.
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
            self._hash_and_write(memoryview(gathered))

    def _hash_and_write(self, piece: memoryview) -> None:
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


class _Descriptor:
    """An open file."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self._path = path

    def write(self, data: memoryview) -> None:
        """Write all of `data`."""
        if self._descriptor < 0:
            # Another file may have the same descriptor by now.
            raise ValueError("the file is closed")
        with _errors_about(self._path):
            write_all(self._descriptor, data)

    def close(self) -> None:
        """Close the file for good."""
        descriptor, self._descriptor = self._descriptor, -1
        # Network file systems may report a failed write only here.
        with _errors_about(self._path):
            os.close(descriptor)


class Staged:
    """A complete, synced temporary file that does not have its final name yet."""

    def __init__(self, temporary: str, target: str, digest: Digest, size: int) -> None:
        self._temporary = temporary
        self._target = target
        self.digest = digest
        self.size = size

    def commit(self) -> None:
        """Give the file its name, replacing the file that has it."""
        with _errors_about(self._target):
            os.replace(self._temporary, self._target)
            sync_folder(os.path.dirname(self._target))

    def commit_new(self) -> None:
        """Give the file its name, or raise FileExistsError if the name is taken."""
        try:
            os.link(self._temporary, self._target)
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise wrapped(error, self._target) from error
            # The caller holds the folder's lock and has checked that the name is free.
            self.commit()
            return
        with _errors_about(self._target):
            os.unlink(self._temporary)
            sync_folder(os.path.dirname(self._target))

    def discard(self) -> None:
        """Remove the file if it did not get its name."""
        with contextlib.suppress(OSError):
            os.unlink(self._temporary)


def stage(
    path: str,
    produce: Callable[[IO[bytes]], None],
    *,
    algorithm: DigestAlgorithm = "blake3",
    mode: int = 0o666,
) -> Staged:
    """Write a temporary file beside `path`, its future place.

    Parameters
    ----------
    path : str
        Final path of the file.
    produce : callable
        Writes the content to a binary file, which can tell its position but not seek.
    algorithm : {"blake3", "sha256"}
        Algorithm of the digest.
    mode : int
        Permission bits, reduced by the umask.

    Raises
    ------
    NotFound
        The folder does not exist.
    StorageError
        The operating system refused. Nothing is left behind.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name[:_MAX_STEM]}.{secrets.token_hex(8)}.tmp")
    with _errors_about(path):
        try:
            descriptor = os.open(temporary, NEW_FILE, mode)
        except FileNotFoundError as error:
            raise missing_folder(folder) from error
    raw = _Descriptor(descriptor, path)
    try:
        try:
            with HashingFile(raw.write, algorithm) as hashing:
                produce(cast("IO[bytes]", hashing))
                digest, size = hashing.finish()
            with _errors_about(path):
                os.fsync(descriptor)
        finally:
            raw.close()
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return Staged(temporary, path, digest, size)


def write_bytes(path: str, data: bytes, *, mode: int = 0o666, new: bool = False) -> None:
    """Write a file atomically; see :func:`stage`. If `new`, raise FileExistsError instead of replacing it."""

    def produce(file: IO[bytes]) -> None:
        file.write(data)

    staged = stage(path, produce, mode=mode)
    try:
        if new:
            staged.commit_new()
        else:
            staged.commit()
    except BaseException:
        staged.discard()
        raise


@contextlib.contextmanager
def _errors_about(path: str) -> Iterator[None]:
    try:
        yield
    except SafeloadError:
        raise
    except (OSError, ValueError) as error:
        raise wrapped(error, path) from error


def sync_folder(folder: str) -> None:
    """Make the names in a folder survive a power cut."""
    if os.name == "nt":
        return  # A folder cannot be opened there; NTFS journals the rename itself.
    descriptor = os.open(folder or os.curdir, FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(folder: str) -> None:
    """Make a folder and those above it, each synced into its parent; or raise StorageError."""
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    make_folders(parent)
    with _errors_about(folder):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
        sync_folder(parent)
