"""Where an object is stored: impossible paths, and what may stand already under the name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support import signed_folder
from support.signed_folder import NAME, PARTS, VALUE, file_of

import safeload
from safeload import HmacKey, InvalidName, Keyring, NotFound, SafeloadError, StorageError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="FIFOs, devices and links are those of POSIX")


@pytest.mark.parametrize("name", ["a\0b.joblib", "\0", "a\nb\0"])
def test_a_path_with_a_nul_is_refused(name: str, folder: Path, key: HmacKey, keyring: Keyring) -> None:
    """The operating system would cut the name there."""
    path = f"{folder}/{name}"
    with pytest.raises(InvalidName):
        safeload.load(path, keyring=keyring)
    with pytest.raises(InvalidName):
        safeload.verify(path, keyring=keyring)
    with pytest.raises(InvalidName):
        safeload.dump(VALUE, path, signer=key)
    with pytest.raises(InvalidName):
        safeload.dump(VALUE, path, name="innocent", signer=key)
    with pytest.raises(InvalidName):
        safeload.sign(path, signer=key)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_path_that_names_no_file_is_refused(
    name: str, folder: Path, key: HmacKey, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is no artifact, however it is spelled."""
    monkeypatch.chdir(folder)
    for path in (f"{folder}/{name}", name):
        with pytest.raises(SafeloadError):
            safeload.load(path, keyring=keyring)
        with pytest.raises(SafeloadError):
            safeload.dump(VALUE, path, signer=key)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_dump_to_a_path_that_names_no_file_leaves_no_sidecar_behind(
    name: str, folder: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before anything is written."""
    monkeypatch.chdir(folder)
    with pytest.raises(SafeloadError):
        safeload.dump(VALUE, f"{folder}/{name}", signer=key)
    assert sorted(file.name for file in folder.iterdir()) == [NAME, f"{NAME}.sig"]


def test_a_name_that_the_system_does_not_take_is_refused(
    folder: Path, key: HmacKey, keyring: Keyring
) -> None:
    """The operating system's refusal is a StorageError that says so."""
    for path in (folder / ("x" * 300), folder / NAME / "below"):
        with pytest.raises(StorageError):
            safeload.load(path, keyring=keyring)
        with pytest.raises(StorageError):
            safeload.dump(VALUE, path, signer=key)


def test_dumping_over_a_link_replaces_the_link_and_not_what_it_names(
    folder: Path, elsewhere: Path, key: HmacKey, keyring: Keyring
) -> None:
    """A link that an attacker puts there cannot make a dump write elsewhere."""
    before = {file.name: file.read_bytes() for file in elsewhere.iterdir()}
    for part in PARTS:
        target = file_of(folder, part)
        target.unlink()
        target.symlink_to(elsewhere / target.name)
    safeload.dump("new", folder / NAME, signer=key)
    assert safeload.load(folder / NAME, keyring=keyring) == "new"
    assert not any(file_of(folder, part).is_symlink() for part in PARTS)
    assert {file.name: file.read_bytes() for file in elsewhere.iterdir()} == before


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "put", [signed_folder.a_fifo, signed_folder.a_link_to_an_endless_device, signed_folder.a_link_to_itself]
)
def test_dumping_over_what_is_no_regular_file_replaces_it(
    put: Callable[[Path], None], part: str, folder: Path, key: HmacKey, keyring: Keyring
) -> None:
    """Neither hangs nor follows; what was there had nothing worth keeping."""
    file_of(folder, part).unlink()
    put(file_of(folder, part))
    safeload.dump("new", folder / NAME, signer=key)
    assert safeload.load(folder / NAME, keyring=keyring) == "new"


def test_a_dump_into_a_missing_folder_names_the_folder(folder: Path, key: HmacKey) -> None:
    """It says nothing about the file, which is not expected to exist."""
    with pytest.raises(NotFound, match="the folder to write to does not exist") as caught:
        safeload.dump([1], folder / "missing" / "x.joblib", signer=key)
    assert caught.value.where == str(folder / "missing")


@pytest.mark.parametrize("part", PARTS)
def test_dumping_over_a_folder_fails_and_leaves_no_temporary_file(
    part: str, folder: Path, key: HmacKey
) -> None:
    """A folder cannot be replaced by a file."""
    target = file_of(folder, part)
    target.unlink()
    target.mkdir()
    with pytest.raises(StorageError):
        safeload.dump("new", folder / NAME, signer=key)
    assert [file for file in folder.iterdir() if file.name.endswith(".tmp")] == []
    assert target.is_dir()


def test_a_dump_over_a_folder_leaves_no_sidecar_behind(folder: Path, key: HmacKey) -> None:
    """What cannot be replaced is not signed."""
    (folder / "below").mkdir()
    with pytest.raises(StorageError):
        safeload.dump("new", folder / "below", signer=key)
    assert sorted(file.name for file in folder.iterdir()) == ["below", NAME, f"{NAME}.sig"]
