"""What a model makes of a sample: an estimator, a session of ONNX, or whatever can be called with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from safeload.errors import SerializationError

Outputs = dict[str, Any]

_NO_MODEL = "a {} neither predicts nor transforms new data"

# Of several, an ONNX model holds one beside the labels; skl2onnx chooses in this order.
SCORES = ("predict_proba", "decision_function", "transform")


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
    if is_estimator(model):
        return _named({name: getattr(model, name)(sample) for name in methods(model)})
    if not callable(model):
        raise SerializationError(_NO_MODEL.format(type(model).__name__))
    result = model(sample)
    if isinstance(result, Mapping):
        # TensorFlow, too, lists the entries of a mapping by their names.
        return _named(dict(sorted(result.items())))
    several = result if isinstance(result, list | tuple) else [result]
    return _named({str(index): value for index, value in enumerate(several)})


def methods(model: Any) -> tuple[str, ...]:
    """Return the methods of an estimator by which it is compared: its labels or numbers, and its scores.

    Raises
    ------
    SerializationError
        It has none of them.
    """
    found = ["predict"] if hasattr(model, "predict") else []
    found += [name for name in SCORES if hasattr(model, name)][:1]
    if not found:
        raise SerializationError(_NO_MODEL.format(type(model).__name__))
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


def is_estimator(model: Any) -> bool:
    """Tell whether an object is asked by the methods of scikit-learn's estimators."""
    # A Keras model has a predict as well, which prints and cuts the sample into batches.
    return hasattr(model, "fit") and not is_keras(model)


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
