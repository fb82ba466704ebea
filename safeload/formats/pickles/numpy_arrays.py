"""How arrays stand within a pickle.

In numpy's oldest form, at every protocol: an empty array that is given its state. All versions of numpy read
it, the array can be written to afterwards as with joblib, and numpy itself sees to it that bytes never become
objects. (That of protocol 5 names a function that numpy 1 does not have, and what was read-only stays so.)
"""

from __future__ import annotations

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


def reduction(array: Any) -> Any:
    """Return what makes an array anew, as ``__reduce__`` does."""
    return unmapped(array).__reduce__()


def flat_bytes(array: Any) -> memoryview | None:
    """Return the bytes of a contiguous array as they lie in memory, None where that is not possible."""
    import numpy

    contiguous = array.flags.c_contiguous or array.flags.f_contiguous
    if not contiguous or not array.nbytes or array.dtype.hasobject:
        return None
    return memoryview(array.reshape(-1, order="A").view(numpy.uint8))
