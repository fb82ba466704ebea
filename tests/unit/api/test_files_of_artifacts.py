"""Files that belong to an artifact: signed with it, read below its folder, and never taken as they come.

The format is a program's own, registered for these tests: a text that names files, one a line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from support.every_format import sidecar_of
from support.forgery import payload_of
from support.forgery import sidecar_of as forged_sidecar
from support.model_folders import a_fifo, a_folder_for_a_file, a_terabyte, at, exchanged

import safeload
from safeload import HmacKey, Keyring, Limits, Policy, formats
from safeload.attestation.digests import digest_of
from safeload.attestation.subjects import File
from safeload.formats import registry
from safeload.storage.sealed import AVAILABLE
from safeload.trust import reading

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and FIFOs are those of POSIX")

NAME = "model.list"
FILES = {"part.bin": b"p" * 100, "sub/part.bin": b"s" * 10}


class ListFormat:
    """See the module."""

    name = "filelist"
    requires: tuple[str, ...] | None = None

    def dump(self, obj: Any, file: IO[bytes]) -> formats.Written:
        """Write the names."""
        file.write("\n".join(obj).encode())
        return formats.Written()

    def load(self, verified: Any, limits: Limits) -> dict[str, bytes]:
        """Return the files' bytes; those that the text names, and of those that were verified."""
        return {path: verified.files[path].data for path in verified.blob.data.decode().splitlines()}

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return nothing."""
        return ()

    def files_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return the names."""
        return tuple(data.decode().splitlines())


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    formats.register(ListFormat())
    yield
    registry._registered.pop(ListFormat.name)


@pytest.fixture
def model(tmp_path: Path, key: HmacKey) -> Path:
    """Return a signed artifact with two files."""
    return signed(tmp_path / "models", FILES, key)


def signed(folder: Path, files: dict[str, bytes], key: HmacKey, **named: Any) -> Path:
    """Write an artifact and its files, and sign it."""
    for relative, data in files.items():
        (folder / relative).parent.mkdir(parents=True, exist_ok=True)
        (folder / relative).write_bytes(data)
    (folder / NAME).write_text("\n".join(files))
    safeload.sign(folder / NAME, format="filelist", signer=key, **named)
    return folder / NAME


def test_the_files_are_signed_and_come_back(model: Path, key: HmacKey) -> None:
    """From what was verified; and what else lies in the folder is nobody's business."""
    (model.parent / "other").write_bytes(b"")
    assert safeload.load(model, keyring=key) == FILES
    statement = safeload.verify(model, keyring=key)
    assert [(file.path, file.size) for file in statement.files] == [("part.bin", 100), ("sub/part.bin", 10)]


def _altered(folder: Path) -> None:
    (folder / "part.bin").write_bytes(b"p" * 99 + b"q")


def _larger(folder: Path) -> None:
    (folder / "part.bin").write_bytes(b"p" * 101)


def _shorter(folder: Path) -> None:
    (folder / "sub" / "part.bin").write_bytes(b"")


def _missing(folder: Path) -> None:
    (folder / "sub" / "part.bin").unlink()


def _without_its_folder(folder: Path) -> None:
    (folder / "sub").rename(folder / "bus")


def _moved_out(link: str, target: str) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        (folder / link).rename(folder.parent / "away")
        (folder / link).symlink_to(target.format(parent=folder.parent))

    put.__name__ = f"_{link}_linked_to_{target}"
    return put


