"""Estimators that become ONNX models: converted, compared on a sample, or refused with the reason."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
import xgboost
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

import safeload
from safeload import HmacKey, SerializationError
from safeload.attestation import envelope, statement
from safeload.formats.onnx import comparison, predictions

RANDOM = np.random.default_rng(0)
X = RANDOM.random((120, 4))
CLASSES = (X[:, 0] + X[:, 1] > 1).astype(int)
THREE = np.array(["low", "middle", "high"])[(X[:, 0] * 3).astype(int)]


@pytest.fixture(autouse=True)
def _libraries_may_warn() -> Iterator[None]:
    """Boosters and scikit-learn warn of each other's versions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def converted(model: Any, sample: Any, key: HmacKey, **options: Any) -> tuple[Any, str]:
    """Return the session of what a model was converted to, and the signed remark."""
    artifact, sidecar = safeload.dumps(model, format="onnx", signer=key, sample=sample, **options)
    signed = statement.parse(envelope.parse(sidecar.rstrip(b"\n")).payload)
    assert signed.globals == ()
    (remark,) = signed.remarks
    return safeload.loads(artifact, sidecar, keyring=key), remark


def test_a_classifier_says_the_same(key: HmacKey) -> None:
    """Labels are equal, probabilities are near, and what was done is signed along."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, CLASSES)
    session, remark = converted(model, X, key)
    labels, probabilities = session.run(None, {"X": X})
    assert np.array_equal(labels, model.predict(X))
    assert np.allclose(probabilities, model.predict_proba(X), atol=1e-12)
    assert remark.startswith("Converted by skl2onnx ")
    assert " from sklearn.pipeline.Pipeline; predictions on 120 rows differ by " in remark
    assert remark.endswith(" at most, in 2 outputs.")


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8])
def test_the_inputs_have_the_samples_own_type(dtype: Any, key: HmacKey) -> None:
    """What the model will be given it can be given."""
    rows = (X * 100).astype(dtype)
    session, remark = converted(LinearRegression().fit(rows, rows[:, 0] * 2.0), rows, key)
    expected = {np.float64: "tensor(double)", np.float32: "tensor(float)"}.get(dtype, "tensor(int64)")
    assert session.get_inputs()[0].type == expected
    assert "float32" not in remark


def test_what_is_not_there_for_doubles_is_made_for_floats(key: HmacKey) -> None:
    """The runtime has forests for float32 only; the remark says so."""
    session, remark = converted(RandomForestRegressor(10, random_state=0).fit(X, X[:, 0]), X, key)
    assert session.get_inputs()[0].type == "tensor(float)"
    assert "RandomForestRegressor, in float32; predictions" in remark


def test_labels_may_be_texts(key: HmacKey) -> None:
    """Classes are what they were."""
    model = RandomForestClassifier(10, random_state=0).fit(X, THREE)
    session, _ = converted(model, X, key)
    found = predictions.outputs(session, X)
    assert found["label"].tolist() == model.predict(X).tolist()
    assert found["probabilities"].shape == (120, 3)


def test_decisions_between_two_classes_keep_their_sign(key: HmacKey) -> None:
    """A support vector machine without probabilities says on which side, and how far."""
    model = SVC().fit(X, CLASSES)
    session, _ = converted(model, X, key)
    decisions = predictions.outputs(session, X)["probabilities"]
    assert np.allclose(decisions[:, 1], model.decision_function(X), atol=1e-5)


def test_each_column_of_a_frame_is_an_input(key: HmacKey) -> None:
    """Numbers and texts side by side."""
    frame = pd.DataFrame(
        {
            "age": X[:, 0] * 90,
            "visits": (X[:, 1] * 9).astype(int),
            "town": np.where(X[:, 2] > 0.5, "Köln", "Rom"),
        }
    )
    columns = make_column_transformer(
        (StandardScaler(), ["age", "visits"]), (OneHotEncoder(sparse_output=False), ["town"])
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame, CLASSES)
    session, _ = converted(model, frame, key)
    assert [one.name for one in session.get_inputs()] == ["age", "visits", "town"]
    assert (
        comparison.largest_difference(predictions.outputs(session, frame), predictions.outputs(model, frame))
        <= 1e-5
    )


def test_texts_are_a_column(key: HmacKey) -> None:
    """Word counts, of a list of texts or an array of them."""
    texts = ["one two three", "two three four", "Three FOUR five", "one five"] * 10
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [0, 1, 1, 0] * 10)
    session, _ = converted(model, texts, key)
    labels, _ = session.run(None, {"X": np.array(texts, dtype=object).reshape(-1, 1)})
    assert np.array_equal(labels, model.predict(texts))
    assert converted(model, np.array(texts), key)


@pytest.mark.parametrize(
    "booster",
    [
        xgboost.XGBClassifier(n_estimators=5),
        xgboost.XGBRegressor(n_estimators=5),
        lightgbm.LGBMClassifier(n_estimators=5, verbose=-1),
        lightgbm.LGBMRegressor(n_estimators=5, verbose=-1),
    ],
    ids=lambda booster: type(booster).__name__,
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_boosters_are_converted(booster: Any, wrapped: bool, key: HmacKey) -> None:
    """By themselves and at the end of a pipeline."""
    model = make_pipeline(StandardScaler(), booster) if wrapped else booster
    model.fit(X, CLASSES)
    # Boosters split at values of the training data, which a scaler's rounding moves to either side.
    rows = RANDOM.random((200, 4)).astype("f4")
    session, remark = converted(model, rows, key)
    assert type(model).__name__ in remark
    found = predictions.outputs(session, rows)
    assert comparison.largest_difference(found, predictions.outputs(model, rows)) <= 1e-5
    assert len(found) == (2 if isinstance(booster, ClassifierMixin) else 1)


def test_a_booster_that_a_rounding_leads_elsewhere_is_refused(key: HmacKey) -> None:
    """On its training data, behind a scaler, xgboost takes other turns than its ONNX model."""
    model = make_pipeline(StandardScaler(), xgboost.XGBRegressor(n_estimators=20)).fit(X, CLASSES)
    with pytest.raises(SerializationError, match="differ by"):
        safeload.dumps(model, format="onnx", signer=key, sample=X)


@pytest.mark.parametrize("kind", [HistGradientBoostingClassifier, HistGradientBoostingRegressor])
def test_histogram_gradient_boosting_is_converted(kind: Any, key: HmacKey) -> None:
    """With values missing, and in a pipeline; skl2onnx alone writes what a newer protobuf refuses."""
    rows = np.where(RANDOM.random(X.shape) < 0.1, np.nan, X)
    for model in (kind(max_iter=9), make_pipeline(StandardScaler(), kind(max_iter=9))):
        model.fit(rows, CLASSES)
        assert converted(model, RANDOM.random((200, 4)), key)


def test_an_output_that_a_converter_leaves_out_is_named(key: HmacKey) -> None:
    """A vote also transforms, into what each of its members says; its ONNX model does not."""
    model = VotingRegressor([("a", LinearRegression()), ("b", LinearRegression())]).fit(X, X[:, 0])
    _, remark = converted(model, X, key)
    assert remark.endswith(" at most, in 1 output; not compared: transform.")


def test_without_a_sample_nothing_is_converted(key: HmacKey) -> None:
    """A conversion that was not checked would be signed as if it had been."""
    with pytest.raises(TypeError, match="sample="):
        safeload.dumps(LinearRegression().fit(X, X[:, 0]), format="onnx", signer=key)


def test_a_conversion_that_predicts_otherwise_is_refused(key: HmacKey) -> None:
    """skl2onnx drops the threshold that was tuned; the labels tell."""
    target = (X[:, 0] + RANDOM.normal(0, 0.4, 120) > 0.8).astype(int)
    model = TunedThresholdClassifierCV(LogisticRegression(), cv=2).fit(X, target)
    assert not np.array_equal(model.predict(X), model.estimator_.predict(X))
    with pytest.raises(SerializationError, match="labels"):
        safeload.dumps(model, format="onnx", signer=key, sample=X)


def test_the_tolerance_is_the_callers(key: HmacKey) -> None:
    """What is refused at none is accepted at some, and the largest difference stands in the message."""
    model = RandomForestRegressor(50, random_state=0).fit(X, X[:, 0])
    with pytest.raises(SerializationError, match=r"differ by \de-0\d|differ by \d\.\de-0\d") as caught:
        safeload.dumps(model, format="onnx", signer=key, sample=X, tolerance=0)
    assert caught.value.hint is not None
    assert "tolerance=" in caught.value.hint
    assert converted(model, X, key, tolerance=1e-3)
    for wrong in (-1, "1e-5", True, float("nan")):
        with pytest.raises(TypeError, match="tolerance"):
            safeload.dumps(model, format="onnx", signer=key, sample=X, tolerance=wrong)


def test_the_opset_is_the_callers(key: HmacKey) -> None:
    """An older runtime may need older operators."""
    model = LinearRegression().fit(X, X[:, 0])
    artifact, _ = safeload.dumps(model, format="onnx", signer=key, sample=X, target_opset=12)
    versions = {one.domain: one.version for one in onnx.ModelProto.FromString(artifact).opset_import}
    assert versions[""] <= 12
    with pytest.raises(TypeError, match="target_opset"):
        safeload.dumps(model, format="onnx", signer=key, sample=X, target_opset="12")


class Own(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator that no converter knows."""

    def fit(self, rows: Any, target: Any) -> Own:
        self.classes_ = np.unique(target)
        return self

    def predict(self, rows: Any) -> Any:
        return np.zeros(len(rows))


def test_what_no_converter_knows_is_refused(key: HmacKey) -> None:
    """By name, also within a pipeline."""
    for model in (Own().fit(X, CLASSES), make_pipeline(StandardScaler(), Own()).fit(X, CLASSES)):
        with pytest.raises(SerializationError, match="no converter to ONNX"):
            safeload.dumps(model, format="onnx", signer=key, sample=X)


@pytest.mark.parametrize(
    "sample",
    [[{"a": 1}], np.zeros((2, 2, 2)), np.array([[1, "a"]], dtype=object), pd.DataFrame({"a": [1, "b"]})],
)
def test_a_sample_of_other_things_is_refused(sample: Any, key: HmacKey) -> None:
    """Neither numbers nor texts; or both in one column."""
    with pytest.raises(SerializationError, match="sample"):
        safeload.dumps(LinearRegression().fit(X, X[:, 0]), format="onnx", signer=key, sample=sample)
