"""The opcodes that look up names, call functions and set states."""

from __future__ import annotations

from typing import Any

from safeload import namelists
from safeload.scanning import arrays, states
from safeload.scanning.dtypes import Corrupting, Unknown
from safeload.scanning.ledger import ScanStopped
from safeload.scanning.machine import Machine, Step
from safeload.scanning.names import GETATTR
from safeload.scanning.opcodes import line_at, name_of
from safeload.scanning.values import (
    Array,
    CallResult,
    Collection,
    Frozen,
    Mapping,
    Reference,
    class_of,
    items_of,
    short,
)

_DATA = (int, str, bool, type(None))
# Classes, and functions that return only arrays and their types.
_NO_TEXT = frozenset(
    {
        "joblib.numpy_pickle.NumpyArrayWrapper",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy._core.multiarray._reconstruct",
        "numpy.core.multiarray._reconstruct",
    }
)


_ANYTHING = frozenset(
    {
        "_codecs.encode",
        "builtins.getattr",
        "builtins.str",
        "copyreg._reconstructor",
        "numpy._core.multiarray.scalar",
        "numpy.core.multiarray.scalar",
    }
)
_CALLS = frozenset({"REDUCE", "OBJ", "INST"})


# Names.


def _refer(machine: Machine, module: str, name: str) -> None:
    found = machine.resolver.refer(module, name, machine.protocol, machine.at)
    if found.name == GETATTR:
        machine.attributes += 1
    machine.stack.append(found)


def _names(machine: Machine, pos: int, encoding: str) -> tuple[str, str, int]:
    module, pos = line_at(machine, pos)
    name, pos = line_at(machine, pos)
    return name_of(module, encoding), name_of(name, encoding), pos


def _global(machine: Machine, pos: int) -> int:
    module, name, pos = _names(machine, pos, "utf-8")
    _refer(machine, module, name)
    return pos


def _stack_global(machine: Machine, pos: int) -> int:
    name, module = machine.stack.pop(), machine.stack.pop()
    if type(name) is str and type(module) is str:
        _refer(machine, module, name)
        return pos
    if any(type(part) in (CallResult, Reference) and not _is_no_text(part) for part in (name, module)):
        machine.ledger.add_unresolved("dangerous", "a name is made while loading", machine.at)
        machine.stack.append(CallResult(None, None))
        return pos
    raise ScanStopped("a name is made while loading, and not of text")


def _is_no_text(part: CallResult | Reference) -> bool:
    """Tell whether a value is certainly not text, so that an unpickler refuses it as a name."""
    named = part if type(part) is Reference else part.called if type(part) is CallResult else None
    if type(named) is not Reference:
        return False
    # Presets name classes and functions; a name such as os.sep, which is text, is not among them. Their
    # results are no text either, except those of functions that return whatever they are asked for.
    return (named.name in namelists.known() or named.name in _NO_TEXT) and (
        named is part or named.name not in _ANYTHING
    )


