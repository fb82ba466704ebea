"""Checks of a skops file as an archive, within limits, before skops sees it.

Neither zipfile, skops nor SciPy (which opens the nested archives of sparse matrices) bounds what a ZIP member
decompresses to. So members are decompressed here, each with its announced size as a cap, also in nested
archives. If anything was compressed, skops gets a new, uncompressed archive of the same members.

Sparse matrices must index only into themselves: ``scipy.sparse.load_npz`` passes indices to native code
unchecked. ``schema.py`` checks the schema, ``zip_layout.py`` the layout of the archive.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeload.errors import LimitExceeded, MalformedError
from safeload.formats.skops import schema as skops_schema
from safeload.formats.skops.schema import Schema
from safeload.limits import Limits
from safeload.parsers import npy, strict_json, zip_layout

SCHEMA = "schema.json"

# A parsed schema takes many times its own size, so a compressed one may only grow so much.
_SCHEMA_FLOOR, _SCHEMA_RATIO = 4 << 20, 32

_SPARSE_MEMBERS = {
    "csr": {"indices", "indptr", "data"},
    "csc": {"indices", "indptr", "data"},
    "bsr": {"indices", "indptr", "data"},
    "coo": {"row", "col", "data"},
    "dia": {"offsets", "data"},
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A checked skops file."""

    # The file itself, or an archive of the same members without compression.
    data: bytes
    schema: Schema


def checked(data: bytes, limits: Limits) -> bytes:
    """Check a skops file and return an archive that skops may read; see :func:`opened`."""
    return opened(data, limits).data


def opened(data: bytes, limits: Limits) -> Opened:
    """Check a skops file.

    Raises
    ------
    LimitExceeded
        Too many members, too many bytes, or a schema too large or nested too deep.
    MalformedError
        It is not an archive in the supported layout, or skops does not write such a schema or member.
    """
    budget = _Budget(len(data), limits)
    try:
        entries = budget.members_of(data)
    except zip_layout.NotAnArchive:
        raise MalformedError("it is not a skops archive") from None
    schema = next((entry for entry in entries if entry.name == SCHEMA), None)
    if schema is None:
        raise MalformedError("the archive has no schema.json")
    if schema.size > min(limits.schema_bytes, max(_SCHEMA_FLOOR, _SCHEMA_RATIO * schema.packed)):
        raise LimitExceeded(f"the schema of {schema.packed} bytes decompresses to {schema.size}")
    state = strict_json.parse(bytes(_decompressed(data, schema)), limits, paid=schema.packed)
    members = {entry.name: _decompressed(data, entry) for entry in entries if entry.name != SCHEMA}
    found = skops_schema.check(state, members)
    was_compressed = any(entry.method != zip_layout.STORED for entry in entries)
    for name, class_name in found.sparse.items():
        inner = _inner(members[name], budget)
        _check_sparse(inner[0], class_name)
        if inner[1]:
            members[name] = _archive_of(inner[0])
            was_compressed = True
    if was_compressed:
        data = _archive_of({**members, SCHEMA: _decompressed(data, schema)})
    return Opened(data, found)


class _Budget:
    """How many members, and how many decompressed bytes, are still allowed in total."""

    def __init__(self, size: int, limits: Limits) -> None:
        self._size = size
        self._limits = limits
        self._bytes = min(
            limits.decompressed_bytes, max(limits.ratio_floor_bytes, limits.decompression_ratio * size)
        )
        self._members = limits.members

    def members_of(self, data: bytes | memoryview) -> list[zip_layout.Member]:
        """Return the members of an archive and charge their number and sizes."""
        # Exactly as many entries are read as the end record announces.
        self._members -= zip_layout.count(data)
        if self._members < 0:
            raise LimitExceeded(f"the archive has more than {self._limits.members} members")
        found = zip_layout.members(data)
        self._bytes -= sum(entry.size for entry in found)
        if self._bytes < 0:
            raise LimitExceeded(f"the archive of {self._size} bytes decompresses to more than is allowed")
        return found


def _inner(member: bytes | memoryview, budget: _Budget) -> tuple[dict[str, bytes | memoryview], bool]:
    """Return the members of the archive of a sparse matrix, and whether any was compressed."""
    try:
        entries = budget.members_of(member)
    except zip_layout.NotAnArchive:
        raise MalformedError("a sparse matrix is not in an archive") from None
    decompressed = {entry.name: _decompressed(member, entry) for entry in entries}
    return decompressed, any(entry.method != zip_layout.STORED for entry in entries)


def _archive_of(members: dict[str, bytes | memoryview]) -> bytes:
    """Return an archive of members in which nothing is compressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name), member)
    return file.getvalue()


def _decompressed(data: bytes | memoryview, entry: zip_layout.Member) -> bytes | memoryview:
    """Return the bytes of a member, whose size and checksum must be those announced."""
    raw = memoryview(data)[entry.start : entry.start + entry.packed]
    member: bytes | memoryview
    if entry.method == zip_layout.STORED:
        member = raw
        whole = len(raw) == entry.size
    else:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            member = stream.decompress(raw, entry.size + 1)
        except zlib.error:
            raise MalformedError("a member of the archive is damaged") from None
        whole = stream.eof and not stream.unused_data and len(member) == entry.size
    if not whole or zlib.crc32(member) != entry.crc:
        raise MalformedError("a member of the archive is not as its directory says")
    return member


def _check_sparse(members: Mapping[str, bytes | memoryview], class_name: str) -> None:
    """Refuse a sparse matrix whose members contradict its class, or that indexes outside of itself."""
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
