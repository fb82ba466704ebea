"""TensorFlow's SavedModel folders: made of ONNX models, made into ONNX models, and asked for predictions.

A SavedModel is a program that TensorFlow runs, so that only verified folders come here. ONNX to TensorFlow is
by onnx2tf, and back by tf2onnx.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

from safeload.errors import DeserializationError, SerializationError, brief

_SIGNATURE = "serving_default"
# Beside the SavedModel onnx2tf writes models for other runtimes.
_OTHERS = ".tflite"
# What tf2onnx knows whole.
_OPSET = 18
# What onnx2tf sets for the whole program.
_VARIABLES = ("TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES")
_ONNX2TF_HINT = 'It needs an environment of its own: pip install "safeload[onnx2tf]".'
_IMAGES = (20, 128, 128, 3)
_ONE_AT_A_TIME = threading.Lock()


def from_onnx(model: Any, folder: str) -> str:
    """Write the SavedModel of an ONNX model.

    Parameters
    ----------
    model
        An ``onnx.ModelProto`` that holds all of its weights.
    folder
        An empty folder of this process's own.

    Returns
    -------
    str
        A sentence on how it was made.

    Raises
    ------
    SerializationError
        It cannot be converted.
    """
    names = [given.name for given in model.graph.input]
    with _ONE_AT_A_TIME, _environment_kept():
        # Keras 3 cannot do what onnx2tf asks for; TensorFlow reads it when Keras is first used.
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
        with _importing("onnx2tf", "converting to TensorFlow", _ONNX2TF_HINT):
            import onnx2tf
        try:
            with _own_images(sys.modules["onnx2tf.onnx2tf"]):
                onnx2tf.convert(
                    onnx_graph=model,
                    output_folder_path=folder,
                    not_use_onnxsim=True,
                    output_signaturedefs=True,
                    # The axes stay those of the ONNX model, so that both take the same sample.
                    keep_shape_absolutely_input_names=names,
                    non_verbose=True,
                )
        except (Exception, SystemExit) as error:  # It ends the program where it does not know an operator.
            raise SerializationError(
                f"onnx2tf could not convert it ({type(error).__name__}: {brief(error)})"
            ) from error
    for name in os.listdir(folder):
        if name.endswith(_OTHERS):
            os.unlink(os.path.join(folder, name))
    return f"Converted by onnx2tf {metadata.version('onnx2tf')}."


def callable_of(folder: str, *, where: str) -> Callable[[Any], dict[str, Any]]:
    """Return what predicts with a verified SavedModel, by its serving signature.

    Parameters
    ----------
    folder
        This process's own copy of it.
    where
        What it is called in messages.

    Raises
    ------
    DeserializationError
        It has none, or is no SavedModel.
    SerializationError
        TensorFlow is not installed.
    """
    with _importing("tensorflow", "reading a SavedModel", "Install it: pip install tensorflow."):
        import tensorflow
    with _reading(folder, where):
        loaded = tensorflow.saved_model.load(folder)
        signature = loaded.signatures.get(_SIGNATURE)
    if signature is None:
        raise DeserializationError(f"the SavedModel has no signature {_SIGNATURE!r}", where=where)
    takes = signature.structured_input_signature[1]

    def predict(sample: Any) -> dict[str, Any]:
        # The signature's variables are those of the model, which nobody else keeps.
        assert loaded is not None  # noqa: S101
        parts = (
            sample if isinstance(sample, dict) else dict(zip(takes, _parts(sample, len(takes)), strict=True))
        )
        given = {name: tensorflow.constant(parts[name], takes[name].dtype) for name in takes}
        return {name: value.numpy() for name, value in signature(**given).items()}

    return predict


def to_onnx(folder: str, target_opset: int | None = None, *, where: str) -> tuple[Any, str]:
    """Return the ONNX model of a verified SavedModel, and a sentence on how it was made.

    Raises
    ------
    DeserializationError
        It is no SavedModel, or has no serving signature.
    SerializationError
        It cannot be converted, or tf2onnx is not installed.
    """
    with _importing("tf2onnx", "converting a SavedModel", "Install both: pip install tf2onnx tensorflow."):
        import tf2onnx
    with _reading(folder, where):
        # A function around the signature would not do: constants of the SavedModel would become its inputs.
        graph, takes, gives, tables, renamed = tf2onnx.tf_loader.from_saved_model(
            folder,
            None,
            None,
            signatures=[_SIGNATURE],
            return_initialized_tables=True,
            return_tensors_to_rename=True,
        )
    if tables:
        raise SerializationError("the SavedModel looks up words in tables, which are not converted")
    try:
        model, _ = tf2onnx.convert.from_graph_def(
            graph,
            input_names=takes,
            output_names=gives,
            opset=target_opset or _OPSET,
            tensors_to_rename=renamed,
        )
    except Exception as error:
        raise SerializationError(
            f"tf2onnx could not convert it ({type(error).__name__}: {brief(error)})"
        ) from error
    return model, f"Converted by tf2onnx {metadata.version('tf2onnx')} from a SavedModel."


@contextmanager
def _importing(name: str, purpose: str, hint: str) -> Iterator[None]:
    """Wrap what importing a package raises."""
    try:
        yield
    except Exception as error:  # Of packages that do not fit each other anything may come.
        raise SerializationError(
            f"{purpose} needs {name}, which cannot be imported ({type(error).__name__}: {brief(error)})",
            hint=hint,
        ) from error


@contextmanager
def _reading(folder: str, where: str) -> Iterator[None]:
    """Wrap what TensorFlow raises about a folder, and leave out where its private copy lies."""
    try:
        yield
    except Exception as error:
        said = f"{type(error).__name__}: {brief(str(error).replace(folder, '…'))}"
        # Not chained: the error itself holds the path.
        raise DeserializationError(
            f"TensorFlow cannot read it as a SavedModel ({said})", where=where
        ) from None


@contextmanager
def _environment_kept() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _VARIABLES}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _own_images(module: Any) -> Iterator[None]:
    """Let onnx2tf try models of images on numbers at random.

    It would load images from the current folder, where anybody may have put them, or from the internet. A
    version that has them from elsewhere is an AttributeError.
    """
    import numpy as np

    theirs = module.download_test_image_data
    module.download_test_image_data = lambda: np.random.default_rng(0).random(_IMAGES, dtype=np.float32)
    try:
        yield
    finally:
        module.download_test_image_data = theirs


def _parts(sample: Any, number: int) -> list[Any]:
    return list(sample) if number > 1 else [sample]
