"""Nodes of a skops schema: the loaders that skops writes, the classes that they make, and typed parts."""

from __future__ import annotations

import re
from typing import Any

from safeload.errors import MalformedError, brief

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

# The class that each loader makes, where it makes one only.
_MADE = {
    "JsonNode": {"builtins.str"},
    "SliceNode": {"builtins.slice"},
    "DefaultDictNode": {"collections.defaultdict"},
    "PartialNode": {"functools.partial"},
    "OperatorFuncNode": {"operator.attrgetter", "operator.itemgetter", "operator.methodcaller"},
    "DTypeNode": {"numpy.dtype"},
    "MaskedArrayNode": {"numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"},
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
    "RandomGeneratorNode": {"numpy.random._generator.Generator"},
    "TreeNode": {"sklearn.tree._tree.Tree"},
    "QuantileForestNode": {"quantile_forest._quantile_forest_fast.QuantileForest"},
}
_ANY = {
    *("DictNode", "ListNode", "SetNode", "TupleNode", "BytesNode", "BytearrayNode", "NdArrayNode"),
    *("SparseMatrixNode", "ObjectNode", "ConstructorFromReduceNode", "FunctionNode", "TypeNode"),
    *("MethodNode", "LossNode"),
}
_LOSS_MODULES = ("_loss", "sklearn._loss._loss", "sklearn.linear_model._sgd_fast")


def check_loader(loader: Any, module: Any, name: Any, installed: set[str]) -> None:
    """Hold what a node says of itself against what skops writes.

    Parameters
    ----------
    loader, module, name
        Of the node; the latter two are of the class that it makes.
    installed
        The loaders of the skops that is installed.

    Raises
    ------
    MalformedError
        There is no such loader, or it does not make that.
    """
    if not all(isinstance(text, str) for text in (loader, module, name)):
        raise MalformedError("a node of the schema has no loader, module or class")
    if loader not in installed or loader not in _MADE.keys() | _ANY:
        raise MalformedError(f"the installed skops writes no loader {brief(loader)}")
    if not _MODULE.fullmatch(module) or not name.isidentifier():
        raise MalformedError(f"{brief(f'{module}.{name}')} is no name of a class")
    made = _MADE.get(loader)
    if made is not None and f"{module}.{name}" not in made:
        raise MalformedError(f"the loader {loader} does not make a {brief(f'{module}.{name}')}")
    if loader == "LossNode" and module not in _LOSS_MODULES:
        raise MalformedError(f"the loader LossNode does not make a {brief(f'{module}.{name}')}")


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise MalformedError("a node of the schema lacks a part, or has it of another type")
    return value


def listed(value: Any) -> list[dict[str, Any]]:
    """Return a JSON array."""
    if not isinstance(value, list):
        raise MalformedError("a node of the schema lacks a part, or has it of another type")
    return value


def named(content: Any, *keys: str) -> list[dict[str, Any]]:
    """Return the JSON objects under some keys of another."""
    return [mapping(mapping(content)[key]) for key in keys]


def scalar(value: Any) -> Any:
    """Return a bound of a slice, with its type."""
    if value is not None and not isinstance(value, int | float | str):
        raise MalformedError("a slice of the schema has a bound that is no number")
    return type(value), value


def scalar_text(content: Any) -> str:
    """Return the text of a plain value."""
    # A list or dict has a node of its own; here it would escape every count.
    if not isinstance(content, str) or content.lstrip(" \t\r\n")[:1] in ("[", "{", ""):
        raise MalformedError("a plain value of the schema is none")
    return content
