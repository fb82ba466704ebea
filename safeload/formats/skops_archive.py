"""A skops file is looked over as a ZIP archive, within limits, before skops sees it."""

from __future__ import annotations

import io
import re
import zipfile
import zlib

from safeload.errors import LimitExceeded, MalformedError
from safeload.limits import Limits

SCHEMA = "schema.json"

_MAX_SCHEMA_BYTES = 1 << 28
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def check(data: bytes, limits: Limits) -> None:
    """Return if `data` is an archive that skops may be given.

    Raises
    ------
    LimitExceeded
        Too many members, too many bytes unfolded, or a schema nested too deep.
    MalformedError
        No archive; bytes before it; a member twice or encrypted; no schema.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, len(data), limits)
            schema = archive.read(SCHEMA)
    except (
        zipfile.BadZipFile,
        zlib.error,
        KeyError,
        ValueError,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
    ):
        raise MalformedError("it is not a skops archive") from None
    _check_nesting(schema, limits)


def _check_members(members: list[zipfile.ZipInfo], size: int, limits: Limits) -> None:
    if len(members) > limits.members:
        raise LimitExceeded(f"the archive has {len(members)} members, {limits.members} are allowed")
    names = [member.filename for member in members]
    if len(set(names)) != len(names) or names.count(SCHEMA) != 1:
        raise MalformedError("the archive holds a member twice, or no schema.json")
    if any(member.flag_bits & 1 for member in members):
        raise MalformedError("the archive is encrypted")
    # zipfile adds what stands before the archive to the offsets; a file of ours starts with its first entry.
    if min(member.header_offset for member in members) != 0:
        raise MalformedError("other bytes stand before the archive")
    # zipfile reads no more of a member than its header announces, so the sum bounds what can unfold.
    unfolded = sum(member.file_size for member in members)
    ceiling = min(limits.decompressed_bytes, max(limits.ratio_floor_bytes, limits.decompression_ratio * size))
    schema = next(member for member in members if member.filename == SCHEMA)
    if unfolded > ceiling or schema.file_size > _MAX_SCHEMA_BYTES:
        raise LimitExceeded(f"the archive of {size} bytes unfolds to {unfolded} bytes")


def _check_nesting(schema: bytes, limits: Limits) -> None:
    depth = 0
    for token in _TOKEN.finditer(schema):
        character = schema[token.start()]
        if character in b"[{":
            depth += 1
            if depth > limits.nesting:
                raise LimitExceeded(f"the schema is nested deeper than {limits.nesting} levels")
        elif character in b"]}":
            depth -= 1
