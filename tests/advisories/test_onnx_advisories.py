"""Advisories of ONNX and onnxruntime, each as what it would be here.

The sources are the GitHub advisories of onnx/onnx. What is read, if anything, is a file of the test's own.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from support import onnx_models as models

import safeload
from safeload import FormatNotAllowed, HmacKey, Limits, MalformedError, SafeloadError, formats

OUTSIDE = [
    # CVE-2022-25882: a plain way out.
    "../w.bin",
    "../../../../../../etc/passwd",
    "below/../../w.bin",
    # CVE-2024-27318: what the first repair let through. It looked at the start, or at a cleaned path.
    "/etc/passwd",
    "//etc/passwd",
    "./../w.bin",
    ".//../w.bin",
    "below/./../../w.bin",
    "..",
    "../",
    "a/..",
    "...//../w.bin",
    # Another system's ways out.
    "..\\w.bin",
    "\\\\server\\share\\w.bin",
    "C:\\w.bin",
    "C:w.bin",
    "file:///etc/passwd",
    "w.bin:stream",
    # What becomes another path on its way through a C library or a terminal.
    "w.bin\x00.txt",
    "../w.bin\x00",
    "w\n.bin",
    "",
    ".",
    "./w.bin",
    "below//w.bin",
    "w.bin/",
    "a" * 300,
    # By these onnxruntime marks data that lie at an address in memory.
    "*/_ORT_MEM_ADDR_/*",
    "*/_ORT_NATIVE_ENDIAN_MEM_ADDR_/*",
]


@pytest.mark.parametrize("location", OUTSIDE)
def test_cve_2022_25882_and_cve_2024_27318_no_location_leads_out(
    location: str, key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither signed nor unsigned, neither loading, signing nor dumping goes where such a path leads."""
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "w.bin").write_bytes(models.weights(666))
    monkeypatch.chdir(inner)
    model = models.adding(models.elsewhere(location))
    path = models.write(model, inner)
    with pytest.raises(MalformedError, match="out of its folder"):
        models.signed(model, key)
    with pytest.raises(MalformedError, match="out of its folder"):
        formats.files_of("onnx", model.SerializeToString(), Limits(), where="m")
    with pytest.raises(MalformedError):
        safeload.sign(path, format="onnx", signer=key)
    with pytest.raises(MalformedError):
        safeload.dump(path, inner / "one.onnx", format="onnx", signer=key)
    with pytest.raises((MalformedError, FormatNotAllowed)):
        models.unsigned(model)
    assert sorted(found.name for found in inner.iterdir()) == ["m.onnx"]


@pytest.mark.parametrize("build", [models.branching, models.constant, models.sparse, models.in_function])
def test_a_location_that_leads_out_is_refused_wherever_it_stands(build: object, key: HmacKey) -> None:
    """A walk that looked at the main graph's initializers alone would let the runtime find it."""
    model = build(models.elsewhere("../w.bin"))  # type: ignore[operator]
    with pytest.raises(MalformedError):
        models.signed(model, key)
    with pytest.raises((MalformedError, FormatNotAllowed)):
        models.unsigned(model)


@pytest.mark.parametrize("target", ["absolute", "relative"])
def test_cve_2026_27489_a_link_does_not_lead_out(target: str, key: HmacKey, tmp_path: Path) -> None:
    """A symbolic link beside the model was followed, wherever it pointed."""
    inner = tmp_path / "inner"
    inner.mkdir()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(models.weights(666))
    path = models.write(models.adding(models.elsewhere()), inner)
    (inner / "w.bin").symlink_to(secret if target == "absolute" else Path("..") / "secret.bin")
    for act in (
        lambda: safeload.dump(path, tmp_path / "one.onnx", format="onnx", signer=key),
        lambda: safeload.sign(path, format="onnx", signer=key),
    ):
        with pytest.raises(MalformedError, match="link"):
            act()
    assert not (tmp_path / "one.onnx").exists()


