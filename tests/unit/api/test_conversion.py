"""Artifacts in another format: what they predict, what is signed of where they come from, what is refused."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from support.auditing import no_unpickler_runs
from support.commands import run, run_json
from support.objects import pipeline

import safeload
from safeload import (
    AlreadyExists,
    DigestMismatch,
    FormatNotAllowed,
    HmacKey,
    Policy,
    SafeloadError,
    SerializationError,
    SignatureMissing,
)
from safeload.api import conversion

ROWS = load_breast_cancer(return_X_y=True)[0][:50].astype(np.float32)


@pytest.fixture
def source(tmp_path: Path, key: HmacKey) -> Path:
    """Return a signed pipeline."""
    path = tmp_path / "churn.joblib"
    safeload.dump(pipeline(), path, signer=key, metadata={"auc": 0.9})
    return path


@pytest.mark.parametrize("to", ["onnx", "skops", "pickle", "joblib", "auto"])
def test_what_is_converted_predicts_the_same(to: str, source: Path, key: HmacKey) -> None:
    """The statement names what it was made of, keeps its metadata, and says how far predictions differ."""
    target = source.with_name(f"new.{to}")
    signed = safeload.convert(source, target, to=to, sample=ROWS, signer=key, keyring=key)
    loaded = safeload.load(target, keyring=key)
    labels = loaded.run(None, {"X": ROWS})[0] if to == "onnx" else loaded.predict(ROWS)
    assert np.array_equal(labels, pipeline().predict(ROWS))
    origin = safeload.verify(source, keyring=key)
    assert signed == safeload.verify(target, keyring=key)
    assert signed.source == safeload.Source("churn.joblib", "joblib", {"blake3": origin.digest.hex})
    assert signed.metadata == {"auc": 0.9}
    assert signed.format == ("skops" if to == "auto" else to)
    assert signed.remarks[-1].startswith("Predictions on 50 rows differ from those of the source by ")
    assert signed.remarks[-1].endswith(" at most, in 2 outputs.")


def test_a_chain_is_followed_back_step_by_step(source: Path, key: HmacKey) -> None:
    """Each artifact names the one before by its digest."""
    skops, onnx = source.with_name("b.skops"), source.with_name("c.onnx")
    first = safeload.convert(source, skops, to="skops", signer=key, keyring=key)
    second = safeload.convert(skops, onnx, to="onnx", sample=ROWS, signer=key, keyring=key)
    assert second.source is not None
    assert second.source.digest == {"blake3": first.digest.hex}
    assert second.source.format == "skops"
    again = safeload.convert(
        onnx, source.with_name("d.onnx"), to="onnx", sample=ROWS, signer=key, keyring=key
    )
    assert again.digest == second.digest


def test_nothing_is_made_of_what_does_not_verify(source: Path, key: HmacKey) -> None:
    """Altered, unsigned, or signed for another name: refused before it is read, and nothing is written."""
    honest = source.read_bytes()
    target = source.with_name("new.onnx")
    source.write_bytes(honest[:-1] + b"\0")
    with no_unpickler_runs(), pytest.raises(DigestMismatch):
        safeload.convert(source, target, to="skops", signer=key, keyring=key)
    source.write_bytes(honest)
    source.with_name("churn.joblib.sig").rename(source.with_name("away"))
    with no_unpickler_runs(), pytest.raises(SignatureMissing):
        safeload.convert(source, target, to="skops", signer=key, keyring=key)
    assert {path.name for path in source.parent.iterdir()} == {"churn.joblib", "away"}


def test_a_file_that_a_policy_admits_unsigned_is_no_source(tmp_path: Path, key: HmacKey) -> None:
    """To sign what was made of it would vouch for it."""
    path = tmp_path / "x.safetensors"
    safeload.dump({"a": np.ones(3)}, path, format="safetensors", signer=key)
    (tmp_path / "x.safetensors.sig").unlink()
    rules = Policy(unsigned_formats=frozenset({"safetensors"}))
    assert safeload.load(path, policy=rules)["a"].sum() == 3
    with pytest.raises(SignatureMissing):
        safeload.convert(path, tmp_path / "y", to="numpy", signer=key, keyring=key, policy=rules)


class _Contrary(RandomForestClassifier):
    """A model that predicts the opposite once it was read back."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.contrary = not state.get("contrary", False)

    def predict(self, rows: Any) -> Any:
        labels = super().predict(rows)
        return 1 - labels if getattr(self, "contrary", False) else labels


def test_what_predicts_otherwise_is_not_written(tmp_path: Path, key: HmacKey) -> None:
    """The new artifact is loaded from memory and asked, before there is a file of it."""
    model = _Contrary(3, random_state=0).fit(*load_breast_cancer(return_X_y=True))
    safeload.dump(model, tmp_path / "a", signer=key)
    with pytest.raises(SerializationError, match="differ in labels"):
        safeload.convert(tmp_path / "a", tmp_path / "b", to="pickle", sample=ROWS, signer=key, keyring=key)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "a.sig"}
    # Without a sample there is nothing to compare.
    safeload.convert(tmp_path / "a", tmp_path / "b", to="pickle", signer=key, keyring=key)


