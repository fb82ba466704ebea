"""What the opcodes that push numbers, texts and bytes do to the machine."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from safeload.scanning import spelling
from safeload.scanning.ledger import ScanStopped
from safeload.scanning.values import Array, Bytes, CallResult, Opaque, Text

if TYPE_CHECKING:
    from safeload.scanning.machine import Machine

Step = Callable[["Machine", int], int]

FLOAT = Opaque("float")
_INT = Opaque("int")
_PIECE = 1 << 20


def characters(data: bytes, start: int, end: int) -> int:
    """Count the characters of a text, a piece at a time."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    count = 0
    for position in range(start, end, _PIECE):
        piece_end = min(position + _PIECE, end)
        count += len(decoder.decode(data[position:piece_end], piece_end == end))
    return count


def _constant(value: Any) -> Step:
    def step(machine: Machine, pos: int) -> int:
        machine.stack.append(value)
        return pos

    return step


def line_at(machine: Machine, pos: int) -> tuple[bytes, int]:
    """Return the line that starts at a place, and where the next one does."""
    end = machine.data.find(b"\n", pos, machine.limit)
    if end < 0:
        raise ScanStopped("the pickle ends early")
    return machine.data[pos:end], end + 1


def _spelled(read: Callable[[bytes], Any]) -> Step:
    def step(machine: Machine, pos: int) -> int:
        line, pos = line_at(machine, pos)
        machine.stack.append(read(line))
        return pos

    return step


def length_at(machine: Machine, pos: int, width: int) -> int:
    """Return the length that stands at a place, if so many bytes are left of the frame after it."""
    length = int.from_bytes(machine.data[pos : pos + width], "little")
    if length > machine.limit - pos - width:
        raise ScanStopped("what it announces does not fit into the rest")
    return length


def _text(width: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        length = length_at(machine, pos, width)
        return machine.push_text(pos + width, length, machine.limit)

    return step


def _bytes(width: int, *, mutable: bool = False) -> Step:
    def step(machine: Machine, pos: int) -> int:
        length = length_at(machine, pos, width)
        machine.stack.append(Bytes(pos + width, length, mutable=mutable))
        return pos + width + length

    return step


def _old_bytes(width: int) -> Step:
    """Read what Python 2 wrote as ``str``; the default of unpicklers takes it for ASCII text."""

    def step(machine: Machine, pos: int) -> int:
        length = length_at(machine, pos, width)
        start, end = pos + width, pos + width + length
        if width == 4 and length >= 1 << 31:
            raise ScanStopped("a length is negative")
        content = machine.data[start:end]
        if not content.isascii():
            raise ScanStopped("a text of Python 2 is not ASCII")
        machine.stack.append(content.decode("ascii") if length <= spelling.SHORT else Text(start, length))
        return end

    return step


def _long(width: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        if width == 4 and machine.data[pos + 3] >= 0x80:
            raise ScanStopped("a length is negative")
        length = length_at(machine, pos, width)
        start = pos + width
        value = (
            int.from_bytes(machine.data[start : start + length], "little", signed=True)
            if length <= 8
            else _INT
        )
        machine.stack.append(value)
        return start + length

    return step


def _next_buffer(machine: Machine, pos: int) -> int:
    machine.ledger.add_unresolved("unknown types", "takes bytes from outside the file", machine.at)
    machine.stack.append(CallResult(None, None))
    return pos


def _readonly_buffer(machine: Machine, pos: int) -> int:
    if type(machine.stack[-1]) not in (CallResult, Bytes, Array):
        raise ScanStopped("something other than a buffer is made read-only")
    return pos


def _fixed(machine: Machine, pos: int, width: int, *, signed: bool = False) -> int:
    machine.stack.append(int.from_bytes(machine.data[pos : pos + width], "little", signed=signed))
    return pos + width


TABLE: dict[bytes, Step] = {
    b"I": _spelled(spelling.integer),
    b"L": _spelled(spelling.long),
    b"F": _spelled(spelling.number),
    b"S": _spelled(spelling.old_text),
    b"V": _spelled(spelling.text),
    b"J": lambda machine, pos: _fixed(machine, pos, 4, signed=True),
    b"K": lambda machine, pos: _fixed(machine, pos, 1),
    b"M": lambda machine, pos: _fixed(machine, pos, 2),
    b"G": lambda machine, pos: _constant(FLOAT)(machine, pos + 8),
    b"\x8a": _long(1),
    b"\x8b": _long(4),
    b"T": _old_bytes(4),
    b"U": _old_bytes(1),
    b"B": _bytes(4),
    b"C": _bytes(1),
    b"\x8e": _bytes(8),
    b"\x96": _bytes(8, mutable=True),
    b"\x97": _next_buffer,
    b"\x98": _readonly_buffer,
    b"N": _constant(None),
    b"\x88": _constant(True),
    b"\x89": _constant(False),
    b"X": _text(4),
    b"\x8c": _text(1),
    b"\x8d": _text(8),
}
