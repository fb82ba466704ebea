"""Opening a file without being led out of its folder.

The folder part of a path is the caller's word and is opened as it is. From there on nothing is trusted:
the last part may have been replaced by a symbolic link, a FIFO or a device. Links are followed by hand,
one component at a time and relative to an open folder, and only as long as they stay below it; an
absolute target or a ``..`` is refused. So there is no moment at which a path is checked by name and then
opened by name.
"""

from __future__ import annotations

import errno
import os
import stat

from safeload.errors import MalformedError
from safeload.storage.blob import FolderId
from safeload.storage.descriptors import FOLDER, FOLDER_BELOW, READ_FILE

_MAX_LINKS = 16
_HAS_DIR_FD = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")


def folder_id(status: os.stat_result) -> FolderId:
    """Return what tells a folder from every other."""
    return (status.st_dev, status.st_ino)


def open_beneath(path: str) -> tuple[int, os.stat_result, FolderId]:
    """Open the regular file at `path` for reading.

    Returns
    -------
    descriptor, status, folder
        The open file, its status, and the identity of the folder that `path` names.

    Raises
    ------
    MalformedError
        When it is no regular file, or a link that leaves the folder.
    OSError, ValueError
        As :func:`os.open`.
    """
    parent, name = os.path.split(path)
    if not name or name in (os.curdir, os.pardir):
        raise MalformedError("this is not a file name", where=path)
    return open_below(parent, name)


def open_below(parent: str, relative: str) -> tuple[int, os.stat_result, FolderId]:
    """Open the regular file at a path below a folder; see :func:`open_beneath`.

    Parameters
    ----------
    parent
        The folder, which is the caller's word.
    relative
        A POSIX path, of which every part may be a link that an attacker has put there.
    """
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
        raise MalformedError("the file was exchanged while it was opened", where=path)
    return descriptor, status, folder_id(os.stat(parent))


def _require_regular(descriptor: int, path: str) -> os.stat_result:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise MalformedError("this is not a regular file", where=path)
    return status
