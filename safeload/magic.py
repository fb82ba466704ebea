"""Which format a file without a signed statement is in, told by its first bytes and never by its name.

Signed files are not looked at here: their format stands in the statement.
"""

from __future__ import annotations

_START = 16
_ZIP = b"PK\x03\x04"
# The compressors of joblib, by the bytes their streams start with.
COMPRESSORS: tuple[tuple[str, bytes], ...] = (
    ("gzip", b"\x1f\x8b"),
    ("bz2", b"BZ"),
    ("xz", b"\xfd7zXZ"),
    ("lzma", b"\x5d\x00"),
    ("lz4", b"\x04\x22\x4d\x18"),
    ("zlib", b"\x78"),
)
# The second byte that zlib writes, by its level.
_ZLIB_LEVELS = (b"\x01", b"\x5e", b"\x9c", b"\xda")


def compressor(data: bytes | memoryview) -> str | None:
    """Return the name of joblib's compressor whose stream `data` starts like, or None."""
    data = bytes(data[:_START])
    return next((name for name, prefix in COMPRESSORS if data.startswith(prefix)), None)


def identify(data: bytes | memoryview) -> str | None:
    """Return the format that `data` is in, or None where nothing is recognized.

    A file that starts with a ZIP entry is no pickle: the unpickler would take its first byte for a
    persistent id and stop. A pickle with a ZIP archive appended starts as a pickle and is called one. So
    no file is in two formats at once here.

    Plain pickles are called joblib, which reads them too.
    """
    start, end = bytes(data[:_START]), bytes(data[-1:])
    if start.startswith(_ZIP):
        return "skops"
    if compressor(start) is not None or (start[:1] == b"\x80" and len(start) > 2 and start[1] <= 5):
        return "joblib"
    # Protocols 0 and 1 have no header; every pickle ends with the STOP opcode.
    if end == b".":
        return "joblib"
    return None


def starts_like_an_artifact(start: bytes) -> bool:
    """Tell whether a file's first bytes, 16 or more, are those of something that a loader would take.

    Stricter than :func:`identify`, for files that nobody asked for: a text may start with an ``x``, and end
    with a full stop. A pickle of protocol 0 or 1 is not told by its start.
    """
    if start[:1] == b"x":
        # RFC 1950: the method is deflate, and the two bytes are a multiple of 31.
        return len(start) > 1 and int.from_bytes(start[:2], "big") % 31 == 0 and start[1:2] in _ZLIB_LEVELS
    return identify(start[:15] + b"\0") is not None
