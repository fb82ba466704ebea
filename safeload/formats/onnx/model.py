"""What is looked at in an ONNX model before a runtime sees it.

A runtime trusts what it is given: it reads files that the model names, from the folder that the process
happens to be in, and it does so while the model is being loaded. What is refused here, signed or not:

- more parts than the limits admit, counted before an object is made of each;
- data in another file for anything but an initializer of the main graph. These are the only ones that
  onnxruntime takes from memory instead; for all others it would open the file;
- data in another file that are not described as ``external_data.py`` has it, and data both here and there;
- a node ``EPContext``, for which execution providers read a file that its attributes name.

What nobody signed may moreover refer to no file at all, and hold ONNX's own operators only.
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

# The operators that the standard defines; an unsigned model has no others.
STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
# Protobuf has no larger messages.
MAX_BYTES = (1 << 31) - 1

# Messages in which neither a node nor a tensor can stand.
_LEAVES = frozenset({"ValueInfoProto", "StringStringEntryProto", "TensorAnnotation", "TensorProto"})
# By this key onnxruntime can be told, by an environment variable, to take settings from the model.
_RUNTIME_SETTINGS = "ort_config"
# To whoever signs them, models may have more parts: a language model has hundreds of thousands.
_SIGNED = 10


@dataclass(frozen=True, slots=True)
class Contents:
    """What a model holds that is to be admitted or not.

    Parameters
    ----------
    externals
        The initializers whose data lie in other files.
    foreign
        The first domain of a node that is not ONNX's own, if there is one.
    sparse
        Whether there are sparse tensors.
    """

    externals: tuple[External, ...]
    foreign: str | None
    sparse: bool


def parse(data: bytes, limits: Limits, *, signed: bool = True) -> Any:
    """Return the ``ModelProto`` of a file's bytes.

    Parameters
    ----------
    data
        The bytes.
    limits
        Its `members` are how many parts (nodes, tensors, attributes and so on) a model may have that nobody
        signed; others may have ten times as many.
    signed
        Whether it is signed, or about to be.

    Raises
    ------
    MalformedError
        It is none.
    LimitExceeded
        It has more parts, or over 2 GiB.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if len(data) > MAX_BYTES:
        raise LimitExceeded("it has over 2 GiB, which protobuf does not read")
    # An object takes 60 to 200 bytes for the two that a message can have.
    most = limits.members * (_SIGNED if signed else 1)
    protobuf.check_message_count(data, _below(), onnx.ModelProto.DESCRIPTOR.full_name, most)
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise MalformedError(f"it is no ONNX model ({brief(error)})") from None
    if not model.HasField("graph"):
        raise MalformedError("it is no ONNX model: it holds no graph")
    return model


@cache
def _below() -> protobuf.Below:
    """Return the kinds of messages in a model, as this version of ONNX has them."""
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
    """Return what a model holds, after all that could name a file was checked.

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
                raise MalformedError("external data are admitted for the initializers of the main graph only")
            found.append(external_data.external(message))
    return Contents(tuple(found), foreign, sparse)


def require_standard(model: Any, contents: Contents) -> None:
    """Refuse what a model must not hold if nobody signed it.

    Raises
    ------
    FormatNotAllowed
        External data, operators of another domain, functions, training, sparse tensors (a few bytes of them
        stand for any amount of memory), or settings of the runtime.
    MalformedError
        ONNX's own checker refuses it.
    """
    import onnx

    if contents.externals:
        # The checker below would look for the files in the current folder.
        raise FormatNotAllowed("an unsigned ONNX model refers to no other files")
    for name in ("functions", "training_info"):
        if len(getattr(model, name)):
            raise FormatNotAllowed(f"an unsigned ONNX model has no {name}")
    if any(entry.key == _RUNTIME_SETTINGS for entry in model.metadata_props):
        raise FormatNotAllowed("an unsigned ONNX model holds no settings of the runtime")
    for domain in (*(opset.domain for opset in model.opset_import), contents.foreign or ""):
        _require_domain(domain)
    if contents.sparse:
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

    It looks at all fields that there are, so that a tensor in a field that is new to it is seen too. Python
    objects are made only of the messages around the one that is looked at.
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
    """Yield the messages that stand in one, with their places."""
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
