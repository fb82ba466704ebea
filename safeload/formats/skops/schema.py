"""The schema of a skops file is read once by us, strictly, before skops reads it.

skops makes a tree of nodes of the schema, asks each node for the types that it needs, and then lets the nodes
make their objects. What a node asks for and what it makes are two pieces of code, which have disagreed before
(CVE-2025-54412, CVE-2025-54413), and the tree is one by names in a text: an ``__id__`` makes it a graph. So,
before that:

- a schema is JSON without a key twice, no larger, deeper and no costlier than is allowed
  (``parsers/strict_json.py``);
- every loader is one that skops writes and the installed skops knows, and names the class that it makes
  (``nodes.py``);
- what an ``__id__`` stands for is written out each time, the same each time, and never within itself; so
  the graph is never larger than its text;
- keys are made by plain types, and there are as many of them as values;
- members are there, each is read by one object, and there is no other; arrays are what they say;
- the states that native code trusts are checked where they can be (``states.py``).

What needs the types themselves is checked when they are known to be on the list (``types.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safeload.errors import LimitExceeded, MalformedError
from safeload.formats.skops import nodes, states
from safeload.formats.skops.nodes import listed, mapping, named, scalar, scalar_text
from safeload.parsers import native_state, npy

Members = Mapping[str, bytes | memoryview]

# What a partial may call; each of these is on a list itself, or it is refused.
_CALLABLES = ("FunctionNode", "TypeNode", "MethodNode")
_KEY_TYPES = {("builtins", name) for name in ("str", "int", "float", "bool", "NoneType")}


@dataclass(frozen=True, slots=True)
class Schema:
    """What a schema refers to.

    Parameters
    ----------
    made
        Each loader with the module and the class that it is to make.
    methods
        Methods that are bound, as ``module.class.method``.
    generators
        Bit generators, as ``numpy.random.name``.
    sparse
        Members that hold a sparse matrix, each with the name of its class.
    """

    made: set[tuple[str, str, str]] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)
    generators: set[str] = field(default_factory=set)
    sparse: dict[str, str] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Return the whole names of all that is made or bound, plain data aside."""
        plain = {"JsonNode", "SliceNode"}
        classes = {f"{module}.{name}" for loader, module, name in self.made if loader not in plain}
        return classes | self.methods | self.generators


def check(state: dict[str, Any], members: Members) -> Schema:
    """Check a schema, with the members that it refers to.

    Raises
    ------
    MalformedError
        See the module.
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
    """Goes over a schema once.

    Each node gets a number, the same for nodes that are the same but for their ``__id__``: by it the second
    writing of an object is compared with the first.
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
        """Check a node and all below it; return its number."""
        loader, module, name = state["__loader__"], state["__module__"], state["__class__"]
        nodes.check_loader(loader, module, name, self._known)
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
                # An array that an object makes anew each time it is asked has another file each time.
                if not self._same(self._states[identity], state):
                    raise MalformedError("an object of the schema is written in two ways")
                number = first
            self._written[identity] = number
            self._states.setdefault(identity, state)
        self.found.made.add((loader, module, name))
        return number

    def _parts(self, loader: str, state: dict[str, Any]) -> tuple[list[dict[str, Any]], tuple[Any, ...]]:
        """Return the nodes below a node, and what else it is compared by."""
        content = state.get("content")
        extra: tuple[Any, ...] = ()
        match loader:
            case "DictNode":
                content = mapping(content)
                self._check_keys(state["key_types"], len(content))
                return [state["key_types"], *content.values()], tuple(content)
            case "ListNode" | "SetNode" | "TupleNode":
                return list(listed(content)), extra
            case "DefaultDictNode":
                return named(content, "main", "default_factory"), extra
            case "PartialNode":
                parts = named(content, "func", "args", "kwds", "namespace")
                if parts[0]["__loader__"] not in _CALLABLES:
                    raise MalformedError("a partial of the schema calls something that is not named")
                return parts, extra
            case "MaskedArrayNode":
                return named(content, "data", "mask"), extra
            case "RandomGeneratorNode":
                keys = ("bit_generator", "seed_seq") if self._protocol > 1 else ("bit_generator",)
                return named(content, *keys), extra
            case "MethodNode":
                owner = named(content, "obj")
                if (owner[0]["__module__"], owner[0]["__class__"]) != (
                    state["__module__"],
                    state["__class__"],
                ):
                    raise MalformedError("a method of the schema is bound to an object of another class")
                return owner, (self._method(state),)
            case "NdArrayNode" if state["type"] == "json":
                return [*listed(content), state["shape"]], ("json",)
            case "LossNode" | "TreeNode" | "QuantileForestNode":
                return [mapping(content), mapping(state["__reduce__"]["args"])], extra
            case "OperatorFuncNode":
                return [mapping(state["attrs"])], extra
            case "ObjectNode" if content is None:
                return [], extra
            case "ObjectNode" | "ConstructorFromReduceNode" | "DTypeNode" | "RandomStateNode":
                return [mapping(content)], extra
        return [], extra

    def _own(
        self, loader: str, module: str, name: str, state: dict[str, Any], identity: Any
    ) -> tuple[Any, ...]:
        """Check what a node holds beside other nodes; return what of it two nodes are compared by."""
        match loader:
            case "JsonNode":
                return (scalar_text(state["content"]),)
            case "SliceNode":
                return tuple(scalar(state["content"][key]) for key in ("start", "stop", "step"))
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
        # skops calls these with the text of a key, and drops values for which there is none.
        entries = listed(types["content"])
        plain = all(
            entry["__loader__"] == "TypeNode"
            and (entry["__module__"] == "numpy" or (entry["__module__"], entry["__class__"]) in _KEY_TYPES)
            for entry in entries
        )
        if types["__loader__"] != "ListNode" or not plain or len(entries) != number:
            raise MalformedError("a dict of the schema has keys of other types than skops writes")

    def _member(self, file: Any, identity: Any) -> bytes | memoryview:
        """Return a member that a node reads, which must be its only reader."""
        if not isinstance(file, str) or file not in self._members:
            raise MalformedError("the schema refers to a member that is not there")
        # skops keeps an object by its id and reads its member once; without one it would read it each time.
        if file in self.readers and (identity is None or self.readers[file] != identity):
            raise MalformedError("a member of the archive is read by two objects")
        self.readers[file] = identity
        return self._members[file]

    def _same(self, one: Any, other: Any) -> bool:
        """Return whether two parts of the schema are the same but for ids and the names of equal members."""
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
