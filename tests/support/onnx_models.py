"""Small ONNX models that add a weight to their input, in every way in which the weight can lie elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import safeload
from safeload import HmacKey, formats
from safeload.attestation import statement
from safeload.attestation.subjects import File
from safeload.storage.blob import Blob
from safeload.trust import gate
from safeload.trust.keys.keyring import Keyring
from safeload.trust.policy import Policy
from safeload.trust.rules import LoadRequest
from support import forgery

UNSIGNED = Policy(unsigned_formats=frozenset({"onnx"}))
WIDTH = 4


def weights(value: float) -> bytes:
    """Return the bytes of a weight."""
    return np.full(WIDTH, value, "<f4").tobytes()


def here(value: float, name: str = "w") -> TensorProto:
    """Return a weight that lies in the model."""
    return numpy_helper.from_array(np.full(WIDTH, value, "f4"), name)


def elsewhere(location: str | None = "w.bin", name: str = "w", **entries: str) -> TensorProto:
    """Return a weight that lies in another file, with entries of its description added or changed."""
    tensor = TensorProto(
        name=name, data_type=TensorProto.FLOAT, dims=[WIDTH], data_location=TensorProto.EXTERNAL
    )
    described = {"location": location, "offset": "0", "length": str(4 * WIDTH), **entries}
    for key, value in described.items():
        if value is not None:
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    return tensor


def _values(name: str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [WIDTH])


def model_of(nodes: list[Any], tensors: list[TensorProto], **parts: Any) -> onnx.ModelProto:
    """Return a model from ``x`` to ``y``."""
    graph = helper.make_graph(nodes, "adding", [_values("x")], [_values("y")], tensors)
    opsets = parts.pop("opset_imports", [helper.make_opsetid("", 17)])
    made: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=9, **parts)
    return made


def adding(tensor: TensorProto) -> onnx.ModelProto:
    """Return a model with the weight among its initializers."""
    return model_of([helper.make_node("Add", ["x", "w"], ["y"])], [tensor])


def constant(tensor: TensorProto) -> onnx.ModelProto:
    """Return a model with the weight in a node's attribute."""
    nodes = [
        helper.make_node("Constant", [], ["w"], value=tensor),
        helper.make_node("Add", ["x", "w"], ["y"]),
    ]
    return model_of(nodes, [])


def sparse(tensor: TensorProto) -> onnx.ModelProto:
    """Return a model with the weight as the values of a sparse initializer."""
    model = model_of([helper.make_node("Add", ["x", "w"], ["y"])], [])
    indices = numpy_helper.from_array(np.arange(WIDTH, dtype=np.int64), "indices")
    made = onnx.SparseTensorProto(values=tensor, indices=indices, dims=[WIDTH])
    made.values.name = "w"
    model.graph.sparse_initializer.append(made)
    return model


def branching(tensor: TensorProto, node: Any = None) -> onnx.ModelProto:
    """Return a model with the weight among the initializers of a branch, which may hold another node."""
    nodes = [node or helper.make_node("Add", ["x", "w"], ["z"])]
    then = helper.make_graph(nodes, "then", [], [_values("z")], [tensor])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["v"])], "else", [], [_values("v")])
    chosen = numpy_helper.from_array(np.array(True), "c")
    return model_of([helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)], [chosen])


def nested(depth: int) -> onnx.ModelProto:
    """Return a model with branches within branches."""
    model = branching(here(1))
    for _ in range(depth - 1):
        inner = onnx.GraphProto()
        inner.CopyFrom(model.graph)
        del inner.input[:]
        model = branching(here(1))
        model.graph.node[0].attribute[0].g.CopyFrom(inner)
    return model


def in_function(tensor: TensorProto) -> onnx.ModelProto:
    """Return a model with the weight in a function of its own."""
    nodes = [
        helper.make_node("Constant", [], ["w"], value=tensor),
        helper.make_node("Add", ["a", "w"], ["b"]),
    ]
    opset = helper.make_opsetid("", 17)
    function = helper.make_function("own", "AddWeight", ["a"], ["b"], nodes, [opset])
    return model_of(
        [helper.make_node("AddWeight", ["x"], ["y"], domain="own")],
        [],
        opset_imports=[opset, helper.make_opsetid("own", 1)],
        functions=[function],
    )


def in_training(tensor: TensorProto) -> onnx.ModelProto:
    """Return a model with the weight in what is for training."""
    model = adding(here(1))
    info = model.training_info.add()
    info.initialization.name = "start"
    info.initialization.initializer.append(tensor)
    return model


def answer(session: Any) -> float:
    """Return what a session adds."""
    (values,) = session.run(None, {"x": np.zeros(WIDTH, "f4")})
    assert len(set(values.tolist())) == 1
    return float(values[0])


def signed(
    model: onnx.ModelProto | bytes, key: HmacKey, files: dict[str, bytes] | None = None, **options: Any
) -> Any:
    """Sign a model together with files, whatever it is, and load it."""
    data = model if isinstance(model, bytes) else model.SerializeToString()
    blobs = {path: Blob(content, path) for path, content in (files or {}).items()}
    listed = tuple(File(path, blob.digest("blake3"), blob.size) for path, blob in sorted(blobs.items()))
    payload = forgery.payload_of(data, "m", format="onnx", files=listed)
    authentic = gate.authenticate(
        forgery.sidecar_of(payload, key),
        LoadRequest(location="m", name="m", policy=Policy()),
        Keyring.of(key),
        statement.parse,
    )
    verified = gate.admit(Blob(data, "m"), authentic, blobs)
    return formats.deserialize(verified, Policy(), options)


def unsigned(model: onnx.ModelProto | bytes, **options: Any) -> Any:
    """Load a model that nobody signed, under a policy that admits such."""
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return safeload.loads(data, None, policy=UNSIGNED, **options)


def write(model: onnx.ModelProto, folder: Path, files: dict[str, bytes] | None = None) -> Path:
    """Write a model and the files that it refers to."""
    for path, content in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    target = folder / "m.onnx"
    target.write_bytes(model.SerializeToString())
    return target
