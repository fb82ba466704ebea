"""The header of a safetensors file: eight bytes of length, JSON with a type, shape and place for each tensor.

The format holds no instructions. What is checked is that the tensors lie one after the other and fill the
file, each as long as its shape and type say, since readers believe the places; and every number in it, before
memory is spent on it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import msgspec

from safeload.errors import LimitExceeded, MalformedError

_LENGTH_BYTES = 8
# Bits of an element.
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
# Of each a number of 19 digits, a comma, and space around them.
_MAX_SHAPE_BYTES = 32 * _MAX_DIMENSIONS
# What a tensor has at least, and what names and the writer's own texts may have in all.
_COLONS, _FURTHER_COLONS = 4, 1 << 18


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor lies.

    Parameters
    ----------
    name, dtype, shape
        As the header says; the type in safetensors' words.
    start, stop
        Of its bytes in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says: the tensors, in the order of their places, and texts of the writer's own."""

    tensors: tuple[Tensor, ...]
    metadata: dict[str, str]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    dtype: str
    # As it is spelled, since a list would be made whole before it could be found too long.
    shape: msgspec.Raw
    data_offsets: tuple[int, int]


def parse(data: bytes | memoryview, *, limit: int, tensors: int) -> Header:
    """Read the header of a whole file.

    Parameters
    ----------
    data
        The file.
    limit
        The most bytes that the header may have.
    tensors
        The most tensors that it may name.

    Raises
    ------
    LimitExceeded
        It has more.
    MalformedError
        It, or the file, is not in the form of the format's specification.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if length > limit:
        raise LimitExceeded(f"the header has {length} bytes, {limit} are allowed")
    start = _LENGTH_BYTES + length
    if start > len(data):
        raise MalformedError("the header does not end within the file")
    text = bytes(data[_LENGTH_BYTES:start])
    # Each entry has a colon. So many objects are not made only to be counted, at twenty times their size.
    if text.count(b":") > _COLONS * tensors + _FURTHER_COLONS:
        raise LimitExceeded(f"the header has more entries than {tensors} tensors need")
    entries, shapes, metadata = _parsed(text)
    if len(entries) > tensors:
        raise LimitExceeded(f"the header names {len(entries)} tensors, {tensors} are allowed")
    found, end = [], 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        first, last = entry.data_offsets
        if first != end or _size(entry.dtype, shapes[name]) != last - first:
            raise MalformedError("the tensors do not lie one after the other, each of its size")
        end = last
        found.append(Tensor(name, entry.dtype, shapes[name], start + first, start + last))
    if start + end != len(data):
        raise MalformedError("the tensors do not end at the end of the file")
    return Header(tuple(found), metadata)


def _parsed(header: bytes) -> tuple[dict[str, _Entry], dict[str, tuple[int, ...]], dict[str, str]]:
    try:
        # Types first: what is of another type, or nested deeper, ends here before memory is spent on it.
        raw = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(raw.pop(METADATA, msgspec.Raw(b"{}")), type=dict[str, str])
        entries = {name: msgspec.json.decode(value, type=_Entry) for name, value in raw.items()}
        shapes = {name: _shape(entry.shape) for name, entry in entries.items()}
        json.loads(header, object_pairs_hook=_single)
    except (ValueError, RecursionError):
        raise MalformedError("the header is not the JSON of a safetensors file") from None
    return entries, shapes, metadata


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice, of which readers take either."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _shape(text: msgspec.Raw) -> tuple[int, ...]:
    """Return a shape; one of the ValueErrors is msgspec's."""
    if len(memoryview(text)) > _MAX_SHAPE_BYTES:
        raise ValueError("a shape too long")
    shape = msgspec.json.decode(text, type=tuple[int, ...])
    if len(shape) > _MAX_DIMENSIONS or any(not 0 <= length < 1 << 62 for length in shape):
        raise ValueError("a shape that no tensor has")
    return shape


def _size(dtype: str, shape: tuple[int, ...]) -> int:
    bits = BITS.get(dtype)
    if bits is None:
        raise MalformedError("a tensor has a type that the format does not know")
    total = math.prod(shape) * bits
    if total % 8:
        raise MalformedError("a tensor does not end at a whole byte")
    return total // 8
