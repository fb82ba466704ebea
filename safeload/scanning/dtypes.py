"""The types of arrays' elements: those that numpy writes, in the states that numpy writes.

A dtype's flags say whether its elements are pointers to objects. A state with other flags than the type has
lets numpy follow bytes of the file as pointers: memory corruption without a call. So a dtype counts as known
only as numpy spells it: a code such as ``f8``, copied, and one state.
"""

from __future__ import annotations

import math
from typing import Any

from safeload.errors import MalformedError
from safeload.parsers import native_state
from safeload.scanning.values import Bytes, Mapping, items_of

_MAX_LENGTH = 1 << 62
_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic")


class Unknown(Exception):
    """It cannot be told; the text says what."""


class Corrupting(Exception):
    """It would make numpy use memory that it must not; the text says how."""


class DType:
    """A dtype.

    `itemsize` is in bytes, `objects` tells whether elements hold pointers to objects, and `fields` has the
    type and offset of each field of a structured dtype.
    """

    __slots__ = ("code", "copied", "fields", "itemsize", "objects", "order", "stated", "used")

    def __init__(self, code: str, copied: bool) -> None:
        self.code = code
        self.copied = copied
        try:
            kind, self.itemsize = native_state.dtype_code(code)
        except MalformedError:
            raise Unknown(f"a dtype of the form {code[:40]!r}, which numpy does not write") from None
        self.objects = kind == "O"
        self.order = "|"
        self.fields: dict[str, tuple[DType, int]] = {}
        self.stated = False
        self.used = False

    @property
    def shown(self) -> str:
        """The dtype, roughly as numpy shows it."""
        if self.fields:
            shown = [
                f"{name}: {part.shown if not part.fields else part.code}"
                for name, (part, _) in self.fields.items()
            ]
            text = ", ".join(shown[:8] + ["…"] * (len(shown) > 8))
            return "{" + (text if len(text) < 300 else text[:300] + "…") + "}"
        return self.order + self.code if self.order in "<>" else self.code

    def set_state(self, state: Any) -> None:
        """Set the state, which must be one that numpy writes for this type."""
        if self.stated or self.used or not self.copied:
            raise Corrupting("changes a dtype that is in use")
        self.stated = True
        items = items_of(state) or ()
        if len(items) not in (8, 9) or items[0] != len(items) - 5 or type(items[0]) is not int:
            raise Unknown("a dtype's state in a form that numpy does not write")
        _, order, subarray, names, fields, size, alignment, flags = items[:8]
        if order not in ("<", ">", "|", "=") or type(order) is not str:
            raise Unknown("a dtype's byte order that numpy does not write")
        if any(type(value) is not int for value in (size, alignment, flags)):
            raise Unknown("a dtype's state in a form that numpy does not write")
        self.order = order
        kind = self.code[0]
        if kind == "V":
            self._structure(subarray, names, fields, size)
        elif subarray is not None or names is not None or fields is not None:
            raise Corrupting("gives fields to a dtype that has none")
        if kind in "SUV":
            if size != self.itemsize:
                raise Corrupting("gives a dtype another size than its own")
        elif size != -1 or alignment != -1:
            raise Unknown("a dtype's state in a form that numpy does not write")
        try:
            native_state.check_dtype_flags(kind, flags, objects=self.objects)
        except MalformedError as error:
            raise Corrupting(f"holds what native code trusts: {error.problem}") from None
        if len(items) == 9:
            self._check_metadata(items[8])

    def _structure(self, subarray: Any, names: Any, fields: Any, size: int) -> None:
        """Take over the fields of a structured dtype, or the element of a subarray."""
        if subarray is not None:
            pair = items_of(subarray) or ()
            if len(pair) != 2 or names is not None or fields is not None:
                raise Unknown("a subarray in a form that numpy does not write")
            part, shape = of(pair[0]), lengths(pair[1])
            if part.itemsize * math.prod(shape) != size:
                raise Corrupting("gives a dtype another size than its parts have")
            self.objects = part.objects
        elif names is not None or fields is not None:
            self._take_fields(names, fields, size)

    def _take_fields(self, names: Any, fields: Any, size: int) -> None:
        by_name = fields.by_text() if type(fields) is Mapping else None
        order = items_of(names)
        if order is None or by_name is None or len(by_name) != len(order):
            raise Unknown("fields in a form that numpy does not write")
        for name in order:
            entry = (items_of(by_name.get(name)) if type(name) is str else None) or ()
            if len(entry) not in (2, 3) or type(entry[1]) is not int:
                raise Unknown("fields in a form that numpy does not write")
            part, offset = of(entry[0]), entry[1]
            if offset < 0 or offset + part.itemsize > size:
                raise Corrupting("puts a field outside of the element")
            self.fields[name] = (part, offset)
            self.objects |= part.objects
        self._check_overlap()

    def _check_overlap(self) -> None:
        """Where there are objects no two fields may share bytes: one could write what the other follows."""
        end = 0
        for part, offset in sorted(self.fields.values(), key=lambda field: field[1]) if self.objects else ():
            if offset < end:
                raise Corrupting("lets a field share bytes with an object")
            end = offset + part.itemsize

    def _check_metadata(self, value: Any) -> None:
        if self.code[0] not in "mM":
            if type(value) is not Mapping:
                raise Unknown("a dtype's metadata in a form that numpy does not write")
            return
        parts = items_of(value) or ()
        unit = (items_of(parts[1]) if len(parts) == 2 else None) or ()
        if not unit or not (parts[0] is None or type(parts[0]) is Mapping):
            raise Unknown("a unit of time in a form that numpy does not write")
        if type(unit[0]) not in (Bytes, str) or any(type(count) is not int for count in unit[1:]):
            raise Unknown("a unit of time in a form that numpy does not write")
        if type(unit[0]) is str and unit[0] not in _UNITS:
            raise Unknown("a unit of time that numpy does not know")


def lengths(value: Any) -> tuple[int, ...]:
    """Return a shape, or raise Unknown."""
    items = (value,) if type(value) is int else items_of(value)
    if (
        items is None
        or len(items) > 64
        or not all(type(length) is int and 0 <= length < _MAX_LENGTH for length in items)
    ):
        raise Unknown("the shape of an array in a form that numpy does not write")
    return tuple(items)


def of(value: Any) -> DType:
    """Return the dtype that a stand-in is, or raise Unknown. From now on it must not change."""
    known = getattr(value, "known", None)
    if type(known) is not DType:
        raise Unknown("a dtype that cannot be told")
    known.used = True
    return known


def made(arguments: tuple[Any, ...]) -> DType:
    """Return what calling ``numpy.dtype`` gives, or raise Unknown if numpy does not write such a call."""
    if not arguments or type(arguments[0]) is not str or len(arguments) > 3:
        raise Unknown("a dtype in a form that numpy does not write")
    if not all(type(flag) in (bool, int) and flag in (0, 1) for flag in arguments[1:]):
        raise Unknown("a dtype in a form that numpy does not write")
    return DType(arguments[0], copied=len(arguments) == 3 and bool(arguments[2]))
