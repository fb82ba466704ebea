"""Formats without instructions: safetensors, ONNX, and skops' archives."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from safeload import Limits, formats
from safeload.parsers import magic
from safeload.scanning import Report, contents

LIMITS = Limits()


def look(data: bytes, *known: frozenset[str]) -> Report:
    return contents.examine(data, LIMITS, *known, skops_types=skops_types)


def skops_types(data: bytes, limits: Limits) -> tuple[str, ...]:
    return formats.globals_of("skops", data, limits, where="") or ()


def safetensors(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor(start: int, end: int, dtype: str = "F32", shape: tuple[int, ...] = (2,)) -> dict[str, object]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def test_a_safetensors_header_is_read() -> None:
    """Tensors with type, shape and place, and the metadata."""
    report = look(
        safetensors({"__metadata__": {"format": "pt"}, "a": tensor(0, 8), "b": tensor(8, 16)}, b"x" * 16)
    )
    assert report.verdict == "data", report.findings
    assert [(array.dtype, array.shape, array.size) for array in report.arrays] == [("F32", (2,), 8)] * 2
    assert ("format", "pt") in report.facts
    assert ("tensor", "b") in report.facts


@pytest.mark.parametrize(
    "data",
    [
        safetensors({"a": tensor(0, 8)}, b"x" * 7),
        safetensors({"a": tensor(0, 8)}, b"x" * 9),
        safetensors({"a": tensor(0, 8), "b": tensor(4, 12)}, b"x" * 12),
        safetensors({"a": tensor(0, 8), "b": tensor(9, 17)}, b"x" * 17),
        safetensors({"a": tensor(0, 8, shape=(3,))}, b"x" * 8),
        safetensors({"a": tensor(0, 8, shape=(-2,))}, b"x" * 8),
        safetensors({"a": tensor(0, 8, dtype="OBJ")}, b"x" * 8),
        safetensors({"a": tensor(0, 8) | {"more": 1}}, b"x" * 8),
        safetensors({"__metadata__": {"a": 1}}),
        safetensors(
            b'{"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}, "a": '
            b'{"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}}'
        ),
        safetensors(b'{"a": ' + b"[" * 100_000 + b"}"),
        safetensors(b"{" + b"[]," * 1_000_000 + b"}"),
    ],
    ids=lambda data: repr(data[8:40]),
)
def test_a_safetensors_header_that_is_wrong_is_malformed(data: bytes) -> None:
    """Overlaps, holes, sizes, types, keys twice, and JSON that is something else."""
    assert look(data).verdict == "malformed"


def test_a_safetensors_header_that_is_too_large_is_not_read() -> None:
    """A limit, and said to be one."""
    report = look(safetensors(b"{" + b" " * (9 << 20) + b"}"))
    assert (report.verdict, report.findings[0].limit) == ("unknown types", True)


def test_a_safetensors_file_that_is_a_pickle_too_is_dangerous() -> None:
    """Its length begins with the opcode of a text that swallows the header's start."""
    # 0x8C, and a length of 0x10: the six bytes after it and the first ten of the header are text.
    header = b'{"xxxxxxxx' + b"cos\nsystem\n(Vmarker\ntR."
    report = look(struct.pack("<Q", 0x108C) + header.ljust(0x108C))
    assert report.verdict == "dangerous"


