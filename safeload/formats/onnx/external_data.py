"""Data of an ONNX model in other files: where they lie, in the one spelling that is admitted.

An entry that readers could understand in different ways is refused (CVE-2026-34445), and so is a path that
leads out of the model's folder (CVE-2022-25882, CVE-2024-27318), or that stands for an address in memory.
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
# NumPy has no more; a product of very many would take minutes.
_MAX_EXTENTS = 64


@dataclass(frozen=True, slots=True)
class External:
    """An initializer of the main graph whose data lie in another file.

    Parameters
    ----------
    tensor
        The initializer.
    location
        The file, relative to the model's folder; see :func:`safeload.attestation.subjects.check_path`.
    offset, size
        Where in the file, in bytes.
    """

    tensor: Any
    location: str
    offset: int
    size: int


def locations(found: Iterable[External]) -> tuple[str, ...]:
    """Return the files that external data lie in, each once, sorted."""
    return tuple(sorted({one.location for one in found}))


def require_files(found: Iterable[External], files: Mapping[str, Blob]) -> None:
    """Raise MalformedError unless the files are exactly those that hold external data, and long enough."""
    listed = tuple(found)
    if set(locations(listed)) != set(files):
        raise MalformedError("the files that belong to it are not those in which its external data lie")
    for one in listed:
        if one.offset + one.size > files[one.location].size:
            raise MalformedError(f"its external data reach beyond the end of {one.location}")


def take_in(found: Iterable[External], files: Mapping[str, Blob]) -> None:
    """Put external data into the model itself."""
    for one in found:
        one.tensor.raw_data = bytes(files[one.location].view[one.offset : one.offset + one.size])
        del one.tensor.external_data[:]
        one.tensor.ClearField("data_location")


def is_external(tensor: Any) -> bool:
    """Tell whether the data of a tensor lie in another file.

    Raises
    ------
    MalformedError
        It says neither clearly.
    """
    elsewhere = tensor.data_location == tensor.EXTERNAL
    if not elsewhere and len(tensor.external_data):
        raise MalformedError("a tensor names another file, and says that its data do not lie in one")
    return bool(elsewhere)


def external(tensor: Any) -> External:
    """Return where the data of a tensor lie.

    Raises
    ------
    MalformedError
        An entry, a path, or the tensor's type or shape is not as it must be.
    """
    entries: dict[str, str] = {}
    for entry in tensor.external_data:
        if entry.key not in _KEYS or entry.key in entries:
            raise MalformedError(
                f"its external data have an entry {brief(entry.key)!r} that is unknown, or twice"
            )
        entries[entry.key] = entry.value
    if {field.name for field, _ in tensor.ListFields()} - _FIELDS_OF_EXTERNAL:
        raise MalformedError("a tensor has data both in the model and in another file")
    size = _size(tensor)
    if "length" in entries and _number(entries["length"]) != size:
        raise MalformedError("the length of external data is not that of the tensor")
    return External(tensor, _location(entries.get("location", "")), _number(entries.get("offset", "0")), size)


def _location(location: str) -> str:
    try:
        check_path(location)
    except InvalidName as error:
        raise MalformedError(f"its external data lead out of its folder ({error.problem})") from None
    # onnxruntime's own sign for "at this address in memory" is a path with asterisks.
    if "*" in location:
        raise MalformedError("its external data lead out of its folder (an asterisk is no part of a path)")
    return location


def _number(text: str) -> int:
    plain = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    if not plain or text != str(int(text)):
        raise MalformedError("offset or length of external data is not a plain number")
    return int(text)


def _size(tensor: Any) -> int:
    """Return how many bytes a tensor has, by its shape and type."""
    import onnx

    try:
        name = onnx.TensorProto.DataType.Name(tensor.data_type)
        bits = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * 8
    except (KeyError, ValueError):
        name, bits = "UNDEFINED", 0
    possible = len(tensor.dims) <= _MAX_EXTENTS and all(extent >= 0 for extent in tensor.dims)
    if name in ("UNDEFINED", "STRING") or not possible:
        raise MalformedError("external data are of a type, or a shape, that they cannot have")
    for narrow, width in (("INT2", 2), ("INT4", 4), ("FLOAT4", 4)):
        if narrow in name:
            bits = width
    return (math.prod(int(extent) for extent in tensor.dims) * bits + 7) // 8
