"""External data: weights of an ONNX model that lie in other files.

Entries that readers could interpret differently are refused (CVE-2026-34445), and so are paths that lead out
of the model's folder (CVE-2022-25882, CVE-2024-27318) or stand for an address in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from safeload.attestation.subjects import check_path
from safeload.errors import InvalidName, MalformedError, brief
from safeload.storage.blob import Blob

_KEYS = {"location", "offset", "length", "checksum"}
_FIELDS_OF_EXTERNAL = {
    "dims",
    "data_type",
    "name",
    "doc_string",
    "external_data",
    "data_location",
    "metadata_props",
}
_MAX_DIGITS = 18
# NumPy's own limit; the product of very many extents would take minutes.
_MAX_DIMENSIONS = 64


@dataclass(frozen=True, slots=True)
class External:
    """An initializer of the main graph whose data lie in another file.

    `location` is the path of the file in the model's folder, see
    :func:`safeload.attestation.subjects.check_path`; `offset` and `size` are in bytes.
    """

    tensor: Any
    location: str
    offset: int
    size: int


def locations(found: Iterable[External]) -> tuple[str, ...]:
    """Return the files that hold external data, each once, sorted."""
    return tuple(sorted({one.location for one in found}))


def require_files(found: Iterable[External], files: Mapping[str, Blob]) -> None:
    """Raise MalformedError unless `files` are exactly those that hold external data, and long enough."""
    listed = tuple(found)
    if set(locations(listed)) != set(files):
        raise MalformedError("its files are not those that hold its external data")
    for one in listed:
        if one.offset + one.size > files[one.location].size:
            raise MalformedError(f"its external data extend beyond the end of {one.location}")


def embed(found: Iterable[External], files: Mapping[str, Blob]) -> None:
    """Move external data into the model itself."""
    for one in found:
        one.tensor.raw_data = bytes(files[one.location].view[one.offset : one.offset + one.size])
        del one.tensor.external_data[:]
        one.tensor.ClearField("data_location")


def is_external(tensor: Any) -> bool:
    """Tell whether a tensor's data lie in another file; MalformedError if the tensor contradicts itself."""
    elsewhere = tensor.data_location == tensor.EXTERNAL
    if not elsewhere and len(tensor.external_data):
        raise MalformedError("a tensor names another file, but does not declare its data external")
    return bool(elsewhere)


def external(tensor: Any) -> External:
    """Return where the external data of a tensor lie.

    MalformedError if an entry, the path, or the type or shape of the tensor is invalid.
    """
    entries: dict[str, str] = {}
    for entry in tensor.external_data:
        if entry.key not in _KEYS or entry.key in entries:
            raise MalformedError(f"its external data have an unknown or repeated entry {brief(entry.key)!r}")
        entries[entry.key] = entry.value
    if {field.name for field, _ in tensor.ListFields()} - _FIELDS_OF_EXTERNAL:
        raise MalformedError("a tensor has data both in the model and in another file")
    size = _size(tensor)
    if "length" in entries and _number(entries["length"]) != size:
        raise MalformedError("the length of external data is not the size of the tensor")
    return External(tensor, _location(entries.get("location", "")), _number(entries.get("offset", "0")), size)


def _location(location: str) -> str:
    try:
        check_path(location)
    except InvalidName as error:
        raise MalformedError(f"its external data lead out of its folder ({error.problem})") from None
    # onnxruntime marks data at an address in memory by a path with asterisks.
    if "*" in location:
        raise MalformedError("its external data lead out of its folder (the path has an asterisk)")
    return location


def _number(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    if not digits or text != str(int(text)):
        raise MalformedError("an offset or length of external data is not a canonical decimal number")
    return int(text)


def _size(tensor: Any) -> int:
    """Return the size of a tensor in bytes, by its type and shape."""
    import onnx

    try:
        name = onnx.TensorProto.DataType.Name(tensor.data_type)
        bits = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * 8
    except (KeyError, ValueError):
        name, bits = "UNDEFINED", 0
    possible = len(tensor.dims) <= _MAX_DIMENSIONS and all(extent >= 0 for extent in tensor.dims)
    if name in ("UNDEFINED", "STRING") or not possible:
        raise MalformedError("external data have an impossible type or shape")
    for narrow, width in (("INT2", 2), ("INT4", 4), ("FLOAT4", 4)):
        if narrow in name:
            bits = width
    return (math.prod(int(extent) for extent in tensor.dims) * bits + 7) // 8