def _extension(width: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        number = int.from_bytes(machine.data[pos : pos + width], "little", signed=width == 4)
        if number <= 0:
            raise ScanStopped("a number of the extension registry is not positive")
        machine.ledger.add_unresolved(
            "dangerous", f"names something by the number {number} of the extension registry", machine.at
        )
        machine.stack.append(CallResult(None, None))
        return pos + width

    return step


def _persistent(machine: Machine, pos: int) -> int:
    machine.stack.pop()
    return _elsewhere(machine, pos)


def _persistent_line(machine: Machine, pos: int) -> int:
    line, pos = line_at(machine, pos)
    if not line.isascii():
        raise ScanStopped("a persistent id is not ASCII", certain=True)
    return _elsewhere(machine, pos)


def _elsewhere(machine: Machine, pos: int) -> int:
    machine.ledger.every_unpickler_stops()  # They have no such objects by default.
    machine.ledger.add_unresolved("unknown types", "refers to an object outside the file", machine.at)
    machine.stack.append(CallResult(None, None))
    return pos


# Calls.


def _call(machine: Machine, how: str, what: Any, arguments: Any, shown: str | None = None) -> None:
    """Record a call and push its result."""
    kind = type(what)
    if kind in _DATA or kind not in (Reference, CallResult):
        raise ScanStopped("something that is not a function is called")
    items = items_of(arguments)
    if items is None and type(arguments) is not CallResult:
        # The Python unpickler would take a list, the C one would not.
        raise ScanStopped("the arguments of a call are not a tuple")
    ledger = machine.ledger
    height = machine.height + len(machine.stack)
    if not ledger.full:
        ledger.call(how, short(what), short(arguments) if shown is None else shown, machine.at, height)
    else:
        ledger.left_out += 1
    if kind is Reference and how in _CALLS and what.name in namelists.known() - namelists.called():
        # Libraries refer to it, or create it without its constructor. None of them calls it.
        ledger.find("unknown types", f"calls {what.name}, which no library's dump does", machine.at)
    if kind is CallResult and class_of(what) != GETATTR:
        ledger.find("unknown types", "calls what another call returned", machine.at)
    elif how == "REDUCE" and kind is Reference and what.name == GETATTR:
        machine.attributes -= 1  # Judged by its arguments.
    if items is None:
        ledger.find("unknown types", "calls something with arguments that another call returned", machine.at)
    try:
        result = states.called(how, what, items, machine.ledger.array)
    except (Unknown, Corrupting) as problem:
        _report(machine, problem)
        result = CallResult(what, items)
    machine.stack.append(result)


def _report(machine: Machine, problem: Unknown | Corrupting) -> None:
    """Record what the libraries would not write."""
    if isinstance(problem, Unknown):
        machine.ledger.find("unknown types", f"holds {problem}", machine.at)
    else:
        machine.ledger.find("dangerous", str(problem), machine.at)


def _of_two(how: str) -> Step:
    def step(machine: Machine, pos: int) -> int:
        arguments, what = machine.stack.pop(), machine.stack.pop()
        _call(machine, how, what, arguments)
        return pos

    return step


def _new_with_names(machine: Machine, pos: int) -> int:
    named, arguments, what = machine.stack.pop(), machine.stack.pop(), machine.stack.pop()
    if type(named) not in (Mapping, CallResult):
        raise ScanStopped("the named arguments of a call are not a dict")
    shown = None if machine.ledger.full else f"{short(arguments)} {short(named)}"
    _call(machine, "NEWOBJ_EX", what, arguments, shown)
    return pos


def _object(machine: Machine, pos: int) -> int:
    group = machine.group()
    if not group:
        raise IndexError
    _call(machine, "OBJ", group[0], tuple(group[1:]))
    return pos


def _instance(machine: Machine, pos: int) -> int:
    module, name, pos = _names(machine, pos, "ascii")
    arguments = tuple(machine.group())
    found = machine.resolver.refer(module, name, machine.protocol, machine.at)
    machine.attributes += found.name == GETATTR
    _call(machine, "INST", found, arguments)
    return pos


# States.


def _build(machine: Machine, pos: int) -> int:
    state = machine.stack.pop()
    target = machine.stack[-1]
    ledger = machine.ledger
    if type(target) is Reference:
        ledger.find("dangerous", f"sets attributes of {target.name}, which it only names", machine.at)
        return pos
    if type(target) is not CallResult:
        if type(target) in (Array, Collection, Frozen):
            ledger.find("unknown types", "sets the state of an array anew", machine.at)
            return pos
        raise ScanStopped("a state is set in what has none")
    if not ledger.full:
        # The state of the result of a call is shown with the call.
        what = short(target.called) if target.called is not None else "<object>"
        ledger.call("BUILD", what, short(state), machine.at, machine.height + len(machine.stack) - 1)
    else:
        ledger.left_out += 1
    target.state = state
    name = class_of(target)
    if machine.with_arrays and name is not None and name.partition(".")[0] == "joblib":
        return _wrapped(machine, pos, name, state)
    try:
        states.built(target, state, machine.data, machine.ledger.array)
    except (Unknown, Corrupting) as problem:
        _report(machine, problem)
    return pos


def _wrapped(machine: Machine, pos: int, name: str, state: Any) -> int:
    """Replace the wrapper of an array by the array, as joblib does."""
    if name in arrays.LEGACY:
        raise ScanStopped(
            "it was written by joblib before 0.10, with each array in a file of its own", "unknown types"
        )
    if name != arrays.WRAPPER:
        # It may be the wrapper of arrays under another name.
        raise ScanStopped(f"what follows the state of {name} depends on joblib", "unknown types")
    try:
        array, padded = arrays.announced(state)
    except Unknown as unknown:
        raise ScanStopped(f"the length of an array cannot be told: {unknown}", "unknown types") from None
    except Corrupting as corrupting:
        raise ScanStopped(str(corrupting), "dangerous") from None
    if machine.limit not in (pos, len(machine.data)):
        raise ScanStopped("an array starts within a frame")
    machine.set_limit(len(machine.data))
    machine.stack.pop()
    if array.dtype.objects:
        return _nested(machine, pos)
    if padded:
        pos += 1 + machine.data[pos]
    if array.length > len(machine.data) - pos:
        raise ScanStopped("the file ends within an array")
    array.offset = pos
    machine.ledger.array(array)
    machine.stack.append(array)
    return pos + array.length


def _nested(machine: Machine, pos: int) -> int:
    """Follow the pickle of an array of objects, which joblib reads as a plain pickle."""
    inner = Machine(machine.data, machine.ledger, machine.resolver, with_arrays=False, run=machine.run)
    machine.ledger.reset_calls()
    outer_at = machine.at
    try:
        end = machine.run(inner, pos)
    except ScanStopped:
        machine.at = inner.at
        raise
    machine.at = outer_at
    machine.ledger.reset_calls()
    result = inner.result
    if type(arrays.array_of(result)) is not Array:
        machine.ledger.find(
            "unknown types", "holds something other than an array of objects in its place", pos
        )
    machine.stack.append(result)
    return end


TABLE: dict[bytes, Step] = {
    b"c": _global,
    b"\x93": _stack_global,
    b"\x82": _extension(1),
    b"\x83": _extension(2),
    b"\x84": _extension(4),
    b"P": _persistent_line,
    b"Q": _persistent,
    b"R": _of_two("REDUCE"),
    b"\x81": _of_two("NEWOBJ"),
    b"\x92": _new_with_names,
    b"o": _object,
    b"i": _instance,
    b"b": _build,
}
