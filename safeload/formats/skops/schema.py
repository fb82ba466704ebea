"""Strict checks of a skops schema before skops reads it.

skops turns the schema into a tree of nodes, asks each node for the types that it needs, and lets the nodes
make their objects. Separate code decides what a node asks for and what it makes, and the two have disagreed
(CVE-2025-54412, CVE-2025-54413). An ``__id__`` also turns the tree into a graph. So these rules hold first:

- The schema is JSON without repeated keys, within limits (``parsers/strict_json.py``).
- Every loader is one that skops writes and the installed skops knows, with a class that it makes.
- An object with an ``__id__`` is written out each time, identically, and never within itself. So the graph
  is never larger than its text.
- Keys are made by plain types, and there are as many keys as values.
- Every member is read by exactly one object, and arrays match their headers.
- States that native code trusts are checked (``states.py``).

Checks that need the types themselves run once these are known to be on the list (``types.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safeload.errors import LimitExceeded, MalformedError, brief
from safeload.formats.skops import states
from safeload.parsers import native_state, npy

Members = Mapping[str, bytes | memoryview]

# What a partial may call; the allowlist decides about each of these.
_CALLABLES = ("FunctionNode", "TypeNode", "MethodNode")
_KEY_TYPES = {("builtins", name) for name in ("str", "int", "float", "bool", "NoneType")}

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")

# Loaders that make one class only.
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


@dataclass(frozen=True, slots=True)
class Schema:
    """What a schema refers to."""

    # Loader, module and class.
    made: set[tuple[str, str, str]] = field(default_factory=set)
    # Bound methods, as `module.class.method`.
    methods: set[str] = field(default_factory=set)
    # Bit generators, as `numpy.random.name`.
    generators: set[str] = field(default_factory=set)
    # Members that hold a sparse matrix, with the name of its class.
    sparse: dict[str, str] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Return the full names of everything that is made or bound, except plain data."""
        plain = {"JsonNode", "SliceNode"}
        classes = {f"{module}.{name}" for loader, module, name in self.made if loader not in plain}
        return classes | self.methods | self.generators


def check(state: dict[str, Any], members: Members) -> Schema:
    """Check a schema and the archive members that it refers to, by the rules of the module.

    Raises
    ------
    MalformedError
        It breaks a rule.
    LimitExceeded
        It is nested too deep for Python.
    """
    protocol = state.get("protocol")
    if type(protocol) is not int:
        raise MalformedError("the schema does not say in which protocol it is")
    walk = _Walk(members, protocol)
    try:
        walk.node(state)
    except RecursionError:
        raise LimitExceeded("the schema is nested too deep") from None
    except (KeyError, TypeError, AttributeError, IndexError):
        raise MalformedError("a node of the schema lacks a part, or has it of another type") from None
    if walk.readers.keys() != members.keys():
        raise MalformedError("the archive holds a member that nothing refers to")
    return walk.found


