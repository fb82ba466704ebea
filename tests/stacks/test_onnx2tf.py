"""ONNX to TensorFlow by onnx2tf, and back by tf2onnx: signed folders that predict the same."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import safeload
from safeload import DeserializationError, DigestMismatch, HmacKey, SerializationError
from safeload.api import conversion
from safeload.formats.onnx import write_saved_model

# Both converters and TensorFlow warn of each other, of protobuf and of NumPy.
pytestmark = [pytest.mark.filterwarnings("ignore")]

RANDOM = np.random.default_rng(3)
ROWS = RANDOM.normal(size=(20, 4)).astype(np.float32)
IMAGES = RANDOM.normal(size=(5, 3, 8, 8)).astype(np.float32)


def model_of(nodes: list[Any], takes: list[Any], gives: list[Any], **weights: Any) -> Any:
    """Return a checked ONNX model."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, takes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, gives)],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made


def dense() -> Any:
    """Return two layers and a softmax."""
    return model_of(
        [
            helper.make_node("Gemm", ["x", "a", "b"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("MatMul", ["r", "c"], ["s"]),
            helper.make_node("Softmax", ["s"], ["y"], axis=1),
        ],
        ["n", 4],
        ["n", 3],
        a=RANDOM.normal(size=(4, 6)),
        b=RANDOM.normal(size=6),
        c=RANDOM.normal(size=(6, 3)),
    )


def convolution() -> Any:
    """Return a model of images with the channels first, which TensorFlow wants last."""
    return model_of(
        [
            helper.make_node("Conv", ["x", "w"], ["h"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("GlobalAveragePool", ["r"], ["p"]),
            helper.make_node("Flatten", ["p"], ["y"]),
        ],
        [5, 3, 8, 8],
        [5, 2],
        w=RANDOM.normal(size=(2, 3, 3, 3)),
    )


@pytest.mark.parametrize(("make", "sample"), [(dense, ROWS), (convolution, IMAGES)], ids=["dense", "images"])
def test_onnx_to_tensorflow_and_back(make: Any, sample: Any, tmp_path: Path, key: HmacKey) -> None:
    """Each step is signed with the one before, and all three predict the same within 1e-5."""
    import tensorflow as tf

    first, folder, last = tmp_path / "a.onnx", tmp_path / "saved", tmp_path / "b.onnx"
    safeload.dump(make(), first, format="onnx", signer=key)
    made = safeload.convert(first, folder, to="tensorflow", sample=sample, signer=key, keyring=key)
    assert made.source is not None
    assert made.source.digest == {"blake3": safeload.verify(first, keyring=key).digest.hex}
    assert "saved_model.pb" in {file.path for file in made.files}
    assert not [file for file in made.files if file.path.endswith(".tflite")]
    assert made.remarks[0].startswith("Converted by onnx2tf 1.")
    assert "differ from those of the source" in made.remarks[1]
    back = safeload.convert(folder, last, to="onnx", sample=sample, signer=key, keyring=key)
    assert back.source is not None
    assert (back.source.name, back.source.format) == ("saved", "folder")
    assert back.source.digest == {"blake3": made.digest.hex}
    expected = safeload.load(first, keyring=key).run(None, {"x": sample})[0]
    session = safeload.load(last, keyring=key)
    again = session.run(None, {session.get_inputs()[0].name: sample})[0]
    with safeload.open_verified(folder, keyring=key) as opened:
        served = tf.saved_model.load(opened.path).signatures["serving_default"]
        (between,) = served(x=tf.constant(sample)).values()
    assert np.abs(between.numpy() - expected).max() < 1e-5
    assert np.abs(again - expected).max() < 1e-5


def test_an_altered_folder_is_no_source(tmp_path: Path, key: HmacKey) -> None:
    """TensorFlow is not asked for what does not verify."""
    safeload.dump(dense(), tmp_path / "a.onnx", format="onnx", signer=key)
    safeload.convert(tmp_path / "a.onnx", tmp_path / "saved", to="tensorflow", signer=key, keyring=key)
    variables = next((tmp_path / "saved" / "variables").glob("variables.data*"))
    data = bytearray(variables.read_bytes())
    data[len(data) // 2] ^= 1
    variables.write_bytes(data)
    with pytest.raises(DigestMismatch, match="variables"):
        safeload.convert(tmp_path / "saved", tmp_path / "b.onnx", to="onnx", signer=key, keyring=key)


def test_what_predicts_otherwise_is_not_put_in_place(
    tmp_path: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion that goes wrong leaves nothing behind."""
    safeload.dump(dense(), tmp_path / "a.onnx", format="onnx", signer=key)

    def wrong(model: Any, folder: str) -> str:
        weights = numpy_helper.to_array(model.graph.initializer[0]) + 1
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, model.graph.initializer[0].name))
        return write_saved_model(model, folder)

    monkeypatch.setattr("safeload.formats.onnx.write_saved_model", wrong)
    with pytest.raises(SerializationError, match="differ by"):
        safeload.convert(
            tmp_path / "a.onnx",
            tmp_path / "saved",
            to=conversion.TENSORFLOW,
            sample=ROWS,
            signer=key,
            keyring=key,
        )
    assert {path.name for path in tmp_path.iterdir()} == {"a.onnx", "a.onnx.sig"}


def test_an_operator_that_onnx2tf_does_not_know_is_refused(tmp_path: Path, key: HmacKey) -> None:
    """It would end the program; here that is an error like others."""
    unknown = model_of([helper.make_node("CastLike", ["x", "w"], ["y"])], [2, 3], [2, 3], w=np.ones(1))
    safeload.dump(unknown, tmp_path / "a.onnx", format="onnx", signer=key)
    with pytest.raises(SerializationError, match="onnx2tf could not convert"):
        safeload.convert(tmp_path / "a.onnx", tmp_path / "b", to="tensorflow", signer=key, keyring=key)
    assert not (tmp_path / "b").exists()


def images_last() -> Any:
    """Return a model of images with three channels, which are the last axis."""
    return model_of(
        [
            helper.make_node("ReduceMean", ["x"], ["m"], axes=[1, 2], keepdims=0),
            helper.make_node("MatMul", ["m", "w"], ["y"]),
        ],
        [5, 8, 8, 3],
        [5, 2],
        w=RANDOM.normal(size=(3, 2)),
    )


def test_images_to_try_it_on_come_neither_from_the_current_folder_nor_from_afar(
    tmp_path: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """onnx2tf would open a file of this name, or download it; whoever puts one there stops nothing."""
    import requests

    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was asked for from the network")

    monkeypatch.setattr(requests, "get", refused)
    first = tmp_path / "a.onnx"
    safeload.dump(images_last(), first, format="onnx", signer=key)
    sample = RANDOM.normal(size=(5, 8, 8, 3)).astype(np.float32)
    for planted in (False, True):
        here = tmp_path / f"here-{planted}"
        here.mkdir()
        monkeypatch.chdir(here)
        if planted:
            (here / "calibration_image_sample_data_20x128x128x3_float32.npy").write_bytes(b"no array")
        made = safeload.convert(
            first, tmp_path / f"b-{planted}", to="tensorflow", sample=sample, signer=key, keyring=key
        )
        assert made.remarks[1].startswith("Predictions on 5 rows differ from those of the source by ")
        assert len(list(here.iterdir())) == planted


def test_the_environment_is_what_it_was(
    tmp_path: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """onnx2tf tells the whole program to use another Keras; it holds for the conversion only."""
    safeload.dump(dense(), tmp_path / "a.onnx", format="onnx", signer=key)
    for setting in (None, "0"):
        if setting is None:
            monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
        else:
            monkeypatch.setenv("TF_USE_LEGACY_KERAS", setting)
        before = dict(os.environ)
        safeload.convert(
            tmp_path / "a.onnx", tmp_path / f"b{setting}", to="tensorflow", signer=key, keyring=key
        )
        assert dict(os.environ) == before


def test_another_onnx2tf_is_refused(tmp_path: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has its images from elsewhere would open or download them."""
    from importlib import import_module

    safeload.dump(dense(), tmp_path / "a.onnx", format="onnx", signer=key)
    monkeypatch.delattr(import_module("onnx2tf.onnx2tf"), "download_test_image_data")
    with pytest.raises(SerializationError, match="download_test_image_data"):
        safeload.convert(tmp_path / "a.onnx", tmp_path / "b", to="tensorflow", signer=key, keyring=key)


def test_a_folder_that_is_no_savedmodel_is_no_source(tmp_path: Path, key: HmacKey) -> None:
    """Signed or not; the message does not say where the private copy lay."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for content in (None, b"", b"no model"):
        if content is None:
            (folder / "a").write_bytes(b"x")
        else:
            (folder / "saved_model.pb").write_bytes(content)
        safeload.sign(folder, signer=key, overwrite=True)
        with pytest.raises(DeserializationError, match="as a SavedModel") as caught:
            safeload.convert(folder, tmp_path / "b.onnx", to="onnx", signer=key, keyring=key)
        assert caught.value.where == str(folder)
        assert "/dev/shm" not in caught.value.problem
        assert "safeload-" not in caught.value.problem
    assert not (tmp_path / "b.onnx").exists()


def test_a_sample_that_a_savedmodel_does_not_take_is_refused(tmp_path: Path, key: HmacKey) -> None:
    """Of another width: the source is named, with TensorFlow's words."""
    safeload.dump(dense(), tmp_path / "a.onnx", format="onnx", signer=key)
    safeload.convert(tmp_path / "a.onnx", tmp_path / "saved", to="tensorflow", signer=key, keyring=key)
    with pytest.raises(SerializationError, match="the model that is converted does not run"):
        safeload.convert(
            tmp_path / "saved", tmp_path / "b.onnx", to="onnx", sample=ROWS[:, :2], signer=key, keyring=key
        )


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tensorflow  # noqa: F401  once, before the tests count warnings
