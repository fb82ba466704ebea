"""Arrays in ``.npy`` form, as their headers say, over the bytes that they stand in.

``numpy.load`` trusts the header: a shape larger than the data is allocated before any data is read.
"""

from __future__ import annotations

import ast
import math
import struct
from typing import Any

from safeload.errors import MalformedError

MAGIC = b"\x93NUMPY"

# numpy.load refuses a longer header as well, since parsing it costs; source: numpy.lib.format.
_MAX_HEADER = 10_000
_HEADER_SIZES = {(1, 0): "<H", (2, 0): "<I", (3, 0): "<I"}
_MAX_DIMENSIONS = 64


def array_of(member: bytes | memoryview) -> Any:
    """Return the array of a ``.npy`` member, over the member's own bytes.

    Parameters
    ----------
    member : bytes or memoryview
        The whole file.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    MalformedError
        It is not in this form, holds objects, or its header announces another amount of data than follows.
    """
    import numpy as np

    view = memoryview(member)
    version = tuple(view[6:8])
    if view[:6] != MAGIC or version not in _HEADER_SIZES:
        raise MalformedError("a member that should be an array is not in npy form")
    kind = _HEADER_SIZES[version]
    start = 8 + struct.calcsize(kind)
    if len(view) < start:
        raise MalformedError("the header of an array is cut")
    (length,) = struct.unpack_from(kind, view, 8)
    if length > _MAX_HEADER or len(view) < start + length:
        raise MalformedError("the header of an array is cut, or longer than numpy reads")
    try:
        text = bytes(view[start : start + length]).decode("utf-8" if version == (3, 0) else "latin1")
        header = ast.literal_eval(text)
        if type(header) is not dict or set(header) != {"descr", "fortran_order", "shape"}:
            raise ValueError
        dtype = np.lib.format.descr_to_dtype(header["descr"])
    except (ValueError, SyntaxError, TypeError, LookupError, MemoryError, RecursionError):
        raise MalformedError("the header of an array is damaged") from None
    shape = header["shape"]
    if type(header["fortran_order"]) is not bool or type(shape) is not tuple or len(shape) > _MAX_DIMENSIONS:
        raise MalformedError("the header of an array is damaged")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise MalformedError("the header of an array is damaged")
    if dtype.hasobject:
        raise MalformedError("an array holds objects, which only a pickle could make")
    number = math.prod(shape)
    if number * dtype.itemsize != len(view) - start - length or number > len(view):
        raise MalformedError("the header of an array announces another amount of data than follows")
    flat = np.frombuffer(view, dtype, number, start + length) if number else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if header["fortran_order"] else "C")
