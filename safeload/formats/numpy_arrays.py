"""How arrays stand within a pickle, the same for every version of numpy.

numpy's own reductions name functions of its inner modules, which move between its versions. ``numpy.ndarray``
itself, called with shape, dtype and a buffer, has always made an array of them.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any


def array_types() -> tuple[type, ...]:
    """Return the exact types that are treated as arrays; none, while numpy is not imported."""
    numpy = sys.modules.get("numpy")
    return () if numpy is None else (numpy.ndarray, numpy.memmap)


def unmapped(array: Any) -> Any:
    """Return a plain array in place of one on a mapped file, which is stored by its values."""
    import numpy

    return array if type(array) is numpy.ndarray else numpy.asarray(array)


def flat_bytes(array: Any) -> memoryview | None:
    """Return the bytes of a contiguous array as they lie in memory, None where that is not possible."""
    import numpy

    contiguous = array.flags.c_contiguous or array.flags.f_contiguous
    if not contiguous or not array.nbytes or array.dtype.hasobject:
        return None
    return memoryview(array.reshape(-1, order="A").view(numpy.uint8))


def order_of(array: Any) -> str:
    """Return in which order a contiguous array's items lie: ``C`` or ``F``."""
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def reduction(array: Any, protocol: int) -> Any:
    """Return what makes a plain array anew: a call, as ``__reduce_ex__`` does, or None for numpy's own way.

    An array that cannot be written to comes back as one that can, as with joblib.
    """
    import numpy

    if protocol < 5 or array.dtype.hasobject:
        return None
    if not array.nbytes:
        return numpy.ndarray, (array.shape, array.dtype, None, 0, None, order_of(array))
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = numpy.ascontiguousarray(array)
    if not array.flags.writeable:
        array = array.copy(order="K")
    flat = array.reshape(-1, order="A").view(numpy.uint8)
    return (
        numpy.ndarray,
        (array.shape, array.dtype, pickle.PickleBuffer(flat), 0, None, order_of(array)),
    )
