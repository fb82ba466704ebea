"""TensorFlow's SavedModel folders: made of ONNX models, made into ONNX models, and asked for predictions.

A SavedModel is a program that TensorFlow runs, so that only verified folders come here. ONNX to TensorFlow is
by onnx2tf, and back by tf2onnx.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import metadata
from typing import Any

from safeload.errors import DeserializationError, SerializationError, brief

_SIGNATURE = "serving_default"
# Beside the SavedModel onnx2tf writes models for other runtimes.
_OTHERS = ".tflite"
# What tf2onnx knows whole.
_OPSET = 18


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
    # A reader of the environment, which TensorFlow and Keras have when they are imported first.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    try:
        import onnx2tf
    except ModuleNotFoundError as error:
        raise SerializationError(
            f"converting to TensorFlow needs onnx2tf ({brief(error)})",
            hint='It needs an environment of its own: pip install "safeload[onnx2tf]".',
        ) from None
    names = [given.name for given in model.graph.input]
    try:
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


def callable_of(folder: str) -> Callable[[Any], dict[str, Any]]:
    """Return what predicts with a verified SavedModel, by its serving signature.

    Raises
    ------
    DeserializationError
        It has none.
    """
    import tensorflow

    signature, loaded = _signature(folder)
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


def to_onnx(folder: str, target_opset: int | None = None) -> tuple[Any, str]:
    """Return the ONNX model of a verified SavedModel, and a sentence on how it was made.

    Raises
    ------
    SerializationError, DeserializationError
        It cannot be converted.
    """
    import tf2onnx

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


def _signature(folder: str) -> tuple[Any, Any]:
    import tensorflow

    loaded = tensorflow.saved_model.load(folder)
    signature = loaded.signatures.get(_SIGNATURE)
    if signature is None:
        raise DeserializationError(f"the SavedModel has no signature {_SIGNATURE!r}", where=folder)
    return signature, loaded


def _parts(sample: Any, number: int) -> list[Any]:
    return list(sample) if number > 1 else [sample]
