"""Stand-ins for objects on the stack of the interpreter.

Integers of up to 64 bits, short text, None, True and False stand for themselves. Everything else is one of
these classes, which hold what the checks of states need and no more: elements of a long list are forgotten.
"""

from __future__ import annotations

from typing import Any

# Elements of a list that are kept, to show them; and entries of a dict, to read states.
KEPT_ITEMS = 4
KEPT_ENTRIES = 4096


class Opaque:
    """A value of which only the kind matters."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind


FORGOTTEN = Opaque("forgotten")


class Text:
    """Text too long to be a name or a key of a state; its length is in characters."""

    __slots__ = ("length", "offset")

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length


class Bytes:
    """Bytes at an offset of the file, or -1 for bytes that are not in it. A bytearray is mutable."""

    __slots__ = ("length", "mutable", "offset")

    def __init__(self, offset: int, length: int, *, mutable: bool = False) -> None:
        self.offset = offset
        self.length = length
        self.mutable = mutable


class Sequence:
    """A tuple that contains tuples; other tuples stand for themselves.

    Hashing it would recurse through its depth in native code.
    """

    __slots__ = ("depth", "items")

    def __init__(self, items: tuple[Any, ...], depth: int) -> None:
        self.items = items
        self.depth = depth


NESTED = frozenset({tuple, Sequence})


def items_of(value: Any) -> tuple[Any, ...] | None:
    """Return the elements of a tuple or Sequence, or None for any other value."""
    if type(value) is tuple:
        return value
    return value.items if type(value) is Sequence else None


class ListValue(list[Any]):
    """A list: its first elements, and one more if there are more."""

    __slots__ = ()

    def add(self, items: list[Any]) -> None:
        """Append."""
        if len(self) <= KEPT_ITEMS:
            self += items[: KEPT_ITEMS + 1 - len(self)]

    def forget(self) -> None:
        """Note that there are elements that are not kept."""
        self[:] = [FORGOTTEN] * (KEPT_ITEMS + 1)


class Collection:
    """A set."""

    __slots__ = ()


class Frozen:
    """A frozenset."""

    __slots__ = ()


def is_hashable(value: Any) -> bool:
    """Tell whether a value can be a key of a dict. The result of a call is taken for one that can."""
    left, seen = [value], set()
    while left:
        part = left.pop()
        kind = type(part)
        if kind in _UNHASHABLE or (kind is Bytes and part.mutable):
            return False
        items = items_of(part)
        # Each tuple once, however many others contain it.
        if items is not None and id(items) not in seen:
            seen.add(id(items))
            left += items
    return True


class Mapping(list[Any]):
    """A dict: its first entries, as keys and values in turn; of odd length if there are more."""

    __slots__ = ()

    def add(self, pairs: list[Any]) -> None:
        """Set items."""
        if len(self) + len(pairs) > 2 * KEPT_ENTRIES:
            self.forget()
        elif not len(self) % 2:
            self += pairs

    def forget(self) -> None:
        """Note that there are entries that are not kept."""
        if not len(self) % 2:
            self.append(FORGOTTEN)

    def by_text(self) -> dict[str, Any] | None:
        """Return the entries if all keys are text and all entries are kept, else None."""
        keys = self[::2]
        if len(self) % 2 or not all(type(key) is str for key in keys):
            return None
        return dict(zip(keys, self[1::2], strict=True))


class Reference:
    """A class or function, by the name in the file (`shown`) and the name that an unpickler looks up.

    They differ below protocol 3, where names of Python 2 are translated.
    """

    __slots__ = ("name", "shown")

    def __init__(self, shown: str, name: str) -> None:
        self.shown = shown
        self.name = name


class CallResult:
    """The result of a call; `known` describes it if it is a dtype or an array."""

    __slots__ = ("arguments", "called", "known", "state")

    def __init__(self, called: Any, arguments: Any) -> None:
        self.called = called
        self.arguments = arguments
        self.state: Any = None
        self.known: Any = None


class Array:
    """An array whose `length` bytes are in the decompressed file, or elsewhere if the offset is -1.

    `fortran` tells whether the first index varies fastest.
    """

    __slots__ = ("dtype", "fortran", "length", "offset", "shape")

    def __init__(self, dtype: Any, shape: tuple[int, ...], offset: int, length: int, fortran: bool) -> None:
        self.dtype = dtype
        self.shape = shape
        self.offset = offset
        self.length = length
        self.fortran = fortran


_UNHASHABLE = frozenset({ListValue, Mapping, Collection, Array})


def class_of(value: Any) -> str | None:
    """Return the name of what was called to create an object, or None."""
    return value.called.name if type(value) is CallResult and type(value.called) is Reference else None


# Values as text.

_LEVELS = 3
_ITEMS = 4
_CHARACTERS = 60
_TOTAL = 400


def short(value: Any) -> str:
    """Return a value as text: a few elements, a few levels, and a few characters of each."""
    shown = _show(value, 0)
    return shown if len(shown) <= _TOTAL else shown[:_TOTAL] + "…"


def _show(value: Any, level: int) -> str:
    kind = type(value)
    if kind is str:
        return repr(value) if len(value) <= _CHARACTERS else repr(value[:_CHARACTERS]) + "…"
    if value is None or kind is bool or kind is int:
        return str(value)
    if kind is Reference:
        return str(value.shown[:_CHARACTERS])
    if kind is Bytes:
        return f"<{value.length} bytes>"
    if kind is Text:
        return f"<text of {value.length} characters>"
    if kind is Array:
        return f"<array {value.dtype.shown if value.dtype else '?'} {value.shape}>"
    if kind in (Collection, Frozen):
        return "{…}"
    if kind is Opaque:
        return f"<{value.kind}>"
    if level == _LEVELS:
        return "…"
    return _show_parts(value, level + 1)


def _show_parts(value: Any, level: int) -> str:
    if type(value) is CallResult:
        return f"{_show(value.called, level)}(…)"
    items = items_of(value)
    if items is not None:
        return f"({_several(items, level)}{',' if len(items) == 1 else ''})"
    if type(value) is ListValue:
        return f"[{_several(value, level)}]"
    if type(value) is Mapping:
        pairs = list(zip(value[: 2 * _ITEMS : 2], value[1 : 2 * _ITEMS : 2], strict=False))
        shown = [f"{_show(key, level)}: {_show(item, level)}" for key, item in pairs]
        return "{" + ", ".join(shown + ["…"] * (len(value) > 2 * len(pairs))) + "}"
    return "<object>"


def _several(items: Any, level: int) -> str:
    return ", ".join([_show(item, level) for item in items[:_ITEMS]] + ["…"] * (len(items) > _ITEMS))
