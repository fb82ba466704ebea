"""ONNX models: dumped, verified, loaded in each form, and what an unsigned one must not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from support import onnx_models as models

import safeload
from safeload import (
    FormatNotAllowed,
    HmacKey,
    Limits,
    MalformedError,
    Policy,
    SerializationError,
    SignatureMissing,
    formats,
)


@pytest.mark.parametrize("given", ["ModelProto", "bytes", "bytearray", "path", "text"])
def test_a_model_survives_as_whatever_it_is_given(given: str, key: HmacKey, tmp_path: Path) -> None:
    """Model, bytes and file become an artifact whose session adds the weight."""
    model = models.adding(models.here(3))
    path = models.write(model, tmp_path)
    obj: Any = {
        "ModelProto": model,
        "bytes": model.SerializeToString(),
        "bytearray": bytearray(model.SerializeToString()),
        "path": path,
        "text": str(path),
    }[given]
    signed = safeload.dump(obj, tmp_path / "stored.onnx", format="onnx", signer=key)
    assert (signed.format, signed.globals, signed.remarks) == ("onnx", (), ())
    session = safeload.load(tmp_path / "stored.onnx", keyring=key)
    assert isinstance(session, onnxruntime.InferenceSession)
    assert models.answer(session) == 3


def test_bytes_are_stored_as_they_are(key: HmacKey) -> None:
    """What was given as bytes is what verifies, and what ``as_="bytes"`` returns."""
    data = models.adding(models.here(3)).SerializeToString()
    artifact, sidecar = safeload.dumps(data, format="onnx", signer=key)
    assert artifact == data
    assert safeload.loads(artifact, sidecar, keyring=key, as_="bytes") == data
    model = safeload.loads(artifact, sidecar, keyring=key, as_="model")
    assert model == onnx.ModelProto.FromString(data)


def test_what_is_no_model_is_not_stored(key: HmacKey, tmp_path: Path) -> None:
    """Neither other bytes, nor an invalid model, nor an object without a converter; nothing is left."""
    for data in (b"", b"\x08\x09", b"\xff" * 20, b"GIF89a"):
        with pytest.raises((MalformedError, SerializationError)):
            safeload.dump(data, tmp_path / "m.onnx", format="onnx", signer=key)
    invalid = models.adding(models.here(1))
    invalid.graph.node[0].op_type = "Addd"
    with pytest.raises(SerializationError, match="checker"):
        safeload.dump(invalid, tmp_path / "m.onnx", format="onnx", signer=key)
    with pytest.raises(SerializationError, match="neither an ONNX model nor an estimator"):
        safeload.dump({"a": 1}, tmp_path / "m.onnx", format="onnx", signer=key)
    with pytest.raises(safeload.NotFound):
        safeload.dump(tmp_path / "absent.onnx", tmp_path / "m.onnx", format="onnx", signer=key)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [{"sample": np.zeros((1, 4))}, {"tolerance": 1e-3}, {"target_opset": 15}, {"compress": 3}]
)
def test_options_of_conversion_are_refused_for_models(options: dict[str, Any], key: HmacKey) -> None:
    """A sample for what is not converted would give a false sense of a check."""
    with pytest.raises(TypeError, match=next(iter(options))):
        safeload.dumps(models.adding(models.here(1)), format="onnx", signer=key, **options)


@pytest.mark.parametrize("options", [{"as_": "graph"}, {"providers": "CPUExecutionProvider"}, {"mode": 1}])
def test_unknown_options_of_loading_are_refused(options: dict[str, Any], key: HmacKey) -> None:
    """A misspelled option is a mistake of the program's."""
    with pytest.raises(TypeError):
        models.signed(models.adding(models.here(1)), key, **options)


def test_the_session_runs_on_the_providers_asked_for(key: HmacKey) -> None:
    """The CPU unless told otherwise; one that is not there fails at the runtime."""
    session = models.signed(models.adding(models.here(1)), key)
    assert session.get_providers() == ["CPUExecutionProvider"]
    chosen = models.signed(models.adding(models.here(1)), key, providers=["CPUExecutionProvider"])
    assert models.answer(chosen) == 1


def polyglot() -> bytes:
    """Return a model whose fifth to eighth byte are the sign of onnxruntime's own format."""
    model = models.adding(models.here(5))
    model.producer_name = "ORTM: a name of eight bytes or more"
    data = model.SerializeToString()
    assert data[4:8] == b"ORTM"
    return data


def test_what_is_a_model_to_protobuf_is_read_as_one(key: HmacKey) -> None:
    """The runtime, left to itself, takes the same bytes for its own format, which nobody looked at."""
    with pytest.raises(Exception, match="ORT"):
        onnxruntime.InferenceSession(polyglot(), providers=["CPUExecutionProvider"])
    assert models.answer(models.signed(polyglot(), key)) == 5
    assert models.answer(models.unsigned(polyglot())) == 5


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_node_that_reads_files_is_refused(wrapped: bool, key: HmacKey) -> None:
    """For ``EPContext`` an execution provider reads the file that an attribute names, signed or not."""
    node = helper.make_node(
        "EPContext",
        ["x"],
        ["z" if wrapped else "y"],
        domain="com.microsoft",
        ep_cache_context="../secret.bin",
    )
    model = models.branching(models.here(1), node) if wrapped else models.model_of([node], [])
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    for load in (lambda: models.signed(model, key), lambda: models.unsigned(model)):
        with pytest.raises(FormatNotAllowed, match="EPContext"):
            load()
    with pytest.raises(FormatNotAllowed, match="EPContext"):
        formats.globals_of("onnx", model.SerializeToString(), Limits(), where="m")