@pytest.mark.parametrize(
    ("alter", "error"),
    [
        (_altered, safeload.DigestMismatch),
        (_larger, safeload.DigestMismatch),
        (_shorter, safeload.DigestMismatch),
        (_missing, safeload.DigestMismatch),
        (exchanged("part.bin", "sub/part.bin"), safeload.DigestMismatch),
        (_without_its_folder, safeload.DigestMismatch),
        (at("part.bin", a_terabyte), safeload.DigestMismatch),
        (at("part.bin", a_folder_for_a_file), safeload.MalformedError),
        (at("part.bin", a_fifo), safeload.MalformedError),
        (_moved_out("part.bin", "../away"), safeload.MalformedError),
        (_moved_out("part.bin", "{parent}/away"), safeload.MalformedError),
        (_moved_out("part.bin", "sub/../../away"), safeload.MalformedError),
        (_moved_out("sub", "../away"), safeload.MalformedError),
        (_moved_out("sub", "{parent}/away"), safeload.MalformedError),
        (_moved_out("part.bin", "/dev/zero"), safeload.MalformedError),
        (_moved_out("part.bin", "nowhere"), safeload.DigestMismatch),
    ],
    ids=lambda value: value.__name__,
)
def test_whatever_is_done_to_a_file_refuses_the_artifact(
    alter: Callable[[Path], None], error: type[safeload.SafeloadError], model: Path, key: HmacKey
) -> None:
    """By load, verify and share alike, each with the error for it."""
    alter(model.parent)
    for way in (safeload.load, safeload.verify, *([safeload.share] if AVAILABLE else [])):
        with pytest.raises(error) as caught:
            way(model, keyring=key)  # type: ignore[operator]
        assert type(caught.value) is error
        assert caught.value.where


def test_a_link_that_stays_in_the_folder_counts_as_the_file(model: Path, key: HmacKey) -> None:
    """As for the artifact itself."""
    (model.parent / "part.bin").rename(model.parent / "sub" / "kept")
    (model.parent / "part.bin").symlink_to("sub/kept")
    assert safeload.load(model, keyring=key) == FILES


def test_what_a_format_names_outside_the_folder_is_not_signed(tmp_path: Path, key: HmacKey) -> None:
    """A hostile file could name any; nothing is read of it, and there is no sidecar."""
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    for named in ("../secret", str(tmp_path / "secret"), "sub/../../secret", "", ".", "nothing", "/"):
        (folder / NAME).write_text(f"{named}\n")
        with pytest.raises((safeload.MalformedError, safeload.NotFound)):
            safeload.sign(folder / NAME, format="filelist", signer=key)
        assert not sidecar_of(folder / NAME).exists()


def test_limits_count_the_files_too(model: Path, key: HmacKey) -> None:
    """Their number, and their bytes together with the artifact's, as signed; before any is read."""
    (model.parent / "part.bin").unlink()
    size = model.stat().st_size + 110
    for limits in (Limits(members=1), Limits(artifact_bytes=size - 1)):
        with pytest.raises(safeload.LimitExceeded):
            safeload.load(model, keyring=key, policy=Policy(limits=limits))
    with pytest.raises(safeload.DigestMismatch):
        safeload.load(model, keyring=key, policy=Policy(limits=Limits(members=2, artifact_bytes=size)))


