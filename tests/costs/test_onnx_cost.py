"""What an ONNX model that somebody else made may cost: parts are counted before an object is made of each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from support import onnx_models as models
from support.paths import environment

import safeload
from safeload import HmacKey, Limits, MalformedError, Policy, formats
from safeload.formats.onnx import model as onnx_model
from safeload.parsers import protobuf
from safeload.scanning import contents

# What counts is what it costs beyond the program, and not what the one that started it has used.
_COST = """
import re, safeload, onnx.checker, onnxruntime
from support.yardstick import computing, yardstick
from safeload import Policy, SafeloadError
from safeload.formats.onnx import onnx_format

def peak():
    return int(re.search("VmHWM:[^0-9]*([0-9]+) kB", open("/proc/self/status").read())[1]) << 10

data = open("m.onnx", "rb").read()
outcome = "loaded"

def load():
    global outcome
    try:
        safeload.loads(data, None, policy=Policy(unsigned_formats={"onnx"}))
    except SafeloadError as error:
        outcome = error.code

before, seconds = peak(), computing(load)
print(outcome, peak() - before, seconds / yardstick())
"""


def _cost_of_loading(folder: Path) -> tuple[str, int, float]:
    """Load a model in its own process; return outcome, bytes of memory, and multiples of the yardstick."""
    ran = subprocess.run(
        [sys.executable, "-c", _COST],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=environment(),
    )
    outcome, grown, computing = ran.stdout.split()
    return outcome, int(grown), float(computing)


def bomb() -> onnx.ModelProto:
    """Return a model of a few bytes with constants of 4 GiB."""
    shape = numpy_helper.from_array(np.array([1 << 15, 1 << 15], dtype=np.int64), "s")
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("ReduceSum", ["c"], ["t"], keepdims=0),
        helper.make_node("Add", ["x", "t"], ["y"]),
    ]
    return models.model_of(nodes, [shape])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak")
def test_loading_an_unsigned_model_computes_nothing(tmp_path: Path) -> None:
    """Constants that a few bytes describe are not made while it is loaded, however large they are."""
    (tmp_path / "m.onnx").write_bytes(bomb().SerializeToString())
    outcome, grown, _ = _cost_of_loading(tmp_path)
    # The constant would have 4 GiB.
    assert outcome == "loaded"
    assert grown < 1 << 29


def _field(number: int, content: bytes) -> bytes:
    """Return a field of bytes, of a protobuf message."""
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


PARTS = {
    "nodes": _field(7, b"\x0a\x00" * (2 << 20)),
    "tensors": _field(7, b"\x2a\x00" * (2 << 20)),
    "attributes": _field(7, _field(1, b"\x2a\x00" * (2 << 20))),
    "names": _field(7, _field(1, b"\x0a\x00" * (2 << 20))),
    "numbers in turn": _field(7, _field(1, _field(5, b"\x40\x01\x18\x01" * (1 << 20)))),
    "unknown": b"\xca\x30\x00" * (3 << 20),
}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak")
@pytest.mark.parametrize("part", PARTS)
def test_a_model_of_very_many_parts_costs_no_more_than_a_few_times_its_size(
    part: str, tmp_path: Path
) -> None:
    """They are counted before an object is made of each; protobuf's has up to a hundred times its bytes."""
    data = b"\x08\x08" + PARTS[part]
    (tmp_path / "m.onnx").write_bytes(data)
    outcome, grown, _ = _cost_of_loading(tmp_path)
    assert outcome == "LimitExceeded"
    assert grown < 4 * len(data)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak")
def test_long_lists_of_numbers_are_no_parts(tmp_path: Path) -> None:
    """Forests hold millions of numbers, a field each; these cost what they are."""
    list_of_numbers = helper.make_attribute("ignored", [1])
    del list_of_numbers.ints[:]
    list_of_numbers.MergeFromString(b"\x40\x01" * (4 << 20))
    model = models.adding(models.here(1))
    node = model.graph.node.add(op_type="Constant", output=["unused"])
    list_of_numbers.name = "value_ints"
    node.attribute.append(list_of_numbers)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    outcome, _, computing = _cost_of_loading(tmp_path)
    assert outcome == "loaded"
    # As a multiple of the yardstick, which is a quarter of a second on a machine of 2024.
    assert computing < 200


def test_signed_models_may_have_more_parts(key: HmacKey) -> None:
    """Ten times what the limit says for those that nobody signed."""
    model = models.adding(models.here(1))
    model.metadata_props.extend(onnx.StringStringEntryProto(key=str(i), value="") for i in range(50))
    data = model.SerializeToString()
    policy = Policy(unsigned_formats=frozenset({"onnx"}), limits=Limits(members=40))
    with pytest.raises(safeload.LimitExceeded, match="more than 40 parts") as caught:
        safeload.loads(data, None, policy=policy)
    assert "members" in str(caught.value)
    assert formats.globals_of("onnx", data, Limits(members=40), where="m") == ()
    with pytest.raises(safeload.LimitExceeded, match="more than 40 parts"):
        formats.globals_of("onnx", data, Limits(members=4), where="m")


def test_what_protobuf_cannot_hold_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told by the size, which is set low here."""
    data = models.adding(models.here(1)).SerializeToString()
    monkeypatch.setattr(onnx_model, "MAX_BYTES", len(data) - 1)
    with pytest.raises(safeload.LimitExceeded, match="2 GiB"):
        models.unsigned(data)


def test_numbers_of_one_field_in_a_row_are_one_field() -> None:
    """The last, as protobuf has it where a field has one value; a run may not end in the middle."""
    data = b"\x08\x01\x08\x96\x01\x08\x02\x10\x05\x08\x03\x0d1234\x0d5678\x1a\x02\x08\x09"
    assert list(protobuf.fields(data, 0, len(data))) == [
        (1, 2, -1, -1),
        (2, 5, -1, -1),
        (1, 3, -1, -1),
        (1, 0, -1, -1),
        (3, 0, 23, 25),
    ]
    for cut in (
        b"\x08\x01\x08",
        b"\x08\x01\x08\x96",
        b"\x0d1234\x0d56",
        b"\x08" + b"\xff" * 11,
        b"\x0b",
        b"\x00\x01",
    ):
        with pytest.raises(MalformedError):
            list(protobuf.fields(cut, 0, len(cut)))


def test_messages_within_each_other_are_followed_as_far_as_protobuf_does() -> None:
    """What lies deeper is refused, however deep, in no more memory."""
    data = b""
    for _ in range(20_000):
        data = _field(1, data)
    with pytest.raises(MalformedError, match="nested"):
        protobuf.check_message_count(data, {"own": {1: "own"}}, "own", 10**6)
    protobuf.check_message_count(data, {"own": {}}, "own", 1)


def test_a_forest_of_many_leaves_is_looked_into() -> None:
    """Inspecting counts fields as well, and there its numbers are one, too."""
    model = models.adding(models.here(1))
    model.graph.node[0].attribute.append(helper.make_attribute("many", [1]))
    model.graph.node[0].attribute[0].MergeFromString(b"\x40\x01" * 2_500_000)
    report = contents.examine(model.SerializeToString(), Limits())
    assert (report.verdict, report.findings) == ("data", ())
