"""ZIP files put together by hand, so that every field of them can be a lie."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Part:
    """One member: what its header says, what the directory says, and its bytes."""

    name: bytes
    data: bytes
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    after: bytes = b""
    at: int | None = None


def build(
    parts: list[Part], *, before: bytes = b"", gap: bytes = b"", after: bytes = b"", **end: Any
) -> bytes:
    """Return the file of members; `end` changes fields of the end record."""
    body, directory = bytearray(before), bytearray()
    for part in parts:
        offset = len(body) if part.at is None else part.at
        if part.at is None:
            body += local(part) + part.data + part.after
        directory += central(part, offset)
    start = len(body) + len(gap)
    values = {
        "number": len(parts),
        "here": len(parts),
        "size": len(directory),
        "offset": start,
        "comment": b"",
    }
    values |= end
    body += gap + directory
    body += struct.pack(
        "<4s4H2IH",
        b"PK\x05\x06",
        values.get("disk", 0),
        0,
        values["here"],
        values["number"],
        values["size"],
        values["offset"],
        len(values["comment"]),
    )
    return bytes(body) + values["comment"] + after


def _fields(part: Part, changes: dict[str, Any]) -> dict[str, Any]:
    size = len(part.data)
    found = {"flags": 0, "method": 0, "crc": zlib.crc32(part.data), "packed": size, "size": size}
    return found | {"name": part.name, "extra": b""} | changes


def local(part: Part) -> bytes:
    """Return a member's own header."""
    f = _fields(part, part.local)
    head = struct.pack(
        "<4s5H3I2H",
        b"PK\x03\x04",
        *(20, f["flags"], f["method"], 0, 33),
        *(f["crc"], f["packed"], f["size"]),
        *(len(f["name"]), len(f["extra"])),
    )
    return bytes(head + f["name"] + f["extra"])


def central(part: Part, offset: int) -> bytes:
    """Return a member's entry in the directory."""
    f = _fields(part, part.central)
    comment = f.get("comment", b"")
    head = struct.pack(
        "<4s6H3I5H2I",
        b"PK\x01\x02",
        *(20, 20, f["flags"], f["method"], 0, 33),
        *(f["crc"], f["packed"], f["size"]),
        *(len(f["name"]), len(f["extra"]), len(comment), f.get("disk", 0), 0, 0),
        f.get("offset", offset),
    )
    return bytes(head + f["name"] + f["extra"] + comment)


def wide(*sizes: int) -> bytes:
    """Return a ZIP64 extra field."""
    return struct.pack(f"<2H{len(sizes)}Q", 1, 8 * len(sizes), *sizes)
