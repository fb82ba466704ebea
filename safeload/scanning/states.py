"""What calls and states are known to give, and whether native code could be led astray by them.

A dtype, an array, a random number generator and a decision tree are made by native code that believes what it
is given. Here that is looked at first: what is as the libraries write it passes, what would make them use
memory that they must not is dangerous, and what cannot be told is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from safeload.errors import MalformedError
from safeload.parsers import native_state
from safeload.scanning import dtypes, trees
from safeload.scanning.dtypes import Corrupting, Unknown
from safeload.scanning.names import GETATTR
from safeload.scanning.values import (
    Array,
    Bytes,
    CallResult,
    Collection,
    Frozen,
    ListValue,
    Mapping,
    Reference,
    Sequence,
    Text,
    class_of,
    items_of,
)

_CORES = ("numpy.core", "numpy._core")
_RECONSTRUCT = {f"{core}.multiarray._reconstruct" for core in _CORES}
_SCALAR = {f"{core}.multiarray.scalar" for core in _CORES}
_FROM_BUFFER = {f"{core}.numeric._frombuffer" for core in _CORES}
_DTYPE = "numpy.dtype"
_ARRAYS = {"numpy.ndarray", "numpy.matrix", "numpy.memmap"}
_RANDOM = "numpy.random."
_UNTOLD = "the state of a random number generator that cannot be told"
# Encodings by name would run code; this one is how protocols below 3 write bytes.
_ENCODE = "_codecs.encode"

_FILLED = {"builtins.bytes", "builtins.bytearray", "builtins.set", "builtins.frozenset", "builtins.list"} | {
    "builtins.tuple",
    "collections.deque",
}
_WRITTEN = (str, Text, Bytes, ListValue, Mapping, Collection, Frozen, tuple, Sequence)

Found = Callable[[Array], None]


def called(how: str, what: Any, arguments: tuple[Any, ...] | None, found: Found) -> Any:
    """Return what a call gives.

    Parameters
    ----------
    how
        The opcode.
    what
        What is called.
    arguments
        Those by position; None if they cannot be told.
    found
        Is told of an array.

    Returns
    -------
    object
        A stand-in.

    Raises
    ------
    Unknown, Corrupting
        What the libraries would not write; the result is then a :class:`CallResult`.
    """
    made = CallResult(what, arguments)
    if type(what) is not Reference:
        return made
    name = what.name
    if name == _DTYPE:
        if arguments is None or how != "REDUCE":
            raise Unknown("a dtype in a form that numpy does not write")
        made.known = dtypes.made(arguments)
    elif name in _SCALAR:
        _check_scalar(arguments)
    elif name in _FROM_BUFFER:
        array = _from_buffer(arguments)
        found(array)
        return array
    elif name == _ENCODE:
        return _encoded(arguments)
    elif name == "builtins.bytes" and arguments == ():
        return Bytes(-1, 0)
    elif name in _RECONSTRUCT:
        _check_reconstruct(arguments)
    elif name in _FILLED and not (
        arguments is not None and all(type(part) in _WRITTEN for part in arguments[:1])
    ):
        # A number would be a length here, and a range as long as it likes.
        raise Unknown(f"a call of {name} that asks for more than is in the file")
    elif name == "copyreg._reconstructor" and how == "REDUCE":
        return _reconstructed(arguments)
    elif name in ("copyreg.__newobj__", "copyreg.__newobj_ex__"):
        raise Unknown("an object that is made in a roundabout way")
    elif name == "builtins.type" and (arguments is None or len(arguments) != 1):
        raise Unknown("a call that makes a class")
    elif name == GETATTR:
        _check_getattr(how, arguments)
    elif name in _ARRAYS and how in ("NEWOBJ", "NEWOBJ_EX", "REDUCE", "OBJ", "INST"):
        raise Unknown(f"a call of {name}, which numpy does not write")
    return made


def built(target: CallResult, state: Any, data: bytes, found: Found) -> None:
    """Look at a state that is set.

    Raises
    ------
    Unknown, Corrupting
        What the libraries would not write.
    """
    name = class_of(target)
    if name is None:
        return
    if type(target.known) is dtypes.DType:
        target.known.set_state(state)
    elif name == _DTYPE:
        raise Unknown("the state of a dtype that cannot be told")
    elif name in _RECONSTRUCT:
        target.known = _array(state)
        found(target.known)
    try:
        if name == native_state.TREE:
            trees.check(target.arguments, state, data)
        elif name == native_state.PREDICTOR:
            trees.check_predictor(state, data)
        elif name.startswith(_RANDOM):
            _check_random(state)
    except MalformedError as error:
        raise Corrupting(f"holds what native code trusts: {error.problem}") from None


def _check_reconstruct(arguments: tuple[Any, ...] | None) -> None:
    """Admit the empty array that numpy starts from, and no other."""
    if arguments is None or len(arguments) != 3 or type(arguments[0]) is not Reference:
        raise Unknown("an array in a form that numpy does not write")
    kind = arguments[2]
    if (kind.length if type(kind) is Bytes else len(kind) if type(kind) is str else 0) != 1:
        raise Unknown("an array in a form that numpy does not write")
    if math.prod(dtypes.lengths(arguments[1])):
        raise Unknown("an array in a form that numpy does not write")


def _check_scalar(arguments: tuple[Any, ...] | None) -> None:
    if arguments is None or not arguments:
        raise Unknown("a number of numpy's in a form that it does not write")
    dtype = dtypes.of(arguments[0])
    content = arguments[1] if len(arguments) > 1 else None
    if dtype.objects and type(array_of(content)) is not Array:
        # numpy would follow the bytes as pointers; it writes an array of one element here.
        raise Corrupting("makes an element with objects in it out of bytes")
    if type(content) is Bytes and content.length != dtype.itemsize:
        raise Unknown("a number of numpy's with another number of bytes than it has")


def _from_buffer(arguments: tuple[Any, ...] | None) -> Array:
    if arguments is None or len(arguments) not in (4, 5) or arguments[3] not in ("C", "F"):
        raise Unknown("an array in a form that numpy does not write")
    buffer, dtype, shape = arguments[0], dtypes.of(arguments[1]), dtypes.lengths(arguments[2])
    if dtype.objects:
        raise Corrupting("makes an array of objects out of bytes")
    if type(buffer) is not Bytes:
        return Array(dtype, shape, -1, math.prod(shape) * dtype.itemsize, arguments[3] == "F")
    if math.prod(shape) * dtype.itemsize != buffer.length:
        raise Unknown("an array with another number of bytes than its shape has")
    return Array(dtype, shape, buffer.offset, buffer.length, arguments[3] == "F")


def _array(state: Any) -> Array:
    """Return the array that the state of numpy's own pickles tells."""
    items = items_of(state) or ()
    if len(items) != 5 or items[0] != 1 or type(items[0]) is not int or type(items[3]) not in (bool, int):
        raise Unknown("an array's state in a form that numpy does not write")
    shape, dtype, content = dtypes.lengths(items[1]), dtypes.of(items[2]), items[4]
    size = math.prod(shape) * dtype.itemsize
    if dtype.objects:
        if type(content) is not ListValue:
            raise Corrupting("makes an array of objects out of something other than a list")
        return Array(dtype, shape, -1, size, bool(items[3]))
    if type(content) is not Bytes:
        raise Unknown("an array's state in a form that numpy does not write")
    if content.length != size:
        raise Unknown("an array with another number of bytes than its shape has")
    return Array(dtype, shape, content.offset, size, bool(items[3]))


