"""Model folders: they come back whole, under their names, by keys and policies that admit them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.every_format import contents_of, sidecar_of
from support.model_folders import FILES, opened, refused, signed

import safeload
from safeload import HmacKey, Keyring, Limits, Policy
from safeload.trust.keys import Entry

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders need the descriptors of POSIX")


def test_a_folder_comes_back_file_by_file(model: Path, key: HmacKey) -> None:
    """Nested folders, empty files and names in any script; and the statement names each file."""
    assert opened(model, key) == FILES
    found = safeload.verify(model, keyring=key)
    assert (found.name, found.format, found.size) == ("model", "folder", sum(map(len, FILES.values())))
    assert [file.path for file in found.files] == sorted(FILES)
    assert found.globals is None


def test_thousands_of_small_files_come_back(tmp_path: Path, key: HmacKey) -> None:
    """As many as a sidecar of the allowed size can name."""
    files = {f"{number % 50}/{number}": b"%d" % number for number in range(4_000)}
    assert opened(signed(tmp_path / "model", files, key), key) == files


def test_more_files_than_a_sidecar_has_room_for_are_not_signed(tmp_path: Path, key: HmacKey) -> None:
    """The signer learns it, and no loader."""
    (tmp_path / "model").mkdir()
    for number in range(300):
        (tmp_path / "model" / f"{number}").touch()
    with pytest.raises(safeload.LimitExceeded, match="sidecar"):
        safeload.sign(tmp_path / "model", signer=key, policy=Policy(limits=Limits(sidecar_bytes=20_000)))


def test_a_slash_at_the_end_of_the_path_changes_nothing(model: Path, key: HmacKey) -> None:
    """The sidecar lies beside the folder, and never in it."""
    safeload.sign(f"{model}//", signer=key, overwrite=True)
    assert opened(f"{model}/", key) == FILES
    assert set(contents_of(model.parent)) == {"model.sig", *(f"model/{path}" for path in FILES)}


@pytest.mark.parametrize("end", ["", "/"])
def test_a_folder_is_not_loaded_as_a_file(end: str, model: Path, key: HmacKey) -> None:
    """The error says which function opens it."""
    with pytest.raises(safeload.MalformedError, match="open_verified"):
        safeload.load(f"{model}{end}", keyring=key)


def test_an_empty_folder_within_is_nothing(model: Path, key: HmacKey) -> None:
    """It is neither signed nor copied."""
    (model / "nothing" / "at all").mkdir(parents=True)
    with safeload.open_verified(model, keyring=key) as copy:
        assert not (Path(copy.path) / "nothing").exists()


def test_a_folder_and_a_file_are_not_taken_for_each_other(model: Path, tmp_path: Path, key: HmacKey) -> None:
    """The sidecar of the one is none for the other, also under the same name."""
    (tmp_path / "other").mkdir()
    file = tmp_path / "other" / "model"
    safeload.dump([1], file, signer=key)
    sidecars = sidecar_of(model).read_bytes(), sidecar_of(file).read_bytes()
    sidecar_of(file).write_bytes(sidecars[0])
    for way in (safeload.load, safeload.verify, safeload.share):
        with pytest.raises(safeload.SubjectMismatch, match="folder"):
            way(file, keyring=key)
    with pytest.raises(safeload.SubjectMismatch, match="folder"):
        safeload.loads(file.read_bytes(), sidecars[0], name="model", keyring=key)
    sidecar_of(model).write_bytes(sidecars[1])
    refused(model, safeload.SubjectMismatch, key)
    with pytest.raises(safeload.MalformedError, match="open_verified"):
        safeload.load(model, keyring=key)
    with pytest.raises(safeload.StorageError):
        safeload.open_verified(file, keyring=key)


def test_a_folder_is_opened_under_the_name_it_was_signed_for(model: Path, key: HmacKey) -> None:
    """A folder that was renamed together with its sidecar is refused, unless its name is asked for."""
    moved = model.with_name("moved")
    model.rename(moved)
    sidecar_of(model).rename(sidecar_of(moved))
    refused(moved, safeload.SubjectMismatch, key)
    refused(moved, safeload.SubjectMismatch, key, name="other")
    assert opened(moved, key, name="model") == FILES


def test_an_unsigned_folder_is_refused_and_so_is_one_that_is_not_there(tmp_path: Path, key: HmacKey) -> None:
    """No policy admits a folder without a signature; an empty one is not signed."""
    (tmp_path / "model").mkdir()
    with pytest.raises(safeload.FormatNotAllowed, match="no files"):
        safeload.sign(tmp_path / "model", signer=key)
    (tmp_path / "model" / "x").touch()
    refused(tmp_path / "model", safeload.SignatureMissing, key)
    with pytest.raises(safeload.PolicyError):
        Policy(unsigned_formats=frozenset({"folder"}))
    with pytest.raises(safeload.NotFound):
        safeload.sign(tmp_path / "nothing", signer=key)
    with pytest.raises(safeload.SignatureMissing):
        safeload.open_verified(tmp_path / "nothing", keyring=key)


@pytest.mark.parametrize("where", ["model", "model/sub/deep", "."])
def test_a_keyring_in_the_folder_or_beside_it_is_refused(where: str, model: Path, key: HmacKey) -> None:
    """Whoever can write the folder could exchange the keyring (rule 1), so nothing is signed so either."""
    ring = model.parent / where / "ring.json"
    Keyring.of(key).save(ring)
    refused(model, safeload.KeyringError, ring)
    with pytest.raises(safeload.KeyringError):
        safeload.sign(model, keyring=ring, overwrite=True)


def test_policy_expiry_and_keys_hold_for_folders(model: Path, key: HmacKey) -> None:
    """FIPS, formats, the number of signatures, expiry, and keys that are not the signer's."""
    refused(model, safeload.FormatNotAllowed, key, policy=Policy(fips=True))
    refused(model, safeload.FormatNotAllowed, key, policy=Policy(formats=frozenset({"joblib"})))
    refused(model, safeload.UnknownKey, key, policy=Policy(signatures=2))
    refused(model, safeload.UnknownKey, HmacKey.generate())
    refused(model, safeload.KeyNotAllowed, Keyring([Entry(key=key, state="revoked")]))
    safeload.sign(model, signer=key, overwrite=True, policy=Policy(fips=True))
    assert safeload.verify(model, keyring=key, policy=Policy(fips=True)).digest.algorithm == "sha256"
    safeload.sign(model, signer=key, overwrite=True, expires=datetime.now(UTC) - timedelta(seconds=2))
    refused(model, safeload.Expired, key)


def test_signing_twice_asks_for_overwrite(model: Path, key: HmacKey) -> None:
    """A sidecar that is there is somebody's word."""
    before = sidecar_of(model).read_bytes()
    with pytest.raises(safeload.AlreadyExists):
        safeload.sign(model, signer=key)
    assert sidecar_of(model).read_bytes() == before
    (model / "new").touch()
    safeload.sign(model, signer=key, overwrite=True, metadata={"second": True})
    assert safeload.verify(model, keyring=key).metadata == {"second": True}
