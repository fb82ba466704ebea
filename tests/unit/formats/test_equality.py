"""The comparison that stands behind formats that might lose something without a word."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest

from safeload.formats.equality import difference

NAN, OTHER_NAN = float("nan"), float("nan")


class Point(NamedTuple):
    """A tuple with names."""

    x: Any
    y: Any


class Plain:
    """An object with attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def method(self) -> None:
        """Do nothing."""


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any = None) -> None:
        self.a, self.b = a, b


class Lists(list[Any]):
    """A list with attributes."""


class Texts(str):
    """A text with attributes."""

    __slots__ = ("extra",)


class Colour(Enum):
    """A choice."""

    RED = 1
    BLUE = 2


def masked(fill: float, mask: list[bool], data: list[float]) -> Any:
    """Return a masked array."""
    return np.ma.MaskedArray(np.array(data), mask=mask, fill_value=fill)


DIFFERENT = {
    "the dict that skops lost half of": ({True: 1, False: 2}, {True: 2}),
    "keys that are text and number": ({1: "a"}, {"1": "a"}),
    "keys that are bool and number": ({True: "a"}, {1: "a"}),
    "keys that are int and float": ({1: "a"}, {1.0: "a"}),
    "another order of a dict": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "a value of a dict": ({"a": 1}, {"a": 2}),
    "bool and int": (True, 1),
    "int and float": (1, 1.0),
    "text and bytes": ("a", b"a"),
    "bytes and bytearray": (b"a", bytearray(b"a")),
    "list and tuple": ([1], (1,)),
    "None and False": (None, False),
    "zero and minus zero": (0.0, -0.0),
    "zero and minus zero in a complex number": (complex(0.0, 0.0), complex(0.0, -0.0)),
    "zero and minus zero in a list": ([0.0], [-0.0]),
    "zero and minus zero in an array": (np.zeros(2), np.array([0.0, -0.0])),
    "zero and minus zero in a scalar": (np.float64(0.0), np.float64(-0.0)),
    "a number and NaN": (1.0, NAN),
    "the length of a list": ([1], [1, 1]),
    "a deep part": ([[[{"a": [1]}]]], [[[{"a": [2]}]]]),
    "a deque emptied": (deque([1, 2]), deque()),
    "the limit of a deque": (deque([1], 5), deque([1], 6)),
    "elements of a deque": (deque([1, 2]), deque([2, 1])),
    "sets": ({1, 2}, {1, 3}),
    "bool and int in a set": ({True}, {1}),
    "bool and int deep in a set": ({(True, "a")}, {(1, "a")}),
    "int and float in a set of sets": ({frozenset({1})}, {frozenset({1.0})}),
    "set and frozenset": ({1}, frozenset({1})),
    "ranges": (range(3), range(4)),
    "slices": (slice(1), slice(2)),
    "dict and OrderedDict": ({"a": 1}, OrderedDict(a=1)),
    "the factory of a defaultdict": (defaultdict(list), defaultdict(dict)),
    "counters": (Counter("aab"), Counter("ab")),
    "named tuples": (Point(1, 2), Point(1, 3)),
    "a named tuple and a tuple": (Point(1, 2), (1, 2)),
    "attributes": (Plain(a=1), Plain(a=2)),
    "an attribute that is missing": (Plain(a=1, b=None), Plain(a=1)),
    "slots": (Slotted(1), Slotted(2)),
    "classes": (int, float),
    "functions": (math.sin, math.cos),
    "enumerations": (Colour.RED, Colour.BLUE),
    "partials": (functools.partial(int, base=2), functools.partial(int, base=3)),
    "decimals": (Decimal("1.0"), Decimal("1.00")),
    "fractions": (Fraction(1, 3), Fraction(2, 3)),
    "times": (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1)),
    "durations": (timedelta(1), timedelta(2)),
    "bound methods of others": (Plain(a=1).method, Plain(a=2).method),
    "lists with attributes": (Lists([1]), Lists([2])),
    "arrays": (np.arange(3), np.array([0, 1, 3])),
    "dtypes of arrays": (np.arange(3, dtype="i4"), np.arange(3, dtype="i8")),
    "byte orders of arrays": (np.arange(3, dtype="<i4"), np.arange(3, dtype=">i4")),
    "shapes of arrays": (np.arange(4), np.arange(4).reshape(2, 2)),
    "shapes of empty arrays": (np.empty((0, 2)), np.empty((0, 3))),
    "array and list": (np.arange(3), [0, 1, 2]),
    "array and scalar": (np.array(1.0), np.float64(1.0)),
    "scalar and float": (np.float64(1.0), 1.0),
    "scalars": (np.float32(1.5), np.float32(2.5)),
    "dtypes of scalars": (np.int32(1), np.int64(1)),
    "objects in arrays": (np.array([1, "a"], dtype=object), np.array([True, "a"], dtype=object)),
    "units of times": (np.datetime64("2026-01-01", "D"), np.datetime64("2026-01-01", "s")),
    "the names of fields": (np.zeros(1, dtype=[("a", "i4")]), np.zeros(1, dtype=[("b", "i4")])),
    "fields": (np.array([(1, 2)], dtype="i4,f8"), np.array([(1, 3)], dtype="i4,f8")),
    "the fill value of a masked array": (
        masked(7, [True, False], [1.0, 2]),
        masked(8, [True, False], [1.0, 2]),
    ),
    "the mask of a masked array": (masked(7, [True, False], [1.0, 2]), masked(7, [False, True], [1.0, 2])),
    "what a mask hides": (masked(7, [True, False], [1.0, 2]), masked(7, [True, False], [5.0, 2])),
    "masked array and array": (masked(7, [False, False], [1.0, 2]), np.array([1.0, 2])),
    "dtypes themselves": (np.dtype("i4"), np.dtype("i8")),
    "notes of a type": (np.zeros(1, np.dtype("i4", metadata={"unit": "m"})), np.zeros(1, "i4")),
    "other notes of a type": (
        np.zeros(1, np.dtype("i4", metadata={"unit": "m"})),
        np.zeros(1, np.dtype("i4", metadata={"unit": "s"})),
    ),
    "notes of the type of a field": (
        np.zeros(1, [("a", np.dtype("i4", metadata={"unit": "m"}))]),
        np.zeros(1, [("a", "i4")]),
    ),
    "notes of the type within a field": (
        np.zeros(1, [("a", np.dtype("i4", metadata={"unit": "m"}), (2,))]),
        np.zeros(1, [("a", "i4", (2,))]),
    ),
    "notes of the type of objects": (
        np.array([None], np.dtype("O", metadata={"of": "text"})),
        np.array([None], object),
    ),
    "the alignment of fields": (
        np.zeros(1, np.dtype([("a", "i1"), ("b", "i4")], align=True)),
        np.zeros(1, {"names": ["a", "b"], "formats": ["i1", "i4"], "offsets": [0, 4], "itemsize": 8}),
    ),
    "random generators": (np.random.RandomState(1), np.random.RandomState(2)),
}

