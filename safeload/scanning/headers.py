"""What the headers of ONNX and safetensors files say.

An ONNX file is walked over its protobuf fields (their numbers are those of ``onnx.proto`` 1.17): names are
read, weights are skipped, and the graph is not built. The walk looks for weights in other files
(CVE-2022-25882 and CVE-2024-27318 are paths that lead out of the folder of the model) and for operators of
other domains.
"""

from __future__ import annotations

import re

from safeload.errors import LimitExceeded, MalformedError
from safeload.parsers.protobuf import fields
from safeload.parsers.safetensors import parse
from safeload.scanning.report import ArrayFound, Finding, Report, Verdict

_MAX_DEPTH = 64
_MAX_FIELDS = 2_000_000
_SHOWN = 1_000
_TEXT = 256
_MAX_HEADER_BYTES = 8 << 20
_MAX_TENSORS = 1 << 20
_SHOWN_TENSORS = 5_000
# ModelProto
_IR_VERSION, _PRODUCER, _PRODUCER_VERSION, _GRAPH, _OPSETS, _FUNCTIONS = 1, 2, 3, 7, 8, 25
# For each kind of message, the fields that hold further messages, and the kinds of those.
_BELOW = {
    "model": {_GRAPH: "graph", _OPSETS: "opset", _FUNCTIONS: "function"},
    "graph": {1: "node", 5: "tensor", 11: "input", 12: "output", 15: "sparse"},
    "node": {5: "attribute"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external"},
    "opset": {},
    "input": {},
    "output": {},
    "external": {},
}
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")


def read_onnx(data: bytes) -> Report:
    """Return what the fields of an ONNX file say.

    Raises MalformedError unless the file is a protobuf message with one graph, LimitExceeded if it has too
    many fields, or fields that are nested too deep.
    """
    facts: list[tuple[str, str]] = []
    findings: dict[str, Finding] = {}
    budget = _MAX_FIELDS
    graphs = 0
    # Messages still to be walked, as kind, start, end and depth. There is no recursion.
    waiting = [("model", 0, len(data), 0)]
    while waiting:
        kind, start, end, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise LimitExceeded("its graphs are nested too deep")
        texts: dict[int, str] = {}
        below = []
        for number, value, at, stop in fields(data, start, end):
            budget -= 1
            if budget < 0:
                raise LimitExceeded(f"it has more than {_MAX_FIELDS} fields")
            if at < 0:
                texts[number] = str(value)
            elif number in _BELOW[kind]:
                below.append((_BELOW[kind][number], at, stop, depth + 1))
                graphs += kind == "model" and number == _GRAPH
            elif number <= 3:
                texts[number] = data[at : min(stop, at + _TEXT)].decode("utf-8", "replace")
        waiting.extend(reversed(below))
        if len(facts) < _SHOWN:
            facts += _said(kind, texts)
        if kind == "external" and texts.get(1) == "location":
            verdict, reason = _judged(texts.get(2, ""))
            findings.setdefault(reason, Finding(verdict=verdict, reason=reason, offset=start))
        if len(findings) > _SHOWN:
            raise LimitExceeded("it names more files than are followed")
    if graphs != 1:
        raise MalformedError("it is not an ONNX model: it does not hold exactly one graph")
    dangerous = any(finding.verdict == "dangerous" for finding in findings.values())
    return Report(
        verdict="dangerous" if dangerous else "data",
        findings=tuple(findings.values()),
        facts=tuple(facts[:_SHOWN]),
        size=len(data),
        unfolded_size=len(data),
    )


def _said(kind: str, texts: dict[int, str]) -> list[tuple[str, str]]:
    if kind == "model":
        producer = " ".join(texts[field] for field in (_PRODUCER, _PRODUCER_VERSION) if field in texts)
        return [("IR version", texts.get(_IR_VERSION, "none")), ("producer", producer)]
    if kind == "opset":
        return [("opset", f"{texts.get(1) or 'ai.onnx'} {texts.get(2, '')}")]
    if kind in ("input", "output"):
        return [(kind, texts.get(1, ""))]
    if kind == "external" and texts.get(1) == "location":
        return [("external data", texts.get(2, ""))]
    return []


def _judged(location: str) -> tuple[Verdict, str]:
    if _ABSOLUTE.match(location) or ".." in re.split(r"[/\\]", location):
        return "dangerous", f"reads a file outside of its folder: {location}"
    return "data", f"reads another file: {location}"


def read_safetensors(data: bytes) -> Report:
    """Return what the header of a safetensors file says; errors are those of its parser."""
    header = parse(data, limit=_MAX_HEADER_BYTES, tensors=_MAX_TENSORS)
    shown = header.tensors[:_SHOWN_TENSORS]
    return Report(
        verdict="data",
        findings=(),
        arrays=tuple(
            ArrayFound(
                dtype=tensor.dtype, shape=tensor.shape, offset=tensor.start, size=tensor.stop - tensor.start
            )
            for tensor in shown
        ),
        arrays_left_out=len(header.tensors) - len(shown),
        facts=(*header.metadata.items(), *(("tensor", tensor.name) for tensor in shown)),
        size=len(data),
        unfolded_size=len(data),
    )
