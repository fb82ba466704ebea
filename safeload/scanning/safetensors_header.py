"""The header of a safetensors file: eight bytes of length, JSON with a type, shape and place for each tensor.

The format holds no instructions. What is checked is that the tensors lie one after the other and fill the
file, since readers in other languages believe the places.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from safeload.errors import LimitExceeded, MalformedError
from safeload.scanning.report import ArrayFound, Report

_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 8 << 20
_BITS = {
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
_METADATA = "__metadata__"
_SHOWN = 5_000


class _Tensor(msgspec.Struct, forbid_unknown_fields=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def is_one(data: bytes) -> bool:
    """Tell whether a file starts like one."""
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    return 2 <= length <= len(data) - _LENGTH_BYTES and data[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{"


def read(data: bytes) -> Report:
    """Return what the header says.

    Raises
    ------
    LimitExceeded
        It has more than 8 MiB.
    MalformedError
        It is not in the form of the format's specification.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if length > _MAX_HEADER_BYTES:
        raise LimitExceeded(f"the header has {length} bytes, {_MAX_HEADER_BYTES} are allowed")
    start = _LENGTH_BYTES + length
    tensors, metadata = _parsed(data[_LENGTH_BYTES:start])
    found, names, end = [], [], 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        first, last = tensor.data_offsets
        if first != end or _size(tensor) != last - first:
            raise MalformedError("the tensors do not lie one after the other, each of its size")
        end = last
        found.append(
            ArrayFound(dtype=tensor.dtype, shape=tuple(tensor.shape), offset=start + first, size=last - first)
        )
        names.append(name)
    if start + end != len(data):
        raise MalformedError("the tensors do not end at the end of the file")
    return Report(
        verdict="data",
        findings=(),
        arrays=tuple(found[:_SHOWN]),
        arrays_left_out=max(0, len(found) - _SHOWN),
        facts=(*metadata.items(), *(("tensor", name) for name in names[:_SHOWN])),
        size=len(data),
        unfolded_size=len(data),
    )


def _parsed(header: bytes) -> tuple[dict[str, _Tensor], dict[str, str]]:
    try:
        # Types first: what is of another type, or nested deeper, ends here before memory is spent on it.
        raw = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(raw.pop(_METADATA, msgspec.Raw(b"{}")), type=dict[str, str])
        tensors = {name: msgspec.json.decode(value, type=_Tensor) for name, value in raw.items()}
        json.loads(header, object_pairs_hook=_single)
    except (ValueError, RecursionError):
        raise MalformedError("the header is not the JSON of a safetensors file") from None
    return tensors, metadata


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice, of which readers take either."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _size(tensor: _Tensor) -> int:
    bits = _BITS.get(tensor.dtype)
    if bits is None or len(tensor.shape) > 64 or any(not 0 <= length < 1 << 62 for length in tensor.shape):
        raise MalformedError("a tensor has a type or shape that the format does not know")
    total = math.prod(tensor.shape) * bits
    if total % 8:
        raise MalformedError("a tensor does not end at a whole byte")
    return total // 8
