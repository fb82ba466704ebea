"""Rules for state that native code trusts: dtypes, random generators and decision trees.

numpy and scikit-learn follow flags, positions and indices of a file without checking them. A wrong one makes
them read or write memory that is not theirs. The rules are functions of plain numbers and sequences, so that
inspection, skops files and the dry run of an allowlist share them; nothing here imports numpy.

What no rule can check: a tree's features are compared with the number that the tree states, not with the data
that a model is given later.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from safeload.errors import MalformedError

TREE = "sklearn.tree._tree.Tree"
PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
TREE_FIELDS = ("left_child", "right_child", "feature")
PREDICTOR_FIELDS = ("left", "right", "feature_idx", "is_leaf", "is_categorical", "bitset_idx")
PREDICTOR_TABLES = ("binned_left_cat_bitsets", "raw_left_cat_bitsets")

_LEAF = -1
_BITSET_WORDS = 8

_CODE = re.compile(r"([biufcSVOUmM])([0-9]{1,9})")
_SIZES = {
    "b": (1,),
    "i": (1, 2, 4, 8),
    "u": (1, 2, 4, 8),
    "f": (2, 4, 8, 12, 16),
    "c": (8, 16, 24, 32),
    "m": (8,),
    "M": (8,),
    "O": (4, 8),
}
_REFERENCES, _ALIGNED = 0x01, 0x80
_OBJECT_FLAGS, _FIELDS_WITH_OBJECTS_FLAGS = 63, 27
# Needs initialization, needs the interpreter's lock: neither says anything about pointers.
_HARMLESS_FLAGS = (0, 8, 16, 24)

Path = tuple[str, ...]
# Of each bit generator: its arrays with their lengths and types, and where its position stands.
_GENERATORS: dict[str, tuple[dict[Path, tuple[int, str]], Path | None]] = {
    "MT19937": ({("state", "key"): (624, "u4")}, ("state", "pos")),
    "PCG64": ({}, None),
    "PCG64DXSM": ({}, None),
    "Philox": (
        {("state", "counter"): (4, "u8"), ("state", "key"): (2, "u8"), ("buffer",): (4, "u8")},
        ("buffer_pos",),
    ),
    "SFC64": ({("state", "state"): (4, "u8")}, None),
}
# The highest position that each field may hold.
_POSITIONS = {"pos": 624, "buffer_pos": 4}


def dtype_code(code: Any) -> tuple[str, int]:
    """Return the kind and the size in bytes that a dtype's code states, such as ``f8``.

    Raises
    ------
    MalformedError
        numpy writes no such code.
    """
    match = _CODE.fullmatch(code) if isinstance(code, str) else None
    if match is None or int(match[2]) not in _SIZES.get(match[1], (int(match[2]),)):
        raise MalformedError(f"a dtype has a code that numpy does not write ({str(code)[:40]!r})")
    return match[1], int(match[2]) * (4 if match[1] == "U" else 1)


def check_dtype_flags(kind: str, flags: Any, *, objects: bool) -> None:
    """Require the flags that numpy gives a dtype of a kind, with or without objects in its elements.

    Raises
    ------
    MalformedError
        With these, numpy would follow bytes as pointers.
    """
    if type(flags) is not int or not -128 <= flags < 256:
        raise MalformedError("a dtype has flags that are not one byte")
    flags &= 0xFF
    if bool(flags & _REFERENCES) != objects:
        raise MalformedError(
            "a dtype has flags by which bytes would be taken for objects, or objects for bytes"
        )
    if kind == "O":
        right = flags == _OBJECT_FLAGS
    elif objects:
        right = flags & ~_ALIGNED in (_FIELDS_WITH_OBJECTS_FLAGS, _OBJECT_FLAGS)
    else:
        right = flags & ~_ALIGNED in _HARMLESS_FLAGS
    if not right:
        raise MalformedError("a dtype has flags that numpy does not give it")


def check_positions(fields: Mapping[Any, Any]) -> None:
    """Require that every position of a random generator, in a state of any depth, is within its numbers.

    Raises
    ------
    MalformedError
    """
    for key, value in fields.items():
        if isinstance(value, dict):
            check_positions(value)
        elif key in _POSITIONS and not (type(value) is int and 0 <= value <= _POSITIONS[key]):
            raise MalformedError("the state of a random generator has a position out of range")


def check_bit_generator(
    kind: Any, array: Callable[[Path], tuple[tuple[int, ...], str]], number: Callable[[Path], Any]
) -> None:
    """Require the state that numpy gives a bit generator.

    Parameters
    ----------
    kind : str
        Its name, such as ``MT19937``.
    array : callable
        Returns the shape and the type, such as ``u4``, of the array at a path within the state.
    number : callable
        Returns the number at a path.

    Raises
    ------
    MalformedError
    """
    if not isinstance(kind, str) or kind not in _GENERATORS:
        raise MalformedError("the state of a random generator is of a kind that numpy does not have")
    arrays, position = _GENERATORS[kind]
    for path, (length, code) in arrays.items():
        if array(path) != ((length,), code):
            raise MalformedError(f"the state of a {kind} random generator has an array of another form")
    if position is not None:
        check_positions({position[-1]: number(position)})


def check_tree(
    nodes: Sequence[Sequence[int]], *, features: Any, count: Any, depth: Any, values: Sequence[int]
) -> None:
    """Require that a scikit-learn decision tree leads nowhere outside of itself.

    Parameters
    ----------
    nodes : sequence of sequences of int
        The columns ``TREE_FIELDS``.
    features, count, depth : int
        How many features and nodes the tree says that it has, and how deep it says that it is. Buffers are
        allocated by the depth.
    values : sequence of int
        The shape of the values.

    Raises
    ------
    MalformedError
    """
    left, right, feature = nodes
    if not all(type(number) is int for number in (features, count, depth)):
        raise MalformedError("a decision tree has something else for a number")
    if not 0 < len(left) == count or tuple(values[:1]) != (count,):
        raise MalformedError("a decision tree has another number of nodes than it says")
    if not _check_nodes(left, right, feature, features) <= depth < count:
        raise MalformedError("a decision tree has another depth than it says")


def check_outputs(outputs: Any, classes: Sequence[int], values: Sequence[int]) -> None:
    """Require that a decision tree has classes for each output, and values for each class.

    Parameters
    ----------
    outputs : int
        How many outputs the tree says that it has.
    classes : sequence of int
        The number of classes of each.
    values : sequence of int
        The shape of the values: nodes, outputs, classes.

    Raises
    ------
    MalformedError
    """
    if type(outputs) is not int or not 0 < outputs == len(classes) or min(classes) < 1:
        raise MalformedError("a decision tree has another number of outputs than it says")
    if tuple(values[1:]) != (outputs, max(classes)):
        raise MalformedError("a decision tree has another number of outputs than it says")


def check_predictor(nodes: Sequence[Sequence[int]], tables: Sequence[Sequence[int]]) -> None:
    """Require that a tree of histogram gradient boosting leads nowhere outside of itself.

    Parameters
    ----------
    nodes : sequence of sequences of int
        The columns ``PREDICTOR_FIELDS``.
    tables : sequence of sequences of int
        The shapes of ``PREDICTOR_TABLES``.

    Raises
    ------
    MalformedError
    """
    left, right, feature, leaf, categorical, bitset = nodes
    if not len(left):
        raise MalformedError("a decision tree has no nodes")
    if min(feature) < 0:
        raise MalformedError("a decision tree splits by a feature that it does not have")
    # scikit-learn narrows these to a byte, which would make another number of 256.
    if not {*leaf, *categorical} <= {0, 1}:
        raise MalformedError("a decision tree has a flag that is neither 0 nor 1")
    inner = [_LEAF if ends else child for child, ends in zip(left, leaf, strict=True)]
    _check_nodes(inner, right, feature, sys.maxsize)
    rows = [row for row, ends, sets in zip(bitset, leaf, categorical, strict=True) if sets and not ends]
    for shape in tables:
        if rows and not (
            len(shape) == 2 and shape[1] == _BITSET_WORDS and 0 <= min(rows) <= max(rows) < shape[0]
        ):
            raise MalformedError("a decision tree looks categories up beyond its table")


def _check_nodes(left: Sequence[int], right: Sequence[int], feature: Sequence[int], features: int) -> int:
    """Return the depth of a tree whose children stand after their parents, each of one parent.

    Every builder of scikit-learn adds a node after its parent. So there is no circle either.
    """
    levels = [0] * len(left)
    try:
        for parent, child in enumerate(left):
            if child != _LEAF:
                other = right[parent]
                if child <= parent or other <= parent:
                    raise MalformedError("a decision tree has a child before its parent")
                if child == other or levels[child] or levels[other]:
                    raise MalformedError("a decision tree has a node with two parents")
                if not 0 <= feature[parent] < features:
                    raise MalformedError("a decision tree splits by a feature that it does not have")
                levels[child] = levels[other] = levels[parent] + 1
    except IndexError:
        raise MalformedError("a decision tree has a child outside of its nodes") from None
    return max(levels)


def integer_columns(array: Any, names: Sequence[str]) -> list[list[int]]:
    """Return fields of a structured numpy array of one dimension.

    Parameters
    ----------
    array : numpy.ndarray
        The nodes of a tree.
    names : sequence of str
        The fields; each must hold integers.

    Returns
    -------
    list of list of int

    Raises
    ------
    MalformedError
        The array has another form.
    """
    dtype = array.dtype
    for name in names:
        if dtype.names is None or name not in dtype.names or dtype[name].kind not in "iu":
            raise MalformedError("the nodes of a decision tree have other fields than scikit-learn's")
    if array.ndim != 1:
        raise MalformedError("the nodes of a decision tree are not in one row")
    return [array[name].tolist() for name in names]
