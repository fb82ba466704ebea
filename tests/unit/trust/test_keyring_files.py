"""Keyring files: who may read and write them, and what stands where one is expected."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from safeload import (
    AlreadyExists,
    EcdsaP256PrivateKey,
    Ed25519PrivateKey,
    Entry,
    HmacKey,
    Keyring,
    KeyringError,
    LimitExceeded,
    MalformedError,
    NotFound,
    StorageError,
)

SECRET = Keyring.of(HmacKey(bytes(range(32))))
PAIR = Keyring.of(Ed25519PrivateKey.generate())
PUBLIC = PAIR.public()

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the umask for the block."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a keyring file goes."""
    return tmp_path / "keyring.json"


@pytest.mark.parametrize("ring", [SECRET, PAIR, PUBLIC], ids=["secret", "pair", "public"])
def test_a_keyring_comes_back_from_its_file(ring: Keyring, path: Path) -> None:
    """With the file that it came from."""
    ring.save(path)
    loaded = Keyring.load(path)
    assert loaded.entries == ring.entries
    assert loaded.origin is not None
    assert loaded.origin.path == str(path)
    status = path.parent.stat()
    assert (status.st_dev, status.st_ino) in loaded.origin.folders


@pytest.mark.parametrize("mask", [0, 0o002, 0o022, 0o027, 0o077, 0o117])
@pytest.mark.parametrize("ring", [SECRET, PUBLIC], ids=["secret", "public"])
def test_a_keyring_is_saved_with_mode_0600_whatever_the_umask(ring: Keyring, mask: int, path: Path) -> None:
    """From the moment that the file exists."""
    with umask(mask):
        ring.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o666)
        ring.save(path, overwrite=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("ring", [SECRET, PAIR], ids=["secret", "pair"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o440, 0o660, 0o606, 0o666, 0o620, 0o777])
def test_a_keyring_with_secrets_that_others_can_read_or_write_is_refused(
    mode: int, ring: Keyring, path: Path
) -> None:
    """Whoever may have read it can sign."""
    ring.save(path)
    path.chmod(mode)
    with pytest.raises(KeyringError, match=r"can (read it|write this file)") as caught:
        Keyring.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_keyring_that_is_its_owners_alone_is_read(mode: int, path: Path) -> None:
    """The bits of group and others count."""
    SECRET.save(path)
    path.chmod(mode)
    assert Keyring.load(path).entries == SECRET.entries


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o444])
def test_a_public_keyring_may_be_read_by_others(mode: int, path: Path) -> None:
    """It holds nothing to hide."""
    PUBLIC.save(path)
    path.chmod(mode)
    assert Keyring.load(path).entries == PUBLIC.entries


@pytest.mark.parametrize("mode", [0o660, 0o606, 0o666, 0o620, 0o602])
def test_a_public_keyring_that_others_can_write_is_refused(mode: int, path: Path) -> None:
    """They could put a key of theirs into it."""
    PUBLIC.save(path)
    path.chmod(mode)
    with pytest.raises(KeyringError, match="can write this file"):
        Keyring.load(path)


def test_one_secret_among_public_keys_counts(path: Path) -> None:
    """Revoked or not, it is one."""
    ring = Keyring([*PUBLIC.entries, Entry(key=EcdsaP256PrivateKey.generate(), state="revoked")])
    ring.save(path)
    path.chmod(0o644)
    with pytest.raises(KeyringError, match="can read it"):
        Keyring.load(path)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no owners")
def test_a_keyring_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Except root's, who could change the loader itself."""
    SECRET.save(path)
    if os.geteuid() == 0:
        assert Keyring.load(path).entries == SECRET.entries
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(KeyringError, match="another user"):
        Keyring.load(path)


def test_a_keyring_is_not_overwritten_by_accident(path: Path) -> None:
    """Keys that are gone cannot be had back."""
    SECRET.save(path)
    before = path.read_bytes()
    with pytest.raises(AlreadyExists):
        PAIR.save(path)
    assert path.read_bytes() == before
    PAIR.save(path, overwrite=True)
    assert Keyring.load(path).entries == PAIR.entries