SAME = {
    "NaN": lambda: float("nan"),
    "NaN in a container": lambda: {"a": [(float("nan"),)]},
    "NaN in an array": lambda: np.array([1.0, np.nan]),
    "NaN in an object array": lambda: np.array([float("nan"), None], dtype=object),
    "NaN in a scalar": lambda: np.float32("nan"),
    "NaN in a complex number": lambda: complex(float("nan"), 1),
    "NaN in a set": lambda: {float("nan")},
    "minus zero": lambda: [-0.0, np.array([-0.0])],
    "dict": lambda: {True: 1, "1": 2, None: [b"x", {}]},
    "sets": lambda: [{1, "a", (True, 2)}, frozenset({frozenset({1})})],
    "numbers": lambda: [1, 10**40, -1.5, 1j, True, Decimal("1.10"), Fraction(1, 3)],
    "deque": lambda: deque([1, 2], 5),
    "collections": lambda: [OrderedDict(a=1), defaultdict(list, a=[1]), Counter("aab"), Point(1, [2])],
    "attributes": lambda: Plain(a=[1], b=Plain(c=None)),
    "slots": lambda: Slotted(1, [2]),
    "subclasses": lambda: [Lists([1, 2]), Texts("a")],
    "times": lambda: [datetime(2026, 1, 1, tzinfo=UTC), timedelta(3)],
    "references": lambda: [int, math.sin, Colour.RED, len, np.ndarray, math],
    "partial": lambda: functools.partial(int, base=2),
    "pattern": lambda: re.compile("a+", re.IGNORECASE),
    "arrays": lambda: [np.arange(6).reshape(2, 3), np.zeros((0, 3)), np.array(5), np.array(["a", "bc"])],
    "structured arrays": lambda: np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "object arrays": lambda: np.array([[1, None], ["x", [2]]], dtype=object),
    "masked arrays": lambda: [masked(7, [True, False], [1.0, 2]), masked(1e20, [False, False], [1.0, 2])],
    "a masked array with the fill value of its dtype": lambda: np.ma.MaskedArray(np.zeros(3), mask=True),
    "scalars": lambda: [np.float64(1), np.int8(1), np.bool_(True), np.str_("a"), np.datetime64("2026-01-01")],
    "dtypes": lambda: [np.dtype("i4"), np.dtype([("a", "i4")])],
    "arrays with notes": lambda: np.zeros(1, np.dtype("i4", metadata={"unit": ["m"]})),
    "aligned fields": lambda: np.zeros(1, np.dtype([("a", "i1"), ("b", "i4")], align=True)),
    "ufunc": lambda: np.sin,
    "random generators": lambda: [np.random.RandomState(1), np.random.default_rng(1)],
    "bound method": lambda: Plain(a=1).method,
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_differs_is_found(case: str) -> None:
    """Either way round, and deep within something else."""
    left, right = DIFFERENT[case]
    assert difference(left, right) is not None
    assert difference(right, left) is not None
    assert difference({"a": [left]}, {"a": [right]}) is not None
    assert difference(Plain(part=left), Plain(part=right)) is not None


@pytest.mark.parametrize("case", SAME)
def test_what_is_the_same_is_the_same(case: str) -> None:
    """Made twice, so that identity does not decide."""
    make = SAME[case]
    assert difference(make(), make()) is None
    assert difference({"a": (make(),)}, {"a": (make(),)}) is None


@pytest.mark.parametrize("case", SAME)
def test_what_pickle_keeps_is_the_same(case: str) -> None:
    """A copy by pickle has lost nothing."""
    import pickle

    made = SAME[case]()
    if case == "references":
        made = made[:-1]  # Modules are not pickled.
    assert difference(made, pickle.loads(pickle.dumps(made))) is None


@pytest.mark.parametrize(
    ("left", "right", "path"),
    [
        (1, 2, "the whole"),
        ([1, 2], [1, 3], "[1]"),
        ({"a": {"b": [0, 1]}}, {"a": {"b": [0, 2]}}, ".a.b[1]"),
        ({1: "a"}, {1: "b"}, "[1]"),
        ({"a": 1}, {"b": 1}, " key 'a'"),
        ((1, [2, (3, 4)]), (1, [2, (3, 5)]), "[1][1][1]"),
    ],
)
def test_the_difference_is_told_by_its_place(left: Any, right: Any, path: str) -> None:
    """So that it can be found in a large object."""
    assert difference(left, right) == path


def cycle(end: Any) -> list[Any]:
    """Return a list that holds itself, a dict that holds it, and something else."""
    made: list[Any] = []
    made += [made, {"again": made}, Plain(back=made), end]
    return made


def test_cycles_are_compared() -> None:
    """Without an end they would have none."""
    assert difference(cycle(1), cycle(1)) is None
    assert difference(cycle(1), cycle(2)) == "[3]"
    unrolled = [cycle(1), {}, None, 1]
    assert difference(cycle(1), unrolled) is not None


def test_a_part_that_stands_twice_is_compared_once() -> None:
    """Otherwise 2 to the 60th comparisons."""

    def shared(end: Any) -> list[Any]:
        made = [end]
        for _ in range(60):
            made = [made, made]
        return made

    assert difference(shared(1), shared(1)) is None
    assert difference(shared(1), shared(2)) is not None


class CannotBeTakenApart:
    """Refuses to be pickled."""

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError("not this one")


def test_what_cannot_be_taken_apart_cannot_be_told() -> None:
    """By a TypeError; the same object is itself all the same."""
    one = CannotBeTakenApart()
    assert difference([one], [one]) is None
    with pytest.raises(TypeError):
        difference([CannotBeTakenApart()], [CannotBeTakenApart()])


def test_an_object_that_says_that_it_equals_everything_is_not_believed() -> None:
    """Equality of the object's own making does not decide."""

    class Liar(Plain):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

    assert difference(Liar(a=1), Liar(a=2)) is not None
    assert difference(Liar(a=1), Liar(a=1)) is None
