"""TensorFlow: Keras models in Keras' archive, and SavedModels as signed folders."""

from __future__ import annotations

import io
import json
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import forgery

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow's own imports
    import keras
    import tensorflow as tf

import safeload
from safeload import HmacKey, Limits, Policy
from safeload.attestation import statement
from safeload.formats.tensors import keras_format
from safeload.storage.private_folder import PrivateFolder

# Keras and TensorFlow warn of each other and of NumPy.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:::{module}") for module in (r"keras\..*", r"tensorflow\..*")
]

DATA = np.random.default_rng(7).normal(size=(64, 4)).astype("float32")
TARGET = DATA.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Return a small model, trained."""
    keras.utils.set_random_seed(7)
    layers = [keras.layers.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)]
    made = keras.Sequential([*layers[:2], keras.layers.BatchNormalization(), layers[2]])
    made.compile("adam", "mse")
    made.fit(DATA, TARGET, epochs=2, verbose=0)
    return made


def sidecar_of(artifact: bytes, key: HmacKey) -> bytes:
    """Return the sidecar of a signer who signs whatever there is."""
    return forgery.sidecar_of(forgery.payload_of(artifact, "x", format="keras"), key)


def saved(model: keras.Model, folder: Path) -> bytes:
    """Return the archive that Keras itself writes."""
    model.save(folder / "by_keras.keras")
    return (folder / "by_keras.keras").read_bytes()


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths of all private folders that the format makes from here on."""
    paths: list[str] = []

    class Noted(PrivateFolder):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            paths.append(self.path)

    monkeypatch.setattr(keras_format, "PrivateFolder", Noted)
    return paths


def test_a_model_predicts_the_same_and_learns_on(
    model: keras.Model, tmp_path: Path, key: HmacKey, copies: list[str]
) -> None:
    """With the state of its optimizer, and no private copy left behind."""
    safeload.dump(model, tmp_path / "m.keras", format="keras", signer=key)
    loaded = safeload.load(tmp_path / "m.keras", keyring=key)
    assert np.array_equal(model.predict(DATA, verbose=0), loaded.predict(DATA, verbose=0))
    assert int(loaded.optimizer.iterations.numpy()) == int(model.optimizer.iterations.numpy()) > 0
    assert len(copies) == 2
    assert not any(Path(path).parent.exists() for path in copies)
    loaded.fit(DATA, TARGET, epochs=1, verbose=0)


def test_keras_reads_what_was_dumped(model: keras.Model, tmp_path: Path, key: HmacKey) -> None:
    """And the other way: what Keras wrote is signed and loaded."""
    safeload.dump(model, tmp_path / "m.keras", format="keras", signer=key)
    by_keras = keras.saving.load_model(tmp_path / "m.keras")
    assert np.array_equal(model.predict(DATA, verbose=0), by_keras.predict(DATA, verbose=0))
    model.save(tmp_path / "n.keras")
    signed = safeload.sign(tmp_path / "n.keras", format="keras", signer=key)
    assert (signed.format, signed.globals) == ("keras", ())
    loaded = safeload.load(tmp_path / "n.keras", keyring=key, compile=False)
    assert getattr(loaded, "optimizer", None) is None
    assert np.array_equal(model.predict(DATA, verbose=0), loaded.predict(DATA, verbose=0))


def test_the_statement_names_the_version_of_keras(model: keras.Model, key: HmacKey) -> None:
    """Which a loader compares with its own."""
    _, sidecar = safeload.dumps(model, format="keras", name="x", signer=key)
    signed = statement.parse(forgery.parsed(sidecar).payload)
    assert signed.environment.packages["keras"] == keras.__version__


def with_a_lambda() -> keras.Model:
    return keras.Sequential([keras.layers.Input((4,)), keras.layers.Lambda(lambda x: x + 1)])


