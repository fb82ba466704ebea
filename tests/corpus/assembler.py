"""A small assembler of pickles: values become opcodes, and nothing is checked.

:class:`Op` is what is already assembled; :func:`value` assembles the rest. Names are looked up by
``STACK_GLOBAL`` unless said otherwise, so the default protocol is 4.
"""

from __future__ import annotations

import struct
from typing import Any

MARK, STOP, POP, POP_MARK, DUP = b"(", b".", b"0", b"1", b"2"
REDUCE, BUILD, OBJ, NEWOBJ, NEWOBJ_EX = b"R", b"b", b"o", b"\x81", b"\x92"
APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS = b"a", b"e", b"s", b"u", b"\x90"
EMPTY_LIST, EMPTY_DICT, EMPTY_TUPLE, EMPTY_SET = b"]", b"}", b")", b"\x8f"
MEMOIZE, FRAME, STACK_GLOBAL = b"\x94", b"\x95", b"\x93"


class Op(bytes):
    """Opcodes that leave one object on the stack."""


def text(characters: str) -> Op:
    """Push text."""
    data = characters.encode("utf-8", "surrogatepass")
    if len(data) < 256:
        return Op(b"\x8c" + bytes([len(data)]) + data)
    return Op(b"X" + struct.pack("<I", len(data)) + data)


def name(module: str, qualname: str) -> Op:
    """Look up a name, dots in it included."""
    return Op(text(module) + text(qualname) + STACK_GLOBAL)


def old_name(module: str, qualname: str) -> Op:
    """Look up a name by the text opcode of protocols 0 to 3."""
    return Op(b"c" + module.encode() + b"\n" + qualname.encode() + b"\n")


def value(obj: Any) -> Op:
    """Push a value."""
    if isinstance(obj, Op):
        return obj
    if obj is None:
        return Op(b"N")
    if isinstance(obj, bool):
        return Op(b"\x88" if obj else b"\x89")
    if isinstance(obj, int):
        if 0 <= obj < 256:
            return Op(b"K" + bytes([obj]))
        if -(2**31) <= obj < 2**31:
            return Op(b"J" + struct.pack("<i", obj))
        data = obj.to_bytes(obj.bit_length() // 8 + 1, "little", signed=True)
        return Op(b"\x8a" + bytes([len(data)]) + data)
    if isinstance(obj, float):
        return Op(b"G" + struct.pack(">d", obj))
    if isinstance(obj, str):
        return text(obj)
    if isinstance(obj, bytes):
        return Op(b"B" + struct.pack("<I", len(obj)) + obj)
    if isinstance(obj, tuple):
        return Op(MARK + b"".join(map(value, obj)) + b"t") if obj else Op(EMPTY_TUPLE)
    if isinstance(obj, list):
        return Op(EMPTY_LIST + MARK + b"".join(map(value, obj)) + APPENDS)
    if isinstance(obj, dict):
        items = b"".join(value(key) + value(item) for key, item in obj.items())
        return Op(EMPTY_DICT + MARK + items + SETITEMS)
    raise TypeError(f"no opcodes for {type(obj).__name__}")


def call(function: Any, *arguments: Any) -> Op:
    """Call by ``REDUCE``."""
    return Op(value(function) + value(arguments) + REDUCE)


def call_with(cls: Any, *arguments: Any, **keywords: Any) -> Op:
    """Call with keywords, through a partial whose state holds them."""
    made = Op(name("functools", "partial") + value((cls, *arguments)) + REDUCE)
    # A partial's state: function, arguments, keywords, dictionary.
    state = value((cls, tuple(arguments), keywords, None))
    return Op(made + state + BUILD + EMPTY_TUPLE + REDUCE)


def method(obj: Any, attribute: str, *arguments: Any) -> Op:
    """Call a method, through ``operator.methodcaller``."""
    return call(call(name("operator", "methodcaller"), attribute, *arguments), obj)


def attribute(obj: Any, path: str) -> Op:
    """Get an attribute, through ``operator.attrgetter``."""
    return call(call(name("operator", "attrgetter"), path), obj)


def build(obj: Any, state: Any) -> Op:
    """Set a state."""
    return Op(value(obj) + value(state) + BUILD)


def drop(*operations: bytes) -> bytes:
    """Do each and throw the result away."""
    return b"".join(operation + POP for operation in operations)


def pickled(body: bytes, protocol: int = 4) -> bytes:
    """Return a whole pickle whose body leaves one object."""
    return (b"\x80" + bytes([protocol]) if protocol >= 2 else b"") + body + STOP


EXEC = name("builtins", "exec")
SYSTEM = name("os", "system")
