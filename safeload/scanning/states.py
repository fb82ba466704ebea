"""What calls and states are known to give, and whether native code could be led astray by them.

A dtype, an array, a random number generator and a decision tree are made by native code that believes what it
is given. Here that is looked at first: what is as the libraries write it passes, what would make them use
memory that they must not is dangerous, and what cannot be told is unknown.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from safeload.errors import MalformedError
from safeload.parsers import native_state
from safeload.scanning import arrays, dtypes
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
_UNTOLD_TREE = "a decision tree in a form that scikit-learn does not write"
# What struct calls the types of a node's fields.
_LETTERS = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}
# Encodings by name would run code; this one is how protocols below 3 write bytes.
_ENCODE = "_codecs.encode"

_FILLED = {"builtins.bytes", "builtins.bytearray", "builtins.set", "builtins.frozenset", "builtins.list"} | {
    "builtins.tuple",
    "collections.deque",
}
_WRITTEN = (str, Text, Bytes, ListValue, Mapping, Collection, Frozen, tuple, Sequence)

Found = Callable[[Array], None]


def called(how: str, what: Any, arguments: tuple[Any, ...] | None, found: Found) -> Any:
    """Return a stand-in for what a call gives, and report an array to `found`.

    `how` is the opcode. The arguments are those by position, None if they cannot be told. What the libraries
    would not write raises Unknown or Corrupting; the result is then a :class:`CallResult`.
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
        arrays.check_scalar(arguments)
    elif name in _FROM_BUFFER:
        array = arrays.from_buffer(arguments)
        found(array)
        return array
    elif name == _ENCODE:
        return _encoded(arguments)
    elif name == "builtins.bytes" and arguments == ():
        return Bytes(-1, 0)
    elif name in _RECONSTRUCT:
        arrays.check_reconstruct(arguments)
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
    """Check a state that is set; one that the libraries would not write raises Unknown or Corrupting."""
    name = class_of(target)
    if name is None:
        return
    if type(target.known) is dtypes.DType:
        target.known.set_state(state)
    elif name == _DTYPE:
        raise Unknown("the state of a dtype that cannot be told")
    elif name in _RECONSTRUCT:
        target.known = arrays.from_state(state)
        found(target.known)
    try:
        if name == native_state.TREE:
            _check_tree(target.arguments, state, data)
        elif name == native_state.PREDICTOR:
            _check_predictor(state, data)
        elif name.startswith(_RANDOM):
            _check_random(state)
    except MalformedError as error:
        raise Corrupting(f"holds what native code trusts: {error.problem}") from None


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
        array = arrays.array_of(self._at(path))
        if type(array) is not Array:
            raise Unknown(_UNTOLD)
        return array.shape, array.dtype.code

    def number(self, path: native_state.Path) -> int:
        number = self._at(path)
        if type(number) is not int:
            raise Unknown(_UNTOLD)
        return number


def _check_tree(arguments: tuple[Any, ...] | None, state: Any, data: bytes) -> None:
    """Check a ``Tree``, called with its number of features, the classes of each output, and the outputs."""
    fields = _tree_fields(state)
    nodes = _tree_array(fields.get("nodes"))
    numbers = (arguments[0] if arguments else None, fields.get("node_count"), fields.get("max_depth"))
    if any(type(number) is not int for number in numbers):
        raise Unknown(_UNTOLD_TREE)
    try:
        values = _tree_array(fields.get("values"))
    except Unknown:
        raise Corrupting("makes a decision tree without values for its nodes") from None
    features, count, depth = numbers
    columns = _columns(nodes, native_state.TREE_FIELDS, data)
    native_state.check_tree(columns, features=features, count=count, depth=depth, values=values.shape)


def _check_predictor(state: Any, data: bytes) -> None:
    """Check a tree of histogram gradient boosting."""
    fields = _tree_fields(state)
    nodes, *tables = (_tree_array(fields.get(name)) for name in ("nodes", *native_state.PREDICTOR_TABLES))
    columns = _columns(nodes, native_state.PREDICTOR_FIELDS, data)
    native_state.check_predictor(columns, [table.shape for table in tables])


def _tree_fields(state: Any) -> dict[str, Any]:
    return (state.by_text() if type(state) is Mapping else None) or {}


def _tree_array(value: Any) -> Array:
    array = arrays.array_of(value)
    if type(array) is not Array:
        raise Unknown(_UNTOLD_TREE)
    return array


def _columns(nodes: Array, names: tuple[str, ...], data: bytes) -> list[list[int]]:
    """Return fields of all nodes."""
    size, columns = nodes.dtype.itemsize, []
    if len(nodes.shape) != 1:
        raise Corrupting("gives a decision tree nodes that are not in one row")
    raw = memoryview(data)[nodes.offset : nodes.offset + nodes.length]
    for name in names:
        part, offset = nodes.dtype.fields.get(name, (None, 0))
        letter = _LETTERS.get(part.code) if part is not None else None
        if letter is None or part.order == ">" or nodes.offset < 0:
            raise Unknown("a decision tree whose nodes are not as scikit-learn writes them")
        row = f"<{offset}x{letter}{size - offset - part.itemsize}x"
        columns.append([value for (value,) in struct.iter_unpack(row, raw)])
    return columns
