"""The header of a safetensors file: its length in eight bytes, then JSON with the tensors.

The format holds no code. Readers trust the offsets, so the tensors must be contiguous, fill the file, and
each have the size of its shape and type. Every number is checked before memory is spent on it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import msgspec

from safeload.errors import LimitExceeded, MalformedError
from safeload.parsers import strict_json

_LENGTH_BYTES = 8
# Size of an element, in bits.
BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U16": 16,
    "I16": 16,
    "F16": 16,
    "BF16": 16,
    "U32": 32,
    "I32": 32,
    "F32": 32,
    "U64": 64,
    "I64": 64,
    "F64": 64,
    "C64": 64,
}
METADATA = "__metadata__"
_MAX_DIMENSIONS = 64
# For each dimension a number of 19 digits, a comma, and whitespace.
_MAX_SHAPE_BYTES = 32 * _MAX_DIMENSIONS
# Each tensor's entry has four colons; names and metadata may have this many more in total.
_COLONS, _FURTHER_COLONS = 4, 1 << 18


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor whose bytes in the file are those from `start` to `stop`; `dtype` is a key of :data:`BITS`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Header:
    """Contents of a header: the tensors by position, and the writer's metadata."""

    tensors: tuple[Tensor, ...]
    metadata: dict[str, str]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    dtype: str
    # Not decoded, since a list would be built before its length could be checked.
    shape: msgspec.Raw
    data_offsets: tuple[int, int]


def parse(data: bytes | memoryview, *, limit: int, tensors: int) -> Header:
    """Parse the header of a file.

    Raises
    ------
    LimitExceeded
        If the header has over `limit` bytes or over `tensors` tensors.
    MalformedError
        If the file does not conform to the format's specification.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if length > limit:
        raise LimitExceeded(f"the header has {length} bytes, {limit} are allowed")
    start = _LENGTH_BYTES + length
    if start > len(data):
        raise MalformedError("the header does not end within the file")
    text = bytes(data[_LENGTH_BYTES:start])
    # Counted by their colons first, since decoding an entry takes about twenty times its size in memory.
    if text.count(b":") > _COLONS * tensors + _FURTHER_COLONS:
        raise LimitExceeded(f"the header has more entries than {tensors} tensors need")
    entries, shapes, metadata = _parsed(text)
    if len(entries) > tensors:
        raise LimitExceeded(f"the header names {len(entries)} tensors, {tensors} are allowed")
    found, end = [], 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        first, last = entry.data_offsets
        if first != end or _size(entry.dtype, shapes[name]) != last - first:
            raise MalformedError("the tensors are not contiguous, or not of the size of their shapes")
        end = last
        found.append(Tensor(name, entry.dtype, shapes[name], start + first, start + last))
    if start + end != len(data):
        raise MalformedError("the tensors do not fill the file")
    return Header(tuple(found), metadata)


def _parsed(header: bytes) -> tuple[dict[str, _Entry], dict[str, tuple[int, ...]], dict[str, str]]:
    try:
        # With types, so that values of other types or deeper nesting are refused before memory is spent.
        raw = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(raw.pop(METADATA, msgspec.Raw(b"{}")), type=dict[str, str])
        entries = {name: msgspec.json.decode(value, type=_Entry) for name, value in raw.items()}
        shapes = {name: _shape(entry.shape) for name, entry in entries.items()}
        json.loads(header, object_pairs_hook=strict_json.unique_members)
    except (ValueError, RecursionError):
        raise MalformedError("the header is not the JSON of a safetensors file") from None
    return entries, shapes, metadata


def _shape(text: msgspec.Raw) -> tuple[int, ...]:
    """Decode a shape, or raise ValueError."""
    if len(memoryview(text)) > _MAX_SHAPE_BYTES:
        raise ValueError("too many dimensions")
    shape = msgspec.json.decode(text, type=tuple[int, ...])
    if len(shape) > _MAX_DIMENSIONS or any(not 0 <= length < 1 << 62 for length in shape):
        raise ValueError("an impossible shape")
    return shape


def _size(dtype: str, shape: tuple[int, ...]) -> int:
    bits = BITS.get(dtype)
    if bits is None:
        raise MalformedError("a tensor has an unknown type")
    total = math.prod(shape) * bits
    if total % 8:
        raise MalformedError("the size of a tensor is not a whole number of bytes")
    return total // 8
