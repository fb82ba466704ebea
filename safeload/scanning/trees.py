"""The nodes of scikit-learn's decision trees, whose indices its native code follows without checking them."""

from __future__ import annotations

import struct
from typing import Any

from safeload.parsers import native_state
from safeload.scanning.dtypes import Corrupting, Unknown
from safeload.scanning.values import Array, CallResult, Mapping

_LETTERS = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


def check(arguments: tuple[Any, ...] | None, state: Any, data: bytes) -> None:
    """Check a ``Tree``.

    Parameters
    ----------
    arguments : tuple or None
        What ``Tree`` was called with: the number of features, the classes of each output, the outputs.
    state : object
        What ``__setstate__`` is given.
    data : bytes
        The file, for the nodes.

    Raises
    ------
    Unknown
        The nodes are not in the file as plain numbers.
    MalformedError
        An index leads outside.
    """
    fields = _fields(state)
    nodes = _array(fields.get("nodes"))
    numbers = (arguments[0] if arguments else None, fields.get("node_count"), fields.get("max_depth"))
    if any(type(number) is not int for number in numbers):
        raise Unknown("a decision tree in a form that scikit-learn does not write")
    try:
        values = _array(fields.get("values"))
    except Unknown:
        raise Corrupting("makes a decision tree without values for its nodes") from None
    features, count, depth = numbers
    columns = _columns(nodes, native_state.TREE_FIELDS, data)
    native_state.check_tree(columns, features=features, count=count, depth=depth, values=values.shape)


def check_predictor(state: Any, data: bytes) -> None:
    """Check a tree of histogram gradient boosting; see :func:`check`."""
    fields = _fields(state)
    nodes, *tables = (_array(fields.get(name)) for name in ("nodes", *native_state.PREDICTOR_TABLES))
    columns = _columns(nodes, native_state.PREDICTOR_FIELDS, data)
    native_state.check_predictor(columns, [table.shape for table in tables])


def _fields(state: Any) -> dict[str, Any]:
    return (state.by_text() if type(state) is Mapping else None) or {}


def _array(value: Any) -> Array:
    value = value.known if type(value) is CallResult else value
    if type(value) is not Array:
        raise Unknown("a decision tree in a form that scikit-learn does not write")
    return value


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
