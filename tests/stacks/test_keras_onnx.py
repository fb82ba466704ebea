"""Keras models that become ONNX models: trained, dumped, verified, run without TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import safeload
from safeload import HmacKey, SerializationError
from safeload.attestation import envelope, statement

keras = pytest.importorskip("keras")
pytest.importorskip("tf2onnx")

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.random((64, 6)).astype("f4")


@pytest.fixture(scope="module")
def trained() -> Any:
    """Return a model that was trained."""
    model = keras.Sequential(
        [keras.layers.Input((6,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    model.fit(ROWS, ROWS.sum(axis=1, keepdims=True), epochs=3, verbose=0)
    return model


def converted(model: Any, key: HmacKey, **options: Any) -> tuple[Any, str]:
    """Return the session of what a model was converted to, and the signed remark."""
    artifact, sidecar = safeload.dumps(model, format="onnx", signer=key, **options)
    signed = statement.parse(envelope.parse(sidecar.rstrip(b"\n")).payload)
    return safeload.loads(artifact, sidecar, keyring=key), signed.remarks[0]


@pytest.mark.parametrize("sample", [None, ROWS])
def test_a_trained_model_predicts_the_same(trained: Any, sample: Any, key: HmacKey) -> None:
    """With a sample of the caller's, or with rows that are always the same."""
    session, remark = converted(trained, key, sample=sample)
    (name,) = [one.name for one in session.get_inputs()]
    assert np.allclose(session.run(None, {name: ROWS})[0], trained.predict(ROWS, verbose=0), atol=1e-5)
    assert remark.startswith("Converted by tf2onnx ")
    assert f"keras.Sequential; predictions on {8 if sample is None else 64} rows" in remark


def test_the_tolerance_holds(trained: Any, key: HmacKey) -> None:
    """At none, the last bit of a float is too much."""
    with pytest.raises(SerializationError, match="differ by"):
        converted(trained, key, sample=RANDOM.random((5000, 6)).astype("f4"), tolerance=0)


def test_convolutions_and_sequences_are_converted(key: HmacKey) -> None:
    """Layers of the usual kinds; dropout takes no part."""
    pictures = keras.Sequential(
        [
            keras.layers.Input((12, 12, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPool2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    series = keras.Sequential([keras.layers.Input((5, 2)), keras.layers.LSTM(3), keras.layers.Dense(1)])
    for model in (pictures, series):
        assert "on 8 rows" in converted(model, key)[1]


@pytest.mark.parametrize("named", [False, True])
def test_several_inputs_and_outputs(named: bool, key: HmacKey) -> None:
    """As lists or by their names; inputs keep these."""
    left, right = keras.Input((6,), name="left"), keras.Input((3,), dtype="int32", name="right")
    words = keras.layers.Flatten()(keras.layers.Embedding(5, 4)(right))
    one = keras.layers.Dense(2)(keras.layers.Concatenate()([left, words]))
    two = keras.layers.Dense(1)(left)
    if named:
        model = keras.Model({"left": left, "right": right}, {"second": two, "first": one})
    else:
        model = keras.Model([left, right], [one, two])
    numbers = RANDOM.integers(0, 5, (64, 3)).astype("i4")
    sample = {"left": ROWS, "right": numbers} if named else [ROWS, numbers]
    session, remark = converted(model, key, sample=sample)
    assert [name.name for name in session.get_inputs()] == ["left", "right"]
    assert [output.shape[-1] for output in session.get_outputs()] == [2, 1]
    assert "on 64 rows" in remark


def test_a_model_without_known_inputs_is_refused(key: HmacKey) -> None:
    """What was never built has no inputs; and random rows need extents."""
    with pytest.raises(SerializationError, match="not built"):
        converted(keras.Sequential([keras.layers.Dense(1)]), key)
    with pytest.raises(TypeError, match="sample="):
        converted(keras.Sequential([keras.layers.Input((None, 2)), keras.layers.LSTM(3)]), key)
