"""The one layout of a ZIP file that is read: members in a row, then the directory, then its end.

ZIP files can be read in several ways: from the front or from the directory, whose two descriptions of a
member may differ; with bytes before, between and after; with members that overlap, or whose names mean one
file here and another there. A check that reads such a file in one way protects no reader that reads it in
another. So a file is refused unless it is laid out as ``zipfile`` itself writes it:

- the first member starts at byte 0, each next one where the one before ends, the directory after the last,
  the end record after the directory, and nothing after it;
- a member's own header and its entry in the directory say the same of its name, method, sizes and checksum;
- names are plain (letters, digits, ``-``, ``_``, ``.``) and differ by more than case;
- the only extra fields are those of ZIP64, and sizes have no descriptor behind the data.

Source: APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from safeload.errors import MalformedError

ENTRY = b"PK\x03\x04"
STORED, DEFLATED = 0, 8

_DIRECTORY_ENTRY = b"PK\x01\x02"
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_ZIP64 = 0x0001
# The version of the format that has it; what skops writes needs no newer one.
_ZIP64_VERSION = 45
_FULL, _FULL_SHORT = 0xFFFFFFFF, 0xFFFF
_UTF8_FLAG = 0x800
_COMPRESSION_FLAGS = 0x6  # how hard DEFLATE tried; of no consequence
_NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.-]{0,250}")


@dataclass(frozen=True, slots=True)
class Member:
    """One member.

    `packed` bytes of data begin at `start` and decompress to `size` bytes with the CRC-32 `crc`. The method
    is `STORED` or `DEFLATED`.
    """

    name: str
    method: int
    start: int
    packed: int
    size: int
    crc: int


class NotAnArchive(Exception):
    """There is no end record where there must be one."""


def count(data: bytes | memoryview) -> int:
    """Return how many members the end record announces, before any is looked at.

    Raises NotAnArchive if there is no such record at the end, MalformedError if it is not alone, or not of
    one file.
    """
    return int(_end(memoryview(data))[0])


def members(data: bytes | memoryview) -> list[Member]:
    """Return the members in the order in which they lie in the file.

    Raises NotAnArchive or MalformedError if the file is not laid out as the module says.
    """
    view = memoryview(data)
    number, at, end = _end(view)
    directory = at
    found: list[Member] = []
    seen: set[str] = set()
    position = 0
    for _ in range(number):
        member, at, offset = _entry(view, at, end)
        if offset != position:
            raise MalformedError("a member of the archive does not lie where the one before it ends")
        if member.name.lower() in seen:
            raise MalformedError("the archive holds a member twice")
        seen.add(member.name.lower())
        start = _local(view, offset, member)
        position = start + member.packed
        if position > directory:
            raise MalformedError("a member of the archive reaches into its directory")
        found.append(Member(member.name, member.method, start, member.packed, member.size, member.crc))
    if at != end or position != directory:
        raise MalformedError("the archive holds bytes that belong to no member")
    if not found:
        raise MalformedError("the archive is empty")
    return found


def _end(view: memoryview) -> tuple[int, int, int]:
    """Return the number of members, and where the directory begins and ends."""
    position = len(view) - _END.size
    if position < 0 or bytes(view[position : position + 4]) != b"PK\x05\x06":
        raise NotAnArchive
    _, disk, first_disk, here, number, size, offset, comment = _END.unpack_from(view, position)
    if comment or disk or first_disk or here != number:
        raise MalformedError("the archive has a comment, or is one of several parts")
    if _FULL_SHORT in (number,) or _FULL in (size, offset):
        locator = position - _LOCATOR_64.size
        position = locator - _END_64.size
        if position < 0 or bytes(view[locator : locator + 4]) != b"PK\x06\x07":
            raise MalformedError("the archive's end record points to one that is not there")
        _, disk, where, disks = _LOCATOR_64.unpack_from(view, locator)
        magic, length, _, _, disk_2, disk_3, here, number, size, offset = _END_64.unpack_from(view, position)
        if (magic, where, length) != (b"PK\x06\x06", position, _END_64.size - 12) or here != number:
            raise MalformedError("the archive's ZIP64 end record is not where it must be")
        if disk or disk_2 or disk_3 or disks != 1:
            raise MalformedError("the archive is one of several parts")
    elif bytes(view[max(0, position - _LOCATOR_64.size) :][:4]) == b"PK\x06\x07":
        # zipfile looks for a locator there whatever the end record says, and would follow it.
        raise MalformedError("the archive has a second end record that its first does not point to")
    if offset + size != position:
        raise MalformedError("bytes stand between, before or after the parts of the archive")
    return number, offset, position


def _entry(view: memoryview, at: int, end: int) -> tuple[Member, int, int]:
    """Return a member by its entry in the directory, the place of the next entry, and its header's place."""
    if at + _CENTRAL.size > end or view[at : at + 4] != _DIRECTORY_ENTRY:
        raise MalformedError("the archive's directory is damaged")
    _, _, version, flags, method, _, _, crc, *rest = _CENTRAL.unpack_from(view, at)
    packed, size, name_size, extra_size, comment, disk, _, _, offset = rest
    after = at + _CENTRAL.size + name_size + extra_size
    if version > _ZIP64_VERSION:
        raise MalformedError("a member of the archive asks for a newer reader than skops does")
    if comment or after > end or disk:
        raise MalformedError("the archive's directory has comments, or is damaged")
    _check_flags(flags)
    if method not in (STORED, DEFLATED):
        raise MalformedError("a member of the archive is compressed in a way that skops does not write")
    name = bytes(view[at + _CENTRAL.size : at + _CENTRAL.size + name_size])
    if not _NAME.fullmatch(name) or name.endswith(b"."):
        raise MalformedError("a member of the archive has a name that could mean another file")
    wide = _zip64(view[after - extra_size : after])
    size = _widened(size, wide)
    packed = _widened(packed, wide)
    offset = _widened(offset, wide)
    if wide:
        raise MalformedError("a member of the archive has sizes in two places")
    return Member(name.decode("ascii"), method, 0, packed, size, crc), after, offset


