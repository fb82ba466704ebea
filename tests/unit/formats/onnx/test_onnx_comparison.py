"""What counts as the same predictions of two models, and what is no comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression

import safeload
from safeload import HmacKey, SerializationError
from safeload.formats.onnx import comparison, predictions

RANDOM = np.random.default_rng(0)
X = RANDOM.random((120, 4))
CLASSES = (X[:, 0] + X[:, 1] > 1).astype(int)


class _Mute(BaseEstimator):  # type: ignore[misc]
    """An estimator with the labels of another, and without its scores."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, rows: Any, target: Any) -> _Mute:
        return self

    def predict(self, rows: Any) -> Any:
        return self.model.predict(rows)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.5], [1.0, 2.0], 0.25),
        ([0.0], [0.5], 0.5),
        ([1000.0], [1001.0], 1 / 1001),
        ([np.nan, np.inf], [np.nan, np.inf], 0.0),
        ([np.nan], [1.0], np.inf),
        ([np.inf], [-np.inf], np.inf),
        ([1, 2], [1, 2], 0.0),
        ([1, 2], [1, 3], np.inf),
        (["a"], ["a"], 0.0),
        (["a"], ["b"], np.inf),
        (["1"], [1.0], np.inf),
        ([[1.0], [2.0]], [1.0, 2.0], 0.0),
        ([[-1.0, 1.0]], [1.0], 0.0),
        ([[1.0, -1.0]], [1.0], 2.0),
        ([1.0], [1.0, 2.0], np.inf),
        ([], [], 0.0),
    ],
)
def test_the_largest_difference(left: Any, right: Any, expected: float) -> None:
    """Absolute below one, relative above; infinite for labels, shapes and what is not a number."""
    one, other = {"0": np.array(left)}, {"0": np.array(right)}
    assert comparison.largest_difference(one, other) == pytest.approx(expected)


def test_outputs_are_matched_by_name_or_by_place() -> None:
    """The same names in another order are the same outputs."""
    a, b = np.array([1.0]), np.array([2.0])
    assert comparison.largest_difference({"a": a, "b": b}, {"b": b, "a": a}) == 0
    assert comparison.largest_difference({"x": a, "y": b}, {"a": a, "b": b}) == 0
    assert comparison.largest_difference({"x": b}, {"a": a, "b": b}) == 1
    assert comparison.largest_difference({}, {}) == np.inf


def test_callables_and_estimators_are_compared() -> None:
    """Any two of them, in both directions."""
    model = LinearRegression().fit(X, X[:, 0])
    same = comparison.Comparison(0, 120, 1, ())
    assert comparison.compare(model, model.predict, X, 0) == same
    assert comparison.compare(lambda rows: {"y": model.predict(rows)}, model, X, 0) == same
    assert comparison.compare(lambda rows: [model.predict(rows)], model, X, 0) == same
    with pytest.raises(SerializationError, match="differ"):
        comparison.compare(model, lambda rows: model.predict(rows) + 1, X, 0.5)


def test_what_neither_predicts_nor_transforms_is_refused() -> None:
    """There is nothing to compare then."""
    from sklearn.manifold import TSNE

    with pytest.raises(SerializationError, match="neither predicts nor transforms"):
        predictions.outputs(TSNE(), X)
    with pytest.raises(SerializationError, match="a dict neither predicts"):
        predictions.outputs({"a": 1}, X)


@pytest.mark.parametrize(
    "sample", [X[:0], [], [X[:0], X[:0]], {"a": X[:0]}, pd.DataFrame({"a": []}), np.array([], "U9"), ""]
)
def test_a_sample_of_no_rows_is_refused(sample: Any) -> None:
    """Whatever the two models are, they would be found equal."""
    with pytest.raises(SerializationError, match="no rows"):
        comparison.compare(lambda rows: 1.0, lambda rows: 1.0, sample, 0)


def test_predictions_without_values_are_no_comparison() -> None:
    """Rows of nothing are equal to any other such."""
    with pytest.raises(SerializationError, match="no values that could be compared"):
        comparison.compare(lambda rows: np.ones((9, 0)), lambda rows: np.ones((9, 0)), X, 0)


def test_outputs_that_the_new_model_lacks_are_missed() -> None:
    """By name; only the scores of an estimator may be lacking, and then this is said."""
    with pytest.raises(SerializationError, match=r"lacks outputs .*\(b\)"):
        comparison.compare(lambda rows: {"a": rows, "b": rows}, lambda rows: {"c": rows}, X, 0)
    model = LogisticRegression().fit(X, CLASSES)
    found = comparison.compare(model, model.predict, X, 0)
    assert found == comparison.Comparison(0, 120, 1, ("predict_proba",))
    assert found.described() == ("on 120 rows differ by 0 at most, in 1 output; not compared: predict_proba")
    with pytest.raises(SerializationError, match="lacks outputs"):
        comparison.compare(model, _Mute(model), X, 0)
    with pytest.raises(SerializationError, match=r"lacks outputs .*\(predict"):
        comparison.compare(model, lambda rows: [], X, 0)


def test_outputs_beyond_those_of_the_source_are_listed() -> None:
    """They could say anything."""
    found = comparison.compare(lambda rows: [rows], lambda rows: {"a": rows, "z": rows}, X[:1], 0)
    assert found.described(" from it") == (
        "on 1 row differ from it by 0 at most, in 1 output; not compared: z"
    )


@pytest.mark.parametrize("which", ["the model that is converted", "the new model"])
def test_a_model_that_fails_on_the_sample_is_named(which: str) -> None:
    """What its library raises is a refusal like others, with the library's own words."""
    model = LinearRegression().fit(X, X[:, 0])
    pair = (model, lambda rows: 1 / 0)
    source, target = pair if which == "the new model" else pair[::-1]
    with pytest.raises(SerializationError, match=f"^{which} does not run .*ZeroDivisionError: division"):
        comparison.compare(source, target, X, 0)
    with pytest.raises(SerializationError, match=r"converted does not run .*ValueError: X has 2 features"):
        comparison.compare(model, model, X[:, :2], 0)


@pytest.mark.parametrize("sample", [X[:, :2], {"Y": X}, "text", [["a", "b", "c", "d"]], [X, X], 5])
def test_samples_that_a_session_does_not_take_are_refused(sample: Any, key: HmacKey) -> None:
    """Of another width, by other names, of texts, of another rank, or none."""
    model = LinearRegression().fit(X, X[:, 0])
    session = safeload.loads(*safeload.dumps(model, format="onnx", signer=key, sample=X), keyring=key)
    with pytest.raises(SerializationError, match="does not run on the sample"):
        comparison.compare(session, session, sample, 0)