@pytest.mark.parametrize("globally", [False, True])
def test_a_lambda_is_refused_though_it_is_signed(globally: bool, tmp_path: Path, key: HmacKey) -> None:
    """Also where the program has switched Keras' safe mode off for itself; and no message says how to."""
    from keras.src.saving import serialization_lib

    artifact = saved(with_a_lambda(), tmp_path)
    with serialization_lib.SafeModeScope(None):
        if globally:
            keras.config.enable_unsafe_deserialization()
        with pytest.raises(safeload.DeserializationError, match="such as a lambda") as caught:
            safeload.loads(artifact, sidecar_of(artifact, key), name="x", keyring=key)
    assert "safe_mode" not in str(caught.value)


def test_a_lambda_is_refused_when_it_is_written(key: HmacKey) -> None:
    """As it would not be loaded."""
    with pytest.raises(safeload.SerializationError, match="such as a lambda"):
        safeload.dumps(with_a_lambda(), format="keras", name="x", signer=key)


def replaced(artifact: bytes, **members: bytes | None) -> bytes:
    """Return an archive with members, named by their first word, replaced or without them."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(artifact)) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            data = members.get(name.split(".")[0], old.read(name))
            if data is not None:
                new.writestr(name, data)
    return changed.getvalue()


@pytest.mark.parametrize(
    ("module", "name", "config"),
    [
        # CVE-2025-1550: a function of any module, called with arguments out of the file.
        ("pathlib", "Path", {"path": "marker"}),
        # CVE-2025-9906: the file itself switches safe mode off.
        ("keras.config", "enable_unsafe_deserialization", {}),
        # CVE-2025-8747: a function of Keras' own that writes files.
        ("keras.utils", "get_file", {"fname": "marker", "origin": "file:///etc/hostname"}),
        # CVE-2026-1462: a model from somewhere else.
        ("keras.layers", "TFSMLayer", {"filepath": "marker"}),
    ],
)
def test_a_config_that_asks_for_more_than_layers_is_refused(
    module: str,
    name: str,
    config: dict[str, Any],
    model: keras.Model,
    tmp_path: Path,
    key: HmacKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each by an advisory; nothing is made on the way."""
    monkeypatch.chdir(tmp_path)
    artifact = saved(model, tmp_path)
    with zipfile.ZipFile(io.BytesIO(artifact)) as archive:
        whole = json.loads(archive.read("config.json"))
    whole["config"]["layers"][1] = {
        "module": module,
        "class_name": name,
        "config": config,
        "registered_name": name,
    }
    artifact = replaced(artifact, config=json.dumps(whole).encode())
    before = set(tmp_path.rglob("*"))
    with pytest.raises(safeload.DeserializationError):
        safeload.loads(artifact, sidecar_of(artifact, key), name="x", keyring=key)
    assert set(tmp_path.rglob("*")) == before


class Doubled(keras.layers.Layer):
    """A layer of the program's own."""

    def call(self, inputs: Any) -> Any:
        return inputs * 2


def test_a_class_of_the_programs_own_comes_from_the_program(key: HmacKey) -> None:
    """By custom_objects; without, neither dumping nor loading finds it."""
    made = keras.Sequential([keras.layers.Input((4,)), Doubled()])
    own = {"Doubled": Doubled}
    artifact, sidecar = safeload.dumps(made, format="keras", name="x", signer=key, custom_objects=own)
    loaded = safeload.loads(artifact, sidecar, name="x", keyring=key, custom_objects=own)
    assert np.array_equal(loaded.predict(DATA, verbose=0), DATA * 2)
    with pytest.raises(safeload.DeserializationError, match="register_keras_serializable"):
        safeload.loads(artifact, sidecar, name="x", keyring=key)
    with pytest.raises(safeload.SerializationError, match="register_keras_serializable"):
        safeload.dumps(made, format="keras", name="x", signer=key)


def test_what_is_no_model_is_refused(key: HmacKey) -> None:
    """A layer, an array."""
    for obj in (keras.layers.Dense(1), np.ones(3), {"w": 1}):
        with pytest.raises(safeload.SerializationError, match="not a model of Keras 3"):
            safeload.dumps(obj, format="keras", name="x", signer=key)