def _local(view: memoryview, offset: int, member: Member) -> int:
    """Return where a member's data begin, if its own header says what the directory does."""
    if offset + _LOCAL.size > len(view) or view[offset : offset + 4] != ENTRY:
        raise MalformedError("a member of the archive is not where its directory says")
    _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack_from(view, offset)
    start = offset + _LOCAL.size + name_size
    if start + extra_size > len(view):
        raise MalformedError("a member of the archive is cut")
    _check_flags(flags)
    wide = _zip64(view[start : start + extra_size])
    # A writer that does not know the size beforehand makes room for a large one; then both stand there.
    size = _widened(size, wide)
    packed = _widened(packed, wide)
    name = bytes(view[offset + _LOCAL.size : start])
    if (name, method, crc, packed, size) != (
        member.name.encode("ascii"),
        member.method,
        member.crc,
        member.packed,
        member.size,
    ):
        raise MalformedError("a member of the archive is described in two ways")
    return int(start + extra_size)


def _check_flags(flags: int) -> None:
    if flags & 1:
        raise MalformedError("the archive is encrypted")
    if flags & ~(_UTF8_FLAG | _COMPRESSION_FLAGS):
        raise MalformedError("a member of the archive is written in a way that skops does not write")


def _zip64(extra: memoryview) -> list[int]:
    """Return the wide sizes of an extra field, of which there is no other kind."""
    if not extra:
        return []
    if len(extra) < 4:
        raise MalformedError("a member of the archive has an extra field that is cut")
    kind, length = struct.unpack_from("<2H", extra)
    if kind != _ZIP64 or length != len(extra) - 4 or length not in (8, 16, 24):
        raise MalformedError("a member of the archive has an extra field that skops does not write")
    return list(struct.unpack_from(f"<{length // 8}Q", extra, 4))


def _widened(value: int, wide: list[int]) -> int:
    if value != _FULL:
        return value
    if not wide:
        raise MalformedError("a member of the archive does not say how large it is")
    return wide.pop(0)
