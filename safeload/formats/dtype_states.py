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
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise _unknown()
    try:
        made = numpy.dtype(code)
        if state is None:
            return made
        if not isinstance(state, tuple) or not 8 <= len(state) <= 9 or state[1] not in ("|", "<", ">", "="):
            raise _unknown()
        made = _completed(made, state, depth)
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
    if subarray is not None:
        base, shape = subarray
        return numpy.dtype((rebuilt(base, depth + 1), shape))
    if names is not None:
        if not isinstance(names, tuple) or not isinstance(fields, dict) or set(names) != set(fields):
            raise _unknown()
        return numpy.dtype(
            {
                "names": list(names),
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


def _unknown() -> MalformedError:
    return MalformedError("a dtype is described in a way that numpy does not write")
