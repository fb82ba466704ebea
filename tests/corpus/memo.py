"""The memo: what an entry holds when it is read is not what stood there first."""

from __future__ import annotations

import struct
from collections.abc import Callable

from corpus.assembler import MEMOIZE, POP, STACK_GLOBAL, SYSTEM, Op, call, old_name, pickled, text, value
from corpus.entry import Place, Technique


def _arguments(place: Place) -> bytes:
    return value((place.command,)) + b"R"


_WAYS: dict[str, tuple[str, int, Callable[[Place], bytes]]] = {
    "overwritten": (
        "an entry is written twice",
        4,
        lambda p: text("len") + b"q\x00" + POP + SYSTEM + b"q\x00" + POP + b"h\x00" + _arguments(p),
    ),
    "overwritten by text opcodes": (
        "by PUT and GET of protocol 0",
        0,
        lambda p: b"I1\np7\n0" + old_name("os", "system") + b"p7\n0g7\n(V" + p.command.encode() + b"\ntR",
    ),
    "numbers with signs": (
        "a number with a sign and an underscore",
        0,
        lambda p: old_name("os", "system") + b"p+1_0\n0g10\n(V" + p.command.encode() + b"\ntR",
    ),
    "numbers with spaces": (
        "a number with spaces around it",
        0,
        lambda p: old_name("os", "system") + b"p 5 \n0g5\n(V" + p.command.encode() + b"\ntR",
    ),
    "numbers with zeros": (
        "a number with leading zeros",
        0,
        lambda p: old_name("os", "system") + b"p0007\n0g7\n(V" + p.command.encode() + b"\ntR",
    ),
    "memoized after a pop": (
        "MEMOIZE counts entries, not opcodes",
        4,
        lambda p: value(1) + MEMOIZE + POP + SYSTEM + MEMOIZE + POP + b"h\x01" + _arguments(p),
    ),
    "memoized into a gap": (
        "the next number is the count, which an explicit entry changes",
        4,
        lambda p: value(1) + b"q\x05" + POP + SYSTEM + MEMOIZE + POP + b"h\x01" + _arguments(p),
    ),
    "far away": (
        "an entry far behind",
        4,
        lambda p: (
            SYSTEM
            + b"r"
            + struct.pack("<I", 100_000)
            + POP
            + b"j"
            + struct.pack("<I", 100_000)
            + _arguments(p)
        ),
    ),
    "names from the memo": (
        "both names are read from entries",
        4,
        lambda p: (
            text("os")
            + b"q\x00"
            + POP
            + text("system")
            + b"q\x01"
            + POP
            + b"h\x00h\x01"
            + STACK_GLOBAL
            + _arguments(p)
        ),
    ),
    "arguments changed later": (
        "a list in the memo gets the command after it was given",
        4,
        lambda p: (
            value([])
            + b"q\x00"
            + POP
            + b"h\x00"
            + text("touch")
            + b"a0"
            + b"h\x00"
            + text(p.marker)
            + b"a0"
            + call(Op(text("subprocess") + text("call") + STACK_GLOBAL), Op(b"h\x00"))
        ),
    ),
    "doubled": (
        "a function is doubled, one of the two called",
        4,
        lambda p: SYSTEM + b"2" + _arguments(p) + POP,
    ),
    "put on a mark": (
        "an entry is put while a group is open",
        4,
        lambda p: b"(" + SYSTEM + b"q\x00" + b"1" + b"h\x00" + _arguments(p),
    ),
}

TECHNIQUES = [
    Technique(
        f"memo {way}",
        "memo",
        about,
        lambda place, made=made, protocol=protocol: pickled(made(place), protocol),
    )
    for way, (about, protocol, made) in _WAYS.items()
]
