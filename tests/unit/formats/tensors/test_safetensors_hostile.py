"""Safetensors files whose headers lie, unsigned: refused before memory is spent on what they say."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from support.processes import PATIENCE
from support.safetensors_files import file_of, tensor

import safeload
from safeload import HmacKey, LimitExceeded, Limits, MalformedError, Policy, SafeloadError
from safeload.parsers.safetensors import parse

UNSIGNED = Policy(unsigned_formats=frozenset({"safetensors"}))
TWO = {"a": tensor(0, 8), "b": tensor(8, 16)}
BODY = b"\0" * 16


def refused(data: bytes, error: type[SafeloadError], key: HmacKey, policy: Policy = UNSIGNED) -> None:
    """Loading it unsigned, and signing it, is refused."""
    with pytest.raises(error) as caught:
        safeload.loads(data, None, policy=policy)
    assert type(caught.value) is error


def test_the_honest_file_is_read() -> None:
    """The control of all that follows."""
    assert safeload.loads(file_of(TWO, BODY), None, policy=UNSIGNED).keys() == {"a", "b"}


ENTRY = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'


def _json(text: str, *, body: bytes = b"") -> bytes:
    return file_of(text.replace("ENTRY", ENTRY).encode(), body)


def _length(text: str) -> bytes:
    return _json('{"a":%}'.replace("%", ENTRY.replace("[2]", f"[{text}]")), body=b"x" * 8)


LIES = {
    "a header beyond the end": struct.pack("<Q", 1 << 20) + b'{"a":1}',
    "a header to the last byte and no further": file_of(b'{"a": ' + ENTRY.encode() + b"}"),
    "a header cut short": struct.pack("<Q", 20) + file_of(TWO, BODY)[8:],
    "no JSON": _json('{"a"', body=b"x" * 8),
    "two documents": _json('{"a":ENTRY}{}', body=b"x" * 8),
    "a list": _json("{[]}"),
    "no UTF-8": file_of(b'{"\xff":' + ENTRY.encode() + b"}", b"x" * 8),
    "a name twice": _json('{"a":ENTRY,"a":ENTRY}', body=b"x" * 8),
    "a name twice, spelled differently": _json('{"a":ENTRY,"\\u0061":ENTRY}', body=b"x" * 8),
    "metadata twice": _json('{"__metadata__":{},"__metadata__":{},"a":ENTRY}', body=b"x" * 8),
    "a field twice": _json(
        '{"a":{"dtype":"U8","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', body=b"x" * 8
    ),
    "metadata of numbers": _json('{"__metadata__":{"a":1},"b":ENTRY}', body=b"x" * 8),
    "a field too many": file_of({"a": tensor(0, 8) | {"strides": [1]}}, b"x" * 8),
    "a field too few": _json('{"a":{"dtype":"F32","shape":[2]}}', body=b"x" * 8),
    "three places": file_of({"a": tensor(0, 8) | {"data_offsets": [0, 4, 8]}}, b"x" * 8),
    "an unknown type": file_of({"a": tensor(0, 8, "O")}, b"x" * 8),
    "a type in small letters": file_of({"a": tensor(0, 8, "f32")}, b"x" * 8),
    "a number in quotes": file_of({"a": tensor(0, 8, shape=("2",))}, b"x" * 8),
    "a length that is no whole number": _length("2.5"),
    "a length that is true": _length("2,true"),
    "places that overlap": file_of({"a": tensor(0, 8), "b": tensor(4, 12)}, b"x" * 12),
    "places that are the same": file_of({"a": tensor(0, 8), "b": tensor(0, 8)}, b"x" * 8),
    "a hole": file_of({"a": tensor(0, 8), "b": tensor(12, 20)}, b"x" * 20),
    "a hole in front": file_of({"a": tensor(8, 16)}, b"x" * 16),
    "bytes at the end": file_of(TWO, BODY + b"x"),
    "too few bytes": file_of(TWO, BODY[:-1]),
    "no tensors and bytes": file_of({}, b"x"),
    "places backwards": file_of({"a": tensor(8, 0)}, b"x" * 8),
    "places below zero": file_of({"a": tensor(-8, 0)}, b"x" * 8),
    "a shape that is larger": file_of({"a": tensor(0, 8, shape=(3,))}, b"x" * 8),
    "a shape that is smaller": file_of({"a": tensor(0, 8, shape=(1,))}, b"x" * 8),
    "a length below zero": file_of({"a": tensor(0, 8, shape=(-2,))}, b"x" * 8),
    "two lengths below zero": file_of({"a": tensor(0, 8, shape=(-1, -2))}, b"x" * 8),
    "lengths whose product is 0 in 64 bits": file_of({"a": tensor(0, 0, shape=(1 << 32, 1 << 32))}),
    "lengths whose product is 2 in 64 bits": file_of({"a": tensor(0, 8, shape=(2**63 + 1, 2))}, b"x" * 8),
    "a length of 2**62": file_of({"a": tensor(0, 0, shape=(2**62, 0))}),
    "a length of a thousand digits": _length("9" * 1000),
    "too many dimensions": file_of({"a": tensor(0, 4, shape=(1,) * 65)}, b"x" * 4),
    "a tensor that ends within a byte": file_of({"a": tensor(0, 1, "F4", (1,))}, b"x"),
    "lists within each other": _json('{"a":' + "[" * 100_000 + "}"),
    "objects within each other": _json('{"a":' * 100_000 + "1" + "}" * 100_000),
    "truth values of 2": file_of({"a": tensor(0, 2, "BOOL")}, b"\1\2"),
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_a_header_that_lies_is_malformed(data: bytes, key: HmacKey) -> None:
    """Each by one error of ours, whatever the JSON."""
    refused(data, MalformedError, key)


def test_what_lies_is_not_signed(key: HmacKey, tmp_path: Any) -> None:
    """All but what only the values show, which no header says."""
    for what, data in LIES.items():
        if what == "truth values of 2":
            continue
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(MalformedError):
            safeload.sign(tmp_path / "x", format="safetensors", signer=key)


@pytest.mark.parametrize("shape", [(0, 2**61), (2**61, 0, 2**61), (2**40, 2**40, 0)])
def test_an_empty_tensor_of_an_impossible_shape_is_a_typed_error(shape: tuple[int, ...]) -> None:
    """It has no bytes, and there is no such array."""
    with pytest.raises(SafeloadError):
        safeload.loads(file_of({"a": tensor(0, 0, shape=shape)}), None, policy=UNSIGNED)


@pytest.mark.parametrize("dtype", ["F4", "F6_E2M3", "F6_E3M2"])
def test_a_type_for_which_there_are_no_arrays_is_a_typed_error(dtype: str) -> None:
    """The header is in order, and the error names the tensor."""
    bits = 4 if dtype == "F4" else 6
    data = file_of({"a": tensor(0, bits, dtype, (8,))}, b"x" * bits)
    with pytest.raises(safeload.DeserializationError, match="'a'"):
        safeload.loads(data, None, policy=UNSIGNED)


def test_limits_hold_for_the_header_and_the_number_of_tensors(key: HmacKey) -> None:
    """Both are looked at before the tensors are."""
    data = file_of(TWO, BODY)
    size = struct.unpack("<Q", data[:8])[0]
    refused(data, LimitExceeded, key, Policy(unsigned_formats={"safetensors"}, limits=Limits(members=1)))
    refused(
        data,
        LimitExceeded,
        key,
        Policy(unsigned_formats={"safetensors"}, limits=Limits(schema_bytes=size - 1)),
    )
    exact = Policy(unsigned_formats={"safetensors"}, limits=Limits(members=2, schema_bytes=size))
    assert len(safeload.loads(data, None, policy=exact)) == 2


def test_a_header_of_over_64_mib_is_not_taken_for_one() -> None:
    """Nobody writes one."""
    text = file_of({"a": tensor(0, 8)})[8:].ljust((64 << 20) + 1)
    with pytest.raises(SafeloadError):
        safeload.loads(struct.pack("<Q", len(text)) + text + b"x" * 8, None, policy=UNSIGNED)
    with pytest.raises(LimitExceeded):
        parse(struct.pack("<Q", len(text)) + text, limit=64 << 20, tensors=1)


ENTRIES = """b'"%x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % number for number in range(10**6)"""
BOMBS = {
    "a million tensors": f"""b",".join({ENTRIES})""",
    "one tensor a million times": f"""b",".join({ENTRIES.replace("% number", "% 0")})""",
    "six million names": """b",".join(b'"%x":0' % number for number in range(6 * 10**6))""",
    "shapes of thirty million dimensions": """b'"a":{"dtype":"U8","shape":[' + b"1," * (30 << 20) """
    """+ b'1],"data_offsets":[0,1]}'""",
    "metadata of five million": "b'" + '"__metadata__":{'
    """' + b",".join(b'"%x":""' % number for number in range(5 * 10**6)) + b'}'""",
}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak")
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_header_of_very_many_entries_costs_no_more_than_its_own_size(
    bomb: str, request: pytest.FixtureRequest
) -> None:
    """It is refused before an object is made for each entry; measured in a process of its own."""
    script = f"""
import re
from safeload.parsers.safetensors import parse
from safeload.errors import SafeloadError

def peak():
    # Of this program alone; what getrusage tells may be that of the one that started it.
    return int(re.search("VmHWM:[^0-9]*([0-9]+) kB", open("/proc/self/status").read())[1]) << 10

header = b"{{" + {bomb} + b"}}"
data = len(header).to_bytes(8, "little") + header
assert 40 << 20 < len(data) < 65 << 20, len(data)
parse((2).to_bytes(8, "little") + b"{{}}", limit=9, tensors=9)
before = peak()
try:
    parse(data, limit=64 << 20, tensors=100_000)
except SafeloadError as error:
    print(error.code, peak() - before, len(data))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    code, grown, size = done.stdout.split()
    assert code == ("MalformedError" if "dimensions" in request.node.callspec.id else "LimitExceeded")
    assert int(grown) < 2 * int(size)


def _mutated(data: bytes, chance: random.Random) -> bytes:
    altered = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(altered))
        way = chance.randrange(4)
        if way == 0:
            altered[place] ^= 1 << chance.randrange(8)
        elif way == 1:
            altered[place] = chance.choice(b'0123456789{}[]",:aU8 ')
        elif way == 2:
            del altered[place : place + chance.randint(1, 4)]
        else:
            altered[place:place] = altered[place : place + chance.randint(1, 20)]
    if chance.random() < 0.7:
        # So that more than the length is put to the test.
        end = altered.rfind(b"}") + 1
        altered[:8] = struct.pack("<Q", max(end - 8, 0))
    return bytes(altered)


def test_what_is_read_here_the_library_reads_too_and_alike(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that two readers read differently could be signed as the one and used as the other."""
    arrays = {"a": np.arange(6, dtype="f4").reshape(2, 3), "b": np.ones(3, "?"), "c": np.zeros(0, "i8")}
    honest = safetensors.numpy.save(arrays, metadata={"k": "v"})
    chance, read = random.Random(11), 0
    for _ in range(20_000):
        data = _mutated(honest, chance)
        try:
            header = parse(data, limit=1 << 20, tensors=100)
        except SafeloadError:
            continue
        read += 1
        theirs = dict(safetensors.deserialize(data))
        assert theirs.keys() == {tensor.name for tensor in header.tensors}
        for one in header.tensors:
            assert theirs[one.name]["dtype"] == one.dtype
            assert tuple(theirs[one.name]["shape"]) == one.shape
            assert bytes(theirs[one.name]["data"]) == data[one.start : one.stop]
    assert read > 150
    with capsys.disabled():
        print(f"\n  20,000 mutated files, {read:,} of them still read, by the library too", end="")


def test_json_is_written_as_the_test_thinks() -> None:
    """The generator of these files writes what a reader of JSON understands."""
    data = file_of(TWO, BODY)
    assert json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]) == TWO
