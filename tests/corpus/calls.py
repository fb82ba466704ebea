"""Calls made by something that calls what it is given, and names got without naming them."""

from __future__ import annotations

from collections.abc import Callable

from corpus.assembler import (
    APPEND,
    EXEC,
    SETITEM,
    SYSTEM,
    Op,
    attribute,
    build,
    call,
    call_with,
    method,
    name,
    pickled,
    value,
)
from corpus.entry import Place, Technique

_OS = call(name("importlib", "import_module"), "os")


def _partial(place: Place) -> Op:
    return call(name("functools", "partial"), EXEC, place.code)


_WAYS: dict[str, tuple[str, str, Callable[[Place], Op]]] = {
    "attrgetter": (
        "operator",
        "a function by its name as text",
        lambda p: call(attribute(_OS, "system"), p.command),
    ),
    "methodcaller": ("operator", "name and arguments as text", lambda p: method(_OS, "system", p.command)),
    "itemgetter": (
        "operator",
        "out of a module's dictionary",
        lambda p: call(
            call(call(name("operator", "itemgetter"), "system"), call(name("builtins", "vars"), _OS)),
            p.command,
        ),
    ),
    "getitem": (
        "operator",
        "out of the loaded modules",
        lambda p: method(
            call(name("operator", "getitem"), name("sys", "modules"), "os"), "system", p.command
        ),
    ),
    "operator.call": (
        "operator",
        "a call with the function as data",
        lambda p: call(name("operator", "call"), EXEC, p.code),
    ),
    "operator in C": (
        "operator",
        "the module behind operator",
        lambda p: call(call(name("_operator", "methodcaller"), "system", p.command), _OS),
    ),
    "partial": ("functools", "called by REDUCE", lambda p: call(_partial(p))),
    "partial by its state": (
        "functools",
        "a partial of something harmless, whose state is replaced",
        lambda p: call(
            build(call(name("functools", "partial"), name("builtins", "len")), (EXEC, (p.code,), {}, None))
        ),
    ),
    "reduce": (
        "functools",
        "over two items",
        lambda p: call(name("functools", "reduce"), EXEC, [p.code, {}]),
    ),
    "singledispatch": (
        "functools",
        "what it wraps",
        lambda p: call(attribute(call(name("functools", "singledispatch"), EXEC), "__wrapped__"), p.code),
    ),
    "lru_cache": (
        "functools",
        "a wrapped function",
        lambda p: call(
            call(name("functools", "_lru_cache_wrapper"), EXEC, 1, False, name("functools", "_CacheInfo")),
            p.code,
        ),
    ),
    "importlib": ("importlib", "and getattr", lambda p: call(_getattr(_OS, "system"), p.command)),
    "__import__": (
        "importlib",
        "the builtin",
        lambda p: method(call(name("builtins", "__import__"), "os"), "system", p.command),
    ),
    "importlib._bootstrap": (
        "importlib",
        "the importer itself",
        lambda p: method(call(name("importlib._bootstrap", "_gcd_import"), "os"), "system", p.command),
    ),
    "import_optional_dependency": (
        "importlib",
        "pandas' importer",
        lambda p: method(
            call(name("pandas.compat._optional", "import_optional_dependency"), "os"), "system", p.command
        ),
    ),
    "pydoc.locate": (
        "importlib",
        "by a path",
        lambda p: call(call(name("pydoc", "locate"), "os.system"), p.command),
    ),
    "pkgutil.resolve_name": (
        "importlib",
        "by a path",
        lambda p: call(call(name("pkgutil", "resolve_name"), "os:system"), p.command),
    ),
    "logging._resolve": (
        "importlib",
        "by a path",
        lambda p: call(call(name("logging.config", "_resolve"), "os.system"), p.command),
    ),
    "object.__getattribute__": (
        "importlib",
        "by a dotted name",
        lambda p: call(call(name("builtins", "object.__getattribute__"), _OS, "system"), p.command),
    ),
    "getattr_static": (
        "importlib",
        "by inspect",
        lambda p: call(call(name("inspect", "getattr_static"), _OS, "system"), p.command),
    ),
    "map": (
        "iterators",
        "consumed by list",
        lambda p: _consumed(call(name("builtins", "map"), EXEC, [p.code])),
    ),
    "map consumed by bytes": (
        "iterators",
        "consumed by what looks like data",
        lambda p: call(name("builtins", "bytes"), call(name("builtins", "map"), SYSTEM, [p.command])),
    ),
    "map consumed by a deque": (
        "iterators",
        "consumed by what keeps data",
        lambda p: call(name("collections", "deque"), call(name("builtins", "map"), EXEC, [p.code])),
    ),
    "filter": (
        "iterators",
        "consumed by set",
        lambda p: _consumed(call(name("builtins", "filter"), EXEC, [p.code])),
    ),
    "iter with a sentinel": (
        "iterators",
        "calls until it gets None",
        lambda p: _consumed(call(name("builtins", "iter"), _partial(p), None)),
    ),
    "starmap": (
        "iterators",
        "of itertools",
        lambda p: _consumed(call(name("itertools", "starmap"), EXEC, [(p.code,)])),
    ),
    "accumulate": (
        "iterators",
        "of itertools",
        lambda p: _consumed(call(name("itertools", "accumulate"), [p.code, {}], EXEC)),
    ),
    "takewhile": (
        "iterators",
        "of itertools",
        lambda p: _consumed(call(name("itertools", "takewhile"), EXEC, [p.code])),
    ),
    "heapq.nsmallest": (
        "iterators",
        "a key function",
        lambda p: call(name("heapq", "nsmallest"), 1, [p.code], EXEC),
    ),
    "max with a key": (
        "iterators",
        "by keyword",
        lambda p: call_with(name("builtins", "max"), [p.code], key=EXEC),
    ),
    "sorted with a key": (
        "iterators",
        "by keyword",
        lambda p: call_with(name("builtins", "sorted"), [p.code], key=EXEC),
    ),
    "defaultdict": (
        "collections",
        "a factory for a key that is missing",
        lambda p: method(call(name("collections", "defaultdict"), _partial(p)), "__getitem__", 1),
    ),
    "a class by type": (
        "collections",
        "whose append is a function",
        lambda p: Op(
            call(call(name("builtins", "type"), "X", (), {"append": EXEC})) + value(p.code) + APPEND
        ),
    ),
    "a class by type with items": (
        "collections",
        "whose __setitem__ is a function",
        lambda p: Op(
            call(call(name("builtins", "type"), "X", (), {"__setitem__": EXEC}))
            + value(p.code)
            + value({})
            + SETITEM
        ),
    ),
    "append by APPEND": (
        "collections",
        "APPEND is a method call",
        lambda p: Op(
            build(call(name("types", "SimpleNamespace")), {"append": EXEC}) + value(p.code) + APPEND
        ),
    ),
    "extend by APPENDS": (
        "collections",
        "APPENDS is a method call, with a list",
        lambda p: Op(
            build(
                call(name("types", "SimpleNamespace")),
                {"extend": name("subprocess", "call"), "append": name("builtins", "len")},
            )
            + b"("
            + value("touch")
            + value(p.marker)
            + b"e"
        ),
    ),
    "add by ADDITEMS": (
        "collections",
        "ADDITEMS is a method call for each item",
        lambda p: Op(
            build(call(name("types", "SimpleNamespace")), {"add": EXEC}) + b"(" + value(p.code) + b"\x90"
        ),
    ),
    "an instance is called": (
        "collections",
        "REDUCE on an object of a harmless class",
        lambda p: call(call(name("argparse", "FileType"), "w"), p.marker),
    ),
    "MethodType": (
        "collections",
        "a bound method of text",
        lambda p: call(call(name("types", "MethodType"), EXEC, p.code)),
    ),
    "a thread pool's item": (
        "collections",
        "run without the pool",
        lambda p: method(
            call(
                name("concurrent.futures.thread", "_WorkItem"),
                call(name("concurrent.futures", "Future")),
                EXEC,
                (p.code,),
                {},
            ),
            "run",
        ),
    ),
}


def _getattr(obj: Op, attribute_name: str) -> Op:
    return call(name("builtins", "getattr"), obj, attribute_name)


def _consumed(iterator: Op) -> Op:
    return call(name("builtins", "list"), iterator)


_NEEDS = {"import_optional_dependency": ("pandas",), "a thread pool's item": ("python3.14-",)}

TECHNIQUES = [
    Technique(
        f"{category} {way}" if category == "iterators" else way,
        category,
        about,
        lambda place, made=made: pickled(made(place)),
        needs=_NEEDS.get(way, ()),
    )
    for way, (category, about, made) in _WAYS.items()
]
