"""Arrays as numpy pickles them, and as joblib writes them.

joblib writes an array as a small object of its own, ``NumpyArrayWrapper``, and right after that object's
state the array's bytes: one byte with the length of a padding, the padding, the data. An array of objects is
a pickle instead. Which it is, and how long, follows from the shape and dtype in the state.

What numpy or joblib would not write raises :class:`Unknown`, what lets numpy use foreign memory
:class:`Corrupting`.
"""

from __future__ import annotations

import math
from typing import Any

from safeload.scanning import dtypes
from safeload.scanning.dtypes import Corrupting, Unknown
from safeload.scanning.values import Array, Bytes, CallResult, ListValue, Mapping, Reference, items_of

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


def announced(state: Any) -> tuple[Array, bool]:
    """Return the array that the state of joblib's wrapper announces, and whether padding precedes it."""
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
    return Array(dtype, shape, -1, math.prod(shape) * dtype.itemsize, order == "F"), alignment is not None


def check_reconstruct(arguments: tuple[Any, ...] | None) -> None:
    """Admit the empty array that numpy starts from, and no other."""
    if arguments is None or len(arguments) != 3 or type(arguments[0]) is not Reference:
        raise Unknown("an array in a form that numpy does not write")
    kind = arguments[2]
    if (kind.length if type(kind) is Bytes else len(kind) if type(kind) is str else 0) != 1:
        raise Unknown("an array in a form that numpy does not write")
    if math.prod(dtypes.lengths(arguments[1])):
        raise Unknown("an array in a form that numpy does not write")


def check_scalar(arguments: tuple[Any, ...] | None) -> None:
    """Admit a number of numpy's that has as many bytes as its dtype."""
    if arguments is None or not arguments:
        raise Unknown("a number of numpy's in a form that it does not write")
    dtype = dtypes.of(arguments[0])
    content = arguments[1] if len(arguments) > 1 else None
    if dtype.objects and type(array_of(content)) is not Array:
        # numpy would follow the bytes as pointers; it writes an array of one element here.
        raise Corrupting("makes an element with objects in it out of bytes")
    if type(content) is Bytes and content.length != dtype.itemsize:
        raise Unknown("a number of numpy's with another number of bytes than it has")


def from_buffer(arguments: tuple[Any, ...] | None) -> Array:
    """Return the array that numpy makes of a buffer."""
    if arguments is None or len(arguments) not in (4, 5) or arguments[3] not in ("C", "F"):
        raise Unknown("an array in a form that numpy does not write")
    buffer, dtype, shape = arguments[0], dtypes.of(arguments[1]), dtypes.lengths(arguments[2])
    if dtype.objects:
        raise Corrupting("makes an array of objects out of bytes")
    if type(buffer) is not Bytes:
        return Array(dtype, shape, -1, math.prod(shape) * dtype.itemsize, arguments[3] == "F")
    if math.prod(shape) * dtype.itemsize != buffer.length:
        raise Unknown("an array with another number of bytes than its shape has")
    return Array(dtype, shape, buffer.offset, buffer.length, arguments[3] == "F")


def from_state(state: Any) -> Array:
    """Return the array that the state of numpy's own pickles tells."""
    items = items_of(state) or ()
    if len(items) != 5 or items[0] != 1 or type(items[0]) is not int or type(items[3]) not in (bool, int):
        raise Unknown("an array's state in a form that numpy does not write")
    shape, dtype, content = dtypes.lengths(items[1]), dtypes.of(items[2]), items[4]
    size = math.prod(shape) * dtype.itemsize
    if dtype.objects:
        if type(content) is not ListValue:
            raise Corrupting("makes an array of objects out of something other than a list")
        return Array(dtype, shape, -1, size, bool(items[3]))
    if type(content) is not Bytes:
        raise Unknown("an array's state in a form that numpy does not write")
    if content.length != size:
        raise Unknown("an array with another number of bytes than its shape has")
    return Array(dtype, shape, content.offset, size, bool(items[3]))


def array_of(value: Any) -> Any:
    """Return the array that a stand-in is, however it was written, or the stand-in."""
    return value.known if type(value) is CallResult and type(value.known) is Array else value
