"""A stack machine for pickle's opcodes (PEP 307, 3154, 574) that makes stand-ins instead of objects.

Rules:

1. Nothing is imported, called or built. Memory is spent on what the file holds, not on what it announces.
2. Where the C and the Python unpickler differ, or neither goes on, the file is malformed. So an instruction
   ends within its frame, a frame ends within the file, and STOP is at the end of its frame.
3. What the machine cannot follow makes the file at least ``unknown types``; it never guesses.
4. There is one pass, and the work for each byte is bounded. Only a pickle within an object array has a
   machine of its own, and that pickle holds no further one.
"""

from __future__ import annotations

from safeload.scanning import calls, containers, opcodes
from safeload.scanning.ledger import Ledger, ScanStopped
from safeload.scanning.machine import Machine, Step
from safeload.scanning.names import GETATTR, Resolver
from safeload.scanning.report import PickleFound

_MAX_PROTOCOL = 5
# The sizes of stack and memo are checked once for so many bytes; one byte adds at most one entry.
_WINDOW = 1 << 17
_MAX_STACK = 1 << 19
# Objects in the memo: a number that costs little, and more if the file is large enough to need them.
_MEMO_OBJECTS, _BYTES_PER_OBJECT = 1 << 18, 4
_STOP = b"."[0]
# Opcodes that look at the byte after them at once.
_OPERAND = frozenset(b"\x8chK(\x80\x8b")


def follow(data: bytes, start: int, ledger: Ledger, resolver: Resolver, *, with_arrays: bool) -> int:
    """Follow the pickle at a position and record what it does.

    Returns where the pickle ends, or -1 if it cannot be followed to its end; the ledger has the reason then.
    """
    machine = Machine(data, ledger, resolver, with_arrays=with_arrays, run=_run)
    ledger.reset_calls()
    try:
        return _run(machine, start)
    except ScanStopped as reason:
        ledger.halted(reason, min(machine.at, len(data)))
        return -1


def _run(machine: Machine, start: int) -> int:
    try:
        end = _loop(machine, start)
    except IndexError:
        raise ScanStopped(_shortage(machine), certain=True) from None
    except UnicodeDecodeError:
        raise ScanStopped("a text is not UTF-8", certain=True) from None
    if machine.attributes:
        # Something other than the one admitted call holds it.
        machine.ledger.find("dangerous", f"names {GETATTR}, which reaches what it is given", start)
    machine.ledger.went_through(PickleFound(protocol=machine.protocol, start=start, end=end))
    return end


def _loop(machine: Machine, pos: int) -> int:
    data, steps = machine.data, STEPS
    while True:
        if pos >= machine.stop:
            _check(machine, pos)
        machine.at = pos
        op = data[pos]
        pos = steps[op](machine, pos + 1)
        if op == _STOP:
            return pos


def _check(machine: Machine, pos: int) -> None:
    """Check sizes and the limit before the instruction at a position."""
    limit, size = machine.limit, len(machine.data)
    if pos > limit and limit < size:
        raise ScanStopped("an instruction crosses the end of its frame")
    if pos >= size:
        if pos == size:
            machine.at = pos
        raise ScanStopped("the pickle ends early", certain=True)
    if pos == limit:
        machine.limit = size
    if (
        len(machine.stack) + machine.height > _MAX_STACK
        or len(machine.objects) > _MEMO_OBJECTS + size // _BYTES_PER_OBJECT
    ):
        raise ScanStopped("it holds more objects at once than are followed", "unknown types", limit=True)
    machine.stop = min(machine.limit, pos + _WINDOW)


def _shortage(machine: Machine) -> str:
    """Say what an instruction lacked: a byte, an entry of the memo, or something on the stack."""
    after = machine.at + 1
    if after > len(machine.data):
        return "the pickle ends early"
    op = machine.data[machine.at]
    if after == len(machine.data) and op in _OPERAND:
        return "the pickle ends early"
    return "the memo has no such entry" if op in b"hj" else "an instruction takes more than there is"


def _protocol(machine: Machine, pos: int) -> int:
    protocol = machine.data[pos]
    if protocol > _MAX_PROTOCOL:
        raise ScanStopped(f"there is no protocol {protocol}", certain=True)
    machine.protocol = protocol
    return pos + 1


def _frame(machine: Machine, pos: int) -> int:
    if machine.limit != len(machine.data):
        raise ScanStopped("a frame starts within a frame")
    start = pos + 8
    machine.set_limit(min(start + opcodes.length_at(machine, pos, 8), len(machine.data)))
    return start


def _stop(machine: Machine, pos: int) -> int:
    machine.result = machine.stack.pop()
    if pos > machine.limit:
        raise ScanStopped("an instruction crosses the end of its frame")
    if machine.limit not in (pos, len(machine.data)):
        raise ScanStopped("the pickle ends before its frame")
    return pos


def _unassigned(machine: Machine, pos: int) -> int:
    raise ScanStopped("there is no such instruction", certain=True)


_TABLE: dict[bytes, Step] = {
    **opcodes.TABLE,
    **containers.TABLE,
    **calls.TABLE,
    b"\x80": _protocol,
    b"\x95": _frame,
    b".": _stop,
}
# By the opcode's byte.
STEPS: tuple[Step, ...] = tuple(_TABLE.get(bytes([code]), _unassigned) for code in range(256))
