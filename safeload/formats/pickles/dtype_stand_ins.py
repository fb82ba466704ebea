"""What a dry run puts in the place of ``numpy.dtype``, and the real dtype that it describes.

numpy does not check the state of a dtype against its type: with other flags than the type has, it follows
bytes of the file as pointers. So the type is made anew from its code, fields and shape, as numpy makes one
itself, and the state must be the one that this type has.
"""

from __future__ import annotations

import threading
from typing import Any

from safeload.errors import MalformedError
from safeload.formats.pickles.stand_ins import StandIn
from safeload.parsers import native_state

_MAX_DEPTH = 20
# Needs initialization, needs the interpreter's lock, was made aligned: none says anything about pointers.
_HARMLESS_FLAGS = 8 | 16 | 128
_RECORDS = ("numpy.record", "numpy.rec.record")


class DType(StandIn):
    """Stands for a ``numpy.dtype``; its arguments and state are checked once they are complete.

    It cannot change afterwards: numpy would follow bytes of arrays that were made before as pointers.
    """

    state: Any = None
    # The real dtype, once it is complete; and whether it holds no objects then.
    made: Any = None
    is_plain = False

    def __setstate__(self, state: Any) -> None:
        if self.state is not None:
            raise MalformedError("the state of a dtype is set twice")
        if isinstance(state, tuple) and len(state) > 4 and isinstance(state[4], dict):
            state = (*state[:4], _FIELDS.taken(state[4]), *state[5:])
        self.state = state
        self.made = rebuilt(self)
        self.is_plain = not self.made.hasobject


class _Fields(threading.local):
    """The fields of the dtypes in this thread's dry run, which must not change once a dtype was made.

    By identity: the dictionary of the pickle, which numpy keeps using, and what was in it.
    """

    def __init__(self) -> None:
        self._taken: dict[int, tuple[dict[Any, Any], dict[Any, Any]]] = {}

    def taken(self, given: dict[Any, Any]) -> dict[Any, Any]:
        if id(given) not in self._taken:
            self._taken[id(given)] = (given, dict(given))
            # A pickle can put items in, and take none out: what is empty in the end was never altered.
            given.clear()
        return self._taken[id(given)][1]

    def reset(self) -> None:
        self._taken = {}

    def require_unaltered(self) -> None:
        if any(given for given, _ in self._taken.values()):
            raise MalformedError("the fields of a dtype are altered after it was made")


_FIELDS = _Fields()
forget_fields, require_unaltered_fields = _FIELDS.reset, _FIELDS.require_unaltered


def rebuilt(described: Any, depth: int = 0) -> Any:
    """Return the ``numpy.dtype`` that a stand-in describes.

    Raises
    ------
    MalformedError
        numpy does not describe a dtype in this way.
    """
    import numpy

    if depth > _MAX_DEPTH or not isinstance(described, DType) or not described.args:
        raise _unknown()
    code, state = described.args[0], described.state
    # Of a record, its class stands in the place of the code; here it is a stand-in by that name.
    record = isinstance(code, type) and code.__name__ in _RECORDS
    if record:
        code = "V8"
    native_state.dtype_code(code)
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
    native_state.check_dtype_flags(made.kind, state[7], objects=made.hasobject)
    # By those of an array of objects, numpy would take a record for one object.
    if (state[7] ^ made.flags) & 0xFF & ~_HARMLESS_FLAGS:
        raise MalformedError("a dtype has flags that numpy does not give it")
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
