"""Calls to the converters that make ONNX models: skl2onnx with its converters for boosters, and tf2onnx.

Each call gets the options and workarounds that its library needs. Whether the converted model predicts the
same is checked in ``conversion.py``.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

from safeload.errors import SerializationError, brief

# The version of ai.onnx.ml that most converters know; some refuse newer ones.
_ML_OPSET = 3
# The newest version of ONNX's operators that tf2onnx covers completely.
TF2ONNX_OPSET = 18
# Texts are lowercased by a locale that the runtime asks the system for. The default, en_US, is missing in
# most containers; this one handles Unicode and is available there.
LOCALE = "C.UTF-8"
_BOOSTERS = ("xgboost", "lightgbm")


def by_skl2onnx(
    obj: Any, inputs: list[tuple[str, Any]], target_opset: int | None, *, locale: str | None
) -> Any:
    """Return the ONNX model of a fitted estimator; SerializationError if it cannot be converted.

    `inputs` are names and skl2onnx types; `target_opset` is by default the newest that skl2onnx supports;
    `locale` lowercases texts.
    """
    import skl2onnx

    _prepare_skl2onnx()
    opsets = {"": target_opset or skl2onnx.__max_supported_opset__, "ai.onnx.ml": _ML_OPSET}
    for own in _options(obj):
        options: dict[Any, dict[str, Any]] = {id(obj): own} if own else {}
        options |= _text_options(locale)
        try:
            return skl2onnx.convert_sklearn(obj, initial_types=inputs, target_opset=opsets, options=options)
        except NameError:
            # The converter does not know one of the options.
            continue
        except Exception as error:
            lacking = _imported_boosters() and not find_spec("onnxmltools")
            hint = 'For boosters: pip install "safeload[boosters]".' if lacking else None
            raise SerializationError(_refusal(obj, error), hint=hint) from error
    raise SerializationError(f"a {type(obj).__name__} cannot be converted to ONNX")


def by_tf2onnx(model: Any, signature: list[Any], target_opset: int | None) -> Any:
    """Return the ONNX model of a Keras model that runs on TensorFlow; by default in opset 18.

    SerializationError if the model cannot be converted, or tf2onnx cannot be imported.
    """
    import tensorflow

    try:
        import tf2onnx
    except ImportError as error:
        problem = f"Keras models are converted by tf2onnx, which cannot be imported ({reason(error)})"
        raise SerializationError(problem, hint="Install it: pip install tf2onnx.") from error

    # tf2onnx.convert.from_keras supports Keras 2 only.
    @tensorflow.function(input_signature=signature)  # type: ignore[untyped-decorator, unused-ignore]
    def called(*arrays: Any) -> Any:
        return model(list(arrays) if len(arrays) > 1 else arrays[0], training=False)

    try:
        converted, _ = tf2onnx.convert.from_function(
            called, input_signature=signature, opset=target_opset or TF2ONNX_OPSET
        )
    except Exception as error:
        raise SerializationError(_refusal(model, error)) from error
    return converted


def reason(error: BaseException) -> str:
    """Return the type of a library's exception and the first line of its message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return brief(f"{type(error).__name__}: {lines[0] if lines else ''}")


def _options(obj: Any) -> Iterator[dict[str, Any]]:
    """Yield the converter options to try, the best first."""
    # Probabilities as one array, not as a list of dicts.
    array = {"zipmap": False}
    if hasattr(obj, "predict") and not hasattr(obj, "predict_proba"):
        # The values of the decision function, not probabilities guessed from them.
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


def _imported_boosters() -> tuple[str, ...]:
    """Return the booster packages in use: an estimator of one cannot exist before its package is imported."""
    return tuple(name for name in _BOOSTERS if name in sys.modules)


def _prepare_skl2onnx() -> None:
    """Register converters for boosters, and work around a defect in one of skl2onnx's own."""
    for name in _imported_boosters():
        # The converters for boosters come with onnxmltools, which is optional.
        with contextlib.suppress(ImportError):
            _register_xgboost() if name == "xgboost" else _register_lightgbm()
    # This uses a private registry of skl2onnx. If a later version moves it, only the workaround is lost.
    with contextlib.suppress(Exception):
        _patch_histogram_converters()


def _register_xgboost() -> None:
    import xgboost
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

    _register(xgboost.XGBClassifier, "XGBoostXGBClassifier", convert_xgboost)
    _register(xgboost.XGBRegressor, "XGBoostXGBRegressor", convert_xgboost)


def _register_lightgbm() -> None:
    import lightgbm
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    _register(lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", convert_lightgbm)
    _register(lightgbm.LGBMRegressor, "LightGbmLGBMRegressor", convert_lightgbm, split=None)


def _register(kind: type, alias: str, converter: Any, **options: Any) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common import shape_calculator

    # A converter that the program registered itself stays.
    if kind in sklearn_operator_name_map:
        return
    shapes = shape_calculator.calculate_linear_regressor_output_shapes
    if alias.endswith("Classifier"):
        shapes = shape_calculator.calculate_linear_classifier_output_shapes
        options |= {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    update_registered_converter(kind, alias, shapes, converter, options=options)


def _patch_histogram_converters() -> None:
    """Convert booleans in the attributes of histogram gradient boosting, which newer protobufs refuse."""
    from skl2onnx.common import _registration as registry

    for kind in ("Classifier", "Regressor"):
        name = f"SklearnHistGradientBoosting{kind}"
        known = registry.get_converter(name)
        if getattr(known, "patched_by_safeload", False):
            continue
        patched = _with_whole_numbers(known)
        registry.register_converter(name, patched, overwrite=True, options=known.get_allowed_options())
        registry.get_converter(name).patched_by_safeload = True


def _with_whole_numbers(known: Any) -> Callable[[Any, Any, Any], None]:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        known(scope, operator, _WholeNumbers(container))

    return convert


class _WholeNumbers:
    """Container that a converter adds nodes to; booleans in lists of attributes become integers."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *arguments: Any, **attributes: Any) -> None:
        whole = {name: _whole(value) for name, value in attributes.items()}
        self._container.add_node(*arguments, **whole)


def _whole(value: Any) -> Any:
    if type(value) is not list:
        return value
    return [int(entry) if type(entry).__name__ in ("bool", "bool_") else entry for entry in value]