@pytest.mark.parametrize("to", ["onnx", "skops", "pickle"])
@pytest.mark.parametrize("sample", [ROWS[:0], ROWS[:, :2], [["a", "b"]]], ids=["none", "narrow", "texts"])
def test_a_sample_that_the_model_does_not_take_is_a_refusal(
    to: str, sample: Any, source: Path, key: HmacKey
) -> None:
    """Of no rows, of another width, or of texts: nothing is compared, and nothing is written."""
    with pytest.raises(SerializationError):
        safeload.convert(source, source.with_name("new"), to=to, sample=sample, signer=key, keyring=key)
    assert {path.name for path in source.parent.iterdir()} == {"churn.joblib", "churn.joblib.sig"}


def test_what_does_not_predict_is_not_compared(tmp_path: Path, key: HmacKey) -> None:
    """A sample for a dict is a mistake, which is told."""
    safeload.dump({"a": 1}, tmp_path / "a", signer=key)
    with pytest.raises(SerializationError, match="a dict neither predicts nor transforms"):
        safeload.convert(tmp_path / "a", tmp_path / "b", to="pickle", sample=ROWS, signer=key, keyring=key)


def _absent(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)


def test_packages_that_are_not_there_are_named(
    source: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorFlow and its converters, each with what to install."""
    _absent(monkeypatch, "tensorflow", "tf2onnx", "onnx2tf")
    onnx = source.with_name("churn.onnx")
    safeload.convert(source, onnx, to="onnx", sample=ROWS, signer=key, keyring=key)
    with pytest.raises(SerializationError, match=r"needs onnx2tf.*safeload\[onnx2tf\]"):
        safeload.convert(onnx, source.with_name("saved"), to="tensorflow", signer=key, keyring=key)
    folder = source.with_name("signed")
    folder.mkdir()
    (folder / "a").write_bytes(b"x")
    safeload.sign(folder, signer=key)
    with pytest.raises(SerializationError, match=r"needs tf2onnx.*pip install"):
        safeload.convert(folder, source.with_name("x"), to="onnx", signer=key, keyring=key)


def test_it_expires_no_later_than_its_source(tmp_path: Path, key: HmacKey) -> None:
    """The earlier of the two times holds."""
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    safeload.dump([1], tmp_path / "a", signer=key, expires=end)
    for asked, holds in ((None, end), (end + timedelta(1), end), (end - timedelta(1), end - timedelta(1))):
        signed = safeload.convert(
            tmp_path / "a",
            tmp_path / "b",
            to="pickle",
            expires=asked,
            overwrite=True,
            signer=key,
            keyring=key,
        )
        assert signed.expires == holds


def test_formats_that_nothing_converts_to_are_refused(source: Path, key: HmacKey) -> None:
    """Each with a typed error and nothing written."""
    refused: list[tuple[str, type[SafeloadError]]] = [
        ("folder", FormatNotAllowed),
        ("no-such-format", FormatNotAllowed),
        ("tensorflow", FormatNotAllowed),
        ("safetensors", SerializationError),
        ("parquet", SerializationError),
    ]
    before = {path.name for path in source.parent.iterdir()}
    for to, error in refused:
        with pytest.raises(error):
            safeload.convert(source, source.with_name("new"), to=to, signer=key, keyring=key)
        assert {path.name for path in source.parent.iterdir()} == before
    with pytest.raises(ValueError, match="sample"):
        safeload.convert(source, source.with_name("new"), to="onnx", signer=key, keyring=key)


def test_a_folder_that_is_there_is_not_replaced(
    source: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a sidecar that lies where the new one would."""

    onnx = source.with_name("churn.onnx")
    safeload.convert(source, onnx, to="onnx", sample=ROWS, signer=key, keyring=key)

    def made(model: Any, folder: str) -> str:
        Path(folder, "saved_model.pb").write_bytes(b"model")
        Path(folder, "assets").mkdir()
        Path(folder, "assets", "words").write_bytes(b"one two")
        return "Made for a test."

    monkeypatch.setattr("safeload.formats.onnx.write_saved_model", made)
    target = source.with_name("saved")
    for taken in (target, source.with_name("saved.sig")):
        taken.write_bytes(b"")
        with pytest.raises(AlreadyExists):
            safeload.convert(onnx, target, to=conversion.TENSORFLOW, signer=key, keyring=key)
        taken.unlink()
    signed = safeload.convert(onnx, target, to=conversion.TENSORFLOW, signer=key, keyring=key)
    assert [file.path for file in signed.files] == ["assets/words", "saved_model.pb"]
    assert signed.source is not None
    assert signed.source.name == "churn.onnx"
    assert signed == safeload.verify(target, keyring=key)
    assert not [path for path in source.parent.iterdir() if path.name.endswith(".tmp")]
    # No SavedModel at all, and so nothing that TensorFlow would be asked about.
    with pytest.raises(FormatNotAllowed):
        safeload.convert(target, source.with_name("x"), to="skops", signer=key, keyring=key)


def test_what_was_altered_on_its_way_into_place_does_not_verify(
    source: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is signed as it was made in private, and not as it is found in its place."""
    from safeload.storage import staged_folder

    onnx, target = source.with_name("churn.onnx"), source.with_name("saved")
    safeload.convert(source, onnx, to="onnx", sample=ROWS, signer=key, keyring=key)
    monkeypatch.setattr(
        "safeload.formats.onnx.write_saved_model",
        lambda model, folder: str(Path(folder, "saved_model.pb").write_bytes(b"model")),
    )
    real = staged_folder.write_bytes

    def write_late(path: str, sidecar: bytes, **options: Any) -> None:
        for staged in source.parent.glob(".saved.*.tmp/saved_model.pb"):
            staged.write_bytes(b"MODEL")
        real(path, sidecar, **options)

    monkeypatch.setattr(staged_folder, "write_bytes", write_late)
    safeload.convert(onnx, target, to=conversion.TENSORFLOW, signer=key, keyring=key)
    assert (target / "saved_model.pb").read_bytes() == b"MODEL"
    with pytest.raises(DigestMismatch):
        safeload.verify(target, keyring=key)


@pytest.fixture
def folder(ring: Path, tmp_path: Path) -> Path:
    """Return a folder for artifacts, which a configured key signs."""
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_the_command_converts_and_compares(folder: Path) -> None:
    """Rows come from a file; the output stands beside the source and is signed."""
    safeload.dump(pipeline(), folder / "churn.joblib")
    np.save(folder / "rows.npy", ROWS)
    status, out, error = run(
        "convert", folder / "churn.joblib", "--to", "onnx", "--sample", folder / "rows.npy"
    )
    assert status == 0, error
    assert "Converted by skl2onnx" in out
    status, document = run_json("convert", folder / "churn.onnx", "--to", "onnx", "-o", folder / "again.onnx")
    assert status == 0
    assert document["statement"]["source"]["name"] == "churn.onnx"
    assert run("verify", folder / "churn.onnx", folder / "again.onnx")[0] == 0


def test_the_command_refuses_with_its_status(folder: Path, ring: Path) -> None:
    """1 for what does not verify or convert, 2 for what makes no sense."""
    path = folder / "a.joblib"
    safeload.dump([1, 2], path)
    (folder / "rows.npy").write_bytes(b"\x93NUMPY")
    (folder / "rows.txt").write_bytes(b"1")
    assert run("convert", path, "--to", "safetensors")[0] == 1
    assert run("convert", path, "--to", "joblib")[0] == 2
    assert run("convert", path, "--to", "pickle", "--sample", folder / "rows.txt")[0] == 2
    assert run("convert", path, "--to", "pickle", "--sample", folder / "rows.npy")[0] == 2
    assert run("convert", path, "--to", "pickle", "--sample", folder / "none.npy")[0] == 1
    path.write_bytes(b"altered")
    status, document = run_json("convert", path, "--to", "pickle")
    assert (status, document["error"]) == (1, "DigestMismatch")
    with pytest.raises(SignatureMissing):
        safeload.convert(folder, folder / "x", to="pickle", keyring=ring)


def test_what_is_there_is_not_replaced_unless_that_is_said(source: Path, key: HmacKey) -> None:
    """Least of all the model that an ONNX model was made of, which cannot be made of it again."""
    onnx, before = source.with_name("churn.onnx"), source.read_bytes()
    safeload.convert(source, onnx, to="onnx", sample=ROWS, signer=key, keyring=key)
    for to in ("onnx", "joblib", "auto"):
        with pytest.raises(AlreadyExists):
            safeload.convert(onnx, source, to=to, signer=key, keyring=key)
    for to in ("joblib", "pickle", "skops", "auto"):
        with pytest.raises(FormatNotAllowed, match="cannot become"):
            safeload.convert(onnx, source, to=to, overwrite=True, signer=key, keyring=key)
    assert source.read_bytes() == before
    assert safeload.load(source, keyring=key).predict(ROWS).shape == (50,)
    again = safeload.convert(source, onnx, to="onnx", sample=ROWS, overwrite=True, signer=key, keyring=key)
    assert again == safeload.verify(onnx, keyring=key)


def test_the_command_replaces_nothing_unless_that_is_said(folder: Path) -> None:
    """Without --overwrite it is refused, with it done."""
    safeload.dump([1], folder / "a.joblib")
    assert run("convert", folder / "a.joblib", "--to", "pickle")[0] == 0
    status, document = run_json("convert", folder / "a.joblib", "--to", "pickle")
    assert (status, document["error"]) == (1, "AlreadyExists")
    assert run("convert", folder / "a.joblib", "--to", "pickle", "--overwrite")[0] == 0
