"""What a model makes of a sample, and how far what two of them make of it lies apart.

It is asked of a model that was made from another one, such as an ONNX model of an estimator: does it say the
same? Labels must be equal; numbers may differ by a tolerance, which is absolute below 1 and relative above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from safeload.errors import SerializationError

Outputs = dict[str, Any]

# Of several, an ONNX model holds one beside the labels; skl2onnx chooses in this order.
_SCORES = ("predict_proba", "decision_function", "transform")
_EXACT_KINDS = "biuUSO"


def outputs(model: Any, sample: Any) -> Outputs:
    """Return what a model makes of a sample, as arrays by name.

    Parameters
    ----------
    model
        An estimator, an ``onnxruntime.InferenceSession``, or anything that can be called with the sample,
        such as a Keras model.
    sample
        Rows as the model takes them. A session is given them in the types of its own inputs: one input for
        all columns, or one for each column of a DataFrame, each entry of a mapping or each array of a list.

    Raises
    ------
    SerializationError
        It neither predicts nor transforms.
    """
    if hasattr(model, "get_inputs") and hasattr(model, "run"):
        names = [output.name for output in model.get_outputs()]
        return _named(dict(zip(names, model.run(None, _feed(model, sample)), strict=True)))
    # A Keras model has a predict as well, which prints and cuts the sample into batches.
    if hasattr(model, "fit") and not is_keras(model):
        return _named({name: getattr(model, name)(sample) for name in methods(model)})
    result = model(sample)
    if isinstance(result, Mapping):
        # TensorFlow, too, lists the entries of a mapping by their names.
        return _named(dict(sorted(result.items())))
    several = result if isinstance(result, list | tuple) else [result]
    return _named({str(index): value for index, value in enumerate(several)})


def largest_difference(left: Outputs, right: Outputs) -> float:
    """Return the largest difference; infinite where labels or shapes are not equal.

    Parameters
    ----------
    left
        What is compared.
    right
        What it is compared with, and measured by: a number counts as ``|a - b| / max(1, |b|)``. Outputs are
        matched by name if their names are the same, and otherwise in their order, as far as both have them.
    """
    names = zip(right, right, strict=True) if set(left) == set(right) else zip(left, right, strict=False)
    return max((_difference(left[own], right[other]) for own, other in names), default=math.inf)


def compare(source: Any, target: Any, sample: Any, tolerance: float) -> float:
    """Return by how much a model's outputs differ from those of the model that it was made of.

    Parameters
    ----------
    source, target
        Models as :func:`outputs` takes them; `target` was made of `source`.
    sample
        Rows for both.
    tolerance
        The largest difference that is accepted.

    Raises
    ------
    SerializationError
        It is larger, or labels differ.
    """
    largest = largest_difference(outputs(target, sample), outputs(source, sample))
    # Written so that what is not a number is refused too.
    if not largest <= tolerance:
        if math.isinf(largest):
            raise SerializationError("predictions on the sample differ in labels or shapes")
        raise SerializationError(
            f"predictions on the sample differ by {largest:.2g} at most; {tolerance:g} is accepted",
            hint="Pass a sample of float32 data, which is what most converted models compute with, or a "
            "larger tolerance=.",
        )
    return largest


def methods(model: Any) -> tuple[str, ...]:
    """Return the methods of an estimator by which it is compared: its labels or numbers, and its scores.

    Raises
    ------
    SerializationError
        It has none of them.
    """
    found = ["predict"] if hasattr(model, "predict") else []
    found += [name for name in _SCORES if hasattr(model, name)][:1]
    if not found:
        raise SerializationError(f"a {type(model).__name__} neither predicts nor transforms new data")
    return tuple(found)


def _feed(session: Any, sample: Any) -> dict[str, Any]:
    """Return a sample as a session takes it."""
    import numpy as np

    inputs = session.get_inputs()
    if isinstance(sample, Mapping):
        columns = [sample[one.name] for one in inputs]
    elif len(inputs) > 1 and isinstance(sample, list | tuple):
        columns = list(sample)
    elif len(inputs) > 1:
        columns = [_column(sample, index) for index in range(len(inputs))]
    else:
        columns = [sample]
    feed = {}
    for one, column in zip(inputs, columns, strict=True):
        values = np.asarray(column)
        if len(one.shape) == 2 and values.ndim == 1:
            values = values.reshape(-1, 1)
        feed[one.name] = values.astype(_dtype(one.type))
    return feed


def _column(sample: Any, index: int) -> Any:
    """Return a column of a DataFrame or an array, as rows of one value."""
    import numpy as np

    column = sample.iloc[:, index] if hasattr(sample, "iloc") else np.asarray(sample)[:, index]
    return np.asarray(column).reshape(-1, 1)


def _dtype(described: str) -> Any:
    """Return NumPy's type for a session's ``tensor(double)``."""
    import numpy as np

    name = described.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64", "string": "object"}.get(name, name))


def is_keras(model: Any) -> bool:
    """Tell whether an object is a Keras model, or another layer of Keras."""
    return any(base.__module__.split(".")[0] == "keras" for base in type(model).__mro__)


def _named(found: Outputs) -> Outputs:
    return {name: _array(value) for name, value in found.items()}


def _array(value: Any) -> Any:
    """Return an output as one array, whatever it came as."""
    import numpy as np

    dense: Callable[[], Any] | None = getattr(value, "toarray", None)
    if dense is not None:
        return np.asarray(dense())
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        # The runtime's form of probabilities that are named by their classes.
        return np.asarray([list(row.values()) for row in value])
    return np.asarray(value)


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
    # What is infinite or not a number on one side only.
    return float(np.max(np.where(np.isnan(apart), math.inf, apart)))


def _aligned(values: Any, other: Any) -> Any:
    """Return an output in the other's shape where the two are ways to write the same.

    A column may be a row of numbers; and the decision between two classes one number or two.
    """
    import numpy as np

    if values.ndim == 1 and other.ndim == 2 and other.shape == (len(values), 2):
        return np.column_stack([-values, values])
    if values.ndim == 2 and values.shape[1] == 1 and other.ndim == 1:
        return values[:, 0]
    return values
