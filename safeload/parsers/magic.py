"""Which format a file without a signed statement is in, told by its first bytes and never by its name.

Signed files are not looked at here: their format stands in the statement.
"""

from __future__ import annotations

_START = 16
_ZIP = b"PK\x03\x04"
# Eight bytes of length, then JSON. A longer header than this is nobody's, so that the upper bytes are zero.
# No other format starts so: no stream of a compressor, no pickle and no archive.
_SAFETENSORS_HEADER = 64 << 20
_OTHERS: tuple[tuple[str, bytes], ...] = (
    ("numpy", b"\x93NUMPY"),
    ("parquet", b"PAR1"),
    ("arrow", b"ARROW1\0\0"),
)
# Of an archive's kinds each has members that the others have not.
_SKOPS, _TORCH, _KERAS = "schema.json", "data.pkl", frozenset({"config.json", "metadata.json"})
# The compressors of joblib, by the bytes their streams start with.
COMPRESSORS: tuple[tuple[str, bytes], ...] = (
    ("gzip", b"\x1f\x8b"),
    ("bz2", b"BZ"),
    ("xz", b"\xfd7zXZ"),
    ("lzma", b"\x5d\x00"),
    ("lz4", b"\x04\x22\x4d\x18"),
    ("zlib", b"\x78"),
)
# Of these few bytes are enough to tell them.
_TOLD = ("joblib", "skops", "safetensors", "numpy", "parquet", "arrow")
# The second byte that zlib writes, by its level.
_ZLIB_LEVELS = (b"\x01", b"\x5e", b"\x9c", b"\xda")


def compressor(data: bytes | memoryview) -> str | None:
    """Return the name of joblib's compressor whose stream `data` starts like, or None."""
    data = bytes(data[:_START])
    return next((name for name, prefix in COMPRESSORS if data.startswith(prefix)), None)


def is_safetensors(data: bytes | memoryview) -> bool:
    """Tell whether `data` starts like a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    return 2 <= length <= _SAFETENSORS_HEADER and bytes(data[8:9]) == b"{"


def is_onnx(data: bytes | memoryview) -> bool:
    """Tell whether `data` starts like an ONNX file: a protobuf message whose first field is its version.

    No pickle and no other format here starts with that byte.
    """
    return len(data) > 2 and data[0] == 0x08 and 0 < data[1] < 0x80 and data[2] != 0


def identify(data: bytes | memoryview) -> str | None:
    """Return the format that `data` is in, or None where nothing is recognized.

    A file that starts with a ZIP entry is no pickle: the unpickler would take its first byte for a
    persistent id and stop. A pickle with a ZIP archive appended starts as a pickle and is called one. So
    no file is in two formats at once here.

    Plain pickles are called joblib, which reads them too. Every archive is called skops; see
    :func:`identify_archive`.
    """
    start, end = bytes(data[:_START]), bytes(data[-1:])
    if is_safetensors(start):
        return "safetensors"
    if start.startswith(_ZIP):
        return "skops"
    if compressor(start) is not None or (start[:1] == b"\x80" and len(start) > 2 and start[1] <= 5):
        return "joblib"
    if is_onnx(start):
        return "onnx"
    for name, prefix in _OTHERS:
        if start.startswith(prefix):
            return name
    # Protocols 0 and 1 have no header; every pickle ends with the STOP opcode.
    if end == b".":
        return "joblib"
    return None


def identify_archive(data: bytes) -> str:
    """Return which of the formats that are ZIP archives one is in, by the names of its members.

    Nobody's kind is called skops, which then says what is wrong with it.
    """
    # Only files that somebody is about to sign come here.
    import io
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "skops"
    if _SKOPS in names:
        return "skops"
    if any(name.rpartition("/")[2] == _TORCH for name in names):
        return "torch"
    if names >= _KERAS:
        return "keras"
    return "numpy" if names and all(name.endswith(".npy") for name in names) else "skops"


def starts_like_an_artifact(start: bytes) -> bool:
    """Tell whether a file's first bytes, 16 or more, are those of something that a loader would take.

    Stricter than :func:`identify`, for files that nobody asked for: a text may start with an ``x``, and end
    with a full stop. A pickle of protocol 0 or 1 is not told by its start.
    """
    if start[:1] == b"x":
        # RFC 1950: the method is deflate, and the two bytes are a multiple of 31.
        return len(start) > 1 and int.from_bytes(start[:2], "big") % 31 == 0 and start[1:2] in _ZLIB_LEVELS
    return identify(start[:15] + b"\0") in _TOLD
