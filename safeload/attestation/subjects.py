"""Files that are signed together: their relative paths, and what a set of them is told by.

A path is relative, POSIX, and names the same file on every system: parts separated by ``/``, of which none
is empty, ``.`` or ``..``; no backslash, no colon and no control character. So it cannot lead out of the
folder in which it is looked up.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import msgspec

from safeload.attestation.digests import Digest, digest_of
from safeload.errors import InvalidName, MalformedError

_MAX_PATH_BYTES = 1024
_MAX_PART_BYTES = 255


class File(msgspec.Struct, frozen=True, order=True):
    """One signed file.

    Parameters
    ----------
    path
        Where it lies below the folder; see :func:`check_path`.
    digest, size
        Of its bytes; size in bytes.
    """

    path: str
    digest: Digest
    size: int


def check_path(path: str) -> str:
    """Return `path` if it can be signed as the path of a file below a folder.

    Raises
    ------
    InvalidName
        It is not relative, leads out of the folder, or could mean another file elsewhere.
    """
    try:
        size = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidName("the path of a file is not valid Unicode", where=ascii(path)) from None
    if not 1 <= size <= _MAX_PATH_BYTES:
        raise InvalidName(f"the path of a file has 1 to {_MAX_PATH_BYTES} bytes, this one {size}")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in path):
        raise InvalidName("the path of a file has control characters", where=ascii(path))
    if "\\" in path or ":" in path:
        raise InvalidName("the path of a file has a backslash or a colon", where=path)
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise InvalidName("the path of a file is absolute or leads out of its folder", where=path)
        if len(part.encode("utf-8")) > _MAX_PART_BYTES:
            raise InvalidName(f"a part of the path of a file has over {_MAX_PART_BYTES} bytes", where=path)
    return path


def require_order(files: Iterable[File]) -> None:
    """Raise MalformedError unless every path may be one, and stands once, in the order of code points."""
    before = ""
    for file in files:
        try:
            check_path(file.path)
        except InvalidName as error:
            raise MalformedError(error.problem) from None
        if file.path <= before:
            raise MalformedError("the files of the statement are not in order, or one stands twice")
        before = file.path


def digest_of_files(files: Iterable[File]) -> Digest:
    """Return one digest for a set of files: that of the lines ``<hex>  <path>``, as ``b3sum`` prints them.

    Raises
    ------
    MalformedError
        There is no file, or their digests are by different algorithms.
    """
    listed = tuple(files)
    algorithms = {file.digest.algorithm for file in listed}
    if len(algorithms) != 1:
        raise MalformedError("a folder has at least one file, and one digest algorithm")
    lines = "".join(f"{file.digest.hex}  {file.path}\n" for file in listed)
    return digest_of(algorithms.pop(), lines.encode("utf-8"))