class _Walk:
    """One pass over a schema.

    Nodes that differ in their ``__id__`` only get the same number. By this number, each repetition of an
    object is compared with its first occurrence.
    """

    def __init__(self, members: Members, protocol: int) -> None:
        from skops.io._audit import NODE_TYPE_MAPPING

        self.found = Schema()
        self.readers: dict[str, object] = {}
        self._members = members
        self._protocol = protocol
        self._known = {name for name, _ in NODE_TYPE_MAPPING}
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._written: dict[int, int | None] = {}
        self._states: dict[int, dict[str, Any]] = {}
        self._arrays: dict[str, Any] = {}

    def node(self, state: dict[str, Any]) -> int:
        """Check a node and its descendants; return its number."""
        loader, module, name = state["__loader__"], state["__module__"], state["__class__"]
        _check_loader(loader, module, name, self._known)
        identity = state.get("__id__")
        if identity is not None:
            if type(identity) is not int or identity == 0:
                raise MalformedError("an object of the schema has an id that is no number")
            if self._written.get(identity, 0) is None:
                raise MalformedError("an object of the schema contains itself")
        first = self._written.get(identity) if identity is not None else None
        if identity is not None and first is None:
            self._written[identity] = None
        parts, extra = self._parts(loader, state)
        numbers = tuple(self.node(part) for part in parts)
        extra += self._own(loader, module, name, state, identity)
        number = self._numbers.setdefault((loader, module, name, extra, numbers), len(self._numbers))
        if identity is not None:
            if first is not None and first != number:
                # If an object makes an array anew on each request, each repetition has another file.
                if not self._same(self._states[identity], state):
                    raise MalformedError("an object of the schema is written in two ways")
                number = first
            self._written[identity] = number
            self._states.setdefault(identity, state)
        self.found.made.add((loader, module, name))
        return number

    def _parts(self, loader: str, state: dict[str, Any]) -> tuple[list[dict[str, Any]], tuple[Any, ...]]:
        """Return the children of a node, and further values to compare it by."""
        content = state.get("content")
        extra: tuple[Any, ...] = ()
        match loader:
            case "DictNode":
                content = _mapping(content)
                self._check_keys(state["key_types"], len(content))
                return [state["key_types"], *content.values()], tuple(content)
            case "ListNode" | "SetNode" | "TupleNode":
                return list(_listed(content)), extra
            case "DefaultDictNode":
                return _named(content, "main", "default_factory"), extra
            case "PartialNode":
                parts = _named(content, "func", "args", "kwds", "namespace")
                if parts[0]["__loader__"] not in _CALLABLES:
                    raise MalformedError("a partial of the schema calls something that is not named")
                return parts, extra
            case "MaskedArrayNode":
                return _named(content, "data", "mask"), extra
            case "RandomGeneratorNode":
                keys = ("bit_generator", "seed_seq") if self._protocol > 1 else ("bit_generator",)
                return _named(content, *keys), extra
            case "MethodNode":
                owner = _named(content, "obj")
                if (owner[0]["__module__"], owner[0]["__class__"]) != (
                    state["__module__"],
                    state["__class__"],
                ):
                    raise MalformedError("a method of the schema is bound to an object of another class")
                return owner, (self._method(state),)
            case "NdArrayNode" if state["type"] == "json":
                return [*_listed(content), state["shape"]], ("json",)
            case "LossNode" | "TreeNode" | "QuantileForestNode":
                return [_mapping(content), _mapping(state["__reduce__"]["args"])], extra
            case "OperatorFuncNode":
                return [_mapping(state["attrs"])], extra
            case "ObjectNode" if content is None:
                return [], extra
            case "ObjectNode" | "ConstructorFromReduceNode" | "DTypeNode" | "RandomStateNode":
                return [_mapping(content)], extra
        return [], extra

    def _own(
        self, loader: str, module: str, name: str, state: dict[str, Any], identity: Any
    ) -> tuple[Any, ...]:
        """Check the parts of a node that are not nodes; return the values to compare it by."""
        match loader:
            case "JsonNode":
                return (_scalar_text(state["content"]),)
            case "SliceNode":
                return tuple(_scalar(state["content"][key]) for key in ("start", "stop", "step"))
            case "BytesNode" | "BytearrayNode":
                self._member(state["file"], identity)
                return (state["file"],)
            case "NdArrayNode" if state["type"] == "numpy":
                file = state["file"]
                self._member(file, identity)
                self._array(file)
                return ("numpy", file)
            case "NdArrayNode" if state["type"] != "json":
                raise MalformedError("an array of the schema is in a form that skops does not write")
            case "SparseMatrixNode":
                if state["type"] != "scipy":
                    raise MalformedError("a sparse matrix of the schema is in another form than skops writes")
                self._member(state["file"], identity)
                self.found.sparse[state["file"]] = name
                return (state["file"],)
            case "FunctionNode" if self._protocol == 0:
                raise MalformedError("functions in files of skops' first protocol are not read")
            case "RandomStateNode":
                states.check_bit_generator(state["content"], self._array, only="MT19937")
            case "RandomGeneratorNode":
                kind = states.check_bit_generator(state["content"]["bit_generator"], self._array)
                self.found.generators.add(f"numpy.random.{kind}")
            case "TreeNode":
                states.check_tree(state["content"], state["__reduce__"]["args"], self._array)
            case "ObjectNode" if f"{module}.{name}" == native_state.PREDICTOR:
                states.check_predictor(state["content"], self._array)
        return ()

    def _method(self, state: dict[str, Any]) -> str:
        func = state["content"]["func"]
        if not isinstance(func, str) or not func.isidentifier() or func.startswith("__"):
            raise MalformedError("a method of the schema has no name")
        self.found.methods.add(f"{state['__module__']}.{state['__class__']}.{func}")
        return func

    def _check_keys(self, types: dict[str, Any], number: int) -> None:
        # skops calls these types with the text of a key, and drops values without a key.
        entries = _listed(types["content"])
        plain = all(
            entry["__loader__"] == "TypeNode"
            and (entry["__module__"] == "numpy" or (entry["__module__"], entry["__class__"]) in _KEY_TYPES)
            for entry in entries
        )
        if types["__loader__"] != "ListNode" or not plain or len(entries) != number:
            raise MalformedError("a dict of the schema has keys of other types than skops writes")

    def _member(self, file: Any, identity: Any) -> bytes | memoryview:
        """Return a member for a node, which must be its only reader."""
        if not isinstance(file, str) or file not in self._members:
            raise MalformedError("the schema refers to a member that is not there")
        # skops caches an object by its id and reads its member once; without an id it reads it every time.
        if file in self.readers and (identity is None or self.readers[file] != identity):
            raise MalformedError("a member of the archive is read by two objects")
        self.readers[file] = identity
        return self._members[file]

    def _same(self, one: Any, other: Any) -> bool:
        """Tell whether two parts of the schema differ in ids and names of equal members only."""
        if type(one) is not type(other):
            return False
        if isinstance(one, list):
            return len(one) == len(other) and all(map(self._same, one, other))
        if not isinstance(one, dict):
            return bool(one == other)
        return one.keys() == other.keys() and all(
            key == "__id__"
            or (key == "file" and self._equal(part, other[key]))
            or self._same(part, other[key])
            for key, part in one.items()
        )

    def _equal(self, one: Any, other: Any) -> bool:
        if not isinstance(one, str) or not isinstance(other, str):
            return False
        return one in self._members and other in self._members and self._members[one] == self._members[other]

    def _array(self, file: str) -> Any:
        if file not in self._arrays:
            self._arrays[file] = npy.array_of(self._members[file])
        return self._arrays[file]


def _check_loader(loader: Any, module: Any, name: Any, installed: set[str]) -> None:
    """Require a loader that skops writes and has `installed`, and a class that this loader makes."""
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


def _mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise MalformedError("a node of the schema lacks a part, or has it of another type")
    return value


def _listed(value: Any) -> list[dict[str, Any]]:
    """Return a JSON array."""
    if not isinstance(value, list):
        raise MalformedError("a node of the schema lacks a part, or has it of another type")
    return value


def _named(content: Any, *keys: str) -> list[dict[str, Any]]:
    """Return the JSON objects under some keys of another."""
    return [_mapping(_mapping(content)[key]) for key in keys]


def _scalar(value: Any) -> Any:
    """Return a bound of a slice, with its type."""
    if value is not None and not isinstance(value, int | float | str):
        raise MalformedError("a slice of the schema has a bound that is no number")
    return type(value), value


def _scalar_text(content: Any) -> str:
    """Return the text of a plain value."""
    # Lists and dicts have nodes of their own; as text they would escape every count.
    if not isinstance(content, str) or content.lstrip(" \t\r\n")[:1] in ("[", "{", ""):
        raise MalformedError("a plain value of the schema is not plain")
    return content
