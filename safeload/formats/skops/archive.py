"""A skops file is checked as an archive, within limits, before skops sees it.

No library below bounds what a ZIP member decompresses to: zipfile decompresses a piece before it compares
with the announced size, skops reads members whole, and SciPy opens the archives in which skops keeps sparse
matrices. So members are decompressed here, each with its announced size as a cap, also in archives within
archives. Where anything was compressed, skops is given a new, uncompressed archive of the same members.

What the schema says is checked in ``schema.py``, how the archive lies in the file in ``zip_layout.py``.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass

from safeload.errors import LimitExceeded, MalformedError
from safeload.formats.skops import schema as skops_schema
from safeload.formats.skops import sparse
from safeload.formats.skops.schema import Schema
from safeload.limits import Limits
from safeload.parsers import strict_json, zip_layout

SCHEMA = "schema.json"

# A schema is parsed into many times its own size. One that lies in the file uncompressed has paid for that.
_SCHEMA_FLOOR, _SCHEMA_RATIO = 4 << 20, 32


@dataclass(frozen=True, slots=True)
class Opened:
    """A checked skops file.

    Parameters
    ----------
    data
        An archive that skops may be given: the file itself, or the same members without compression.
    schema
        What it refers to.
    """

    data: bytes
    schema: Schema


def checked(data: bytes, limits: Limits) -> bytes:
    """Return an archive that skops may be given; see :func:`opened`."""
    return opened(data, limits).data


def opened(data: bytes, limits: Limits) -> Opened:
    """Check a skops file.

    Raises
    ------
    LimitExceeded
        Too many members, too many bytes, or a schema too large or nested too deep.
    MalformedError
        It is no archive in the one layout that is read, or its schema or a member is not as skops writes it.
    """
    budget = _Budget(len(data), limits)
    try:
        entries = budget.members_of(data)
    except zip_layout.NotAnArchive:
        raise MalformedError("it is not a skops archive") from None
    schema = next((entry for entry in entries if entry.name == SCHEMA), None)
    if schema is None:
        raise MalformedError("the archive has no schema.json")
    if schema.size > min(limits.schema_bytes, max(_SCHEMA_FLOOR, _SCHEMA_RATIO * schema.packed)):
        raise LimitExceeded(f"the schema of {schema.packed} bytes decompresses to {schema.size}")
    state = strict_json.parse(bytes(_decompressed(data, schema)), limits, paid=schema.packed)
    members = {entry.name: _decompressed(data, entry) for entry in entries if entry.name != SCHEMA}
    found = skops_schema.check(state, members)
    was_compressed = any(entry.method != zip_layout.STORED for entry in entries)
    for name, class_name in found.sparse.items():
        inner = _inner(members[name], budget)
        sparse.check_sparse(inner[0], class_name)
        if inner[1]:
            members[name] = _archive_of(inner[0])
            was_compressed = True
    if was_compressed:
        data = _archive_of({**members, SCHEMA: _decompressed(data, schema)})
    return Opened(data, found)


class _Budget:
    """What all members together may decompress to, and how many there may be."""

    def __init__(self, size: int, limits: Limits) -> None:
        self._size = size
        self._limits = limits
        self._bytes = min(
            limits.decompressed_bytes, max(limits.ratio_floor_bytes, limits.decompression_ratio * size)
        )
        self._members = limits.members

    def members_of(self, data: bytes | memoryview) -> list[zip_layout.Member]:
        """Return the members of an archive, if there may be as many that decompress to as much."""
        # The end record says how many there are, and exactly so many are read.
        self._members -= zip_layout.count(data)
        if self._members < 0:
            raise LimitExceeded(f"the archive has more than {self._limits.members} members")
        found = zip_layout.members(data)
        self._bytes -= sum(entry.size for entry in found)
        if self._bytes < 0:
            raise LimitExceeded(f"the archive of {self._size} bytes decompresses to more than is allowed")
        return found


def _inner(member: bytes | memoryview, budget: _Budget) -> tuple[dict[str, bytes | memoryview], bool]:
    """Return the members of the archive of a sparse matrix, and whether any was compressed."""
    try:
        entries = budget.members_of(member)
    except zip_layout.NotAnArchive:
        raise MalformedError("a sparse matrix is not in an archive") from None
    decompressed = {entry.name: _decompressed(member, entry) for entry in entries}
    return decompressed, any(entry.method != zip_layout.STORED for entry in entries)


def _archive_of(members: dict[str, bytes | memoryview]) -> bytes:
    """Return an archive of members in which nothing is compressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name), member)
    return file.getvalue()


def _decompressed(data: bytes | memoryview, entry: zip_layout.Member) -> bytes | memoryview:
    """Return a member's bytes, of which there are as many as announced."""
    raw = memoryview(data)[entry.start : entry.start + entry.packed]
    member: bytes | memoryview
    if entry.method == zip_layout.STORED:
        member = raw
        whole = len(raw) == entry.size
    else:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            member = stream.decompress(raw, entry.size + 1)
        except zlib.error:
            raise MalformedError("a member of the archive is damaged") from None
        whole = stream.eof and not stream.unused_data and len(member) == entry.size
    if not whole or zlib.crc32(member) != entry.crc:
        raise MalformedError("a member of the archive is not as its directory says")
    return member