def test_a_file_that_is_exchanged_after_it_was_read_changes_nothing(
    model: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is read once, into memory of its own, and that is what is verified and used."""
    real, exchanged = reading.read_below, []

    def read_then_exchange(folder: str, relative: str, **named: Any) -> Any:
        blob = real(folder, relative, **named)
        Path(folder, relative).write_bytes(b"hostile")
        exchanged.append(relative)
        return blob

    monkeypatch.setattr(reading, "read_below", read_then_exchange)
    assert safeload.load(model, keyring=key) == FILES
    assert sorted(exchanged) == sorted(FILES)
    monkeypatch.undo()
    with pytest.raises(safeload.DigestMismatch):
        safeload.load(model, keyring=key)


def test_the_bytes_alone_are_not_loaded(model: Path, key: HmacKey) -> None:
    """In memory there are no files beside it, so that those that were signed are missing."""
    with pytest.raises(safeload.DigestMismatch, match="missing"):
        safeload.loads(model.read_bytes(), sidecar_of(model).read_bytes(), name=NAME, keyring=key)


def test_a_dump_over_it_that_was_stopped_leaves_it_loadable(model: Path, key: HmacKey) -> None:
    """Between its steps the sidecar holds the new statement and the one with the files; either may hold."""
    old = model.read_bytes(), sidecar_of(model).read_bytes()
    safeload.dump(["part.bin"], model, format="joblib", signer=key)
    new = model.read_bytes(), sidecar_of(model).read_bytes()
    sidecar_of(model).write_bytes(new[1] + old[1])
    assert safeload.load(model, keyring=key) == ["part.bin"]
    model.write_bytes(old[0])
    assert safeload.load(model, keyring=key) == FILES
    # What belongs to the other statement is no file of this one's.
    model.write_bytes(new[0])
    (model.parent / "part.bin").write_bytes(b"another")
    assert safeload.load(model, keyring=key) == ["part.bin"]
    model.write_bytes(old[0])
    with pytest.raises(safeload.DigestMismatch):
        safeload.load(model, keyring=key)


@pytest.mark.skipif(not AVAILABLE, reason="this system has no sealed memory files")
def test_it_is_not_shared(model: Path, key: HmacKey) -> None:
    """The files would not be in the sealed memory; the refusal says what to do instead."""
    with pytest.raises(safeload.StorageError, match="further files"):
        safeload.share(model, keyring=key)


def test_files_that_never_fit_are_not_read_again_and_again(
    model: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever touches the sidecar all the time makes a loader read no more than its bound, files included."""
    monkeypatch.setattr(reading, "_RETRY_BYTES", 250)
    (model.parent / "part.bin").write_bytes(b"x" * 100)
    sidecar, reads = sidecar_of(model), []
    real = reading.read_below

    def read_below(*arguments: Any, **named: Any) -> Any:
        sidecar.write_bytes(sidecar.read_bytes())
        reads.append(arguments[1])
        return real(*arguments, **named)

    monkeypatch.setattr(reading, "read_below", read_below)
    with pytest.raises(safeload.DigestMismatch):
        safeload.load(model, keyring=key)
    assert 2 <= reads.count("part.bin") <= 3


def test_what_is_signed_under_a_limit_loads_under_it(model: Path, key: HmacKey) -> None:
    """Signing holds the artifact and its files together against it, as loading does."""
    size = model.stat().st_size + 110
    for limit, fits in ((size, True), (size - 1, False)):
        rules = Policy(limits=Limits(artifact_bytes=limit))
        if fits:
            safeload.sign(model, format="filelist", overwrite=True, signer=key, policy=rules)
            assert safeload.load(model, keyring=key, policy=rules) == FILES
        else:
            with pytest.raises(safeload.LimitExceeded):
                safeload.sign(model, format="filelist", overwrite=True, signer=key, policy=rules)


def test_a_store_holds_no_artifacts_with_files(key: HmacKey, tmp_path: Path) -> None:
    """What a statement in it says of files is missing there, wherever they lie."""
    store = safeload.Store(tmp_path / "store", keyring=Keyring.of(key), state=tmp_path / "state")
    signed = store.dump(["part.bin"], "churn", "v1", format="filelist")
    assert signed.files == ()
    artifact = next(path for path in (tmp_path / "store").rglob("*") if path.name == signed.file)
    (artifact.parent / "part.bin").write_bytes(b"p")
    files = (File("part.bin", digest_of("blake3", b"p"), 1),)
    fields = {name: getattr(signed, name) for name in ("tag", "file", "format", "sequence", "created")}
    payload = payload_of(artifact.read_bytes(), "churn", **fields, files=files)
    sidecar = next(path for path in artifact.parent.iterdir() if path.name.endswith("v1.sig"))
    sidecar.write_bytes(forged_sidecar(payload, key))
    with pytest.raises(safeload.DigestMismatch, match="missing"):
        store.load("churn", "v1")


@pytest.mark.parametrize("name", ["a:b", "a\\b", "a\x01b"])
def test_a_file_whose_name_cannot_be_signed_is_refused(name: str, tmp_path: Path, key: HmacKey) -> None:
    """An artifact that names such a file is not signed."""
    with pytest.raises(safeload.MalformedError):
        signed(tmp_path / "models", {name: b""}, key)
