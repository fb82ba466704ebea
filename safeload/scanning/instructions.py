"""What each opcode does to the machine: data, containers, memo and frames. Calls are in :mod:`.calls`."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from safeload.scanning import calls, spelling
from safeload.scanning.ledger import Halt
from safeload.scanning.names import GETATTR
from safeload.scanning.values import (
    Array,
    Bytes,
    Collection,
    Listing,
    Made,
    Mapping,
    Plain,
    Reference,
    Sequence,
    Text,
)

if TYPE_CHECKING:
    from safeload.scanning.machine import Machine

Step = Callable[["Machine", int], int]

FLOAT = Plain("float")
_INT = Plain("int")
# The memo's word for "nothing under this number".
MISSING = -(1 << 62)
_MAX_PROTOCOL = 5
MAX_MARKS = 10_000
_MAX_DEPTH = 1_000
# Beyond what is in use, the C unpickler makes room for a memo of twice the number.
_MEMO_ROOM = 1_024
_PIECE = 1 << 20
# Numbers and constants, in one sweep of the expression engine; possessive, so that it never goes back.
_SCALAR = rb"(?:K.|M..|J.{4}|G.{8}|[N\x88\x89])"
_SCALARS_OF_LIST = re.compile(_SCALAR + rb"++e", re.DOTALL)
_SCALARS_OF_DICT = re.compile(rb"(?:" + _SCALAR * 2 + rb")++u", re.DOTALL)
STARTS = frozenset(b"KMJGN\x88\x89")
_NO_CONTAINER = (int, str, bool, type(None), Text, Bytes, Plain, tuple, Sequence, Collection, Mapping)
_NO_MAPPING = (int, str, bool, type(None), Text, Bytes, Plain, tuple, Sequence, Collection)


def characters(data: bytes, start: int, end: int) -> int:
    """Count the characters of a text, a piece at a time."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    count = 0
    for position in range(start, end, _PIECE):
        piece_end = min(position + _PIECE, end)
        count += len(decoder.decode(data[position:piece_end], piece_end == end))
    return count


# Data.


def _constant(value: Any) -> Step:
    def step(machine: Machine, pos: int) -> int:
        machine.stack.append(value)
        return pos

    return step


def _line(machine: Machine, pos: int) -> tuple[bytes, int]:
    end = machine.data.find(b"\n", pos, machine.limit)
    if end < 0:
        raise Halt("the pickle ends early")
    return machine.data[pos:end], end + 1


def _spelled(read: Callable[[bytes], Any]) -> Step:
    def step(machine: Machine, pos: int) -> int:
        line, pos = _line(machine, pos)
        machine.stack.append(read(line))
        return pos

    return step


def length_at(machine: Machine, pos: int, width: int) -> int:
    """Return the length that stands at a place, if so many bytes are left of the frame after it."""
    length = int.from_bytes(machine.data[pos : pos + width], "little")
    if length > machine.limit - pos - width:
        raise Halt("what it announces does not fit into the rest")
    return length


