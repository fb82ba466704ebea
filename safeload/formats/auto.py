"""Preparing an object to be written; for ``auto``, in the safest format that keeps it exactly.

``auto`` finds it by trying. Formats that hold only data come first (safetensors, numpy, arrow), for objects
that are such data; then skops, which names types; then joblib, which takes everything. Each format refuses to
write what it cannot keep exactly. A format whose package is not installed is passed over.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from safeload.errors import SafeloadError, SerializationError, brief
from safeload.formats import boundary, registry
from safeload.formats.base import OptionError, Written
from safeload.formats.equality import difference
from safeload.parsers.format_facts import FACTS

AUTO = "auto"
_LAST = "joblib"


@dataclass(frozen=True, slots=True)
class Prepared:
    """An object that is about to be written: the name of the format, and what writes the artifact."""

    format: str
    write: Callable[[IO[bytes]], Written]


def prepare(name: str, obj: Any, options: dict[str, Any], *, where: str) -> Prepared:
    """Decide how an object will be written; `name` is a format, or ``"auto"``.

    Raises
    ------
    FormatNotAllowed
        There is no such format.
    OptionError
        The format does not have an option; ``auto`` has none, since the format is still to be chosen.
    """
    if name == AUTO:
        if options:
            raise OptionError(f"the format {AUTO} has no option {', '.join(sorted(options))}")
        return _choose(obj, where)
    boundary.check_options(name, registry.get(name).dump, options)
    return Prepared(name, lambda file: boundary.dump(name, obj, file, options, where=where))


def _choose(obj: Any, where: str) -> Prepared:
    """Return how to write `obj`; errors are those of writing it as joblib.

    What a trial wrote is what will be stored, so that nothing is written twice.
    """
    declined: list[str] = []
    for name in _candidates(obj):
        buffer = io.BytesIO()
        try:
            written = boundary.dump(name, obj, buffer, {}, where=where)
            if name in ("safetensors", "numpy") and type(obj) is dict:
                _require_kept(name, obj)
        except SafeloadError as error:
            # Whether the object can be stored at all, the last format says.
            declined.append(f"{name} was not taken, since {brief(error.problem)}.")
            continue
        return _kept(name, buffer.getbuffer(), written, declined)

    def write(file: IO[bytes]) -> Written:
        return _remarked(_LAST, boundary.dump(_LAST, obj, file, {}, where=where), declined)

    return Prepared(_LAST, write)


def _candidates(obj: Any) -> Iterator[str]:
    """Yield the formats that may keep an object; a package that is not imported cannot have made it."""
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
    """Refuse a dict of arrays that would come back different although each array has the same values."""
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


def _kept(name: str, data: memoryview, written: Written, declined: list[str]) -> Prepared:
    def write(file: IO[bytes]) -> Written:
        file.write(data)
        return _remarked(name, written, declined)

    return Prepared(name, write)


def _remarked(name: str, written: Written, declined: list[str]) -> Written:
    chosen = f"The format {name} was chosen: {FACTS[name].auto}."
    return Written(written.globals, (chosen, *declined, *written.remarks))