def array_of(value: Any) -> Any:
    """Return the array that a stand-in is, however it was written, or the stand-in."""
    return value.known if type(value) is CallResult and type(value.known) is Array else value


def _encoded(arguments: tuple[Any, ...] | None) -> Bytes:
    if arguments is None or len(arguments) != 2 or arguments[1] not in ("latin1", "latin-1"):
        raise Unknown("an encoding other than that which pickles write bytes in")
    text = arguments[0]
    if type(text) not in (str, Text):
        raise Unknown("bytes made of something other than text")
    return Bytes(-1, len(text) if type(text) is str else text.length)


def _reconstructed(arguments: tuple[Any, ...] | None) -> CallResult:
    """Return the object that protocols 0 and 1 make: of a class, by ``object``'s own means."""
    if arguments is None or len(arguments) != 3 or type(arguments[0]) is not Reference:
        raise Unknown("an object in a form that pickle does not write")
    owner, base, state = arguments
    if type(base) is not Reference:
        raise Unknown("an object in a form that pickle does not write")
    if base.name == "builtins.object" and state is not None:
        raise Unknown("an object in a form that pickle does not write")
    return CallResult(owner, ())


def _check_getattr(how: str, arguments: tuple[Any, ...] | None) -> None:
    """Admit the one call that data need: how a ``ZoneInfo`` is read back."""
    if how == "REDUCE" and arguments is not None and len(arguments) == 2:
        owner, name = arguments
        if type(owner) is Reference and owner.name == "zoneinfo.ZoneInfo" and name == "_unpickle":
            return
    raise Corrupting("reaches an attribute by name (builtins.getattr)")


def _check_random(state: Any) -> None:
    """Require that a generator's state is of its kind, and its position within its numbers."""
    for item in items_of(state) or (state,):
        if type(item) is Mapping:
            fields = item.by_text()
            if fields is None or "bit_generator" not in fields:
                raise Unknown(_UNTOLD)
            native_state.check_bit_generator(
                fields["bit_generator"], _Fields(fields).form, _Fields(fields).number
            )


class _Fields:
    """The state of a bit generator, by paths."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def _at(self, path: native_state.Path) -> Any:
        fields: Any = self._fields
        for key in path[:-1]:
            inner = fields.get(key)
            fields = inner.by_text() if type(inner) is Mapping else None
            if fields is None:
                raise Unknown(_UNTOLD)
        return fields.get(path[-1])

    def form(self, path: native_state.Path) -> tuple[tuple[int, ...], str]:
        array = array_of(self._at(path))
        if type(array) is not Array:
            raise Unknown(_UNTOLD)
        return array.shape, array.dtype.code

    def number(self, path: native_state.Path) -> int:
        number = self._at(path)
        if type(number) is not int:
            raise Unknown(_UNTOLD)
        return number
