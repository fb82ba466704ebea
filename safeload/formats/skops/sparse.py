"""Sparse matrices in a skops file index only into themselves.

skops hands them to ``scipy.sparse.load_npz``, and their indices go to native code unchecked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safeload.errors import MalformedError
from safeload.parsers import npy

_SPARSE_MEMBERS = {
    "csr": {"indices", "indptr", "data"},
    "csc": {"indices", "indptr", "data"},
    "bsr": {"indices", "indptr", "data"},
    "coo": {"row", "col", "data"},
    "dia": {"offsets", "data"},
}


def check_sparse(members: Mapping[str, bytes | memoryview], class_name: str) -> None:
    """Refuse a sparse matrix that is another than its class says, or that points outside of itself.

    Parameters
    ----------
    members
        Those of its archive, decompressed.
    class_name
        The class that the schema names, such as ``csr_matrix``.

    Raises
    ------
    MalformedError
    """
    arrays = {name.removesuffix(".npy"): npy.array_of(data) for name, data in members.items()}
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
