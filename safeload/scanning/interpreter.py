"""Which step each opcode is; and those of protocol, frame and end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from safeload.scanning import calls, containers, memo, opcodes
from safeload.scanning.ledger import ScanStopped
from safeload.scanning.opcodes import length_at

if TYPE_CHECKING:
    from safeload.scanning.machine import Machine

Step = Callable[["Machine", int], int]

_MAX_PROTOCOL = 5


def _protocol(machine: Machine, pos: int) -> int:
    protocol = machine.data[pos]
    if protocol > _MAX_PROTOCOL:
        raise ScanStopped(f"there is no protocol {protocol}")
    machine.protocol = protocol
    return pos + 1


def _frame(machine: Machine, pos: int) -> int:
    if machine.limit != len(machine.data):
        raise ScanStopped("a frame starts within a frame")
    length = length_at(machine, pos, 8)
    machine.limit = min(pos + 8 + length, len(machine.data))
    return pos + 8


def _stop(machine: Machine, pos: int) -> int:
    machine.result = machine.stack.pop()
    if pos > machine.limit:
        raise ScanStopped("an instruction crosses the end of its frame")
    if machine.limit not in (pos, len(machine.data)):
        raise ScanStopped("the pickle ends before its frame")
    machine.stopped = True
    return pos


def _unassigned(machine: Machine, pos: int) -> int:
    raise ScanStopped("there is no such instruction")


_TABLE: dict[bytes, Step] = {
    **opcodes.TABLE,
    **containers.TABLE,
    **memo.TABLE,
    **calls.TABLE,
    b"\x80": _protocol,
    b"\x95": _frame,
    b".": _stop,
}
# By the opcode's byte.
STEPS: tuple[Step, ...] = tuple(_TABLE.get(bytes([code]), _unassigned) for code in range(256))
