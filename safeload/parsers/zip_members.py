"""The members of another library's ZIP archive, within limits, before that library reads them.

It is looser than ``zip_layout.py``: these archives are laid out as their writers like, and they are read only
if they are signed.
"""

from __future__ import annotations

import io
import zipfile

from safeload.errors import LimitExceeded, MalformedError
from safeload.limits import Limits


def sizes(data: bytes | memoryview, limits: Limits) -> dict[str, int]:
    """Return how many bytes each member announces to unfold to.

    Raises
    ------
    MalformedError
        It is no archive, or holds a name twice, or one that leads elsewhere.
    LimitExceeded
        It has too many members, or they unfold to too much.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise MalformedError("it is no ZIP archive, or a damaged one") from error
    hold(members, len(data), limits)
    found: dict[str, int] = {}
    for member in members:
        if member.filename in found:
            raise MalformedError("the archive holds a member twice")
        if {"", "..", "."} & set(member.filename.removesuffix("/").split("/")) or "\\" in member.filename:
            raise MalformedError("a member of the archive has a name that leads elsewhere")
        found[member.filename] = member.file_size
    return found


def hold(members: list[zipfile.ZipInfo], size: int, limits: Limits) -> None:
    """Hold what an archive of `size` bytes announces against the limits.

    Raises
    ------
    LimitExceeded
        It has too many members, or they unfold to too much.
    """
    if len(members) > limits.members:
        raise LimitExceeded(f"the archive has {len(members)} members, {limits.members} are allowed")
    total = sum(member.file_size for member in members)
    if total > limits.decompressed_bytes:
        raise LimitExceeded(f"it unfolds to {total} bytes, {limits.decompressed_bytes} are allowed")
    if total > limits.ratio_floor_bytes and total > limits.decompression_ratio * size:
        raise LimitExceeded(f"it unfolds to more than {limits.decompression_ratio} times its size")