def test_what_is_no_archive_of_a_model_is_not_signed(
    model: keras.Model, tmp_path: Path, key: HmacKey
) -> None:
    """HDF5 as of older versions, an archive without a part, a member that leads elsewhere, nothing."""
    artifact, path = saved(model, tmp_path), tmp_path / "x.keras"
    leading = io.BytesIO(artifact)
    with zipfile.ZipFile(leading, "a") as archive:
        archive.writestr("assets/../../x", b"")
    hdf5 = b"\x89HDF\r\n\x1a\n" + bytes(100)
    others = (hdf5, b"", artifact[:-30], leading.getvalue())
    for data in (*others, *(replaced(artifact, **{part: None}) for part in ("config", "metadata", "model"))):
        path.write_bytes(data)
        with pytest.raises(safeload.MalformedError):
            safeload.sign(path, format="keras", signer=key)
        with pytest.raises(safeload.MalformedError):
            safeload.loads(data, sidecar_of(data, key), name="x", keyring=key)


def test_any_change_is_refused_before_keras_sees_it(model: keras.Model, key: HmacKey) -> None:
    """A bit anywhere, and the file cut anywhere."""
    artifact, sidecar = safeload.dumps(model, format="keras", name="x", signer=key)
    for place in range(0, len(artifact), len(artifact) // 50):
        flipped = artifact[:place] + bytes([artifact[place] ^ 1]) + artifact[place + 1 :]
        for changed in (flipped, artifact[:place]):
            with pytest.raises(safeload.DigestMismatch):
                safeload.loads(changed, sidecar, name="x", keyring=key)


def test_safe_mode_is_no_option(model: keras.Model, key: HmacKey) -> None:
    """Neither value of it, and the message says why; nor is anything that load_model does not have."""
    artifact, sidecar = safeload.dumps(model, format="keras", name="x", signer=key)
    for value in (False, True):
        with pytest.raises(TypeError, match="run code out of its file"):
            safeload.loads(artifact, sidecar, name="x", keyring=key, safe_mode=value)
    with pytest.raises(TypeError, match="no option other"):
        safeload.loads(artifact, sidecar, name="x", keyring=key, other=1)
    with pytest.raises(TypeError, match="no option include_optimizer"):
        safeload.dumps(model, format="keras", name="x", signer=key, include_optimizer=False)


def test_limits_hold(model: keras.Model, key: HmacKey) -> None:
    """On members and on what they decompress to."""
    artifact, sidecar = safeload.dumps(model, format="keras", name="x", signer=key)
    for limits in (Limits(members=2), Limits(decompressed_bytes=1000)):
        with pytest.raises(safeload.LimitExceeded):
            safeload.loads(artifact, sidecar, name="x", keyring=key, policy=Policy(limits=limits))


@pytest.fixture
def saved_model(model: keras.Model, tmp_path: Path, key: HmacKey) -> Path:
    """Return a SavedModel, signed as a folder."""
    model.export(tmp_path / "net", verbose=False)
    safeload.sign(tmp_path / "net", signer=key)
    return tmp_path / "net"


def test_a_saved_model_is_loaded_from_a_verified_copy(
    saved_model: Path, model: keras.Model, key: HmacKey
) -> None:
    """It predicts the same, also after the copy and the original are gone."""
    with safeload.open_verified(saved_model, keyring=key) as folder:
        assert Path(folder.path) != saved_model
        loaded = tf.saved_model.load(folder.path)
    shutil.rmtree(saved_model)
    assert not Path(folder.path).exists()
    expected = model.predict(DATA, verbose=0)
    np.testing.assert_allclose(loaded.serve(DATA).numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("what", ["variables/variables.data-00000-of-00001", "saved_model.pb"])
def test_a_saved_model_with_a_byte_flipped_is_refused(what: str, saved_model: Path, key: HmacKey) -> None:
    """In its weights or in its graph, and so is one with a file too many."""
    path = saved_model / what
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(safeload.DigestMismatch):
        safeload.open_verified(saved_model, keyring=key)


def test_a_saved_model_with_a_file_too_many_is_refused(saved_model: Path, key: HmacKey) -> None:
    """Such as an asset that a graph would read."""
    (saved_model / "assets" / "words.txt").parent.mkdir(exist_ok=True)
    (saved_model / "assets" / "words.txt").write_text("x")
    with pytest.raises(safeload.DigestMismatch):
        safeload.open_verified(saved_model, keyring=key)