def test_unsigned_models_load_by_policy_only() -> None:
    """Without a policy that says so, a model that nobody signed is refused."""
    data = models.adding(models.here(2)).SerializeToString()
    with pytest.raises(SignatureMissing):
        safeload.loads(data, None)
    assert models.answer(models.unsigned(data)) == 2


def test_unsigned_models_with_branches_load() -> None:
    """Branches and constants are ONNX's own."""
    assert models.answer(models.unsigned(models.branching(models.here(2)))) == 2
    assert models.answer(models.unsigned(models.constant(models.here(2)))) == 2


def foreign_opset() -> onnx.ModelProto:
    """Return a model that only announces other operators."""
    model = models.adding(models.here(1))
    model.opset_import.append(helper.make_opsetid("org.example", 1))
    return model


def foreign_node(domain: str) -> onnx.ModelProto:
    """Return a model with a node of another domain in a branch."""
    model = models.branching(models.here(1), helper.make_node("Gelu", ["x"], ["z"], domain=domain))
    model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


def with_setting() -> onnx.ModelProto:
    """Return a model that holds settings of the runtime."""
    model = models.adding(models.here(1))
    helper.set_model_props(model, {"ort_config": '{"session_options": {"enable_profiling": true}}'})
    return model


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (foreign_opset(), "org.example"),
        (foreign_node("com.microsoft"), "com.microsoft"),
        (foreign_node("ai.onnx.preview.training"), "ai.onnx.preview.training"),
        (models.in_function(models.here(1)), "functions"),
        (models.in_training(models.here(1)), "training_info"),
        (models.sparse(models.here(1)), "sparse"),
        (with_setting(), "settings"),
    ],
)
def test_unsigned_models_hold_standard_operators_only(model: onnx.ModelProto, match: str) -> None:
    """What lies beyond ONNX's own operators is for those who vouch for it."""
    with pytest.raises(FormatNotAllowed, match=match):
        models.unsigned(model)


def test_signed_models_may_hold_more(key: HmacKey) -> None:
    """Functions, sparse tensors and operators of onnxruntime's own, if somebody vouches for them."""
    assert models.answer(models.signed(models.in_function(models.here(4)), key)) == 4
    assert models.answer(models.signed(models.sparse(models.here(4)), key)) == 4
    assert models.signed(foreign_node("com.microsoft"), key).get_outputs()[0].name == "y"


def test_unsigned_models_must_pass_the_checker() -> None:
    """An operator that does not exist, and an input that comes from nowhere."""
    for change in ("op_type", "input"):
        model = models.adding(models.here(1))
        if change == "op_type":
            model.graph.node[0].op_type = "Nothing"
        else:
            model.graph.node[0].input[0] = "nowhere"
        with pytest.raises(MalformedError, match="checker"):
            models.unsigned(model)


def test_what_the_checker_does_not_know_does_not_reach_the_runtime() -> None:
    """Fields that this version of ONNX does not have are left out of an unsigned model."""
    model = models.adding(models.here(1))
    plain = model.SerializeToString()
    # Field 777 of the message, bytes; and the same deep within.
    field = b"\xca\x30\x04evil"
    deep = models.adding(models.here(1))
    deep.graph.node[0].MergeFromString(field)
    assert b"evil" in deep.SerializeToString()
    assert models.unsigned(deep, as_="bytes") == plain
    unknown = plain + field
    assert onnx.ModelProto.FromString(unknown).SerializeToString() != plain
    assert b"evil" not in models.unsigned(unknown, as_="bytes")
    assert models.unsigned(unknown, as_="model") == model
    assert models.answer(models.unsigned(unknown)) == 1


def test_nested_graphs_are_bounded(key: HmacKey) -> None:
    """By the limit, and by protobuf far before the interpreter's own stack ends."""
    policy = Policy(unsigned_formats=frozenset({"onnx"}), limits=Limits(nesting=5))
    assert models.answer(models.unsigned(models.nested(4))) == 1
    data = models.nested(4).SerializeToString()
    assert models.answer(safeload.loads(data, None, policy=policy)) == 1
    with pytest.raises(safeload.LimitExceeded, match="nested"):
        safeload.loads(models.nested(5).SerializeToString(), None, policy=policy)
    with pytest.raises(MalformedError):
        models.signed(models.nested(60), key)


def test_globals_are_none_and_hostile_models_are_not_signed(tmp_path: Path, key: HmacKey) -> None:
    """A file that would not be loaded is refused before it is signed."""
    data = models.adding(models.here(1)).SerializeToString()
    assert formats.globals_of("onnx", data, Limits(), where="m") == ()
    assert formats.files_of("onnx", data, Limits(), where="m") == ()
    path = models.write(models.branching(models.elsewhere()), tmp_path)
    with pytest.raises(MalformedError):
        safeload.sign(path, format="onnx", signer=key)
    assert not (tmp_path / "m.onnx.sig").exists()


def test_a_damaged_model_is_refused_or_still_a_model() -> None:
    """Whatever became of its bytes, nothing but a refusal of safeload's own comes out."""
    random = np.random.default_rng(0)
    plain = models.nested(2).SerializeToString()
    refused = 0
    for _ in range(400):
        data = bytearray(plain)
        for position in random.integers(0, len(data), 2):
            data[position] = random.integers(0, 256)
        try:
            assert isinstance(models.unsigned(bytes(data)), onnxruntime.InferenceSession)
        except safeload.SafeloadError:
            refused += 1
    assert 0 < refused < 400
