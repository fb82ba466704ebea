"""What skl2onnx is told before it converts: those for boosters, and a mending of one of its own."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

_BOOSTERS = ("xgboost", "lightgbm")


def boosters() -> tuple[str, ...]:
    """Return which boosters are imported; whoever has an estimator of theirs has done so."""
    return tuple(name for name in _BOOSTERS if name in sys.modules)


def prepare() -> None:
    """Tell skl2onnx, once in a process."""
    for name in boosters():
        # Without onnxmltools there are no converters for them.
        with contextlib.suppress(ImportError):
            _know_xgboost() if name == "xgboost" else _know_lightgbm()
    # It reaches into skl2onnx's own registry. If that is another one day, nothing but the mending is lost.
    with contextlib.suppress(Exception):
        _mend_histograms()


def _know_xgboost() -> None:
    import xgboost
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

    _register(xgboost.XGBClassifier, "XGBoostXGBClassifier", convert_xgboost)
    _register(xgboost.XGBRegressor, "XGBoostXGBRegressor", convert_xgboost)


def _know_lightgbm() -> None:
    import lightgbm
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    _register(lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", convert_lightgbm)
    _register(lightgbm.LGBMRegressor, "LightGbmLGBMRegressor", convert_lightgbm, split=None)


def _register(kind: type, alias: str, converter: Any, **options: Any) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common import shape_calculator

    # A program that has registered its own keeps it.
    if kind in sklearn_operator_name_map:
        return
    shapes = shape_calculator.calculate_linear_regressor_output_shapes
    if alias.endswith("Classifier"):
        shapes = shape_calculator.calculate_linear_classifier_output_shapes
        options |= {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    update_registered_converter(kind, alias, shapes, converter, options=options)


def _mend_histograms() -> None:
    """Let histogram gradient boosting be converted: its truth values are refused by newer protobufs."""
    from skl2onnx.common import _registration as registry

    for kind in ("Classifier", "Regressor"):
        name = f"SklearnHistGradientBoosting{kind}"
        known = registry.get_converter(name)
        if getattr(known, "mended_by_safeload", False):
            continue
        registry.register_converter(name, _mended(known), overwrite=True, options=known.get_allowed_options())
        registry.get_converter(name).mended_by_safeload = True


def _mended(known: Any) -> Callable[[Any, Any, Any], None]:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        known(scope, operator, _WholeNumbers(container))

    return convert


class _WholeNumbers:
    """What a converter adds its nodes to, with truth values in their attributes as whole numbers."""

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
