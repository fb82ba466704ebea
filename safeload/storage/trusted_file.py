"""Files whose content decides: keyrings and policies.

Such a file is named by its caller or, with an absolute path, by an environment variable. It is refused if
a user other than this one and root could have written it, or put another in its place. Its origin remembers
the folders above it, so that no artifact is loaded from a folder whose writer could replace the file.

All folders above the file are checked, up to the root, as OpenSSH's StrictModes does: each belongs to this
user or to root, and neither its group nor others can write it. If a part of the path is a link, so are the
folders above its target. A folder with the sticky bit, such as ``/tmp`` or the mount of a Kubernetes Secret,
may be writable by others: they cannot rename or remove files of this user in it. But they can add a hard link
to another file of this user. So a file in such a folder must have only one hard link. In other folders a
second hard link is accepted, since it gives no right to write the file.
"""

from __future__ import annotations

import errno
import functools
import os
import shlex
import stat
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from safeload.errors import KeyringError, PolicyError
from safeload.storage.beneath import folder_id
from safeload.storage.blob import Blob, FolderId
from safeload.storage.reader import read, wrapped

LIMIT_BYTES = 1 << 20

_MAX_LINKS = 40
_OWN_FOLDER = "Use a folder of your own, below folders that only you and root can write."
_HARD_LINKED = "can be written by others, and this file in it has several hard links"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Origin:
    """The file that a keyring or policy was read from.

    `folders` are the identities of the file's folder and of every folder above it, up to but not including
    the user's home or the root. Who can write one of these could replace the file.
    """

    path: str
    folders: frozenset[FolderId]

    @classmethod
    def of(cls, blob: Blob) -> Origin:
        """Return the origin of a file that was read."""
        found = set() if blob.folder is None else {blob.folder}
        home = os.path.realpath(os.path.expanduser("~"))
        # Where the path is a link, blob.folder is that of the link, and these are those of the file.
        folder = os.path.dirname(os.path.realpath(blob.location))
        first = True
        while first or (folder != os.path.dirname(folder) and not f"{home}/".startswith(f"{folder}/")):
            try:
                found.add(folder_id(os.stat(folder)))
            except OSError as error:
                raise wrapped(error, folder) from error
            first = False
            folder = os.path.dirname(folder)
        return cls(blob.location, frozenset(found))


@functools.lru_cache(maxsize=16)
def configured_path(variable: str, path: str) -> str:
    """Return the path that an environment variable holds, or raise KeyringError if it is relative."""
    if not os.path.isabs(path):
        raise KeyringError(
            f"{variable} is a relative path, which depends on the working directory",
            where=path,
            hint="Give the absolute path.",
        )
    return path


def refuse_changeable(blob: Blob) -> None:
    """Raise KeyringError if another user, except root, could have written the file, or have replaced it.

    Errors about the folders above it are those of :func:`refuse_changeable_folder`.
    """
    if _permissions(blob) & (stat.S_IWGRP | stat.S_IWOTH):
        raise KeyringError(
            "group or others can write this file",
            where=blob.location,
            hint="Check what is in it; then `chmod go-w` the file.",
        )
    if hasattr(os, "geteuid") and blob.owner not in (0, os.geteuid()):
        raise KeyringError(
            "this file belongs to another user", where=blob.location, hint="Use a copy of your own."
        )
    refuse_changeable_folder(blob.location)


def refuse_changeable_folder(path: str | os.PathLike[str]) -> None:
    """Refuse a file or folder that another user could replace because they can write a folder above it.

    If the path is that of a folder, that folder is checked too. Windows has no such modes, so that nothing is
    checked there.

    Raises
    ------
    KeyringError
        Another user could replace it. The message names the folder.
    NotFound, StorageError
        A part of the path does not exist or cannot be looked at.
    """
    location = os.path.abspath(path)
    found = changeable_folder(location)
    if found is not None:
        folder, problem, hint = found
        raise KeyringError(
            f"other users can replace it: the folder {folder} {problem}", where=location, hint=hint
        )


def changeable_folder(path: str) -> tuple[str, str, str] | None:
    """Return the first folder that lets another user replace what lies at `path`, or None.

    The other two values are what is wrong with the folder, as a clause without a subject, and a hint. Errors
    are those of :func:`refuse_changeable_folder`.
    """
    if not hasattr(os, "geteuid"):
        return None
    pending = os.path.abspath(path).split(os.sep)[::-1]
    here, shared, links = os.sep, False, 0
    while pending:
        part = pending.pop()
        there = os.path.dirname(here) if part == os.pardir else os.path.join(here, part)
        if part in ("", os.curdir):
            there = here
        try:
            status = os.lstat(there)
            target = os.readlink(there) if stat.S_ISLNK(status.st_mode) else None
        except (OSError, ValueError) as error:
            raise wrapped(error, there) from error
        is_folder = stat.S_ISDIR(status.st_mode)
        if status.st_uid not in (0, os.geteuid()):
            problem = "" if is_folder else f"holds {shlex.quote(there)}, which "
            return there if is_folder else here, f"{problem}belongs to another user", _OWN_FOLDER
        if not is_folder and shared and status.st_nlink > 1:
            return here, _HARD_LINKED, f"Put a copy in place of the hard link {shlex.quote(there)}."
        if target is not None:
            links += 1
            if links > _MAX_LINKS:
                raise wrapped(OSError(errno.ELOOP, os.strerror(errno.ELOOP)), path)
            here = os.sep if target.startswith(os.sep) else here
            pending += target.split(os.sep)[::-1]
            # The target starts in `here`, which is checked once more to set `shared` for it.
            pending.append("")
            continue
        shared = is_folder and bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
        if shared and not status.st_mode & stat.S_ISVTX:
            return there, "can be written by its group or by others", f"`chmod go-w {shlex.quote(there)}`."
        here = there
    return None


def refuse_readable(blob: Blob) -> None:
    """Raise KeyringError if another user could have read the file, a keyring with secrets."""
    if _permissions(blob) & (stat.S_IRGRP | stat.S_IROTH):
        raise KeyringError(
            "the keyring holds secrets, and its group or others can read it",
            where=blob.location,
            hint="Make new keys if others may have read it; then `chmod 600` the file.",
        )


def _permissions(blob: Blob) -> int:
    # Windows has no such bits; its access lists are the administrator's responsibility.
    return blob.mode if blob.mode is not None and os.name != "nt" else 0


def read_settings(
    path: str | os.PathLike[str], make: Callable[[dict[str, Any], Blob], _T], *, what: str
) -> _T:
    """Read settings from a TOML file, and return what `make` makes of the values and the file.

    Raises
    ------
    NotFound, StorageError, MalformedError, LimitExceeded
        The file cannot be read.
    KeyringError
        Another user could have written it.
    PolicyError
        It is not TOML, or `make` refuses the values; the error then has the file's path.
    """
    blob = read(os.path.abspath(path), limit=LIMIT_BYTES)
    refuse_changeable(blob)
    try:
        values = tomllib.loads(blob.data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise PolicyError(f"the {what} is not TOML", where=blob.location) from None
    try:
        return make(values, blob)
    except PolicyError as error:
        raise PolicyError(error.problem, where=blob.location, hint=error.hint) from None


def refuse_unknown(values: dict[str, Any], known: Iterable[str]) -> None:
    """Raise PolicyError for an unknown field: it may be a misspelled requirement."""
    known = set(known)
    unknown = sorted(set(values) - known)
    if unknown:
        what = "is not a setting" if len(unknown) == 1 else "are not settings"
        raise PolicyError(f"{', '.join(unknown)} {what}; the settings are {', '.join(sorted(known))}")
