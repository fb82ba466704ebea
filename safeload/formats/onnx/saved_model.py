"""TensorFlow's SavedModel folders: conversion from and to ONNX models, and predictions.

A SavedModel is a program that TensorFlow runs, so only verified folders are read here. onnx2tf converts from
ONNX to TensorFlow, and tf2onnx back.
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
from safeload.formats.onnx.converters import TF2ONNX_OPSET, reason

_SIGNATURE = "serving_default"
# onnx2tf also writes models for this runtime into the folder.
_OTHERS = ".tflite"
# Environment variables that onnx2tf sets for the whole process.
_VARIABLES = ("TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES")
_ONNX2TF_HINT = 'It needs an environment of its own: pip install "safeload[onnx2tf]".'
_OPTIONS = {"not_use_onnxsim": True, "output_signaturedefs": True, "non_verbose": True}
_IMAGES_SHAPE = (20, 128, 128, 3)
_ONE_AT_A_TIME = threading.Lock()


def write_saved_model(model: Any, folder: str) -> str:
    """Write the SavedModel of an ONNX model that has all of its weights in it.

    `folder` is empty, and only this process can write to it. Return a sentence on how it was made, for the
    statement's remarks. SerializationError if onnx2tf cannot be imported or cannot convert the model.
    """
    names = [given.name for given in model.graph.input]
    with _ONE_AT_A_TIME, _environment_kept():
        # onnx2tf needs Keras 2. TensorFlow reads the variable when Keras is first used.
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
        with _importing("onnx2tf", "converting to TensorFlow", _ONNX2TF_HINT):
            import onnx2tf
        try:
            with _random_images(sys.modules["onnx2tf.onnx2tf"]):
                # Keep the axes of the ONNX model, so that both models take the same sample.
                options = {"keep_shape_absolutely_input_names": names, **_OPTIONS}
                onnx2tf.convert(onnx_graph=model, output_folder_path=folder, **options)
        except (Exception, SystemExit) as error:  # It exits the program at an unknown operator.
            raise SerializationError(f"onnx2tf could not convert it ({reason(error)})") from error
    for name in os.listdir(folder):
        if name.endswith(_OTHERS):
            os.unlink(os.path.join(folder, name))
    return f"Converted by onnx2tf {metadata.version('onnx2tf')}."


def load_saved_model(folder: str, *, where: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function that predicts with a verified SavedModel, by its serving signature.

    The function takes an array of rows, or several in a list or in a dict by input name, and returns arrays
    by name. `folder` is a private copy of the verified folder, which messages call `where`.

    DeserializationError if TensorFlow cannot read the folder or it has no serving signature;
    SerializationError if TensorFlow cannot be imported.
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
        # Keeps the model alive: the signature only refers to its variables.
        assert loaded is not None  # noqa: S101
        parts = (
            sample if isinstance(sample, dict) else dict(zip(takes, _parts(sample, len(takes)), strict=True))
        )
        given = {name: tensorflow.constant(parts[name], takes[name].dtype) for name in takes}
        return {name: value.numpy() for name, value in signature(**given).items()}

    return predict


def convert_saved_model(folder: str, *, where: str) -> tuple[Any, str]:
    """Return the ONNX model of a verified SavedModel, and a sentence on how it was made.

    Arguments and errors are those of :func:`load_saved_model`; SerializationError too if tf2onnx cannot be
    imported or cannot convert the model.
    """
    with _importing("tf2onnx", "converting a SavedModel", "Install both: pip install tf2onnx tensorflow."):
        import tf2onnx
    with _reading(folder, where):
        # Not by a function around the signature: constants of the SavedModel would become inputs.
        graph, takes, gives, tables, renamed = tf2onnx.tf_loader.from_saved_model(
            folder,
            None,
            None,
            signatures=[_SIGNATURE],
            return_initialized_tables=True,
            return_tensors_to_rename=True,
        )
    if tables:
        raise SerializationError("the SavedModel uses lookup tables, which cannot be converted")
    try:
        model, _ = tf2onnx.convert.from_graph_def(
            graph,
            input_names=takes,
            output_names=gives,
            opset=TF2ONNX_OPSET,
            tensors_to_rename=renamed,
        )
    except Exception as error:
        raise SerializationError(f"tf2onnx could not convert it ({reason(error)})") from error
    return model, f"Converted by tf2onnx {metadata.version('tf2onnx')} from a SavedModel."


@contextmanager
def _importing(name: str, purpose: str, hint: str) -> Iterator[None]:
    """Turn a failed import of a package into a SerializationError."""
    try:
        yield
    except Exception as error:  # Packages whose versions do not fit together raise anything.
        raise SerializationError(
            f"{purpose} needs {name}, which cannot be imported ({reason(error)})", hint=hint
        ) from error


@contextmanager
def _reading(folder: str, where: str) -> Iterator[None]:
    """Wrap an exception of TensorFlow's, without the path of the private copy in its message."""
    try:
        yield
    except Exception as error:
        said = f"{type(error).__name__}: {brief(str(error).replace(folder, '…'))}"
        # Not chained: the original error contains the path.
        raise DeserializationError(
            f"TensorFlow cannot read it as a SavedModel ({said})", where=where
        ) from None


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Restore the environment variables that onnx2tf sets."""
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
def _random_images(module: Any) -> Iterator[None]:
    """Let onnx2tf test image models on random numbers.

    It would load test images from the current folder, where an attacker may have put them, or from the
    internet. A version of onnx2tf without this function raises AttributeError here.
    """
    import numpy as np

    theirs = module.download_test_image_data
    module.download_test_image_data = lambda: np.random.default_rng(0).random(_IMAGES_SHAPE, dtype=np.float32)
    try:
        yield
    finally:
        module.download_test_image_data = theirs


def _parts(sample: Any, number: int) -> list[Any]:
    return list(sample) if number > 1 else [sample]