def test_a_folder_that_is_a_link_does_not_lead_out(key: HmacKey, tmp_path: Path) -> None:
    """Nor does a link in the middle of a path, when signing and when loading."""
    outside = tmp_path / "outside"
    inner = tmp_path / "inner"
    inner.mkdir()
    path = models.write(
        models.adding(models.elsewhere("below/w.bin")), inner, {"below/w.bin": models.weights(1)}
    )
    safeload.sign(path, format="onnx", signer=key)
    assert models.answer(safeload.load(path, keyring=key)) == 1
    (inner / "below").rename(outside)
    (inner / "below").symlink_to(outside)
    with pytest.raises(SafeloadError, match="link"):
        safeload.load(path, keyring=key)
    with pytest.raises(SafeloadError):
        safeload.sign(path, format="onnx", signer=key, overwrite=True)


def test_cve_2026_34446_a_hard_link_brings_nothing_that_was_not_signed(key: HmacKey, tmp_path: Path) -> None:
    """It gives another file a name beside the model. Its bytes are used only if they are the signed ones."""
    secret = tmp_path / "secret.bin"
    secret.write_bytes(models.weights(666))
    inner = tmp_path / "inner"
    inner.mkdir()
    path = models.write(models.adding(models.elsewhere()), inner, {"w.bin": models.weights(1)})
    safeload.sign(path, format="onnx", signer=key)
    (inner / "w.bin").unlink()
    os.link(secret, inner / "w.bin")
    with pytest.raises(safeload.DigestMismatch):
        safeload.load(path, keyring=key)


@pytest.mark.parametrize(
    "name", ["basepath", "__class__", "__dict__", "tensor", "Location", "LENGTH", "length "]
)
def test_cve_2026_34445_entries_do_not_set_attributes(name: str, key: HmacKey) -> None:
    """Each entry became an attribute of the reader's own object, whatever its key."""
    model = models.adding(models.elsewhere(**{name: "9999999999999"}))
    with pytest.raises(MalformedError, match="entry"):
        models.signed(model, key, {"w.bin": models.weights(1)})
    with pytest.raises(SafeloadError):
        models.unsigned(model)


def test_cve_2026_34445_no_memory_is_spent_on_a_promised_length(key: HmacKey) -> None:
    """A file of a few bytes promised exabytes, which were asked for at once."""
    tensor = models.elsewhere(length=str(1 << 59))
    tensor.dims[0] = 1 << 57
    with pytest.raises(MalformedError, match="beyond the end"):
        models.signed(models.adding(tensor), key, {"w.bin": models.weights(1)}, as_="model")


def test_cve_2025_51480_loading_writes_no_file(
    key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saving external data overwrote what a location named. Nothing here saves any."""
    monkeypatch.chdir(tmp_path)
    victim = tmp_path / "w.bin"
    victim.write_bytes(b"untouched")
    model = models.adding(models.elsewhere())
    whole = models.signed(model, key, {"w.bin": models.weights(1)}, as_="model")
    assert not whole.graph.initializer[0].external_data
    safeload.dump(whole, tmp_path / "one.onnx", format="onnx", signer=key)
    assert victim.read_bytes() == b"untouched"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["one.onnx", "one.onnx.sig", "w.bin"]


def test_cve_2024_5187_an_archive_is_not_unpacked_on_the_way(key: HmacKey) -> None:
    """A downloaded archive of a model was unpacked along its own paths. One is no model here."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("../../escaped", b"x")
        written.writestr("m.onnx", models.adding(models.here(1)).SerializeToString())
    archive = file.getvalue()
    with pytest.raises(MalformedError):
        models.signed(archive, key)
    with pytest.raises(SafeloadError):
        models.unsigned(archive)


def test_cve_2026_28500_nothing_is_downloaded() -> None:
    """ONNX's hub could be told to trust any repository in silence. It is not used."""
    root = Path(safeload.__file__).parent
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "onnx.hub" not in text
        assert "external_data_helper" not in text
