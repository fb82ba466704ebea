"""The opcodes that create and fill containers, and those of marks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from safeload.scanning.ledger import ScanStopped
from safeload.scanning.machine import Machine, Step
from safeload.scanning.names import GETATTR
from safeload.scanning.values import (
    Bytes,
    CallResult,
    Collection,
    Frozen,
    ListValue,
    Mapping,
    Opaque,
    Reference,
    Sequence,
    Text,
    is_hashable,
)

_MAX_MARKS = 10_000
_MAX_DEPTH = 1_000
# Numbers and constants, matched at once; possessive, so that the match never backtracks.
_SCALAR = rb"(?:K.|M..|J.{4}|G.{8}|[N\x88\x89])"
_SCALARS_OF_LIST = re.compile(_SCALAR + rb"++e", re.DOTALL)
_SCALARS_OF_DICT = re.compile(rb"(?:" + _SCALAR * 2 + rb")++u", re.DOTALL)
_STARTS = frozenset(b"KMJGN\x88\x89")
# Nearly all keys are of these types.
_KEYS = frozenset({str, int, bool, type(None), Text, Opaque})
_NO_MAPPING = (int, str, bool, type(None), Text, Bytes, Opaque, tuple, Sequence, Collection, Frozen)
_NO_CONTAINER = (*_NO_MAPPING, Mapping)


def _mark(machine: Machine, pos: int) -> int:
    stack = machine.stack
    if machine.data[pos] in _STARTS and stack:
        end = _skip_number_run(machine, pos, stack[-1])
        if end:
            return end
    if len(machine.below) >= _MAX_MARKS:
        raise ScanStopped("it is nested deeper than picklers nest", "unknown types", limit=True)
    machine.below.append(stack)
    machine.height += len(stack) + 1
    machine.stack = []
    return pos


def _skip_number_run(machine: Machine, pos: int, top: Any) -> int:
    """Return where a run of numbers ends that is added to a list or dict, or 0 if there is none.

    Most plain data are long runs of numbers, and their values do not matter.
    """
    if type(top) is ListValue:
        run = _SCALARS_OF_LIST.match(machine.data, pos, machine.limit)
    elif type(top) is Mapping:
        run = _SCALARS_OF_DICT.match(machine.data, pos, machine.limit)
    else:
        return 0
    if run is None:
        return 0
    top.forget()
    return run.end()


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


def _sequence(items: tuple[Any, ...]) -> tuple[Any, ...] | Sequence:
    """Return what stands for a tuple.

    One that is nested too deep is refused: comparing it would overflow the stack of native code.
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
        raise ScanStopped("it is nested deeper than picklers nest", "unknown types", limit=True)
    return Sequence(items, depth)


def _tuple(machine: Machine, pos: int) -> int:
    items = tuple(machine.group())
    machine.stack.append(_sequence(items))
    machine.close_calls()
    return pos


def _tuple_of(count: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        stack = machine.stack
        if len(stack) < count:
            raise IndexError
        items = tuple(stack[-count:])
        stack[-count:] = [_sequence(items)]
        if machine.ledger.open_calls:
            machine.close_calls()
        return pos

    return step


def _empty(kind: Callable[[], Any]) -> Step:
    def step(machine: Machine, pos: int) -> int:
        machine.stack.append(kind())
        return pos

    return step


def _list(machine: Machine, pos: int) -> int:
    made = ListValue()
    made.add(machine.group())
    machine.stack.append(made)
    machine.close_calls()
    return pos


def _frozenset(machine: Machine, pos: int) -> int:
    _require_hashable(machine.group())
    machine.stack.append(Frozen())
    machine.close_calls()
    return pos


def _require_hashable(keys: list[Any]) -> None:
    """Require that values can be keys of a dict or elements of a set; no unpickler reads others."""
    if not _KEYS.issuperset(map(type, keys)) and not all(map(is_hashable, keys)):
        raise ScanStopped("a key is not hashable")


def _dict(machine: Machine, pos: int) -> int:
    made = Mapping()
    _set(machine, made, machine.group())
    machine.stack.append(made)
    machine.close_calls()
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
        machine.close_calls()
    if type(target) is ListValue:
        target.add(items)
    elif type(target) is Reference:
        machine.ledger.find("dangerous", f"changes {target.name}, which it only names", machine.at)
    elif type(target) in _NO_CONTAINER:
        # Both unpicklers append to a bytearray, but no pickler writes that.
        raise ScanStopped("elements are added to something that is not a list")


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
        machine.close_calls()
    if len(items) % 2:
        raise ScanStopped("a key has no value")
    if type(target) is Mapping:
        _require_hashable(items[::2])
        target.add(items)
    elif type(target) is Reference:
        machine.ledger.find("dangerous", f"changes {target.name}, which it only names", machine.at)
    elif type(target) in _NO_MAPPING:
        raise ScanStopped("items are set in something that is not a dict")
    elif type(target) is not CallResult:
        machine.ledger.find("unknown types", "replaces elements, which no pickler does", machine.at)


def _add_items(machine: Machine, pos: int) -> int:
    _require_hashable(machine.group())
    target = machine.stack[-1]
    if machine.ledger.open_calls:
        machine.close_calls()
    if type(target) is Reference:
        machine.ledger.find("dangerous", f"changes {target.name}, which it only names", machine.at)
    elif type(target) not in (Collection, CallResult):
        raise ScanStopped("elements are added to something that is not a set")
    return pos


def _empty_tuple(machine: Machine, pos: int) -> int:
    machine.stack.append(())
    return pos


TABLE: dict[bytes, Step] = {
    b"]": _empty(ListValue),
    b"a": _append,
    b"e": _appends,
    b"l": _list,
    b")": _empty_tuple,
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
}
