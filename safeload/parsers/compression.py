"""Decompression within limits, of the streams that joblib writes.

joblib's own reader decompresses while it unpickles, without a cap, and ignores bytes after the stream. Here
the whole stream is decompressed first, in steps that are each capped by what may still come, and bytes after
its end are malformed.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from typing import Any

from safeload.errors import FormatNotAllowed, LimitExceeded, MalformedError
from safeload.limits import Limits

_STEP_BYTES = 1 << 20


class _Zlib:
    """A zlib or gzip stream with the interface of the other decompressors."""

    def __init__(self, window_bits: int) -> None:
        self._stream = zlib.decompressobj(window_bits)
        self._rest = b""

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max_length)


def decompress(data: bytes | memoryview, compressor: str, limits: Limits) -> memoryview:
    """Decompress a whole stream into writable memory of its own.

    Raises
    ------
    LimitExceeded
        If the output, or the memory that the decompressor asks for, is larger than allowed.
    MalformedError
        If the stream is damaged, ends early, or is followed by other bytes.
    FormatNotAllowed
        If the stream is lz4 and the package lz4 is not installed.
    """
    stream = _decompressor(compressor, limits)
    ceiling = max_output(len(data), limits)
    output = io.BytesIO()
    position = 0
    try:
        while not stream.eof:
            piece = b""
            if stream.needs_input:
                piece = bytes(data[position : position + _STEP_BYTES])
                position += len(piece)
                if not piece:
                    raise MalformedError(f"the {compressor} stream ends early")
            # One byte more than allowed shows whether the stream goes on.
            room = ceiling + 1 - output.tell()
            output.write(stream.decompress(piece, min(room, _STEP_BYTES)))
            if output.tell() > ceiling:
                raise LimitExceeded(
                    f"the {compressor} stream of {len(data)} bytes decompresses to over {ceiling} bytes",
                    hint="If that is right, raise decompressed_bytes or decompression_ratio in the policy.",
                )
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError) as error:
        if "memory" in str(error).lower():
            raise LimitExceeded(f"the {compressor} stream asks for too much memory") from None
        raise MalformedError(f"the {compressor} stream is damaged") from None
    if stream.unused_data or position < len(data):
        raise MalformedError(f"bytes follow the end of the {compressor} stream")
    return output.getbuffer()


def max_output(size: int, limits: Limits) -> int:
    """Return how many bytes `size` bytes may decompress to."""
    return min(limits.decompressed_bytes, max(limits.ratio_floor_bytes, limits.decompression_ratio * size))


def check_decompressed_size(total: int, size: int, limits: Limits) -> None:
    """Raise LimitExceeded for `size` bytes that announce to decompress to more than is allowed."""
    if total > limits.decompressed_bytes:
        raise LimitExceeded(f"it decompresses to {total} bytes, {limits.decompressed_bytes} are allowed")
    if total > max_output(size, limits):
        ratio = limits.decompression_ratio
        raise LimitExceeded(f"it decompresses to {total} bytes, more than {ratio} times its size")


def _decompressor(compressor: str, limits: Limits) -> Any:
    if compressor == "zlib":
        return _Zlib(zlib.MAX_WBITS)
    if compressor == "gzip":
        return _Zlib(zlib.MAX_WBITS | 16)
    if compressor == "bz2":
        return bz2.BZ2Decompressor()
    if compressor in ("xz", "lzma"):
        kind = lzma.FORMAT_XZ if compressor == "xz" else lzma.FORMAT_ALONE
        return lzma.LZMADecompressor(kind, memlimit=limits.decompressor_bytes)
    try:
        from lz4.frame import LZ4FrameDecompressor
    except ImportError:
        raise FormatNotAllowed(
            "it is compressed by lz4, which is not installed", hint="Run `pip install safeload[lz4]`."
        ) from None
    return LZ4FrameDecompressor()
