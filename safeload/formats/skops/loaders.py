"""The loaders that skops writes, each with the classes that it makes."""

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


def check(loader: Any, module: Any, name: Any, installed: set[str]) -> None:
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
