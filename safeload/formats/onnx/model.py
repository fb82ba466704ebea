"""Checks of an ONNX model before a runtime loads it.

A runtime trusts its input: while it loads a model, it opens files that the model names, relative to the
current folder of the process. Refused here, signed or not, are:

- more parts than the limits allow, counted before an object is made for each;
- external data for anything but an initializer of the main graph. Only for these does onnxruntime accept data
  from memory; for all others it would open the file;
- external data that ``external_data.py`` does not accept, and data both in the model and in a file;
- a node ``EPContext``, for which execution providers read a file that its attributes name.

An unsigned model may not refer to other files at all, and may use ONNX's own operators only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from safeload.errors import FormatNotAllowed, LimitExceeded, MalformedError, brief
from safeload.formats.onnx import external_data
from safeload.formats.onnx.external_data import External
from safeload.limits import Limits
from safeload.parsers import protobuf

# The domains of operators that the standard defines.
STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
# The maximum size of a protobuf message.
MAX_BYTES = (1 << 31) - 1

# Messages that cannot contain nodes or further tensors.
_LEAVES = frozenset({"ValueInfoProto", "StringStringEntryProto", "TensorAnnotation", "TensorProto"})
# If an environment variable says so, onnxruntime reads settings from the model under this key.
_RUNTIME_SETTINGS = "ort_config"
# Factor on the allowed parts of signed models: a language model has hundreds of thousands.
_SIGNED_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Contents:
    """Features of a model that decide whether it is admitted.

    `externals` are the initializers whose data lie in other files; `foreign` is the first operator domain of
    a node that is not ONNX's own; `sparse` tells whether the model has sparse tensors.
    """

    externals: tuple[External, ...]
    foreign: str | None
    sparse: bool


def parse(data: bytes, limits: Limits, *, signed: bool = True) -> Any:
    """Parse a model.

    `limits.members` caps the parts (nodes, tensors, attributes and so on) of an unsigned model; a model that
    is signed, or about to be, may have ten times as many. MalformedError if the bytes are not an ONNX model;
    LimitExceeded if it has too many parts, or over 2 GiB.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if len(data) > MAX_BYTES:
        raise LimitExceeded("it has over 2 GiB, the maximum of protobuf")
    # Two bytes of a message can become an object of 60 to 200 bytes.
    most = limits.members * (_SIGNED_FACTOR if signed else 1)
    protobuf.check_message_count(data, _below(), onnx.ModelProto.DESCRIPTOR.full_name, most)
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise MalformedError(f"it is not an ONNX model ({brief(error)})") from None
    if not model.HasField("graph"):
        raise MalformedError("it is not an ONNX model: it has no graph")
    return model


@cache
def _below() -> protobuf.Below:
    """Return the message types of the installed version of ONNX, for the count of messages."""
    import onnx

    below: dict[str, dict[int, str]] = {}
    waiting = [onnx.ModelProto.DESCRIPTOR]
    while waiting:
        kind = waiting.pop()
        if kind.full_name not in below:
            inner = [field for field in kind.fields if field.message_type is not None]
            below[kind.full_name] = {field.number: field.message_type.full_name for field in inner}
            waiting += [field.message_type for field in inner]
    return below


def look(model: Any, limits: Limits) -> Contents:
    """Check everything in a model that could name a file, and return what else matters for admission.

    MalformedError if external data are invalid, or belong to another part than an initializer of the main
    graph; FormatNotAllowed if a node reads files; LimitExceeded if graphs are nested too deep.
    """
    found = []
    foreign, sparse = None, False
    for place, message in _walk(model, limits):
        kind = message.DESCRIPTOR.name
        if kind == "NodeProto":
            if message.op_type == "EPContext":
                raise FormatNotAllowed("it holds a node EPContext, for which a provider reads another file")
            if foreign is None and message.domain not in STANDARD_DOMAINS:
                foreign = message.domain
        elif kind == "SparseTensorProto":
            sparse = True
        elif kind == "TensorProto" and external_data.is_external(message):
            if place != "initializer":
                raise MalformedError("external data are allowed for initializers of the main graph only")
            found.append(external_data.external(message))
    return Contents(tuple(found), foreign, sparse)


def require_standard(model: Any, contents: Contents) -> None:
    """Refuse what an unsigned model must not contain.

    FormatNotAllowed for external data, operators of another domain, functions, training information, sparse
    tensors (a few bytes of which expand to any amount of memory), or settings of the runtime. MalformedError
    if ONNX's checker refuses the model.
    """
    import onnx

    if contents.externals:
        # The checker below would open the files in the current folder.
        raise FormatNotAllowed("an unsigned ONNX model may not refer to other files")
    for name in ("functions", "training_info"):
        if len(getattr(model, name)):
            raise FormatNotAllowed(f"an unsigned ONNX model may not have {name}")
    if any(entry.key == _RUNTIME_SETTINGS for entry in model.metadata_props):
        raise FormatNotAllowed("an unsigned ONNX model may not have settings of the runtime")
    for domain in (*(opset.domain for opset in model.opset_import), contents.foreign or ""):
        _require_domain(domain)
    if contents.sparse:
        raise FormatNotAllowed("an unsigned ONNX model may not have sparse tensors")
    try:
        check(model)
    except onnx.checker.ValidationError as error:
        raise MalformedError(f"ONNX's checker refuses it ({brief(error)})") from None


def check(model: Any) -> None:
    """Run ONNX's checker on a model without external data; raise ``onnx.checker.ValidationError``."""
    import warnings

    import onnx

    with warnings.catch_warnings():
        # Warnings are about future versions of ONNX, not about this model.
        warnings.simplefilter("ignore")
        onnx.checker.check_model(model)


def _require_domain(domain: str) -> None:
    if domain not in STANDARD_DOMAINS:
        raise FormatNotAllowed(
            f"it uses operators of the domain {brief(domain)!r}, which an unsigned ONNX model may not use",
            hint="Sign it if you know its origin.",
        )


def _walk(model: Any, limits: Limits) -> Iterator[tuple[str, Any]]:
    """Yield the messages in a model, each with its place: "model", "graph", "initializer" or "elsewhere".

    All fields are visited, so that a tensor is found in a field of a future version too. Python objects exist
    only for the messages around the current one.
    """
    yield "model", model
    around: list[tuple[int, Iterator[tuple[str, Any]]]] = [(0, _inner("model", model))]
    while around:
        depth, inner = around[-1]
        entered = next(inner, None)
        if entered is None:
            around.pop()
            continue
        place, message = entered
        yield place, message
        name = message.DESCRIPTOR.name
        if name in _LEAVES:
            continue
        depth += name == "GraphProto"
        if depth > limits.nesting:
            raise LimitExceeded(f"its graphs are nested deeper than {limits.nesting}")
        around.append((depth, _inner(place, message)))


def _inner(place: str, message: Any) -> Iterator[tuple[str, Any]]:
    """Yield the messages directly within a message, with their places."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if place == "model" and field.name == "graph":
            below = "graph"
        elif place == "graph" and field.name == "initializer":
            below = "initializer"
        else:
            below = "elsewhere"
        for part in [value] if hasattr(value, "DESCRIPTOR") else value:
            yield below, part
