"""Outputs of a model for a sample: of an estimator, of an ONNX session, or of any callable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from safeload.errors import SerializationError

Outputs = dict[str, Any]

_NO_MODEL = "a {} neither predicts nor transforms new data"

# An ONNX model has one of these beside the labels; skl2onnx chooses in this order.
SCORES = ("predict_proba", "decision_function", "transform")


def outputs(model: Any, sample: Any) -> Outputs:
    """Return the outputs of a model for a sample, as arrays by name.

    The model is an estimator, an ``onnxruntime.InferenceSession``, or any callable, such as a Keras model.
    For a session the sample is converted to the types of its inputs: one input for all columns, or one for
    each column of a DataFrame, entry of a mapping or array of a list. SerializationError if the model neither
    predicts nor transforms.
    """
    if hasattr(model, "get_inputs") and hasattr(model, "run"):
        names = [output.name for output in model.get_outputs()]
        return _named(dict(zip(names, model.run(None, _feed(model, sample)), strict=True)))
    if is_estimator(model):
        return _named({name: getattr(model, name)(sample) for name in methods(model)})
    if not callable(model):
        raise SerializationError(_NO_MODEL.format(type(model).__name__))
    result = model(sample)
    if isinstance(result, Mapping):
        # TensorFlow sorts the entries of a mapping by name, too.
        return _named(dict(sorted(result.items())))
    several = result if isinstance(result, list | tuple) else [result]
    return _named({str(index): value for index, value in enumerate(several)})


def methods(model: Any) -> tuple[str, ...]:
    """Return the methods of an estimator to compare: ``predict``, and its first method for scores.

    SerializationError if it has neither.
    """
    found = ["predict"] if hasattr(model, "predict") else []
    found += [name for name in SCORES if hasattr(model, name)][:1]
    if not found:
        raise SerializationError(_NO_MODEL.format(type(model).__name__))
    return tuple(found)


def _feed(session: Any, sample: Any) -> dict[str, Any]:
    """Return a sample as arrays by the names of a session's inputs."""
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


def is_estimator(model: Any) -> bool:
    """Tell whether an object has the methods of scikit-learn's estimators."""
    # A Keras model also has predict, which prints and splits the sample into batches.
    return hasattr(model, "fit") and not is_keras(model)


def is_keras(model: Any) -> bool:
    """Tell whether an object is a Keras model, or another layer of Keras."""
    return any(base.__module__.split(".")[0] == "keras" for base in type(model).__mro__)


def _named(found: Outputs) -> Outputs:
    return {name: _array(value) for name, value in found.items()}


def _array(value: Any) -> Any:
    """Return an output as one array."""
    import numpy as np

    dense: Callable[[], Any] | None = getattr(value, "toarray", None)
    if dense is not None:
        return np.asarray(dense())
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        # onnxruntime returns probabilities as one dict for each row, by class.
        return np.asarray([list(row.values()) for row in value])
    return np.asarray(value)
