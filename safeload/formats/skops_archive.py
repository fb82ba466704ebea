"""A skops file is looked over as a ZIP archive, within limits, before skops sees it.

Nobody below bounds what a ZIP member unfolds to: zipfile unfolds a piece before it compares with the size
that is announced, skops reads members whole, and SciPy opens the archives that skops keeps sparse matrices
in. So members are unfolded here, each with its announced size as a cap, archives within archives too; and
where anything was compressed, skops is given a new archive of the same members that is not.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib

from safeload.errors import LimitExceeded, MalformedError
from safeload.limits import Limits

SCHEMA = "schema.json"

_MAX_SCHEMA_BYTES = 1 << 26
# A sparse matrix is an archive in the archive; nothing is deeper.
_MAX_DEPTH = 2
_ENTRY = b"PK\x03\x04"
_DIRECTORY_ENTRY = b"PK\x01\x02"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
# Possessive: a text has one reading, and a string that does not end is one token, so that it takes one pass.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def checked(data: bytes, limits: Limits) -> bytes:
    """Return an archive that skops may be given: `data`, or the same members without compression.

    Raises
    ------
    LimitExceeded
        Too many members, too many bytes unfolded, or a schema nested too deep.
    MalformedError
        No archive; bytes before it; a member twice, encrypted, or of another size or checksum than announced;
        no schema.
    """
    budget = _Budget(len(data), limits)
    try:
        archive = _Archive(data, budget, depth=1)
    except _NotAnArchive:
        raise MalformedError("it is not a skops archive") from None
    schema = archive.members.get(SCHEMA)
    if schema is None:
        raise MalformedError("the archive has no schema.json")
    _check_schema(schema, limits)
    return archive.plain()


class _NotAnArchive(Exception):
    pass


class _Budget:
    """What all members together may unfold to, and how many there may be."""

    def __init__(self, size: int, limits: Limits) -> None:
        self._size = size
        self._limits = limits
        self._bytes = min(
            limits.decompressed_bytes, max(limits.ratio_floor_bytes, limits.decompression_ratio * size)
        )
        self._members = limits.members

    def spend_members(self, data: bytes) -> None:
        # Each entry of the directory starts with these bytes; so they are counted before any is read.
        self._members -= data.count(_DIRECTORY_ENTRY)
        if self._members < 0:
            raise LimitExceeded(f"the archive has more than {self._limits.members} members")

    def spend_bytes(self, size: int) -> None:
        self._bytes -= size
        if self._bytes < 0:
            raise LimitExceeded(f"the archive of {self._size} bytes unfolds to more than is allowed")


class _Archive:
    """The members of an archive, unfolded."""

    def __init__(self, data: bytes, budget: _Budget, *, depth: int) -> None:
        self._data = data
        self._was_compressed = False
        self.members: dict[str, bytes] = {}
        budget.spend_members(data)
        for entry in _entries(data):
            if entry.filename in self.members:
                raise MalformedError("the archive holds a member twice")
            budget.spend_bytes(entry.file_size)
            if entry.filename == SCHEMA and entry.file_size > _MAX_SCHEMA_BYTES:
                raise LimitExceeded(f"the schema unfolds to {entry.file_size} bytes")
            member = _unfolded(data, entry)
            self._was_compressed |= entry.compress_type != zipfile.ZIP_STORED
            if member.startswith(_ENTRY):
                try:
                    inner = _Archive(member, budget, depth=depth + 1)
                except _NotAnArchive:
                    pass  # Bytes that only begin like one; whoever opens them fails as this did.
                else:
                    if depth >= _MAX_DEPTH:
                        raise MalformedError("an archive in an archive in an archive")
                    self._was_compressed |= inner._was_compressed
                    member = inner.plain()
            self.members[entry.filename] = member

    def plain(self) -> bytes:
        """Return an archive of these members in which nothing is compressed."""
        if not self._was_compressed:
            return self._data
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, member in self.members.items():
                archive.writestr(zipfile.ZipInfo(name), member)
        return file.getvalue()


def _entries(data: bytes) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError, struct.error):
        raise _NotAnArchive from None
    # zipfile adds what stands before the archive to the offsets; a file of ours starts with its first entry.
    if not entries or min(entry.header_offset for entry in entries) != 0:
        raise MalformedError("other bytes stand before the archive, or it is empty")
    return entries


def _unfolded(data: bytes, entry: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes, of which there are as many as announced."""
    if entry.flag_bits & 1:
        raise MalformedError("the archive is encrypted")
    header = data[entry.header_offset : entry.header_offset + _LOCAL_HEADER.size]
    if len(header) != _LOCAL_HEADER.size or not header.startswith(_ENTRY):
        raise MalformedError("a member of the archive is not where its directory says")
    *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    raw = data[start : start + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        member = raw
        whole = len(raw) == entry.file_size
    elif entry.compress_type == zipfile.ZIP_DEFLATED:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            member = stream.decompress(raw, entry.file_size + 1)
        except zlib.error:
            raise MalformedError("a member of the archive is damaged") from None
        whole = stream.eof and not stream.unused_data and len(member) == entry.file_size
    else:
        raise MalformedError("a member of the archive is compressed in a way that skops does not write")
    if not whole or zlib.crc32(member) != entry.CRC:
        raise MalformedError("a member of the archive is not as its directory says")
    return member


def _check_schema(schema: bytes, limits: Limits) -> None:
    try:
        schema.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError("the schema is not in UTF-8") from None
    if b"\0" in schema:
        # By these the JSON reader would tell another encoding.
        raise MalformedError("the schema is not in UTF-8")
    depth = 0
    for token in _TOKEN.finditer(schema):
        character = schema[token.start()]
        if character in b"[{":
            depth += 1
            if depth > limits.nesting:
                raise LimitExceeded(f"the schema is nested deeper than {limits.nesting} levels")
        elif character in b"]}":
            depth -= 1
