"""How many bytes an array takes in a joblib file.

joblib writes an array as a small object of its own, ``NumpyArrayWrapper``, and right after that object's
state the array's bytes: one byte with the length of a padding, the padding, the data. An array of objects is
a pickle instead. Which it is, and how long, follows from the shape and dtype in the state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from safeload.scanning import dtypes
from safeload.scanning.dtypes import Corrupting, DType, Unknown
from safeload.scanning.values import Mapping, Reference

WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
# Before 0.10, joblib kept arrays in files of their own.
LEGACY = frozenset(
    f"{module}.{name}"
    for module in ("joblib.numpy_pickle", "joblib.numpy_pickle_compat")
    for name in ("NDArrayWrapper", "ZNDArrayWrapper")
)
_FIELDS = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"})
_OPTIONAL = frozenset({"numpy_array_alignment_bytes"})
_SUBCLASSES = frozenset(
    {"numpy.ndarray", "numpy.matrix", "numpy.memmap", "numpy.matrixlib.defmatrix.matrix"}
    | {"numpy.core.memmap.memmap", "numpy._core.memmap.memmap"}
)
_ALIGNMENT = 16


@dataclass(frozen=True, slots=True)
class Payload:
    """The array that a wrapper announces; `size` in bytes, without the padding."""

    dtype: DType
    shape: tuple[int, ...]
    fortran: bool
    size: int
    padded: bool


def payload(state: Any) -> Payload:
    """Return what a wrapper's state says of the array.

    Raises
    ------
    Unknown
        It cannot be told.
    Corrupting
        A field shadows a method of the wrapper's, or the dtype is forged.
    """
    fields = state.by_text() if type(state) is Mapping else None
    if fields is None:
        raise Unknown("the length of an array cannot be told")
    if not set(fields) <= _FIELDS:
        # An attribute of the instance comes before the method of the same name.
        raise Corrupting("sets an attribute that joblib's array wrapper does not have")
    if not set(fields) >= _FIELDS - _OPTIONAL:
        raise Unknown("the length of an array cannot be told")
    subclass, order, mapped = fields["subclass"], fields["order"], fields["allow_mmap"]
    alignment = fields.get("numpy_array_alignment_bytes")
    if type(subclass) is not Reference or subclass.name not in _SUBCLASSES:
        raise Unknown("an array of another class than joblib writes")
    if order not in ("C", "F") or type(mapped) is not bool or type(alignment) is bool:
        raise Unknown("an array's wrapper in a form that joblib does not write")
    if alignment not in (None, _ALIGNMENT):
        raise Unknown("an array's wrapper in a form that joblib does not write")
    dtype, shape = dtypes.of(fields["dtype"]), dtypes.lengths(fields["shape"])
    return Payload(dtype, shape, order == "F", math.prod(shape) * dtype.itemsize, alignment is not None)