def safetensors_that_runs(folder: str, before: bytes, after: bytes) -> bytes:
    """Return a correct safetensors file that makes a folder when the Python unpickler reads it.

    Its instructions are the name of a tensor. Those that are no text stand within letters of two bytes, of
    which another instruction takes the first.
    """

    def text(content: str) -> bytes:
        assert 32 <= len(content) < 127
        return b"K\xc2\x8c" + bytes([len(content)]) + content.encode()

    act = text("multiprocessing.resource_tracker") + b"qa" + text("os.path." * 4 + "os.mkdir") + b"qb"
    act += text(folder) + b"qchahbq\xc3\x93(hctR"
    # Protocol 4, and a float of which three bytes are the header's.
    length = b"\x80\x04G\x00\0\0\0\0"
    entry = b'":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    header = b'{"a' + before + act + after + entry
    return length + header.ljust(int.from_bytes(length, "little"))


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"r    ", b"."), (b"", b"r    ."), (b"", b"!"), (b"", b".")],
    ids=["stricter", "stricter later", "stops later", "ends"],
)
def test_a_safetensors_file_that_runs_is_not_data(before: bytes, after: bytes, tmp_path: Path) -> None:
    """Also where the rules of inspection stop before the unpickler does."""
    folder = tmp_path / "made"
    parent = str(tmp_path) + "/"
    path = parent + "./" * (1 + max(0, 32 - len(parent)) // 2) + "made"
    data = safetensors_that_runs(path, before, after)
    code = "import pickle, sys; pickle._Unpickler(sys.stdin.buffer).load()"
    subprocess.run([sys.executable, "-c", code], input=data, check=False, capture_output=True)
    assert folder.is_dir()
    assert look(data).verdict in ("malformed", "dangerous")


@pytest.mark.parametrize("low", range(0x20, 0x100, 8))
def test_a_genuine_safetensors_file_is_data_whatever_its_length(low: int) -> None:
    """The first byte of the length is an instruction, or starts a compressed stream."""
    text = json.dumps({"a": tensor(0, 8)}).encode().ljust(0x100 + low)
    assert look(safetensors(text, b"x" * 8)).verdict == "data"


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    size = len(value)
    return varint(number << 3 | 2) + varint(size) + value


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def onnx(location: str | None = None, graph: bytes = b"") -> bytes:
    weights = field(8, b"w") + field(9, b"\0" * 1000)
    if location is not None:
        weights = field(13, field(1, b"location") + field(2, location.encode())) + field(14, 1)
    inner = field(2, b"g") + field(5, weights) + field(11, field(1, b"x")) + field(12, field(1, b"y")) + graph
    return field(1, 8) + field(2, b"skl2onnx") + field(3, b"1.17") + field(7, inner) + field(8, field(2, 17))


def test_an_onnx_header_is_read() -> None:
    """Versions, producer, operator sets, and the names of inputs and outputs."""
    report = look(onnx())
    assert (report.verdict, report.findings) == ("data", ())
    assert dict(report.facts) == {
        "IR version": "8",
        "producer": "skl2onnx 1.17",
        "opset": "ai.onnx 17",
        "input": "x",
        "output": "y",
    }


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../b", "..\\b", "C:\\x", "\\\\h\\x"])
def test_onnx_weights_outside_of_the_folder_are_dangerous(location: str) -> None:
    """CVE-2022-25882 and CVE-2024-27318; also within an attribute of a node within a graph."""
    assert look(onnx(location)).verdict == "dangerous"
    weights = field(13, field(1, b"location") + field(2, location.encode()))
    assert look(onnx(graph=field(1, field(5, field(5, weights))))).verdict == "dangerous"


def test_onnx_weights_in_the_folder_are_reported() -> None:
    """They are data in another file."""
    report = look(onnx("weights.bin"))
    assert report.verdict == "data"
    assert ("external data", "weights.bin") in report.facts


def test_onnx_graphs_nested_without_end_are_a_limit() -> None:
    """No message lies on the interpreter's own stack."""
    graph = b""
    for _ in range(200):
        graph = field(1, field(5, field(6, graph)))
    report = look(onnx(graph=graph))
    assert (report.verdict, report.findings[0].limit) == ("unknown types", True)
    assert look(field(1, 8) + b"\x0b").verdict == "malformed"
    assert magic.identify(b"\x80\x04N.") != "onnx"


def test_skops_types_are_those_of_its_own_audit() -> None:
    """What skops does not trust by itself is unknown unless it is known."""
    x, y = [[0.0], [1.0]] * 5, [0, 1] * 5
    assert look(skops.io.dumps(LogisticRegression().fit(x, y))).verdict == "known types"
    data = skops.io.dumps(DecisionTreeClassifier().fit(x, y))
    report = look(data)
    assert (report.verdict, report.globals) == ("unknown types", ("sklearn.tree._tree.Tree",))
    known = frozenset({"sklearn.tree._tree.Tree"})
    assert look(data, known).verdict == "known types"
    assert look(data, known, known).verdict == "unknown types"
    assert look(data[:-30]).verdict == "malformed"
    assert look(b"PK\x03\x04").verdict == "unknown types"  # Of another kind, or none.
    # Without an answer about its types, an archive is not called harmless.
    unasked = contents.examine(data, LIMITS, known)
    assert (unasked.verdict, unasked.findings[0].reason) == (
        "unknown types",
        "is a skops archive, which is not looked into",
    )


@pytest.mark.parametrize("start", [b"PAR1", b"ARROW1\0\0"])
def test_tables_are_not_taken_for_pickles(start: bytes) -> None:
    """They are not looked into, which is said; they are not malformed."""
    report = look(start + bytes(100) + start)
    assert report.verdict == "unknown types"
    assert "in the format" in report.findings[0].reason
