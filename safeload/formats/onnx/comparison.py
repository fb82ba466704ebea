"""Comparison of the predictions of two models on a sample.

It checks a converted model, such as the ONNX model of an estimator, against its source. Labels must be equal;
numbers may differ by a tolerance, which is absolute below 1 and relative above.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeload.errors import SafeloadError, SerializationError, brief
from safeload.formats.onnx import predictions
from safeload.formats.onnx.converters import reason
from safeload.formats.onnx.predictions import Outputs

_EXACT_KINDS = "biuUSO"
_ROWS_HINT = "Pass some rows of the data that the model is for, in the form that it takes."


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences between the outputs of two models.

    `largest` is that of :func:`largest_difference`; `rows` and `outputs` are how many were compared;
    `left_out` names the outputs that only one of the models has.
    """

    largest: float
    rows: int
    outputs: int
    left_out: tuple[str, ...]

    def described(self, than: str = "") -> str:
        """Return a clause for a remark; `than` names the model that the predictions differ from."""
        rows = f"{self.rows} row{'s' * (self.rows != 1)}"
        outputs = f"{self.outputs} output{'s' * (self.outputs != 1)}"
        omitted = f"; not compared: {brief(', '.join(self.left_out))}" if self.left_out else ""
        return f"on {rows} differ{than} by {self.largest:.2g} at most, in {outputs}{omitted}"


def largest_difference(left: Outputs, right: Outputs) -> float:
    """Return the largest difference, ``|a - b| / max(1, |b|)``; infinite if labels or shapes differ.

    Outputs are matched by name if both models have the same names, and otherwise by position.
    """
    return max(
        (_difference(left[own], right[other]) for own, other in _matched(left, right)), default=math.inf
    )


def compare(source: Any, target: Any, sample: Any, tolerance: float) -> Comparison:
    """Check that a converted model predicts what its source predicts.

    Both models are such as :func:`safeload.formats.onnx.predictions.outputs` takes; `sample` has rows for
    both; `tolerance` is the largest difference that is accepted.

    Raises
    ------
    SerializationError
        If the difference is larger, or labels differ; if a model does not run on the sample or returns no
        values; or if the converted model lacks an output. It may lack an estimator's `transform` or scores,
        which some converters leave out; :attr:`Comparison.left_out` then lists them.
    """
    if _is_empty(sample):
        raise SerializationError("the sample has no rows to compare predictions on", hint=_ROWS_HINT)
    expected = _ran(source, sample, "the model that is converted")
    found = _ran(target, sample, "the new model")
    matched = _matched(found, expected)
    missing = [name for name in expected if name not in {other for _, other in matched}]
    by_methods = predictions.is_estimator(source) and not predictions.is_estimator(target)
    may_lack = predictions.SCORES if by_methods else ()
    if lacking := [name for name in missing if name not in may_lack]:
        raise SerializationError(f"the new model lacks outputs of its source ({brief(', '.join(lacking))})")
    if not any(expected[other].size for _, other in matched):
        raise SerializationError(
            "the predictions on the sample have no values that could be compared", hint=_ROWS_HINT
        )
    largest = largest_difference(found, expected)
    # Written so that NaN is refused too.
    if not largest <= tolerance:
        if math.isinf(largest):
            raise SerializationError("predictions on the sample differ in labels or shapes")
        raise SerializationError(
            f"predictions on the sample differ by {largest:.2g} at most; {tolerance:g} is accepted",
            hint="Pass a sample of float32 data, which most converted models compute with, or a larger "
            "tolerance=.",
        )
    rows = max(len(expected[other]) if expected[other].ndim else 1 for _, other in matched)
    added = [name for name in found if name not in {own for own, _ in matched}]
    return Comparison(largest, rows, len(matched), (*missing, *added))


def _matched(left: Outputs, right: Outputs) -> list[tuple[str, str]]:
    """Return the pairs of outputs to compare."""
    if set(left) == set(right):
        return [(name, name) for name in right]
    return list(zip(left, right, strict=False))


def _ran(model: Any, sample: Any, which: str) -> Outputs:
    """Return the outputs of a model; whatever it raises becomes a SerializationError."""
    try:
        return predictions.outputs(model, sample)
    except SafeloadError:
        raise
    except Exception as error:
        raise SerializationError(
            f"{which} does not run on the sample ({reason(error)})", hint=_ROWS_HINT
        ) from error


def _is_empty(sample: Any) -> bool:
    """Tell whether a sample has no rows; one of several arrays is empty if all are."""
    if isinstance(sample, Mapping):
        return all(_is_empty(rows) for rows in sample.values())
    shape = getattr(sample, "shape", None)
    if shape is not None:
        return 0 in tuple(shape)[:1]
    several = isinstance(sample, list | tuple) and any(hasattr(rows, "shape") for rows in sample)
    return all(_is_empty(rows) for rows in sample) if several else not getattr(sample, "__len__", lambda: 1)()


def _difference(left: Any, right: Any) -> float:
    import numpy as np

    left, right = _aligned(left, right), _aligned(right, left)
    if left.shape != right.shape:
        return math.inf
    if not left.size:
        return 0.0
    if left.dtype.kind in _EXACT_KINDS and right.dtype.kind in _EXACT_KINDS:
        return 0.0 if np.array_equal(left.astype(object), right.astype(object)) else math.inf
    if left.dtype.kind in "OUS" or right.dtype.kind in "OUS":
        return math.inf
    left, right = left.astype(np.float64), right.astype(np.float64)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(same, 0.0, np.abs(left - right) / np.maximum(1.0, np.abs(right)))
    # NaN where a value is infinite or NaN on one side only.
    return float(np.max(np.where(np.isnan(apart), math.inf, apart)))


def _aligned(values: Any, other: Any) -> Any:
    """Return an output in the shape of the other if both shapes can express the same values.

    A column may be one-dimensional, and a decision between two classes may be one number or two.
    """
    import numpy as np

    if values.ndim == 1 and other.ndim == 2 and other.shape == (len(values), 2):
        return np.column_stack([-values, values])
    if values.ndim == 2 and values.shape[1] == 1 and other.ndim == 1:
        return values[:, 0]
    return values
