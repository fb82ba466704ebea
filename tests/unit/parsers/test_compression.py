"""Compressed streams: joblib's own are decompressed, and no other is, nor more than the limits allow."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import pytest

import safeload
from safeload import FormatNotAllowed, HmacKey, LimitExceeded, Limits, MalformedError, Policy, SafeloadError
from safeload.formats.pickles import joblib_format
from safeload.parsers import compression, magic
from safeload.parsers.compression import decompress
from safeload.parsers.format_facts import COMPRESSORS

_MIB = 1 << 20


def lz4_frame() -> Any:
    """Return lz4's module, where it is installed."""
    return pytest.importorskip("lz4.frame")


# Written by the libraries themselves, so that joblib's ways are not the only ones.
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lambda data: lzma.compress(data, lzma.FORMAT_XZ, preset=0),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=0),
    "lz4": lambda data: lz4_frame().compress(data),
}
NAMES = list(COMPRESS)
# Neither regular nor random.
TEXT = b"".join(b"%d: %x\n" % (number, number * number) for number in range(40))


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of a compressor that is installed."""
    if request.param == "lz4":
        lz4_frame()
    found: str = request.param
    return found


def decompressed(data: bytes, name: str, **limits: int) -> bytes:
    """Decompress a stream."""
    return decompress(data, name, Limits(**limits))


def test_the_compressors_are_those_of_joblib() -> None:
    """All that a joblib of today writes is recognized, and tested here."""
    from joblib.numpy_pickle_utils import _COMPRESSORS

    assert {name for name, _ in COMPRESSORS} == set(_COMPRESSORS) == set(NAMES)


def test_no_compressed_stream_starts_like_a_pickle() -> None:
    """joblib files that start with the opcode PROTO are not compared with the compressors."""
    starts = [start for _, start in COMPRESSORS] + [joblib_format._LEGACY_CONTAINER]
    assert all(start and not start.startswith(pickle.PROTO) for start in starts)


@pytest.mark.parametrize("level", [1, 3, 9])
def test_what_joblib_writes_is_decompressed_to_what_it_writes_plainly(
    name: str, level: int, tmp_path: Path
) -> None:
    """To the byte, and recognized by its first ones."""
    obj = {"text": TEXT.decode(), "numbers": list(range(5000)), "none": None}
    joblib.dump(obj, tmp_path / "plain")
    joblib.dump(obj, tmp_path / "small", compress=(name, level))
    data = (tmp_path / "small").read_bytes()
    assert magic.compressor(data) == name
    assert decompressed(data, name) == (tmp_path / "plain").read_bytes()


def test_what_joblib_writes_loads(name: str, key: HmacKey, tmp_path: Path) -> None:
    """Arrays too, and the other way round."""
    import numpy as np

    obj = {"array": np.arange(100_000).reshape(100, -1), "objects": np.array([None, "x", 1.5], dtype=object)}
    joblib.dump(obj, tmp_path / "theirs.joblib", compress=(name, 3))
    safeload.sign(tmp_path / "theirs.joblib", keyring=key)
    safeload.dump(obj, tmp_path / "ours.joblib", keyring=key, compress=(name, 3))
    for loaded in (
        safeload.load(tmp_path / "theirs.joblib", keyring=key),
        joblib.load(tmp_path / "ours.joblib"),
        safeload.load(tmp_path / "ours.joblib", keyring=key),
    ):
        assert (loaded["array"] == obj["array"]).all()
        assert list(loaded["objects"]) == list(obj["objects"])


@pytest.mark.parametrize("size", [0, 1, _MIB - 1, _MIB, _MIB + 1, 3 * _MIB])
@pytest.mark.parametrize("byte", ["zeros", "noise"])
def test_streams_of_every_size_come_back(name: str, size: int, byte: str) -> None:
    """Around the steps in which they are read and decompressed, highly regular or not at all."""
    import random

    data = bytes(size) if byte == "zeros" else random.Random(1).randbytes(size)
    assert decompressed(COMPRESS[name](data), name) == data


@pytest.mark.parametrize("rest", [b"\0", b"x", b"\0" * 100, b"PK\x03\x04", TEXT])
def test_bytes_after_the_stream_are_refused(name: str, rest: bytes) -> None:
    """joblib itself would not end with some of these."""
    with pytest.raises(MalformedError, match="bytes follow"):
        decompressed(COMPRESS[name](TEXT) + rest, name)


def test_bytes_far_behind_the_stream_are_refused(name: str) -> None:
    """Beyond the step in which the stream ends, too."""
    with pytest.raises(MalformedError, match="bytes follow"):
        decompressed(COMPRESS[name](TEXT) + bytes(2 * _MIB), name)


def test_bytes_after_a_stream_that_ends_with_a_step_are_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decompressor has not seen them then."""
    data = COMPRESS[name](TEXT)
    monkeypatch.setattr(compression, "_STEP_BYTES", len(data))
    assert decompressed(data, name) == TEXT
    with pytest.raises(MalformedError, match="bytes follow"):
        decompressed(data + b"x", name)


