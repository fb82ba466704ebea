"""How many bytes an array takes in a joblib file.

joblib writes an array as a small object of its own, ``NumpyArrayWrapper``, and right after that object's
state the array's bytes: one byte with the length of a padding, the padding, the data. An array of objects is
a pickle instead. Which it is, and how long, follows from the shape and dtype in the state.
"""

from __future__ import annotations

import math
import re
from typing import Any

from safeload.scanning.values import Made, Mapping, Reference

WRAPPER = Reference("joblib.numpy_pickle", "NumpyArrayWrapper")
# Before 0.10, joblib kept arrays in files of their own.
LEGACY = frozenset(
    Reference(module, name)
    for module in ("joblib.numpy_pickle", "joblib.numpy_pickle_compat")
    for name in ("NDArrayWrapper", "ZNDArrayWrapper")
)

_DTYPE = Reference("numpy", "dtype")
_KIND = re.compile(r"([biufcSVOUmM])([0-9]{1,9})")
_MAX_DEPTH = 20


class UnknownLayout(Exception):
    """The state of a wrapper does not tell how long its array is."""


def payload(state: Any) -> tuple[int, bool] | None:
    """Return the length of an array's data in bytes, and whether a padding precedes them.

    Returns
    -------
    length, padded
        None for an array of objects, which is a pickle.

    Raises
    ------
    UnknownLayout
        It cannot be told.
    """
    if not isinstance(state, Mapping):
        raise UnknownLayout
    fields = state.by_text
    # A name that shadows a method would change how joblib reads it.
    if not set(fields) <= {
        "subclass",
        "shape",
        "order",
        "dtype",
        "allow_mmap",
        "numpy_array_alignment_bytes",
    }:
        raise UnknownLayout
    itemsize, objects = _item(fields.get("dtype"), 0)
    if objects:
        return None
    shape = fields.get("shape")
    if not isinstance(shape, tuple) or not all(
        type(length) is int and 0 <= length < 1 << 62 for length in shape
    ):
        raise UnknownLayout
    return math.prod(shape) * itemsize, fields.get("numpy_array_alignment_bytes") is not None


def _item(dtype: Any, depth: int) -> tuple[int, bool]:
    """Return the size of an item in bytes, and whether it holds objects."""
    if not isinstance(dtype, Made) or dtype.called != _DTYPE or depth > _MAX_DEPTH:
        raise UnknownLayout
    arguments = dtype.arguments
    if not isinstance(arguments, tuple) or not arguments or not isinstance(arguments[0], str):
        raise UnknownLayout
    match = _KIND.fullmatch(arguments[0])
    if match is None:
        raise UnknownLayout
    kind, size = match[1], int(match[2])
    objects = kind == "O"
    if kind == "V":
        size, objects = _void(dtype.state, size, depth)
    return size * (4 if kind == "U" else 1), objects


def _void(state: Any, size: int, depth: int) -> tuple[int, bool]:
    """Return size and objects of a structured dtype or a subarray, as its state has them."""
    if state is None:
        return size, False
    # (version, byte order, subarray, names, fields, item size, alignment, flags…)
    if not isinstance(state, tuple) or len(state) < 7:
        raise UnknownLayout
    _, _, subarray, names, fields, itemsize = state[:6]
    if type(itemsize) is int and itemsize >= 0:
        size = itemsize
    parts = []
    if isinstance(subarray, tuple) and subarray:
        parts.append(subarray[0])
    elif subarray is not None:
        raise UnknownLayout
    if isinstance(fields, Mapping) and isinstance(names, tuple):
        for name in names:
            entry = fields.by_text.get(name) if isinstance(name, str) else None
            if not isinstance(entry, tuple) or not entry:
                raise UnknownLayout
            parts.append(entry[0])
    elif fields is not None:
        raise UnknownLayout
    items = [_item(part, depth + 1) for part in parts]  # All of them: each may be of an unknown layout.
    return size, any(objects for _, objects in items)
