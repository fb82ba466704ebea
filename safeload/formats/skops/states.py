"""States in a skops schema that native code trusts, checked by :mod:`safeload.parsers.native_state`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from safeload.errors import MalformedError
from safeload.parsers import native_state

ArrayOf = Callable[[str], Any]


def check_bit_generator(state: dict[str, Any], array_of: ArrayOf, *, only: str | None = None) -> str:
    """Check the node of a bit generator's state and return the generator's name.

    Parameters
    ----------
    state : dict
        The node.
    array_of : callable
        Returns the array of a member.
    only : str, optional
        The only kind that is admitted; None for all that numpy has.
    """

    def form(path: native_state.Path) -> tuple[tuple[int, ...], str]:
        array = _array(_at(state, *path), array_of)
        return array.shape, f"{array.dtype.kind}{array.dtype.itemsize}"

    kind = _scalar(_at(state, "bit_generator"))
    if only is not None and kind != only:
        raise MalformedError("the state of a random generator is of another kind than its class has")
    native_state.check_bit_generator(kind, form, lambda path: _scalar(_at(state, *path)))
    return str(kind)


def check_tree(state: dict[str, Any], arguments: dict[str, Any], array_of: ArrayOf) -> None:
    """Check scikit-learn's ``Tree``."""
    if arguments["__loader__"] != "TupleNode" or len(arguments["content"]) != 3:
        raise MalformedError("a tree is made of other arguments than scikit-learn's")
    features, outputs = (_scalar(arguments["content"][place]) for place in (0, 2))
    classes = _array(arguments["content"][1], array_of)
    nodes, values = (_array(_at(state, name), array_of) for name in ("nodes", "values"))
    if classes.ndim != 1 or classes.dtype.kind not in "iu":
        raise MalformedError("a tree is made of other arguments than scikit-learn's")
    native_state.check_tree(
        native_state.integer_columns(nodes, native_state.TREE_FIELDS),
        features=features,
        count=_scalar(_at(state, "node_count")),
        depth=_scalar(_at(state, "max_depth")),
        values=values.shape,
    )
    native_state.check_outputs(outputs, classes.tolist(), values.shape)


def check_predictor(state: dict[str, Any], array_of: ArrayOf) -> None:
    """Check a tree of scikit-learn's histogram gradient boosting."""
    nodes, *tables = (
        _array(_at(state, name), array_of) for name in ("nodes", *native_state.PREDICTOR_TABLES)
    )
    native_state.check_predictor(
        native_state.integer_columns(nodes, native_state.PREDICTOR_FIELDS), [table.shape for table in tables]
    )


def _at(state: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return the node at a path of nested dicts whose keys are text."""
    for key in path:
        if (state["__loader__"], state["__module__"], state["__class__"]) != ("DictNode", "builtins", "dict"):
            raise MalformedError("a state is not a dict")
        for kind in state["key_types"]["content"]:
            if (kind["__module__"], kind["__class__"]) != ("builtins", "str"):
                raise MalformedError("a state has keys that are not text")
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
