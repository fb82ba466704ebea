"""The nodes of a scikit-learn decision tree, whose indices its native code follows without looking."""

from __future__ import annotations

from typing import Any

from safeload.scanning.dtypes import Corrupting, Unknown
from safeload.scanning.values import Array, CallResult, Mapping

_LEAF = -1
_WORD = 8
# The fields that are looked at, where scikit-learn has them.
_LEFT, _RIGHT, _FEATURE = "left_child", "right_child", "feature"


def check(arguments: tuple[Any, ...] | None, state: Any, data: bytes) -> None:
    """Hold every child within the nodes and every feature within the features.

    Parameters
    ----------
    arguments
        What ``Tree`` was called with: the number of features, the classes of each output, the outputs.
    state
        What ``__setstate__`` is given.
    data
        The file, for the nodes.

    Raises
    ------
    Unknown
        The nodes are not in the file as plain numbers.
    Corrupting
        An index leads outside.
    """
    fields = state.by_text() if type(state) is Mapping else None
    nodes = _array((fields or {}).get("nodes"))
    count = (fields or {}).get("node_count")
    features = arguments[0] if arguments else None
    if nodes is None or type(count) is not int or type(features) is not int:
        raise Unknown("a decision tree in a form that scikit-learn does not write")
    values = _array((fields or {}).get("values"))
    if nodes.shape != (count,) or values is None or values.shape[:1] != (count,):
        raise Corrupting("gives a decision tree another number of nodes than it has")
    left, right, feature = (_column(nodes, name, data) for name in (_LEFT, _RIGHT, _FEATURE))
    for index, child in enumerate(left):
        if child != _LEAF and not (
            # A child stands after its parent, so that following children comes to an end.
            index < child < count and index < right[index] < count and 0 <= feature[index] < features
        ):
            raise Corrupting("leads from a node of a decision tree to outside of it")


def _array(value: Any) -> Array | None:
    value = value.known if type(value) is CallResult else value
    return value if type(value) is Array else None


def _column(nodes: Array, name: str, data: bytes) -> Any:
    """Return one field of all nodes."""
    part, offset = nodes.dtype.fields.get(name, (None, 0))
    size = nodes.dtype.itemsize
    aligned = offset % _WORD == 0 and size % _WORD == 0
    if part is None or part.code != "i8" or part.order == ">" or nodes.offset < 0 or not aligned:
        raise Unknown("a decision tree whose nodes are not as scikit-learn writes them")
    raw = memoryview(data)[nodes.offset : nodes.offset + nodes.length]
    return raw.cast("q")[offset // _WORD :: size // _WORD].tolist()
