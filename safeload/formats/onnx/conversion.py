"""Conversion of estimators and Keras models to ONNX models that predict the same.

No conversion is trusted: before anything is written, the converted model runs on the sample and its
predictions are compared with those of the original.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from safeload.errors import SerializationError
from safeload.formats.base import OptionError
from safeload.formats.onnx import comparison, converters, predictions
from safeload.formats.onnx.converters import LOCALE, reason

_SAMPLE_HINT = "Pass sample=: some rows of the data that the model is for, such as X_test[:200]."
_ROWS = 8
# Names of tensors that TensorFlow accepts.
_TENSOR_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")


@dataclass(frozen=True, slots=True)
class Converted:
    """An ONNX model, and a sentence on how it was made."""

    model: Any
    remark: str


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to convert: types of the inputs, locale, and a description of both for the remark."""

    inputs: list[tuple[str, Any]]
    locale: str | None = None
    described: str = ""


def convert(obj: Any, sample: Any, tolerance: float, target_opset: int | None) -> Converted:
    """Return an ONNX model that predicts what a fitted estimator, or a Keras model, predicts.

    `sample` holds rows to compare predictions on, in the types that the ONNX model will take; only for a
    Keras model it may be None. Without `target_opset` the converter chooses the version of ONNX's operators.

    SerializationError if no converter handles the object, or the converted model does not run or predicts
    otherwise; OptionError if an estimator comes without a sample.
    """
    with warnings.catch_warnings():
        # Converters warn of future changes in libraries; the comparison finds those that matter.
        warnings.simplefilter("ignore")
        if predictions.is_keras(obj):
            return _from_keras(obj, sample, tolerance, target_opset)
        if not hasattr(obj, "fit"):
            raise SerializationError(
                f"a {type(obj).__name__} is neither an ONNX model nor an estimator or a Keras model"
            )
        if sample is None:
            raise OptionError(f"without a sample the conversion cannot be checked. {_SAMPLE_HINT}")
        return _from_estimator(obj, sample, tolerance, target_opset)


def _from_estimator(obj: Any, sample: Any, tolerance: float, target_opset: int | None) -> Converted:
    predictions.methods(obj)
    refusal: SerializationError | None = None
    for way in _ways(sample):
        try:
            model = converters.by_skl2onnx(obj, way.inputs, target_opset, locale=way.locale)
            compared = _checked(obj, model, sample, tolerance)
        except SerializationError as error:
            refusal = error
            continue
        remark = _remark("skl2onnx", obj, way.described, compared)
        return Converted(model, remark)
    assert refusal is not None  # noqa: S101  there is at least one way
    raise refusal


def _checked(obj: Any, model: Any, sample: Any, tolerance: float) -> comparison.Comparison:
    try:
        session = _session(model)
    except Exception as error:
        raise SerializationError(
            f"the ONNX model of this {type(obj).__name__} does not run on the sample ({reason(error)})"
        ) from error
    return comparison.compare(obj, session, sample, tolerance)


def _session(model: Any) -> Any:
    """Return a session of a model that this process has just converted."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Fatal messages only: errors are raised, and the runtime would print them as well.
    options.log_severity_level = 4
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)


def _ways(sample: Any) -> Iterator[_Way]:
    """Yield the ways to try: with the types of the sample, then with all numbers in float32."""
    own = _inputs(sample, {})
    yield _Way(own)
    kinds = {type(kind).__name__ for _, kind in own}
    if "StringTensorType" in kinds:
        yield _Way(own, LOCALE, f", with the locale {LOCALE}")
    if kinds - {"StringTensorType", "FloatTensorType"}:
        single = _inputs(sample, dict.fromkeys("fiub", "FloatTensorType"))
        yield _Way(single, None, ", in float32")
        if "StringTensorType" in kinds:
            yield _Way(single, LOCALE, f", in float32 and with the locale {LOCALE}")


def _inputs(sample: Any, instead: dict[str, str]) -> list[tuple[str, Any]]:
    """Return the inputs of the model: one for an array, or one for each column of a DataFrame."""
    import numpy as np

    if hasattr(sample, "columns") and hasattr(sample, "iloc"):
        return [
            (str(name), _type(np.asarray(sample.iloc[:, index]), [None, 1], instead))
            for index, name in enumerate(sample.columns)
        ]
    values = np.asarray(sample)
    if not values.ndim or values.ndim > 2:
        raise SerializationError("the sample is not rows of values")
    # A list of strings is one column.
    width = [1] if values.ndim == 1 and values.dtype.kind in "OUT" else list(values.shape[1:])
    return [("X", _type(values, [None, *width], instead))]


def _type(values: Any, shape: list[int | None], instead: dict[str, str]) -> Any:
    from skl2onnx.common import data_types

    kind = values.dtype.kind
    if kind == "f" and values.dtype.itemsize > 4:
        name = "DoubleTensorType"
    else:
        name = {
            "f": "FloatTensorType",
            "i": "Int64TensorType",
            "u": "Int64TensorType",
            "b": "BooleanTensorType",
        }.get(kind, "")
    if kind in "OUT" and all(isinstance(value, str) for value in values.ravel()):
        name = "StringTensorType"
    if not name:
        raise SerializationError(
            "the sample holds values that are neither numbers nor texts, or both in one column",
            hint="Pass a DataFrame for columns of different types.",
        )
    return getattr(data_types, instead.get(kind, name))(shape)


def _remark(converter: str, obj: Any, described: str, compared: comparison.Comparison) -> str:
    # The public module that the class is imported from, not the private one that defines it.
    public = re.split(r"\._|\.src\b", type(obj).__module__)[0]
    kind = f"{public}.{type(obj).__qualname__}"
    return (
        f"Converted by {converter} {metadata.version(converter)} from {kind}{described}; "
        f"predictions {compared.described()}."
    )


def _from_keras(model: Any, sample: Any, tolerance: float, target_opset: int | None) -> Converted:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise SerializationError(
            f"Keras runs on {keras.backend.backend()}; models are converted on TensorFlow only",
            hint="Set KERAS_BACKEND=tensorflow, and load the model again.",
        )
    import tensorflow

    inputs = list(getattr(model, "inputs", None) or ())
    if not inputs:
        raise SerializationError("the inputs of this Keras model are unknown, since it was not built")
    rows = _random_rows(inputs) if sample is None else sample
    names = [str(one.name) for one in inputs]
    if len(set(names)) < len(names) or not all(_TENSOR_NAME.fullmatch(name) for name in names):
        names = [f"input_{index}" for index in range(len(inputs))]
    signature = [
        tensorflow.TensorSpec((None, *one.shape[1:]), one.dtype, name=name)
        for name, one in zip(names, inputs, strict=True)
    ]
    converted = converters.by_tf2onnx(model, signature, target_opset)
    compared = _checked(model, converted, rows, tolerance)
    return Converted(converted, _remark("tf2onnx", model, "", compared))


def _random_rows(inputs: list[Any]) -> Any:
    """Return random rows for the inputs of a model, the same in each process."""
    import numpy as np

    made = []
    random = np.random.default_rng(0)
    for one in inputs:
        extents = one.shape[1:]
        if None in extents:
            raise OptionError(f"an input of the model has no fixed shape. {_SAMPLE_HINT}")
        numbers = random.random((_ROWS, *extents))
        # Integers may be indices into a vocabulary; 0 and 1 are valid in any.
        made.append((numbers if "float" in str(one.dtype) else numbers.round()).astype(str(one.dtype)))
    return made if len(made) > 1 else made[0]
