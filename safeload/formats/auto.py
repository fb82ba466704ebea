"""Choosing a format for an object: the safest that keeps it exactly, found by trying.

In this order: formats that hold data and nothing else (safetensors, numpy, arrow) for objects that are such
data; skops, which names types; joblib, which takes everything. What a format cannot keep exactly it says
itself, when it writes. A format whose package is not installed is passed over.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import IO, Any

from safeload import formats
from safeload.errors import SafeloadError, SerializationError, brief
from safeload.formats.base import Written
from safeload.formats.equality import difference

_LAST = "joblib"
_WHY = {
    "safetensors": "it is a dict of arrays",
    "numpy": "it is an array, or a dict of arrays",
    "arrow": "it is a DataFrame or a Series",
    "skops": "its parts are of types that skops keeps",
    "joblib": "no format without code in it keeps the object exactly",
}


def choose(obj: Any, *, where: str) -> formats.Prepared:
    """Return how to write `obj`; errors are those of writing it as joblib.

    What a trial wrote is what will be stored, so that nothing is written twice.
    """
    declined: list[str] = []
    for name in _candidates(obj):
        buffer = io.BytesIO()
        try:
            written = formats.dump(name, obj, buffer, {}, where=where)
            if name in ("safetensors", "numpy") and type(obj) is dict:
                _require_kept(name, obj)
        except SafeloadError as error:
            # Whether the object can be stored at all, the last format says.
            declined.append(f"{name} was not taken, since {brief(error.problem)}.")
            continue
        return _kept(name, buffer.getbuffer(), written, declined)

    def write(file: IO[bytes]) -> Written:
        written = formats.dump(_LAST, obj, file, {}, where=where)
        return Written(written.globals, (*_remarks(_LAST, declined), *written.remarks))

    return formats.Prepared(_LAST, write)


def _candidates(obj: Any) -> Iterator[str]:
    """Yield the formats that may keep an object; what has not been imported cannot have made it."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None:
        if type(obj) is dict and obj and all(type(value) is numpy.ndarray for value in obj.values()):
            yield from ("safetensors", "numpy")
        elif type(obj) is numpy.ndarray:
            yield "numpy"
    if pandas is not None and type(obj) in (pandas.DataFrame, pandas.Series):
        yield "arrow"
    yield "skops"


def _require_kept(name: str, arrays: dict[str, Any]) -> None:
    """Refuse what comes back otherwise, although each array has the same values."""
    if len({id(array) for array in arrays.values()}) < len(arrays):
        raise SerializationError("one array under two names would become two")
    if name == "numpy":
        return
    # A safetensors file sorts by type, then by name, and knows one order of elements.
    order = list(arrays)
    if difference(order, sorted(order)) is not None or len({array.dtype for array in arrays.values()}) > 1:
        raise SerializationError("the order of its keys would be lost")
    if any(array.flags.f_contiguous and not array.flags.c_contiguous for array in arrays.values()):
        raise SerializationError("the order of an array's elements in memory would be lost")


def _kept(name: str, data: memoryview, written: Written, declined: list[str]) -> formats.Prepared:
    def write(file: IO[bytes]) -> Written:
        file.write(data)
        return Written(written.globals, (*_remarks(name, declined), *written.remarks))

    return formats.Prepared(name, write)


def _remarks(name: str, declined: list[str]) -> list[str]:
    return [f"The format {name} was chosen: {_WHY[name]}.", *declined]
