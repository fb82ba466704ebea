"""The arrays in a skops file are what their headers say, hold no objects, and index only into themselves.

Skops hands a member to ``numpy.load`` or ``scipy.sparse.load_npz``. Both trust the header: a shape that is
larger than the data is allocated first, and the indices of a sparse matrix go to native code unseen.
"""

from __future__ import annotations

import ast
import math
import struct
from collections.abc import Mapping
from typing import Any

from safeload.errors import MalformedError

MAGIC = b"\x93NUMPY"

# numpy.load takes no longer header either, since parsing it costs; source: numpy.lib.format.
_MAX_HEADER = 10_000
_HEADER_SIZES = {(1, 0): "<H", (2, 0): "<I", (3, 0): "<I"}
_MAX_DIMENSIONS = 64
_SPARSE_MEMBERS = {
    "csr": {"indices", "indptr", "data"},
    "csc": {"indices", "indptr", "data"},
    "bsr": {"indices", "indptr", "data"},
    "coo": {"row", "col", "data"},
    "dia": {"offsets", "data"},
}


def array_of(member: bytes | memoryview) -> Any:
    """Return the array of a ``.npy`` member, over the member's own bytes.

    Raises
    ------
    MalformedError
        It is none; holds objects; or its header announces another amount of data than follows.
    """
    import numpy as np

    view = memoryview(member)
    version = tuple(view[6:8])
    if view[:6] != MAGIC or version not in _HEADER_SIZES:
        raise MalformedError("a member that should be an array is none")
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
        raise MalformedError("the header of an array announces other data than follow")
    flat = np.frombuffer(view, dtype, number, start + length) if number else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if header["fortran_order"] else "C")


def check_sparse(members: Mapping[str, bytes | memoryview], class_name: str) -> None:
    """Refuse a sparse matrix that is another than its class says, or that points outside of itself.

    Parameters
    ----------
    members
        Those of its archive, unfolded.
    class_name
        The class that the schema names, such as ``csr_matrix``.

    Raises
    ------
    MalformedError
    """
    arrays = {name.removesuffix(".npy"): array_of(data) for name, data in members.items()}
    try:
        kind = arrays.pop("format").item()
        shape = [int(length) for length in arrays.pop("shape")]
        suffix = "array" if arrays.pop("_is_array", False) else "matrix"
    except (KeyError, ValueError, TypeError, AttributeError):
        raise MalformedError("a sparse matrix lacks its format or shape") from None
    kind = kind.decode("latin1") if isinstance(kind, bytes) else kind
    if f"{kind}_{suffix}" != class_name or set(arrays) != _SPARSE_MEMBERS.get(kind):
        raise MalformedError("a sparse matrix is of another class than its data")
    if len(shape) not in (1, 2) or min(shape) < 0:
        raise MalformedError("a sparse matrix has no shape")
    if not _points_inside(kind, [1, *shape][-2:], arrays):
        raise MalformedError("a sparse matrix points outside of itself")


def _points_inside(kind: str, shape: list[int], arrays: dict[str, Any]) -> bool:
    rows, columns = shape
    if any(array.dtype.kind not in "iu" for name, array in arrays.items() if name != "data"):
        return False
    data = arrays["data"]
    if kind == "coo":
        row, column = arrays["row"], arrays["col"]
        return len(row) == len(column) == len(data) and _within(row, rows) and _within(column, columns)
    if kind == "dia":
        return bool(data.ndim == 2) and bool(data.shape[0] == arrays["offsets"].shape[0])
    indices, pointers = arrays["indices"], arrays["indptr"]
    major, minor = (columns, rows) if kind == "csc" else (rows, columns)
    if kind == "bsr":
        if data.ndim != 3 or 0 in data.shape[1:]:
            return False
        major, minor = major // data.shape[1], minor // data.shape[2]
    return (
        indices.ndim == pointers.ndim == 1
        and len(pointers) == major + 1
        and int(pointers[0]) == 0
        and bool((pointers[1:] >= pointers[:-1]).all())
        and int(pointers[-1]) <= len(indices)
        and len(indices) == len(data)
        and _within(indices, minor)
    )


def _within(indices: Any, length: int) -> bool:
    if indices.ndim != 1:
        return False
    return not len(indices) or (int(indices.min()) >= 0 and int(indices.max()) < length)
