"""What the opcodes of the memo do to the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from safeload.scanning import spelling
from safeload.scanning.ledger import ScanStopped
from safeload.scanning.opcodes import line_at

if TYPE_CHECKING:
    from safeload.scanning.machine import Machine

Step = Callable[["Machine", int], int]

# The memo's word for "nothing under this number".
MISSING = -(1 << 62)
# Beyond what is in use, the C unpickler makes room for a memo of twice the number.
_MEMO_ROOM = 1_024


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
        raise ScanStopped("a number of the memo is far from those in use", limit=True)
    if index > len(memo):
        machine.gaps += index - len(memo)
        memo.extend([MISSING] * (index - len(memo)))
        memo.append(entry)
        return
    machine.gaps -= memo[index] == MISSING
    memo[index] = entry


def _get(machine: Machine, index: int) -> None:
    if index >= len(machine.memo):
        raise ScanStopped("the memo has no such entry")
    entry = machine.memo[index]
    if entry == MISSING:
        raise ScanStopped("the memo has no such entry")
    machine.stack.append(machine.text(entry) if entry >= 0 else machine.recall(~entry))


def _put_line(machine: Machine, pos: int) -> int:
    line, pos = line_at(machine, pos)
    _put(machine, spelling.index(line))
    return pos


def _get_line(machine: Machine, pos: int) -> int:
    line, pos = line_at(machine, pos)
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


TABLE: dict[bytes, Step] = {
    b"g": _get_line,
    b"h": _bin_get(1),
    b"j": _bin_get(4),
    b"p": _put_line,
    b"q": _bin_put(1),
    b"r": _bin_put(4),
    b"\x94": _memoize,
}
