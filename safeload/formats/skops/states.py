"""States that native code trusts, checked before it gets them.

numpy's generators index their state with a position from the file; a position out of range writes or reads
beyond it. scikit-learn walks trees by child indices and fills buffers by the depth that a tree claims.
skops trusts the former by itself. What cannot be checked here: the number of features that a tree's splits
refer to is compared with the tree's own, not with that of the data that a model is given later; see
SECURITY.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from safeload.errors import MalformedError

PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"

ArrayOf = Callable[[str], Any]

_LEAF = -1
_WORDS = 624  # of a Mersenne twister
# The arrays of each bit generator's state: where they stand, their length and their type.
_STATES: dict[str, dict[tuple[str, ...], tuple[int, str]]] = {
    "MT19937": {("state", "key"): (_WORDS, "uint32")},
    "PCG64": {},
    "PCG64DXSM": {},
    "Philox": {
        ("state", "counter"): (4, "uint64"),
        ("state", "key"): (2, "uint64"),
        ("buffer",): (4, "uint64"),
    },
    "SFC64": {("state", "state"): (4, "uint64")},
}
_POSITIONS = {"MT19937": (("state", "pos"), _WORDS), "Philox": (("buffer_pos",), 4)}


def check_bit_generator(state: dict[str, Any], array_of: ArrayOf, *, only: str | None = None) -> str:
    """Check the state of a bit generator and return its name.

    Parameters
    ----------
    state
        The node of its state.
    array_of
        Returns the array of a member.
    only
        The one kind that may be; None for all that numpy has.

    Raises
    ------
    MalformedError
        It is of another kind, or its arrays or position are not those of its kind.
    """
    kind = _scalar(_at(state, "bit_generator"))
    if kind not in _STATES or (only is not None and kind != only):
        raise MalformedError("the state of a random generator is of a kind that numpy does not have")
    for path, (length, dtype) in _STATES[kind].items():
        array = _array(_at(state, *path), array_of)
        if array.shape != (length,) or array.dtype.name != dtype:
            raise MalformedError(f"the state of a {kind} generator has an array of another form")
    if kind in _POSITIONS:
        path, end = _POSITIONS[kind]
        position = _scalar(_at(state, *path))
        if type(position) is not int or not 0 <= position <= end:
            raise MalformedError(f"the state of a {kind} generator has a position out of range")
    return str(kind)


def check_tree(state: dict[str, Any], arguments: dict[str, Any], array_of: ArrayOf) -> None:
    """Check scikit-learn's ``Tree``: children are within and after their parent, and no deeper than it says.

    Raises
    ------
    MalformedError
        They are not.
    """
    nodes = _array(_at(state, "nodes"), array_of)
    values = _array(_at(state, "values"), array_of)
    if arguments["__loader__"] != "TupleNode" or len(arguments["content"]) != 3:
        raise MalformedError("a tree is made of other arguments than scikit-learn's")
    features, outputs = (_scalar(arguments["content"][place]) for place in (0, 2))
    classes = _array(arguments["content"][1], array_of)
    count, depth = _scalar(_at(state, "node_count")), _scalar(_at(state, "max_depth"))
    if not all(type(number) is int for number in (features, outputs, count, depth)):
        raise MalformedError("a tree is made of other arguments than scikit-learn's")
    if nodes.ndim != 1 or not 0 < len(nodes) == count or values.ndim != 3 or len(values) != count:
        raise MalformedError("a tree has another number of nodes than it says")
    if outputs < 1 or classes.shape != (outputs,) or int(classes.min()) < 1:
        raise MalformedError("a tree has another number of outputs than it says")
    if values.shape[1:] != (outputs, int(classes.max())):
        raise MalformedError("a tree has another number of outputs than it says")
    left, right = _column(nodes, "left_child"), _column(nodes, "right_child")
    _check_children(left, right, left != _LEAF, depth)
    used = _column(nodes, "feature")[left != _LEAF]
    if len(used) and not (int(used.min()) >= 0 and int(used.max()) < features):
        raise MalformedError("a tree splits by a feature that it does not have")


def check_predictor(state: dict[str, Any], array_of: ArrayOf) -> None:
    """Check the trees of scikit-learn's histogram gradient boosting in the same way.

    Raises
    ------
    MalformedError
    """
    nodes = _array(_at(state, "nodes"), array_of)
    if nodes.ndim != 1 or not len(nodes):
        raise MalformedError("a tree has no nodes")
    inner = _column(nodes, "is_leaf") == 0
    left, right = _column(nodes, "left").astype("int64"), _column(nodes, "right").astype("int64")
    _check_children(left, right, inner, len(nodes))
    if int(_column(nodes, "feature_idx").min()) < 0:
        raise MalformedError("a tree splits by a feature that there is not")
    sets = _column(nodes, "bitset_idx")[inner & (_column(nodes, "is_categorical") != 0)]
    if len(sets):
        for key in ("binned_left_cat_bitsets", "raw_left_cat_bitsets"):
            table = _array(_at(state, key), array_of)
            if table.ndim != 2 or table.shape[1] != 8 or int(sets.max()) >= len(table):
                raise MalformedError("a tree looks categories up beyond its table")


def _check_children(left: Any, right: Any, inner: Any, depth: int) -> None:
    import numpy as np

    number = np.arange(len(left))
    for child in (left, right):
        # Every builder adds a node after its parent. So there is no way in a circle either.
        if not bool(((child > number) & (child < len(left)))[inner].all()):
            raise MalformedError("a tree has a child out of range")
    level, deepest = np.zeros(1, "int64"), 0
    reached = 1
    while True:
        below = level[inner[level]]
        level = np.concatenate([left[below], right[below]])
        if not len(level):
            break
        deepest += 1
        reached += len(level)
        # Two parents of one child would make more ways than nodes.
        if deepest > depth or reached > len(left):
            raise MalformedError("a tree is deeper than it says, or a node has two parents")


def _column(nodes: Any, name: str) -> Any:
    if nodes.dtype.names is None or name not in nodes.dtype.names or nodes.dtype[name].kind not in "iu":
        raise MalformedError("the nodes of a tree have other fields than scikit-learn's")
    return nodes[name]


def _at(state: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return a node within dicts whose keys are text."""
    for key in path:
        if (state["__loader__"], state["__module__"], state["__class__"]) != ("DictNode", "builtins", "dict"):
            raise MalformedError("a state that should be a dict is none")
        for kind in state["key_types"]["content"]:
            if (kind["__module__"], kind["__class__"]) != ("builtins", "str"):
                raise MalformedError("a state has keys that are no text")
        if key not in state["content"]:
            raise MalformedError(f"a state lacks its {key}")
        state = state["content"][key]
    return state


def _scalar(node: dict[str, Any]) -> Any:
    if node["__loader__"] != "JsonNode":
        raise MalformedError("a state has something else for a number")
    try:
        return json.loads(node["content"])
    except ValueError:
        raise MalformedError("a state has something else for a number") from None


def _array(node: dict[str, Any], array_of: ArrayOf) -> Any:
    if node["__loader__"] != "NdArrayNode" or node["type"] != "numpy" or node["__class__"] != "ndarray":
        raise MalformedError("a state has something else for an array")
    return array_of(node["file"])
