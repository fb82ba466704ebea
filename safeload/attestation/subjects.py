"""Names and files that are signed, and the digest of a set of files.

The path of a file is relative, POSIX, and names the same file on every system: parts separated by ``/``, of
which none is empty, ``.`` or ``..``; no backslash, no colon and no control character. So it cannot lead out
of the folder in which it is looked up.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable

import msgspec

from safeload.attestation.digests import Digest, digest_of
from safeload.errors import InvalidName, MalformedError

_MAX_NAME_BYTES = 1024
_MAX_PART_BYTES = 255


class File(msgspec.Struct, frozen=True, order=True):
    """One signed file.

    Parameters
    ----------
    path : str
        Its path below the folder; see :func:`check_path`.
    digest : Digest
        Digest of its bytes.
    size : int
        Size in bytes.

    Examples
    --------
    >>> import pathlib
    >>> pathlib.Path("bert").mkdir()
    >>> size = pathlib.Path("bert", "config.json").write_text("{}")
    >>> [(file.path, file.size) for file in safeload.sign("bert").files]
    [('config.json', 2)]
    """

    path: str
    digest: Digest
    size: int


# A name is checked whenever it is signed, read or asked for.
@functools.lru_cache(maxsize=256)
def check_name(name: str, *, what: str = "name") -> str:
    """Return `name` if it can be signed.

    Raises
    ------
    InvalidName
        The name is empty or over 1,024 bytes in UTF-8, or has control characters or characters that UTF-8
        cannot express.
    """
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidName(f"the {what} is not valid Unicode", where=ascii(name)) from None
    if not 1 <= size <= _MAX_NAME_BYTES:
        raise InvalidName(f"the {what} has {size} bytes; 1 to {_MAX_NAME_BYTES} are accepted")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise InvalidName(f"the {what} has control characters", where=ascii(name))
    return name


def check_path(path: str) -> str:
    """Return `path` if it can be signed as the path of a file below a folder.

    Raises
    ------
    InvalidName
        The path is not relative, leads out of the folder, could mean another file on another system, or
        cannot be signed (:func:`check_name`).
    """
    check_name(path, what="path of a file")
    if "\\" in path or ":" in path:
        raise InvalidName("the path of a file has a backslash or a colon", where=path)
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise InvalidName("the path of a file is absolute or leads out of its folder", where=path)
        if len(part.encode("utf-8")) > _MAX_PART_BYTES:
            raise InvalidName(f"a part of the path of a file has over {_MAX_PART_BYTES} bytes", where=path)
    return path


def require_order(files: Iterable[File]) -> None:
    """Raise MalformedError unless all paths are valid, different and in the order of code points."""
    before = ""
    for file in files:
        try:
            check_path(file.path)
        except InvalidName as error:
            raise MalformedError(error.problem) from None
        if file.path <= before:
            raise MalformedError("the files of the statement are not in order, or one is doubled")
        before = file.path


def digest_of_files(files: Iterable[File]) -> Digest:
    """Return one digest for a set of files: that of the lines ``<hex>  <path>``, as ``b3sum`` prints them."""
    listed = tuple(files)
    algorithms = {file.digest.algorithm for file in listed}
    if len(algorithms) != 1:
        raise MalformedError("a folder has at least one file, and one digest algorithm")
    lines = "".join(f"{file.digest.hex}  {file.path}\n" for file in listed)
    return digest_of(algorithms.pop(), lines.encode("utf-8"))
