"""What the header of a safetensors file says, as a report."""

from __future__ import annotations

from safeload.parsers.safetensors import parse
from safeload.scanning.report import ArrayFound, Report

_MAX_HEADER_BYTES = 8 << 20
_MAX_TENSORS = 1 << 20
_SHOWN = 5_000


def read(data: bytes) -> Report:
    """Return what the header says.

    Raises
    ------
    LimitExceeded
        It has more than 8 MiB.
    MalformedError
        It is not in the form of the format's specification.
    """
    header = parse(data, limit=_MAX_HEADER_BYTES, tensors=_MAX_TENSORS)
    shown = header.tensors[:_SHOWN]
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
