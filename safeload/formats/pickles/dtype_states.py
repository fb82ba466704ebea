"""Types of arrays' elements as a pickle describes them, rebuilt from their description alone.

``numpy.dtype`` takes a state that it does not hold against the type: with other flags than the type has,
numpy follows bytes of the file as pointers. So the type is made anew from its code, fields and shape, as
numpy makes one itself, and the state must be the one that this type has.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from safeload.errors import MalformedError

# Needs initialization, needs the interpreter's lock, was made aligned: none says anything about pointers.
_HARMLESS_FLAGS = 8 | 16 | 128
_CODE = re.compile(r"[biufcSVOUmM][0-9]{1,9}")
_MAX_DEPTH = 20
_RECORDS = ("numpy.record", "numpy.rec.record")


class Described(Protocol):
    """What a pickle says of a type: the arguments of ``numpy.dtype``, and the state, if it sets one."""

    arguments: tuple[Any, ...]
    state: Any


def rebuilt(described: Any, depth: int = 0) -> Any:
    """Return the ``numpy.dtype`` that a description is of.

    Raises
    ------
    MalformedError
        numpy describes none so.
    """
    import numpy

    arguments = getattr(described, "arguments", None)
    if depth > _MAX_DEPTH or not isinstance(arguments, tuple) or not arguments:
        raise _unknown()
    code, state = arguments[0], described.state
    # Of a record, its class stands in the place of the code; here it is a stand-in by that name.
    record = isinstance(code, type) and code.__name__ in _RECORDS
    if record:
        code = "V8"
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise _unknown()
    try:
        made = numpy.dtype(code)
        # Without a state, another could be set later, when arrays have been made of it.
        if not isinstance(state, tuple) or not 8 <= len(state) <= 9 or state[1] not in ("|", "<", ">", "="):
            raise _unknown()
        made = _completed(made, state, depth)
        if record:
            made = numpy.dtype((numpy.record, made))
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        raise _unknown() from None
    flags = state[7]
    # One byte, which some versions write with a sign.
    if type(flags) is not int or not -128 <= flags < 256 or (flags ^ made.flags) & 0xFF & ~_HARMLESS_FLAGS:
        raise MalformedError("the state of a dtype has flags that the type does not have")
    if made.kind not in "SUV" and state[5] != -1:
        raise _unknown()
    return made


def _completed(made: Any, state: tuple[Any, ...], depth: int) -> Any:
    import numpy

    _, order, subarray, names, fields, itemsize = state[:6]
    # numpy sets fields on any type, and the size on few.
    if (subarray is not None or names is not None) and made.kind != "V":
        raise _unknown()
    if subarray is not None:
        base, shape = subarray
        whole = numpy.dtype((rebuilt(base, depth + 1), shape))
        # numpy takes the size as given, and reads as many elements as there are.
        if type(itemsize) is not int or itemsize != whole.itemsize:
            raise _unknown()
        return whole
    if names is not None:
        if not isinstance(names, tuple) or not isinstance(fields, dict):
            raise _unknown()
        titles = [_title(fields, name) for name in names]
        if set(fields) != {*names, *titles} - {None}:
            raise _unknown()
        return numpy.dtype(
            {
                "names": list(names),
                "titles": titles,
                "formats": [rebuilt(fields[name][0], depth + 1) for name in names],
                "offsets": [fields[name][1] for name in names],
                "itemsize": itemsize,
            }
        )
    if fields is not None:
        raise _unknown()
    if made.kind in "SUV" and itemsize not in (-1, made.itemsize):
        raise _unknown()
    if made.kind in "mM" and len(state) == 9:
        unit, number, *_ = state[8][1]
        name = unit.decode("ascii") if isinstance(unit, bytes) else unit
        made = numpy.dtype(f"{made.kind}8[{int(number)}{name}]" if name != "generic" else f"{made.kind}8")
    return made if order == "|" else made.newbyteorder(order)


def _title(fields: dict[Any, Any], name: Any) -> str | None:
    """Return the second name of a field, under which the very same description must stand."""
    described = fields[name]
    if len(described) == 2:
        return None
    title = described[2]
    if not isinstance(title, str) or fields[title] is not described:
        raise _unknown()
    return title


def _unknown() -> MalformedError:
    return MalformedError("a dtype is described in a way that numpy does not write")
