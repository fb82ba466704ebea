"""Every opcode is handled, in the form that picklers write."""

from __future__ import annotations

import json
import pickle
import pickletools
import subprocess
import sys
from typing import Any

import pytest
from support.paths import environment

from safeload import Limits
from safeload.scanning import interpreter, scan

LIMITS = Limits()
REFERENCE = b"\x80\x04cm\nC\n"
# A pickle for each opcode, that an unpickler would take if all names, ids and buffers were there.
EXAMPLES: dict[str, bytes] = {
    "INT": b"I-5\n.",
    "BININT": b"J\xff\xff\xff\xff.",
    "BININT1": b"K\x05.",
    "BININT2": b"M\x05\x01.",
    "LONG": b"L123L\n.",
    "LONG1": b"\x80\x02\x8a\x01\x05.",
    "LONG4": b"\x80\x02\x8b\x01\x00\x00\x00\x05.",
    "STRING": b"S'a\\n'\n.",
    "BINSTRING": b"T\x01\x00\x00\x00a.",
    "SHORT_BINSTRING": b"U\x01a.",
    "BINBYTES": b"B\x01\x00\x00\x00a.",
    "SHORT_BINBYTES": b"C\x01a.",
    "BINBYTES8": b"\x8e\x01" + b"\x00" * 7 + b"a.",
    "BYTEARRAY8": b"\x96\x01" + b"\x00" * 7 + b"a.",
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "READONLY_BUFFER": b"\x80\x05\x97\x98.",
    "NONE": b"N.",
    "NEWTRUE": b"\x88.",
    "NEWFALSE": b"\x89.",
    "UNICODE": b"Va\\u0100\n.",
    "SHORT_BINUNICODE": b"\x8c\x01a.",
    "BINUNICODE": b"X\x01\x00\x00\x00a.",
    "BINUNICODE8": b"\x8d\x01" + b"\x00" * 7 + b"a.",
    "FLOAT": b"F1.5\n.",
    "BINFLOAT": b"G" + b"\x00" * 8 + b".",
    "EMPTY_LIST": b"].",
    "APPEND": b"]Na.",
    "APPENDS": b"](N]e.",
    "LIST": b"(NNl.",
    "EMPTY_TUPLE": b").",
    "TUPLE": b"(NNNNt.",
    "TUPLE1": b"N\x85.",
    "TUPLE2": b"NN\x86.",
    "TUPLE3": b"NNN\x87.",
    "EMPTY_DICT": b"}.",
    "DICT": b"(K\x01Nd.",
    "SETITEM": b"}K\x01Ns.",
    "SETITEMS": b"}(K\x01]u.",
    "EMPTY_SET": b"\x8f.",
    "ADDITEMS": b"\x8f(K\x01\x90.",
    "FROZENSET": b"(K\x01\x91.",
    "POP": b"NN0.",
    "DUP": b"N2\x86.",
    "MARK": b"(t.",
    "POP_MARK": b"N(NN1.",
    "GET": b"Np0\ng0\n\x86.",
    "BINGET": b"Nq\x00h\x00\x86.",
    "LONG_BINGET": b"Nr\x00\x00\x00\x00j\x00\x00\x00\x00\x86.",
    "PUT": b"Np0\n.",
    "BINPUT": b"Nq\x00.",
    "LONG_BINPUT": b"Nr\x00\x00\x00\x00.",
    "MEMOIZE": b"N\x94.",
    "EXT1": b"\x82\x01.",
    "EXT2": b"\x83\x01\x00.",
    "EXT4": b"\x84\x01\x00\x00\x00.",
    "GLOBAL": b"cm\nC\n.",
    "STACK_GLOBAL": b"\x8c\x01m\x8c\x01C\x93.",
    "REDUCE": REFERENCE + b")R.",
    "BUILD": REFERENCE + b")R}b.",
    "INST": b"(im\nC\n.",
    "OBJ": b"(cm\nC\no.",
    "NEWOBJ": REFERENCE + b")\x81.",
    "NEWOBJ_EX": REFERENCE + b")}\x92.",
    "PROTO": b"\x80\x02N.",
    "STOP": b"N.",
    "FRAME": b"\x80\x04\x95\x02" + b"\x00" * 7 + b"N.",
    "PERSID": b"Pabc\n.",
    "BINPERSID": b"NQ.",
}
VERDICTS = {
    "EXT1": "dangerous",
    "EXT2": "dangerous",
    "EXT4": "dangerous",
    **dict.fromkeys(("PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"), "unknown types"),
    **dict.fromkeys(("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ"), "unknown types"),
    **dict.fromkeys(("NEWOBJ", "NEWOBJ_EX"), "unknown types"),
}


@pytest.mark.parametrize("opcode", pickletools.opcodes, ids=lambda opcode: opcode.name)
def test_every_opcode_is_handled(opcode: Any) -> None:
    """Each that the standard library knows is followed to the end, and makes the verdict that it must."""
    data = EXAMPLES[opcode.name]
    assert opcode.code.encode("latin-1") in data
    report = scan(data, LIMITS)
    assert report.verdict == VERDICTS.get(opcode.name, "data"), report.findings
    assert report.pickles[-1].end == len(data)