def test_a_second_stream_is_refused(name: str) -> None:
    """The command-line tools append them; joblib does not."""
    with pytest.raises(MalformedError, match="bytes follow"):
        decompressed(COMPRESS[name](TEXT) * 2, name)


def test_a_stream_that_is_cut_is_refused(name: str) -> None:
    """At every place."""
    data = COMPRESS[name](TEXT)
    assert decompressed(data, name) == TEXT
    for length in range(len(data)):
        with pytest.raises(MalformedError):
            decompressed(data[:length], name)


def test_a_stream_in_which_a_byte_was_changed_decompresses_alike_or_is_refused(name: str) -> None:
    """By an error of ours; lzma alone has no checksum, and may decompress to something else."""
    data = COMPRESS[name](TEXT)
    for place in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            changed = data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]
            try:
                result = decompressed(changed, name, decompressed_bytes=_MIB, decompressor_bytes=_MIB)
            except SafeloadError:
                continue
            if name not in ("lzma", "lz4"):
                assert result == TEXT


def test_a_stream_of_another_compressor_is_refused(name: str) -> None:
    """Nothing is guessed at a second time."""
    for other in NAMES:
        if other not in (name, "lz4"):
            with pytest.raises((MalformedError, LimitExceeded)):
                decompressed(COMPRESS[other](TEXT), name)
    for data in (b"", b"\0", b"x", TEXT):
        with pytest.raises((MalformedError, LimitExceeded)):
            decompressed(data, name)


def test_only_one_layer_is_decompressed(name: str, key: HmacKey, tmp_path: Path) -> None:
    """A stream in a stream is no joblib file."""
    joblib.dump([1], tmp_path / "x.joblib", compress=(name, 3))
    inner = (tmp_path / "x.joblib").read_bytes()
    assert decompressed(COMPRESS[name](inner), name) == inner
    (tmp_path / "x.joblib").write_bytes(COMPRESS[name](inner))
    safeload.sign(tmp_path / "x.joblib", keyring=key)
    with pytest.raises(SafeloadError):
        safeload.load(tmp_path / "x.joblib", keyring=key)


def test_a_size_limit_is_kept_to_the_byte(name: str) -> None:
    """At the limit it passes, one byte over it is refused."""
    for size in (1, 1000, _MIB, _MIB + 1):
        data = COMPRESS[name](bytes(size))
        assert decompressed(data, name, decompressed_bytes=size) == bytes(size)
        if size > 1:
            with pytest.raises(LimitExceeded, match="decompressed_bytes"):
                decompressed(data, name, decompressed_bytes=size - 1)


def test_a_ratio_limit_is_kept_to_the_byte(name: str) -> None:
    """It counts above the floor only."""
    data = COMPRESS[name](bytes(100_000))
    ratio = 100_000 // len(data)
    assert decompressed(data, name, decompression_ratio=ratio + 1, ratio_floor_bytes=1) == bytes(100_000)
    assert decompressed(data, name, decompression_ratio=1, ratio_floor_bytes=100_000) == bytes(100_000)
    with pytest.raises(LimitExceeded):
        decompressed(data, name, decompression_ratio=max(1, ratio - 1), ratio_floor_bytes=1)
    with pytest.raises(LimitExceeded):
        decompressed(data, name, decompression_ratio=1, ratio_floor_bytes=99_999)


@cache
def bomb_of(name: str) -> bytes:
    """Return a stream of hundreds of megabytes of zeros, made piece by piece."""
    if name == "lz4":
        frame = lz4_frame().LZ4FrameCompressor(block_size=lz4_frame().BLOCKSIZE_MAX4MB)
        piece = bytes(4 * _MIB)
        return b"".join([frame.begin(), *(frame.compress(piece) for _ in range(256)), frame.flush()])
    made: tuple[Any, int] = {
        "zlib": (zlib.compressobj(1), 1024),
        "gzip": (zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16), 1024),
        "bz2": (bz2.BZ2Compressor(), 256),
        "xz": (lzma.LZMACompressor(lzma.FORMAT_XZ, preset=0), 256),
        "lzma": (lzma.LZMACompressor(lzma.FORMAT_ALONE, preset=0), 256),
    }[name]
    stream, pieces = made
    zeros = bytes(_MIB)
    return b"".join([*(stream.compress(zeros) for _ in range(pieces)), stream.flush()])