def test_a_dangling_link_is_not_overwritten_by_accident(path: Path) -> None:
    """Something stands there, even if it leads nowhere."""
    path.symlink_to(path.parent / "nowhere")
    with pytest.raises(AlreadyExists):
        SECRET.save(path)
    assert not (path.parent / "nowhere").exists()


def test_overwriting_a_link_leaves_what_it_leads_to(path: Path) -> None:
    """A keyring is not written through a link."""
    target = path.parent / "target"
    target.write_text("something else")
    path.symlink_to(target)
    SECRET.save(path, overwrite=True)
    assert target.read_text() == "something else"
    assert not path.is_symlink()


def test_a_keyring_is_saved_whole_or_not_at_all(path: Path) -> None:
    """Nothing is left behind where the folder is missing or the key cannot be written."""
    with pytest.raises(NotFound):
        SECRET.save(path.parent / "missing" / "keyring.json")
    assert list(path.parent.iterdir()) == []


def test_a_missing_keyring_is_not_found(path: Path) -> None:
    """As a file of any other kind."""
    with pytest.raises(NotFound):
        Keyring.load(path)


def test_a_folder_is_no_keyring(tmp_path: Path) -> None:
    """Whatever is in it."""
    (tmp_path / "folder").mkdir()
    for spelling in (tmp_path / "folder", f"{tmp_path}/folder/"):
        with pytest.raises((MalformedError, StorageError)):
            Keyring.load(spelling)


def test_a_fifo_is_no_keyring(path: Path) -> None:
    """It is refused at once, without waiting for a writer."""
    os.mkfifo(path, 0o600)
    with pytest.raises(MalformedError, match="not a regular file"):
        Keyring.load(path)


def test_a_link_out_of_the_folder_is_no_keyring(tmp_path: Path) -> None:
    """Whoever placed it could exchange it; a link that stays within is followed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    SECRET.save(tmp_path / "elsewhere" / "keyring.json")
    SECRET.save(tmp_path / "here" / "real.json")
    for target in (tmp_path / "elsewhere" / "keyring.json", Path("../elsewhere/keyring.json")):
        link = tmp_path / "here" / "keyring.json"
        link.symlink_to(target)
        with pytest.raises(MalformedError, match="leads out of its folder"):
            Keyring.load(link)
        link.unlink()
    link.symlink_to("real.json")
    assert Keyring.load(link).entries == SECRET.entries


def test_a_keyring_over_one_mebibyte_is_refused(path: Path) -> None:
    """Before it is read."""
    with path.open("wb") as file:
        file.truncate((1 << 20) + 1)
    path.chmod(0o600)
    with pytest.raises(LimitExceeded):
        Keyring.load(path)


def test_a_refusal_names_the_file(path: Path) -> None:
    """Whatever is wrong with it."""
    for text in ("", "{}", '{"keys":[{}]}', '{"keys":[{"kty":"oct","k":"AA"}]}'):
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(KeyringError) as caught:
            Keyring.load(path)
        assert caught.value.where == str(path)


def test_a_relative_path_is_named_by_the_whole_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later change of the working folder does not change what the origin means."""
    SECRET.save(path)
    monkeypatch.chdir(path.parent)
    origin = Keyring.load(path.name).origin
    assert origin is not None
    assert origin.path == str(path)


def test_an_empty_keyring_is_refused_when_it_is_read_back(path: Path) -> None:
    """A keyring that accepts nothing is more likely to be a mistake."""
    Keyring([]).save(path)
    with pytest.raises(KeyringError, match="no list of keys"):
        Keyring.load(path)


def test_a_folder_that_cannot_be_looked_at_is_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the keyring lies in a store could not be told otherwise."""
    path, genuine = tmp_path / "deep" / "keys.json", os.stat
    path.parent.mkdir()
    SECRET.save(path)

    def stat_of(looked_at: object, **named: object) -> os.stat_result:
        if str(looked_at) == str(tmp_path):
            raise PermissionError(13, "Permission denied")
        return genuine(looked_at, **named)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "stat", stat_of)
    with pytest.raises(StorageError, match="Permission denied"):
        Keyring.load(path)
