"""Opening a file without being led out of its folder, and the flags for opening files and folders.

The folder part of a path is the caller's and is opened as it is. From there on nothing is trusted: the last
part may have been replaced by a symbolic link, a FIFO or a device. Links are followed by hand, one component
at a time and relative to an open folder, and only as long as they stay below it; an absolute target or a
``..`` is refused. So no path is checked by name and then opened by name.
"""

from __future__ import annotations

import errno
import os
import stat

from safeload.errors import MalformedError
from safeload.storage.blob import FolderId

# A flag that the system does not have is left out.
_ALWAYS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)

# A file to be read, which an attacker may have put there. With O_NONBLOCK, opening a FIFO returns at once
# instead of waiting for a writer; on a regular file it has no effect.
READ_FILE = os.O_RDONLY | _ALWAYS | _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
# A file that must not exist yet.
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _ALWAYS | _NO_LINK
# A folder that the caller names, which may be a link; and a folder found in it, which must not be.
FOLDER = os.O_RDONLY | _ALWAYS | getattr(os, "O_DIRECTORY", 0)
FOLDER_BELOW = FOLDER | _NO_LINK

_MAX_LINKS = 16
_HAS_DIR_FD = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")


def folder_id(status: os.stat_result) -> FolderId:
    """Return the identity of a folder: its device and inode."""
    return (status.st_dev, status.st_ino)


def open_beneath(path: str) -> tuple[int, os.stat_result, FolderId]:
    """Open the regular file at `path` for reading.

    Returns its descriptor, its status, and the identity of the folder that `path` names.

    Raises
    ------
    MalformedError
        It is not a regular file, or a link leads out of the folder.
    OSError, ValueError
        As :func:`os.open`.
    """
    parent, name = os.path.split(path)
    if not name or name in (os.curdir, os.pardir):
        raise MalformedError("this is not a file name", where=path)
    return open_below(parent, name)


def open_below(parent: str, relative: str) -> tuple[int, os.stat_result, FolderId]:
    """Open the regular file at a POSIX path below a folder; see :func:`open_beneath`."""
    path = os.path.join(parent, relative)
    parts = relative.split("/")
    if any(part in ("", os.curdir, os.pardir) for part in parts):
        raise MalformedError("this is not the path of a file below a folder", where=path)
    if not _HAS_DIR_FD:
        return _open_by_path(parent or os.curdir, parts, path)
    folder = os.open(parent or os.curdir, FOLDER)
    try:
        identity = folder_id(os.fstat(folder))
        descriptor = _walk(folder, parts, path)
    finally:
        os.close(folder)
    return descriptor, _require_regular(descriptor, path), identity


def _walk(folder: int, parts: list[str], path: str) -> int:
    """Open a file below the open `folder`, following links that stay below the folder that they lie in."""
    pending = list(parts)
    current = os.dup(folder)
    links = 0
    try:
        while True:
            part = pending.pop(0)
            flags = READ_FILE if not pending else FOLDER_BELOW
            try:
                opened = os.open(part, flags, dir_fd=current)
            except OSError as error:
                # A link gives ELOOP, or ENOTDIR where a folder was asked for.
                if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
                    raise
                target = _link_target(part, current, error)
                links += 1
                targets = target.split("/")
                if links > _MAX_LINKS or target.startswith("/") or ".." in targets:
                    raise MalformedError(
                        "a symbolic link leads out of its folder",
                        where=path,
                        hint="Store the file itself there, or load it from where it lies.",
                    ) from None
                pending = [part for part in targets if part not in ("", ".")] + pending
                if not pending:
                    raise MalformedError("a symbolic link names no file", where=path) from None
                continue
            if not pending:
                return opened
            os.close(current)
            current = opened
    finally:
        os.close(current)


def _link_target(part: str, folder: int, error: OSError) -> str:
    try:
        return os.readlink(part, dir_fd=folder)
    except OSError:
        raise error from None


def _open_by_path(parent: str, parts: list[str], path: str) -> tuple[int, os.stat_result, FolderId]:
    """Open without directory descriptors (Windows): links are refused altogether."""
    for number in range(1, len(parts) + 1):
        before = os.lstat(os.path.join(parent, *parts[:number]))
        if stat.S_ISLNK(before.st_mode):
            raise MalformedError("symbolic links are not followed on this platform", where=path)
    descriptor = os.open(path, READ_FILE)
    status = _require_regular(descriptor, path)
    if not os.path.samestat(before, status):
        os.close(descriptor)
        raise MalformedError("the file was replaced while it was opened", where=path)
    return descriptor, status, folder_id(os.stat(parent))


def _require_regular(descriptor: int, path: str) -> os.stat_result:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise MalformedError("this is not a regular file", where=path)
    return status


def write_all(descriptor: int, data: memoryview) -> None:
    """Write all of `data` to an open file, in as many calls as the system needs."""
    while len(data):
        data = data[os.write(descriptor, data) :]
