"""What is looked at in an ONNX model before a runtime sees it.

A runtime trusts what it is given: it reads files that the model names, from the folder that the process
happens to be in, and it does so while the model is being loaded. What is refused here, signed or not:

- data in another file for anything but an initializer of the main graph. These are the only ones that
  onnxruntime takes from memory instead; for all others it would open the file;
- a file named by a path that leads out of the model's folder (CVE-2022-25882, CVE-2024-27318), and one that
  stands for an address in memory;
- entries that readers understand in different ways: unknown, repeated, or not in their one spelling
  (CVE-2026-34445), and data both here and there;
- a node ``EPContext``, for which execution providers read a file that its attributes name.

What nobody signed may moreover refer to no file at all, and hold ONNX's own operators only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from safeload.errors import FormatNotAllowed, InvalidName, LimitExceeded, MalformedError, brief
from safeload.limits import Limits
from safeload.storage.blob import Blob
from safeload.subjects import check_path

# The operators that the standard defines; an unsigned model has no others.
STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})

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
# Messages in which neither a node nor a tensor can stand.
_LEAVES = frozenset({"ValueInfoProto", "StringStringEntryProto", "TensorAnnotation", "TensorProto"})
_MAX_DIGITS = 18
# By this key onnxruntime can be told, by an environment variable, to take settings from the model.
_RUNTIME_SETTINGS = "ort_config"


@dataclass(frozen=True, slots=True)
class External:
    """An initializer of the main graph whose data lie in another file.

    Parameters
    ----------
    tensor
        The initializer.
    location
        The file, relative to the model's folder; see :func:`safeload.subjects.check_path`.
    offset, size
        Where in the file, in bytes.
    """

    tensor: Any
    location: str
    offset: int
    size: int


def parse(data: bytes) -> Any:
    """Return the ``ModelProto`` of a file's bytes.

    Raises
    ------
    MalformedError
        It is none.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        # Protobuf itself follows about 30 graphs within each other.
        raise MalformedError(f"it is no ONNX model ({brief(error)})") from None
    if not model.HasField("graph"):
        raise MalformedError("it is no ONNX model: it holds no graph")
    return model


def externals(model: Any, limits: Limits) -> tuple[External, ...]:
    """Return the initializers whose data lie in other files, after all that could name one was checked.

    Raises
    ------
    MalformedError
        A path or an entry is not as it must be, or another part than an initializer has external data.
    FormatNotAllowed
        It has a node that reads files.
    LimitExceeded
        Its graphs are nested too deep.
    """
    found = []
    for place, message in _walk(model, limits):
        kind = message.DESCRIPTOR.name
        if kind == "NodeProto" and message.op_type == "EPContext":
            raise FormatNotAllowed("it holds a node EPContext, for which a provider reads another file")
        if kind != "TensorProto" or not _is_external(message):
            continue
        if place != "initializer":
            raise MalformedError("external data are admitted for the initializers of the main graph only")
        found.append(_external(message))
    return tuple(found)


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


def require_standard(model: Any, found: Iterable[External], limits: Limits) -> None:
    """Refuse what a model must not hold if nobody signed it.

    Raises
    ------
    FormatNotAllowed
        External data, operators of another domain, functions, training, sparse tensors (a few bytes of them
        stand for any amount of memory), or settings of the runtime.
    MalformedError
        ONNX's own checker refuses it.
    LimitExceeded
        Its graphs are nested too deep.
    """
    import onnx

    if any(True for _ in found):
        # The checker below would look for the files in the current folder.
        raise FormatNotAllowed("an unsigned ONNX model refers to no other files")
    for name in ("functions", "training_info"):
        if len(getattr(model, name)):
            raise FormatNotAllowed(f"an unsigned ONNX model has no {name}")
    if any(entry.key == _RUNTIME_SETTINGS for entry in model.metadata_props):
        raise FormatNotAllowed("an unsigned ONNX model holds no settings of the runtime")
    for opset in model.opset_import:
        _require_domain(opset.domain)
    for _, message in _walk(model, limits):
        kind = message.DESCRIPTOR.name
        if kind == "NodeProto":
            _require_domain(message.domain)
        elif kind == "SparseTensorProto":
            raise FormatNotAllowed("an unsigned ONNX model has no sparse tensors")
    try:
        check(model)
    except onnx.checker.ValidationError as error:
        raise MalformedError(f"ONNX's checker refuses it ({brief(error)})") from None


def check(model: Any) -> None:
    """Let ONNX's checker look at a model without external data, or raise ``onnx.checker.ValidationError``."""
    import warnings

    import onnx

    with warnings.catch_warnings():
        # Of what later versions will have; it is no statement on this model.
        warnings.simplefilter("ignore")
        onnx.checker.check_model(model)


def _require_domain(domain: str) -> None:
    if domain not in STANDARD_DOMAINS:
        raise FormatNotAllowed(
            f"it uses operators of the domain {brief(domain)!r}, which an unsigned ONNX model may not",
            hint="Sign it if you know where it comes from.",
        )


def _walk(model: Any, limits: Limits) -> Iterator[tuple[str, Any]]:
    """Yield the messages in a model, each with its place: "graph", "initializer" of that graph, or elsewhere.

    It looks at all fields that there are, so that a tensor in a field that is new to it is seen too.
    """
    waiting: list[tuple[str, Any, int]] = [("model", model, 0)]
    while waiting:
        place, message, depth = waiting.pop()
        yield place, message
        name = message.DESCRIPTOR.name
        if name in _LEAVES:
            continue
        depth += name == "GraphProto"
        if depth > limits.nesting:
            raise LimitExceeded(f"its graphs are nested deeper than {limits.nesting}")
        for field, value in message.ListFields():
            if field.message_type is None:
                continue
            if place == "model" and field.name == "graph":
                below = "graph"
            elif place == "graph" and field.name == "initializer":
                below = "initializer"
            else:
                below = "elsewhere"
            several = [value] if hasattr(value, "DESCRIPTOR") else value
            waiting.extend((below, part, depth) for part in several)


def _is_external(tensor: Any) -> bool:
    external = tensor.data_location == tensor.EXTERNAL
    if not external and len(tensor.external_data):
        raise MalformedError("a tensor names another file, and says that its data do not lie in one")
    return bool(external)


def _external(tensor: Any) -> External:
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
    if name in ("UNDEFINED", "STRING") or any(extent < 0 for extent in tensor.dims):
        raise MalformedError("external data are of a type, or a shape, that they cannot have")
    for narrow, width in (("INT2", 2), ("INT4", 4), ("FLOAT4", 4)):
        if narrow in name:
            bits = width
    return (math.prod(int(extent) for extent in tensor.dims) * bits + 7) // 8