def test_no_other_byte_is_an_opcode() -> None:
    """The table has the standard library's opcodes and no more."""
    known = {ord(opcode.code) for opcode in pickletools.opcodes}
    handled = {code for code, step in enumerate(interpreter.STEPS) if step is not interpreter._unassigned}
    assert handled == known
    for code in set(range(256)) - known:
        assert scan(bytes([code]) + b".", LIMITS, arrays=False).verdict == "malformed"


# Each is read by some unpickler, and is not what a pickler writes; many are read by two as two things.
OTHER_SPELLINGS = [
    b"I010\n.",
    b"I0x10\n.",
    b"I 5\n.",
    b"I5 \n.",
    b"I+5\n.",
    b"I1_0\n.",
    b"I-0\n.",
    b"I05\n.",
    b"I\n.",
    b"L5\n.",
    b"L 5L\n.",
    b"L0x5L\n.",
    b"L1_0L\n.",
    b"L05L\n.",
    b"L-0L\n.",
    b"F1\n.",
    b"F 1.0\n.",
    b"F1.0 \n.",
    b"F1_0.0\n.",
    b"FNaN\n.",
    b"F1e5\n.",
    b"S'a\n.",
    b"Sa\n.",
    b"S 'a'\n.",
    b"S'a' \n.",
    b'S"a"\n.',
    b"S'\\x41'\n.",
    b"S'\xff'\n.",
    b"V\\u0041\n.",
    b"V\\\n.",
    b"Va\\x\n.",
    b"Np 0\ng0\n.",
    b"Np00\ng0\n.",
    b"Np0\ng00\n.",
    b"Np0\ng+0\n.",
    b"Np0\ng0x0\n.",
    b"Np0\ng 0\n.",
    b"Np1_0\ng10\n.",
    b"Np-1\n.",
    b"T\xff\xff\xff\xffa.",
    b"U\x01\xff.",
]
DISAGREEMENTS = [
    b"\x80\x04\x95\x01" + b"\x00" * 7 + b"K\x05.",
    b"\x80\x04\x95\x0b" + b"\x00" * 7 + b"N\x95\x02" + b"\x00" * 7 + b"0N.",
    b"\x80\x04\x95\x05" + b"\x00" * 7 + b"N.NNN",
]


def loaded(pickles: list[bytes]) -> list[list[str | None]]:
    ran = subprocess.run(
        [sys.executable, "-m", "support.loaded"],
        input=json.dumps([data.hex() for data in pickles]),
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    answer: list[list[str | None]] = json.loads(ran.stdout)
    return answer


@pytest.mark.parametrize("data", OTHER_SPELLINGS + DISAGREEMENTS, ids=repr)
def test_what_picklers_do_not_write_is_malformed(data: bytes) -> None:
    """Whether or not some unpickler reads it."""
    assert scan(data, LIMITS).verdict == "malformed"


def test_unpicklers_do_disagree_on_some_of_them() -> None:
    """So the rule is needed: here the C and the Python unpickler differ."""
    differing = [data for data, (one, other) in _both() if one != other]
    assert b"I010\n." in differing
    assert len(differing) > 3


def _both() -> list[tuple[bytes, list[str | None]]]:
    pickles = OTHER_SPELLINGS + DISAGREEMENTS
    return list(zip(pickles, loaded(pickles), strict=True))


def test_what_is_called_data_is_read_the_same_by_both_unpicklers() -> None:
    """Over every short sequence of a text opcode and characters that matter to it."""
    characters = [b"0", b"1", b"7", b"-", b"+", b" ", b"_", b"x", b"L", b".", b"e", b"'", b"\\", b"u", b"\r"]
    candidates = [
        op + one + two + three + b"\n."
        for op in (b"I", b"L", b"F", b"S", b"V")
        for one in characters
        for two in (b"", *characters)
        for three in ((b"",) if not two else (b"", *characters))
    ]
    called_data = [data for data in candidates if scan(data, LIMITS).verdict == "data"]
    assert len(called_data) > 100
    for data, (one, other) in zip(called_data, loaded(called_data), strict=True):
        assert one is not None, data
        assert one == other, data


@pytest.mark.parametrize("value", [0, 1, -1, True, 2**31, -(2**31), 2**63, -(2**70), 1.5, 1e300, 1e-5])
@pytest.mark.parametrize("protocol", [0, 1, 2, 5])
def test_what_picklers_write_is_data(value: object, protocol: int) -> None:
    """By the C and by the Python one."""
    for dumps in (pickle.dumps, pickle._dumps):  # type: ignore[attr-defined]
        assert scan(dumps([value, str(value)], protocol), LIMITS).verdict == "data"


@pytest.mark.parametrize(
    "text", ["", "a", "ä", "€", "\U0001f600", "\\", "\\u0041", "\n", "\r", "\0", "\x1a", "\ud800"][:]
)
@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_text_as_picklers_write_it_is_data(text: str, protocol: int) -> None:
    """With every character that an escape stands for."""
    for dumps in (pickle.dumps, pickle._dumps):  # type: ignore[attr-defined]
        assert scan(dumps([text, text * 3000], protocol), LIMITS).verdict == "data"


def test_python_2_pickles_are_followed() -> None:
    """Protocol 0 text in the form of ``repr``, and class instances by INST."""
    assert scan(b"(dp0\nS'a'\np1\n(lp2\nI1\naL2L\nas.", LIMITS).verdict == "data"
    report = scan(b"(ipickle_user\nThing\np0\n(dp1\nb.", LIMITS)
    assert report.globals == ("pickle_user.Thing",)
