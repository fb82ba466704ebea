"""Which format a file without a signed statement is in, told by its first bytes and never by its name.

Signed files are not looked at here: their format stands in the statement.
"""

from __future__ import annotations

import io
import re

from safeload.parsers.format_facts import COMPRESSORS, ROWS, Archive

_START = 16
_ZIP = b"PK\x03\x04"
# What an archive is called before its members are looked at, and also when they tell nothing: skops' reader
# then says what is wrong with it.
_ARCHIVE = "skops"
# What a pickle is called; joblib reads plain pickles too.
_PICKLE = "joblib"
# The second byte that zlib writes, by its level.
_ZLIB_LEVELS = (b"\x01", b"\x5e", b"\x9c", b"\xda")


def compressor(data: bytes | memoryview) -> str | None:
    """Return the name of joblib's compressor whose stream `data` starts like, or None."""
    start = bytes(data[:_START])
    return next((name for name, prefix in COMPRESSORS if start.startswith(prefix)), None)


def identify(data: bytes | memoryview) -> str | None:
    """Return the name of the format that a file is in, or None.

    A file that starts with a ZIP entry is no pickle: the unpickler would take its first byte for a
    persistent id and stop. A pickle with a ZIP archive appended starts as a pickle and is called one. So
    no file is in two formats at once here. Plain pickles are called joblib, which reads them too. Every
    archive is called skops; see :func:`identify_archive`.
    """
    start, end = bytes(data[:_START]), bytes(data[-1:])
    if start.startswith(_ZIP):
        return _ARCHIVE
    for row in ROWS:
        if row.starts(start):
            return row.name
    # Protocols 0 and 1 have no header; every pickle ends with the STOP opcode.
    return _PICKLE if end == b"." else None


def identify_archive(data: bytes) -> str:
    """Return which of the formats that are ZIP archives a file is in, by the names of its members.

    Only files that are about to be signed come here. An archive of no known kind is called skops.
    """
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return _ARCHIVE
    kinds = (row.name for row in ROWS if row.archive is not None and _has_members(row.archive, names))
    return next(kinds, _ARCHIVE)


def _has_members(archive: Archive, names: set[str]) -> bool:
    def matches(pattern: str, name: str) -> bool:
        return re.fullmatch(pattern, name, re.DOTALL) is not None

    return (
        bool(names)
        and all(matches(archive.only, name) for name in names)
        and all(any(matches(pattern, name) for name in names) for pattern in archive.has)
    )


def starts_like_an_artifact(start: bytes) -> bool:
    """Tell whether a file's first 16 bytes are those of a file that a loader would take.

    Stricter than :func:`identify`, for files that no caller named: a text may start with an ``x``, and end
    with a full stop. A pickle of protocol 0 or 1 is not recognized by its start.
    """
    if start[:1] == b"x":
        # RFC 1950: the method is deflate, and the two bytes are a multiple of 31.
        return len(start) > 1 and int.from_bytes(start[:2], "big") % 31 == 0 and start[1:2] in _ZLIB_LEVELS
    if start.startswith(_ZIP):
        return True
    return any(row.start_is_distinctive and row.starts(start[:_START]) for row in ROWS)
