"""The files of a folder and their digests, read by several threads and never from outside the folder.

The folder is the caller's; its content is not trusted. Folders below it are entered as folders and never
through a link. A link to a file counts as that file, if it does not lead out of the folder that it lies in
(:mod:`safeload.storage.beneath`). Empty folders are ignored. This needs the descriptors of folders, which
Windows lacks.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from safeload.attestation.digests import Digest, DigestAlgorithm, hasher, processors
from safeload.attestation.subjects import File, check_path
from safeload.errors import LimitExceeded, MalformedError, StorageError
from safeload.storage.beneath import FOLDER, FOLDER_BELOW, folder_id, open_below, write_all
from safeload.storage.blob import FolderId, file_version
from safeload.storage.reader import wrapped

_PIECE_BYTES = 1 << 20
# From this size on, several threads hash one file, if there are fewer files than processors.
_LARGE_BYTES = 64 << 20

# Opens a new file for a path, to receive a copy.
Create = Callable[[str], AbstractContextManager[int]]
Progress = Callable[[int], object]


def listing(folder: str, *, files: int, depth: int) -> tuple[dict[str, int], FolderId]:
    """Return the files below a folder, each with its size in bytes, and the folder's identity.

    Raises
    ------
    NotFound, StorageError
        The folder does not exist or cannot be read, or the system has no descriptors of folders.
    LimitExceeded
        There are more files or folders than `files`, or they are nested deeper than `depth`.
    InvalidName
        A file has a name that cannot be signed.
    """
    if os.scandir not in os.supports_fd:
        raise StorageError("folders cannot be read safely on this system", where=folder)
    found = _Listing(folder, files)
    try:
        descriptor = os.open(folder, FOLDER)
    except (OSError, ValueError) as error:
        raise wrapped(error, folder) from error
    try:
        identity = folder_id(os.fstat(descriptor))
        found.add(descriptor, "", depth)
    finally:
        os.close(descriptor)
    return found.sizes, identity


class _Listing:
    """Collects the sizes of files, within limits."""

    def __init__(self, where: str, most: int) -> None:
        self.sizes: dict[str, int] = {}
        self._where, self._most, self._entries = where, most, 0

    def add(self, folder: int, prefix: str, depth: int) -> None:
        """Add the files below an open folder."""
        if not depth:
            raise LimitExceeded("its folders are nested deeper than is allowed", where=self._where)
        try:
            for name, status in self._present(folder):
                if stat.S_ISDIR(status.st_mode):
                    below = os.open(name, FOLDER_BELOW, dir_fd=folder)
                    try:
                        self.add(below, f"{prefix}{name}/", depth - 1)
                    finally:
                        os.close(below)
                    continue
                # Where a link leads is checked when it is opened.
                linked = stat.S_ISLNK(status.st_mode)
                size = os.stat(name, dir_fd=folder).st_size if linked else status.st_size
                self.sizes[check_path(prefix + name)] = size
                if len(self.sizes) > self._most:
                    raise self._too_many()
        except OSError as error:
            raise wrapped(error, os.path.join(self._where, prefix)) from error

    def _present(self, folder: int) -> list[tuple[str, os.stat_result]]:
        present = []
        with os.scandir(folder) as entries:
            for entry in entries:
                # Counted here, since one folder may hold millions of entries, and none of them a file.
                self._entries += 1
                if self._entries > 2 * self._most:
                    raise self._too_many()
                present.append((entry.name, entry.stat(follow_symlinks=False)))
        return present

    def _too_many(self) -> LimitExceeded:
        return LimitExceeded(
            f"it has more than the {self._most} files, or folders, that are allowed", where=self._where
        )


def hash_files(
    folder: str,
    sizes: Mapping[str, int],
    algorithm: DigestAlgorithm,
    *,
    copy_to: Create | None = None,
    progress: Progress | None = None,
) -> list[File]:
    """Read files below a folder once, and return their digests, sorted by path.

    Parameters
    ----------
    folder : str
        The folder.
    sizes : mapping of str to int
        The files by their POSIX paths, each with its maximum size in bytes.
    algorithm : {"blake3", "sha256"}
        Algorithm of the digests.
    copy_to : callable, optional
        Opens a new file for a path. It receives a copy of the bytes that are hashed.
    progress : callable, optional
        Called with the size of each file that is done, by one thread at a time.

    Raises
    ------
    NotFound, MalformedError, StorageError
        A file does not exist, is not a regular file, is a link that leads out of its folder, or changed while
        it was read.
    LimitExceeded
        A file is larger than its maximum.
    """
    # Single files do not pay for this import.
    from concurrent.futures import ThreadPoolExecutor

    workers = min(processors(), max(1, len(sizes)))
    threads = len(sizes) < processors()
    buffers = [bytearray(_PIECE_BYTES) for _ in range(workers)]

    def one(path: str) -> File:
        buffer = buffers.pop()
        try:
            target = nullcontext(-1) if copy_to is None else copy_to(path)
            return _hash(folder, path, sizes[path], algorithm, target, buffer, threads=threads)
        finally:
            buffers.append(buffer)

    # The largest first, so that no thread starts a long file at the end.
    order = sorted(sizes, key=lambda path: (-sizes[path], path))
    found = []
    with ThreadPoolExecutor(workers) as pool:
        results = [pool.submit(one, path) for path in order]
        try:
            for result in results:
                found.append(result.result())
                if progress is not None:
                    progress(found[-1].size)
        except BaseException:
            for result in results:
                result.cancel()
            raise
    return sorted(found)


def _hash(
    folder: str,
    path: str,
    limit: int,
    algorithm: DigestAlgorithm,
    target: AbstractContextManager[int],
    buffer: bytearray,
    *,
    threads: bool,
) -> File:
    where = os.path.join(folder, path)
    try:
        descriptor, status, _ = open_below(folder, path)
    except (OSError, ValueError) as error:
        raise wrapped(error, where) from error
    try:
        if status.st_size > limit:
            raise LimitExceeded(f"the file has {status.st_size} bytes, {limit} are allowed", where=where)
        state = hasher(algorithm, threads=threads and status.st_size >= _LARGE_BYTES)
        view, size = memoryview(buffer), 0
        with target as copy:
            while count := os.readv(descriptor, [view]):
                size += count
                if size > status.st_size:
                    raise _changed(where)
                state.update(view[:count])
                if copy >= 0:
                    write_all(copy, view[:count])
        if size != status.st_size or file_version(os.fstat(descriptor)) != file_version(status):
            raise _changed(where)
        return File(path, Digest(algorithm, state.hexdigest()), size)
    except OSError as error:
        raise wrapped(error, where) from error
    finally:
        os.close(descriptor)


def _changed(where: str) -> MalformedError:
    return MalformedError("the file changed while it was read", where=where, hint="Find out what writes it.")
