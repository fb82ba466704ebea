"""The converters that make ONNX models: skl2onnx, those of boosters for it, and tf2onnx for Keras.

They are called as they want to be called; whether what they make is right, ``onnx_conversion.py`` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from safeload.errors import SerializationError, brief
from safeload.formats.onnx import onnx_registry

# The operators for machine learning as most converters know them; newer ones are refused by some.
_ML_OPSET = 3
_KERAS_OPSET = 18
# Lower case is made by a locale, which the runtime asks the system for. This one knows Unicode and is there
# where en_US, the default, is not: in containers.
LOCALE = "C.UTF-8"


def by_skl2onnx(
    obj: Any, inputs: list[tuple[str, Any]], target_opset: int | None, *, locale: str | None
) -> Any:
    """Return the ONNX model of an estimator.

    Parameters
    ----------
    obj
        The estimator.
    inputs
        Names and types of the inputs, as skl2onnx has them.
    target_opset
        None means the newest that skl2onnx knows.
    locale
        By which texts are made lower case; None means the default.

    Raises
    ------
    SerializationError
        It cannot be converted.
    """
    import skl2onnx

    onnx_registry.prepare()
    opsets = {"": target_opset or skl2onnx.__max_supported_opset__, "ai.onnx.ml": _ML_OPSET}
    for own in _options(obj):
        options: dict[Any, dict[str, Any]] = {id(obj): own} if own else {}
        options |= _text_options(locale)
        try:
            return skl2onnx.convert_sklearn(obj, initial_types=inputs, target_opset=opsets, options=options)
        except NameError:
            # The converter does not have one of the options.
            continue
        except Exception as error:
            hint = _hint()
            raise SerializationError(_refusal(obj, error), hint=hint) from error
    raise SerializationError(f"a {type(obj).__name__} cannot be converted to ONNX")


def _options(obj: Any) -> Iterator[dict[str, Any]]:
    """Yield options to try, the best first."""
    # Probabilities as one array, not as a list of dicts.
    array = {"zipmap": False}
    if hasattr(obj, "predict") and not hasattr(obj, "predict_proba"):
        # What the decision function says, not a guess at probabilities.
        yield {**array, "raw_scores": True}
        yield {"raw_scores": True}
    yield array
    yield {}


def _text_options(locale: str | None) -> dict[Any, dict[str, Any]]:
    if locale is None:
        return {}
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    return {CountVectorizer: {"locale": locale}, TfidfVectorizer: {"locale": locale}}


def _refusal(obj: Any, error: Exception) -> str:
    name = type(obj).__name__
    if type(error).__name__ in ("MissingShapeCalculator", "MissingConverter"):
        return f"there is no converter to ONNX for a {name}, or for a part of it"
    return f"a {name} cannot be converted to ONNX ({reason(error)})"


def _hint() -> str | None:
    lacking = onnx_registry.boosters() and not find_spec("onnxmltools")
    return 'For boosters: pip install "safeload[boosters]".' if lacking else None


def reason(error: BaseException) -> str:
    """Return what a library says, as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return brief(f"{type(error).__name__}: {lines[0] if lines else ''}")


def by_tf2onnx(model: Any, signature: list[Any], target_opset: int | None) -> Any:
    """Return the ONNX model of a Keras model that runs on TensorFlow.

    Parameters
    ----------
    model
        The model.
    signature
        A ``tf.TensorSpec`` for each of its inputs.
    target_opset
        None means 18.

    Raises
    ------
    SerializationError
        It cannot be converted.
    """
    import tensorflow

    try:
        import tf2onnx
    except ImportError as error:
        problem = f"Keras models are converted by tf2onnx, which cannot be imported ({reason(error)})"
        raise SerializationError(problem, hint="Install it: pip install tf2onnx.") from error

    # tf2onnx's own way for Keras models knows those of Keras 2 only.
    @tensorflow.function(input_signature=signature)  # type: ignore[untyped-decorator, unused-ignore]
    def called(*arrays: Any) -> Any:
        return model(list(arrays) if len(arrays) > 1 else arrays[0], training=False)

    try:
        converted, _ = tf2onnx.convert.from_function(
            called, input_signature=signature, opset=target_opset or _KERAS_OPSET
        )
    except Exception as error:
        raise SerializationError(_refusal(model, error)) from error
    return converted