def _text(width: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        length = length_at(machine, pos, width)
        return machine.push_text(pos + width, length, machine.limit)

    return step


def _bytes(width: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        length = length_at(machine, pos, width)
        machine.stack.append(Bytes(pos + width, length))
        return pos + width + length

    return step


def _old_bytes(width: int) -> Step:
    """Read what Python 2 wrote as ``str``; the default of unpicklers takes it for ASCII text."""

    def step(machine: Machine, pos: int) -> int:
        length = length_at(machine, pos, width)
        start, end = pos + width, pos + width + length
        if width == 4 and length >= 1 << 31:
            raise Halt("a length is negative")
        content = machine.data[start:end]
        if not content.isascii():
            raise Halt("a text of Python 2 is not ASCII")
        machine.stack.append(content.decode("ascii") if length <= spelling.SHORT else Text(start, length))
        return end

    return step


def _long(width: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        if width == 4 and machine.data[pos + 3] >= 0x80:
            raise Halt("a length is negative")
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
    machine.ledger.untold("unknown types", "takes bytes from outside the file", machine.at)
    machine.stack.append(Made(None, None))
    return pos


def _readonly_buffer(machine: Machine, pos: int) -> int:
    if type(machine.stack[-1]) not in (Made, Bytes, Array):
        raise Halt("something other than a buffer is made read-only")
    return pos


# Containers.


def swept(data: bytes, pos: int, limit: int, top: Any) -> int:
    """Step over a run of numbers for a list or dict; return where it ends, or -1 if it is none."""
    # Most plain data are long runs of numbers, and which ones does not matter.
    if type(top) is Listing:
        run = _SCALARS_OF_LIST.match(data, pos, limit)
    elif type(top) is Mapping:
        run = _SCALARS_OF_DICT.match(data, pos, limit)
    else:
        return -1
    if run is None:
        return -1
    top.forget()
    return run.end()


def _mark(machine: Machine, pos: int) -> int:
    if len(machine.below) >= MAX_MARKS:
        raise Halt("it is nested deeper than picklers nest", "unknown types", limit=True)
    machine.below.append(machine.stack)
    machine.height += len(machine.stack) + 1
    machine.stack = []
    return pos


def _pop(machine: Machine, pos: int) -> int:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.group()
    return pos


def _pop_mark(machine: Machine, pos: int) -> int:
    machine.group()
    return pos


def _dup(machine: Machine, pos: int) -> int:
    value = machine.stack[-1]
    if type(value) is Reference and value.name == GETATTR:
        machine.attributes += 1
    machine.stack.append(value)
    return pos


def sequence(items: tuple[Any, ...]) -> tuple[Any, ...] | Sequence:
    """Return a tuple.

    Raises
    ------
    Halt
        It is nested too deep; comparing it would overflow the stack of native code.
    """
    depth = 0
    for item in items:
        if type(item) is tuple:
            depth = depth or 1
        elif type(item) is Sequence and item.depth >= depth:
            depth = item.depth + 1
    if not depth:
        return items
    if depth > _MAX_DEPTH:
        raise Halt("it is nested deeper than picklers nest", "unknown types", limit=True)
    return Sequence(items, depth)


def _tuple(machine: Machine, pos: int) -> int:
    items = tuple(machine.group())
    machine.stack.append(sequence(items))
    machine.lowered()
    return pos


def _tuple_of(count: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        stack = machine.stack
        if len(stack) < count:
            raise IndexError
        items = tuple(stack[-count:])
        stack[-count:] = [sequence(items)]
        if machine.ledger.open_calls:
            machine.lowered()
        return pos

    return step


def _empty(kind: Callable[[], Any]) -> Step:
    def step(machine: Machine, pos: int) -> int:
        machine.stack.append(kind())
        return pos

    return step


def _list(machine: Machine, pos: int) -> int:
    made = Listing()
    made.add(machine.group())
    machine.stack.append(made)
    machine.lowered()
    return pos


def _frozenset(machine: Machine, pos: int) -> int:
    machine.group()
    machine.stack.append(Collection())
    machine.lowered()
    return pos


def _dict(machine: Machine, pos: int) -> int:
    made = Mapping()
    _set(machine, made, machine.group())
    machine.stack.append(made)
    machine.lowered()
    return pos


def _append(machine: Machine, pos: int) -> int:
    value = machine.stack.pop()
    _extend(machine, machine.stack[-1], [value])
    return pos


def _appends(machine: Machine, pos: int) -> int:
    items = machine.group()
    _extend(machine, machine.stack[-1], items)
    return pos


def _extend(machine: Machine, target: Any, items: list[Any]) -> None:
    if machine.ledger.open_calls:
        machine.lowered()
    if type(target) is Listing:
        target.add(items)
    elif type(target) is Reference:
        machine.ledger.find("dangerous", f"changes {target.name}, which it only names", machine.at)
    elif type(target) in _NO_CONTAINER:
        # To a bytearray both unpicklers append; no pickler writes that.
        raise Halt("elements are added to what takes none")


def _set_item(machine: Machine, pos: int) -> int:
    value, key = machine.stack.pop(), machine.stack.pop()
    _set(machine, machine.stack[-1], [key, value])
    return pos


def _set_items(machine: Machine, pos: int) -> int:
    items = machine.group()
    _set(machine, machine.stack[-1], items)
    return pos


def _set(machine: Machine, target: Any, items: list[Any]) -> None:
    if machine.ledger.open_calls:
        machine.lowered()
    if len(items) % 2:
        raise Halt("a key has no value")
    if type(target) is Mapping:
        target.add(items)
    elif type(target) is Reference:
        machine.ledger.find("dangerous", f"changes {target.name}, which it only names", machine.at)
    elif type(target) in _NO_MAPPING:
        raise Halt("items are set in what has none")
    elif type(target) is not Made:
        machine.ledger.find("unknown types", "replaces elements, which no pickler does", machine.at)


def _add_items(machine: Machine, pos: int) -> int:
    machine.group()
    target = machine.stack[-1]
    if machine.ledger.open_calls:
        machine.lowered()
    if type(target) is Reference:
        machine.ledger.find("dangerous", f"changes {target.name}, which it only names", machine.at)
    elif type(target) not in (Collection, Made):
        raise Halt("elements are added to what is no set")
    return pos


# The memo.


def _put(machine: Machine, index: int) -> None:
    value = machine.stack[-1]
    memo = machine.memo
    if machine.text_end == machine.at:
        entry = machine.text_at
    else:
        entry = ~len(machine.objects)
        machine.objects.append(value)
    if index == len(memo):
        memo.append(entry)
        return
    if index > 2 * len(memo) + _MEMO_ROOM:
        raise Halt("a number of the memo is far from those in use", limit=True)
    if index > len(memo):
        machine.gaps += index - len(memo)
        memo.extend([MISSING] * (index - len(memo)))
        memo.append(entry)
        return
    machine.gaps -= memo[index] == MISSING
    memo[index] = entry


def _get(machine: Machine, index: int) -> None:
    if index >= len(machine.memo):
        raise Halt("the memo has no such entry")
    entry = machine.memo[index]
    if entry == MISSING:
        raise Halt("the memo has no such entry")
    machine.stack.append(machine.text(entry) if entry >= 0 else machine.recall(~entry))


def _put_line(machine: Machine, pos: int) -> int:
    line, pos = _line(machine, pos)
    _put(machine, spelling.index(line))
    return pos


def _get_line(machine: Machine, pos: int) -> int:
    line, pos = _line(machine, pos)
    _get(machine, spelling.index(line))
    return pos


def _bin_put(width: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        _put(machine, int.from_bytes(machine.data[pos : pos + width], "little"))
        return pos + width

    return step


def _bin_get(width: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        _get(machine, int.from_bytes(machine.data[pos : pos + width], "little"))
        return pos + width

    return step


def _memoize(machine: Machine, pos: int) -> int:
    # The number is how many entries there are, and not one more than the highest.
    _put(machine, len(machine.memo) - machine.gaps)
    return pos


# The rest.


def _protocol(machine: Machine, pos: int) -> int:
    protocol = machine.data[pos]
    if protocol > _MAX_PROTOCOL:
        raise Halt(f"there is no protocol {protocol}")
    machine.protocol = protocol
    return pos + 1


def _frame(machine: Machine, pos: int) -> int:
    if machine.limit != len(machine.data):
        raise Halt("a frame starts within a frame")
    length = length_at(machine, pos, 8)
    machine.limit = min(pos + 8 + length, len(machine.data))
    return pos + 8


def _stop(machine: Machine, pos: int) -> int:
    machine.result = machine.stack.pop()
    if pos > machine.limit:
        raise Halt("an instruction crosses the end of its frame")
    if machine.limit not in (pos, len(machine.data)):
        raise Halt("the pickle ends before its frame")
    machine.stopped = True
    return pos


def _unassigned(machine: Machine, pos: int) -> int:
    raise Halt("there is no such instruction")


_TABLE: dict[bytes, Step] = {
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
    b"\x96": _bytes(8),
    b"\x97": _next_buffer,
    b"\x98": _readonly_buffer,
    b"N": _constant(None),
    b"\x88": _constant(True),
    b"\x89": _constant(False),
    b"X": _text(4),
    b"\x8c": _text(1),
    b"\x8d": _text(8),
    b"]": _empty(Listing),
    b"a": _append,
    b"e": _appends,
    b"l": _list,
    b")": _constant(()),
    b"t": _tuple,
    b"\x85": _tuple_of(1),
    b"\x86": _tuple_of(2),
    b"\x87": _tuple_of(3),
    b"}": _empty(Mapping),
    b"d": _dict,
    b"s": _set_item,
    b"u": _set_items,
    b"\x8f": _empty(Collection),
    b"\x90": _add_items,
    b"\x91": _frozenset,
    b"0": _pop,
    b"2": _dup,
    b"(": _mark,
    b"1": _pop_mark,
    b"g": _get_line,
    b"h": _bin_get(1),
    b"j": _bin_get(4),
    b"p": _put_line,
    b"q": _bin_put(1),
    b"r": _bin_put(4),
    b"\x94": _memoize,
    b"\x80": _protocol,
    b"\x95": _frame,
    b".": _stop,
    **calls.TABLE,
}


def _fixed(machine: Machine, pos: int, width: int, *, signed: bool = False) -> int:
    machine.stack.append(int.from_bytes(machine.data[pos : pos + width], "little", signed=signed))
    return pos + width


# By the opcode's byte.
STEPS: tuple[Step, ...] = tuple(_TABLE.get(bytes([code]), _unassigned) for code in range(256))
