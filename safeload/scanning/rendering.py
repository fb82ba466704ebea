"""Stand-ins as short text: a few elements, a few levels, a few characters of each."""

from __future__ import annotations

from typing import Any

from safeload.scanning.values import (
    Array,
    Bytes,
    CallResult,
    Collection,
    Frozen,
    ListValue,
    Mapping,
    Opaque,
    Reference,
    Text,
    items_of,
)

_LEVELS = 3
_ITEMS = 4
_CHARACTERS = 60
_TOTAL = 400


def short(value: Any) -> str:
    """Return a value in at most a few hundred characters."""
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