def test_a_bomb_is_refused_before_memory_is_spent(name: str) -> None:
    """By each limit; what is kept stays near the limit, whatever the stream would decompress to."""
    bomb = bomb_of(name)
    small = {"decompressed_bytes": 2 * _MIB}, {"decompression_ratio": 1, "ratio_floor_bytes": 2 * _MIB}
    for limits in small:
        # lz4 frames are hardly small enough for the second one.
        if "decompression_ratio" in limits and len(bomb) > 2 * _MIB:
            continue
        tracemalloc.start()
        try:
            with pytest.raises(LimitExceeded):
                decompressed(bomb, name, **limits)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 12 * _MIB


@pytest.mark.parametrize("name", ["bz2", "xz", "lzma"])
def test_a_bomb_is_refused_by_the_limits_as_they_are(name: str, key: HmacKey) -> None:
    """Signed by an honest signer who was handed it; the same limits in a policy are kept as well."""
    bomb = bomb_of(name)
    with pytest.raises(LimitExceeded):
        decompressed(bomb, name)
    from support.forgery import payload_of, sidecar_of

    sidecar = sidecar_of(payload_of(bomb, "bomb"), key)
    with pytest.raises(LimitExceeded) as caught:
        safeload.loads(bomb, sidecar, name="bomb", keyring=key)
    assert caught.value.where == "bomb"
    strict = Policy(limits=Limits(decompressed_bytes=1))
    with pytest.raises(LimitExceeded, match="over 1 bytes"):
        safeload.loads(bomb, sidecar, name="bomb", keyring=key, policy=strict)


def lzma_with_dictionary(size: int) -> bytes:
    """Return a stream whose header asks for a dictionary of that size."""
    data = COMPRESS["lzma"](TEXT)
    return data[:1] + struct.pack("<I", size) + data[5:]


def xz_with_dictionary(code: int) -> bytes:
    """Return a stream whose block header asks for a dictionary of that code (40 is 4 GiB)."""
    data = bytearray(COMPRESS["xz"](TEXT))
    end = 12 + (data[12] + 1) * 4 - 4
    place = data.index(b"\x21\x01", 12, end) + 2
    data[place] = code
    data[end : end + 4] = struct.pack("<I", zlib.crc32(data[12:end]))
    return bytes(data)


@pytest.mark.parametrize("size", [1 << 28, 1 << 30, 0xFFFFFFFF])
def test_a_huge_dictionary_is_refused(size: int) -> None:
    """A few bytes of header must not cost gigabytes."""
    assert decompressed(lzma_with_dictionary(1 << 16), "lzma") == TEXT
    with pytest.raises(LimitExceeded, match="too much memory"):
        decompressed(lzma_with_dictionary(size), "lzma")
    assert decompressed(xz_with_dictionary(10), "xz") == TEXT
    with pytest.raises(LimitExceeded, match="too much memory"):
        decompressed(xz_with_dictionary(40), "xz")


def test_the_dictionary_limit_is_that_of_the_limits() -> None:
    """It can be raised and lowered."""
    eight = 1 << 23
    for data, name in [(lzma_with_dictionary(eight), "lzma"), (xz_with_dictionary(22), "xz")]:
        assert decompressed(data, name, decompressor_bytes=eight * 2) == TEXT
        with pytest.raises(LimitExceeded):
            decompressed(data, name, decompressor_bytes=eight // 2)


def test_a_header_that_lies_about_the_size_is_refused() -> None:
    """In lzma, gzip and lz4; nothing is set aside for what it announces."""
    alone = COMPRESS["lzma"](TEXT)
    small = gzip.compress(TEXT)
    liars = [
        (alone[:5] + struct.pack("<Q", len(TEXT) + 1) + alone[13:], "lzma"),
        (alone[:5] + struct.pack("<Q", 1 << 62) + alone[13:], "lzma"),
        (small[:-4] + struct.pack("<I", 1 << 31), "gzip"),
        (small[:-4] + struct.pack("<I", 0), "gzip"),
    ]
    tracemalloc.start()
    try:
        for data, name in liars:
            with pytest.raises(SafeloadError):
                decompressed(data, name)
        assert tracemalloc.get_traced_memory()[1] < 8 * _MIB
    finally:
        tracemalloc.stop()


def test_an_lz4_frame_that_lies_about_the_size_is_refused() -> None:
    """Its header may announce one."""
    frame = lz4_frame()
    stream = io.BytesIO()
    context = frame.create_compression_context()
    stream.write(frame.compress_begin(context, source_size=len(TEXT) + 1))
    stream.write(frame.compress_chunk(context, TEXT))
    stream.write(b"\0\0\0\0")
    with pytest.raises(MalformedError):
        decompressed(stream.getvalue(), "lz4")


def test_lz4_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "lz4", None)
    monkeypatch.setitem(sys.modules, "lz4.frame", None)
    with pytest.raises(FormatNotAllowed, match="pip install"):
        decompressed(b"\x04\x22\x4d\x18", "lz4")
