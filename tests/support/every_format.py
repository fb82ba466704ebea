"""One small object of each format that can be used here, and a folder: the kinds of what safeload signs.

The same attacks run over all of them. A kind whose packages are not installed is left out, so that the tests
of torch and keras run where these are.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safeload
from safeload import Keyring, formats
from safeload.attestation.statement import FOLDER
from safeload.trust.keys import SigningKey

# What a format needs; all others come with safeload.
_NEEDS = {
    "skops": ("skops", "sklearn"),
    "safetensors": ("safetensors", "numpy"),
    "numpy": ("numpy",),
    "parquet": ("pyarrow", "pandas"),
    "arrow": ("pyarrow", "pandas"),
    "onnx": ("onnx", "onnxruntime"),
    "torch": ("torch",),
    "keras": ("keras",),
}


@dataclass(frozen=True)
class Kind:
    """A format, or a folder, with an object for every label.

    Parameters
    ----------
    id
        What a test is called by.
    format
        As it stands in the statement.
    make
        Makes the object for a label, a small whole number.
    told
        Returns what two objects are compared by, which differs from label to label.
    """

    id: str
    format: str
    make: Callable[[int], Any]
    told: Callable[[Any], Any]

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder and not one file."""
        return self.format == FOLDER

    def store(self, path: Path, key: SigningKey, label: int = 0, **named: Any) -> Path:
        """Store and sign the object of a label; return its path."""
        if self.is_folder:
            for relative, data in self.make(label).items():
                (path / relative).parent.mkdir(parents=True, exist_ok=True)
                (path / relative).write_bytes(data)
            safeload.sign(path, signer=key, overwrite=True, **named)
        else:
            safeload.dump(self.make(label), path, format=self.format, signer=key, **named)
        return path

    def load(self, path: Path, keyring: Keyring | SigningKey, **named: Any) -> Any:
        """Load through the gate; a folder is read whole from its private copy."""
        if not self.is_folder:
            return safeload.load(path, keyring=keyring, **named)
        with safeload.open_verified(path, keyring=keyring, **named) as copy:
            return contents_of(Path(copy.path))

    def same(self, loaded: Any, label: int) -> bool:
        """Whether what was loaded is the object of a label."""
        return bool(self.told(loaded) == self.told(self.make(label)))

    def altered_file(self, path: Path) -> Path:
        """Return the file that an attacker alters: the artifact, or one in the folder."""
        return path / "sub" / "weights.bin" if self.is_folder else path


def sidecar_of(path: Path) -> Path:
    """Return the path of a sidecar."""
    return path.with_name(f"{path.name}.sig")


def contents_of(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder."""
    return {
        os.path.relpath(os.path.join(base, name), folder): Path(base, name).read_bytes()
        for base, _, names in os.walk(folder)
        for name in names
    }


def _plain(label: int) -> Any:
    return {"label": label, "list": [1, 2.5, "x"]}


def _array(label: int) -> Any:
    import numpy

    return numpy.arange(4, dtype="<i4") + label


def _arrays(label: int) -> Any:
    return {"weights": _array(label)}


def _frame(label: int) -> Any:
    import pandas

    return pandas.DataFrame({"a": [label, 2], "b": ["x", "y"]})


def _onnx(label: int) -> Any:
    from onnx import TensorProto, helper

    value = helper.make_tensor("bias", TensorProto.FLOAT, [1], [float(label)])
    node = helper.make_node("Add", ["x", "bias"], ["y"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [value])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _torch(label: int) -> Any:
    import torch

    return {"weights": torch.arange(4) + label}


def _keras(label: int) -> Any:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="only")])
    model.set_weights([weights * 0 + label for weights in model.get_weights()])
    return model


def _files(label: int) -> dict[str, bytes]:
    return {"model.json": b'{"label": %d}' % label, "sub/weights.bin": bytes([label]) * 100}


def _of_frame(frame: Any) -> Any:
    return frame.to_dict(), [str(dtype) for dtype in frame.dtypes]


def _of_arrays(arrays: Any) -> Any:
    return {name: (str(array.dtype), array.tolist()) for name, array in arrays.items()}


def _of_onnx(model: Any) -> Any:
    import numpy

    if not hasattr(model, "run"):
        import onnxruntime

        model = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return model.run(None, {"x": numpy.zeros(1, "float32")})[0].tolist()


def _of_keras(model: Any) -> Any:
    return [weights.tolist() for weights in model.get_weights()]


_ALL = (
    Kind("joblib", "joblib", _plain, lambda value: value),
    Kind("pickle", "pickle", _plain, lambda value: value),
    Kind("skops", "skops", _plain, lambda value: value),
    Kind("safetensors", "safetensors", _arrays, _of_arrays),
    Kind("npy", "numpy", _array, lambda array: (str(array.dtype), array.tolist())),
    Kind("npz", "numpy", _arrays, _of_arrays),
    Kind("parquet", "parquet", _frame, _of_frame),
    Kind("arrow", "arrow", _frame, _of_frame),
    Kind("onnx", "onnx", _onnx, _of_onnx),
    Kind("torch", "torch", _torch, _of_arrays),
    Kind("keras", "keras", _keras, _of_keras),
    Kind("folder", FOLDER, _files, lambda files: files),
)


def _usable(kind: Kind) -> bool:
    installed = all(importlib.util.find_spec(name) for name in _NEEDS.get(kind.format, ()))
    return installed and (kind.is_folder or kind.format in formats.names())


KINDS = tuple(kind for kind in _ALL if _usable(kind))
# Those of which nothing is ever an instruction.
DATA_KINDS = tuple(kind for kind in KINDS if kind.format not in ("joblib", "pickle", "folder"))
