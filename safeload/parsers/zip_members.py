"""Limits on the members of another library's ZIP archive, before that library reads them.

It is less strict than ``zip_layout.py``: these archives have the layout of their writers, and are read only
if they are signed.
"""

from __future__ import annotations

import io
import zipfile

from safeload.errors import LimitExceeded, MalformedError
from safeload.limits import Limits
from safeload.parsers.compression import check_decompressed_size


def sizes(data: bytes | memoryview, limits: Limits) -> dict[str, int]:
    """Return the announced decompressed size of each member, in bytes, by its name.

    Raises
    ------
    MalformedError
        If it is not an archive, or has a repeated name or one that leads elsewhere.
    LimitExceeded
        If it has too many members, or announces too many bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise MalformedError("it is not a ZIP archive, or a damaged one") from error
    check_limits(members, len(data), limits)
    found: dict[str, int] = {}
    for member in members:
        if member.filename in found:
            raise MalformedError("the archive holds a member twice")
        if {"", "..", "."} & set(member.filename.removesuffix("/").split("/")) or "\\" in member.filename:
            raise MalformedError("a member of the archive has a name that leads elsewhere")
        found[member.filename] = member.file_size
    return found


def check_limits(members: list[zipfile.ZipInfo], size: int, limits: Limits) -> None:
    """Raise LimitExceeded for an archive of `size` bytes with too many members, or too many bytes in them."""
    if len(members) > limits.members:
        raise LimitExceeded(f"the archive has {len(members)} members, {limits.members} are allowed")
    check_decompressed_size(sum(member.file_size for member in members), size, limits)
