"""Where keys come from when a call names none, in which order, and that nothing broken is skipped."""

from __future__ import annotations

import os
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

import safeload
from safeload import (
    Ed25519PrivateKey,
    HmacKey,
    KeyNotAllowed,
    Keyring,
    KeyringError,
    MalformedError,
    NoKeyError,
    NotFound,
    SafeloadError,
    UnknownKey,
)
from safeload.trust.keys import sources

ARGUMENT, IN_FILE, IN_TEXT, IN_FOLDER = (HmacKey(bytes(range(start, start + 32))) for start in range(4))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a keyring file with a key."""
    path = tmp_path / "keyring.json"
    Keyring.of(IN_FILE).save(path)
    return path


@pytest.fixture
def all_set(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set every source, each to a key of its own; return the keyring file's path."""
    monkeypatch.setenv("SAFELOAD_KEYRING", str(path))
    monkeypatch.setenv("SAFELOAD_KEY", b64encode(IN_TEXT.export_secret()).decode())
    in_folder()
    return path


def in_folder() -> Path:
    """Put a keyring into the configuration folder and return its path."""
    path = Path(sources.default_path())
    path.parent.mkdir(parents=True, exist_ok=True)
    Keyring.of(IN_FOLDER).save(path, overwrite=True)
    return path


def test_the_first_source_that_is_there_is_used(all_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argument, keyring variable, key variable, configuration folder."""
    assert sources.resolve(ARGUMENT).signer == ARGUMENT
    assert sources.resolve(Keyring.of(ARGUMENT)).signer == ARGUMENT
    assert sources.resolve().signer == IN_FILE
    monkeypatch.delenv("SAFELOAD_KEYRING")
    assert sources.resolve().signer == IN_TEXT
    monkeypatch.delenv("SAFELOAD_KEY")
    assert sources.resolve().signer == IN_FOLDER
    Path(sources.default_path()).unlink()
    with pytest.raises(NoKeyError):
        sources.resolve()


def test_an_empty_variable_is_none(all_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As shells and container files unset them."""
    monkeypatch.setenv("SAFELOAD_KEYRING", "")
    assert sources.resolve().signer == IN_TEXT
    monkeypatch.setenv("SAFELOAD_KEY", "")
    assert sources.resolve().signer == IN_FOLDER


def test_every_call_uses_the_same_sources(all_set: Path, tmp_path: Path) -> None:
    """What was stored with the first source loads with it and with no other."""
    target = tmp_path / "models"
    target.mkdir()
    safeload.dump([1], target / "churn.joblib")
    safeload.sign(target / "churn.joblib", overwrite=True)
    assert safeload.load(target / "churn.joblib") == [1]
    assert safeload.verify(target / "churn.joblib", keyring=IN_FILE).name == "churn.joblib"
    for other in (IN_TEXT, IN_FOLDER, ARGUMENT):
        with pytest.raises(UnknownKey):
            safeload.load(target / "churn.joblib", keyring=other)


def test_no_key_names_the_command_that_makes_one(tmp_path: Path) -> None:
    """And the variables."""
    for call in (
        sources.resolve,
        lambda: safeload.dump([1], tmp_path / "x.joblib"),
        lambda: safeload.dumps([1]),
        lambda: safeload.loads(b"", b""),
    ):
        with pytest.raises(NoKeyError, match="`safeload keygen`") as caught:
            call()
        assert "SAFELOAD_KEYRING" in str(caught.value)
        assert "SAFELOAD_KEY" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_keyring_file_is_not_skipped(all_set: Path) -> None:
    """The variable names it, so it is meant."""
    all_set.unlink()
    with pytest.raises(NotFound):
        sources.resolve()


BROKEN = {
    "changeable": lambda path: path.chmod(0o666),
    "readable": lambda path: path.chmod(0o644),
    "empty": lambda path: path.write_text(""),
    "no key": lambda path: path.write_text('{"keys":[]}'),
    "a bad key": lambda path: path.write_text('{"keys":[{"kty":"oct","k":"AA"}]}'),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a fifo": lambda path: (path.unlink(), os.mkfifo(path, 0o600)),
    "a link out": lambda path: (path.unlink(), path.symlink_to("/dev/null")),
    "a dangling link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_keyring_file_is_not_skipped(way: str, all_set: Path) -> None:
    """The key variable and the configuration folder stand by, and are not looked at."""
    BROKEN[way](all_set)
    with pytest.raises(SafeloadError) as caught:
        sources.resolve()
    assert not isinstance(caught.value, NoKeyError)


@pytest.mark.parametrize("way", [way for way in BROKEN if way != "a dangling link"])
def test_a_broken_keyring_in_the_configuration_folder_is_no_missing_one(way: str) -> None:
    """Making another key would not help."""
    BROKEN[way](in_folder())
    with pytest.raises(SafeloadError) as caught:
        sources.resolve()
    assert not isinstance(caught.value, NoKeyError | NotFound)


SECRET = IN_TEXT.export_secret()


@pytest.mark.parametrize(
    "text",
    [
        b64encode(SECRET).decode().rstrip("="),
        b64encode(SECRET).decode() + "=",
        b64encode(SECRET).decode() + "\n",
        " " + b64encode(SECRET).decode(),
        b64encode(SECRET).decode()[:-2] + "9=",
        b64encode(SECRET).decode()[:-4],
        b64encode(SECRET[:31]).decode(),
        b64encode(bytes(32)).decode(),
        urlsafe_b64encode(b"\xfb\xff" * 16).decode(),
        "not base64!",
        "=",
        "\u0660" * 44,
    ],
)
def test_a_broken_secret_is_not_skipped(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut, lengthened, in another alphabet, short, or none; the configuration folder is not looked at."""
    in_folder()
    monkeypatch.setenv("SAFELOAD_KEY", text)
    for _ in range(2):
        with pytest.raises(KeyringError) as caught:
            sources.resolve()
        assert text not in str(caught.value)


def test_a_changed_secret_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next call."""
    for key in (ARGUMENT, IN_TEXT, ARGUMENT):
        monkeypatch.setenv("SAFELOAD_KEY", b64encode(key.export_secret()).decode())
        assert sources.resolve().signer == key


@pytest.mark.parametrize("text", ["keyring.json", "./keyring.json", "../x/keyring.json", "~/keyring.json"])
def test_a_relative_keyring_variable_is_refused(
    text: str, all_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would name another file in another working folder, perhaps one that a stranger can write."""
    monkeypatch.chdir(all_set.parent)
    monkeypatch.setenv("SAFELOAD_KEYRING", text)
    with pytest.raises(KeyringError, match="relative path"):
        sources.resolve()


def test_a_relative_argument_is_the_callers_word(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text and path objects alike."""
    monkeypatch.chdir(path.parent)
    for argument in (path.name, Path(path.name), str(path), path):
        assert sources.resolve(argument).signer == IN_FILE


def test_an_edited_keyring_file_is_noticed(all_set: Path) -> None:
    """At the next call, though nothing tells of it: same size, same time, same inode."""
    ring, other = Keyring.of(IN_FILE), Keyring.of(ARGUMENT)
    assert sources.resolve().signer == IN_FILE
    status = all_set.stat()
    text = all_set.read_text()
    for changed in (other, ring):
        spare = all_set.with_name("spare.json")
        changed.save(spare, overwrite=True)
        assert len(spare.read_text()) == len(text)
        all_set.write_text(spare.read_text())
        os.utime(all_set, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert sources.resolve().signer == changed.signer
        assert sources.resolve(all_set).signer == changed.signer


def test_a_revocation_is_noticed(all_set: Path, tmp_path: Path) -> None:
    """A loader that runs for months refuses from the next call on."""
    artifact, sidecar = safeload.dumps([1])
    assert safeload.loads(artifact, sidecar) == [1]
    Keyring.load(all_set).revoked(IN_FILE.key_id, "leaked").save(all_set, overwrite=True)
    with pytest.raises(KeyNotAllowed, match="leaked"):
        safeload.loads(artifact, sidecar)


def test_a_changed_mode_is_noticed(all_set: Path) -> None:
    """The same bytes are not trusted once others can write them."""
    assert sources.resolve().signer == IN_FILE
    all_set.chmod(0o666)
    for _ in range(2):
        with pytest.raises(KeyringError):
            sources.resolve()
    all_set.chmod(0o600)
    assert sources.resolve().signer == IN_FILE


def test_a_removed_file_is_noticed(all_set: Path) -> None:
    """What was parsed before does not outlive it."""
    assert sources.resolve().signer == IN_FILE
    all_set.unlink()
    with pytest.raises(NotFound):
        sources.resolve()


def test_a_file_moved_to_another_folder_is_another_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate compares folders, so the one that counts is where the file lies now."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    path = tmp_path / "one" / "keyring.json"
    Keyring.of(IN_FILE).save(path)
    monkeypatch.setenv("SAFELOAD_KEYRING", str(path))
    first = sources.resolve().origin
    (tmp_path / "one").rename(tmp_path / "three")
    (tmp_path / "two").rename(tmp_path / "one")
    (tmp_path / "three" / "keyring.json").rename(path)
    second = sources.resolve().origin
    assert first is not None
    assert second is not None
    assert first.folders != second.folders


@pytest.mark.parametrize("thing", [7, b"x" * 32, ["key"], object(), True], ids=type)
def test_what_is_no_keyring_is_misuse(thing: Any) -> None:
    """A wrong type is the program's mistake, not the file's."""
    with pytest.raises(TypeError, match="a keyring is"):
        sources.resolve(thing)


def test_a_signer_that_cannot_sign_is_misuse() -> None:
    """A public key, or something else."""
    for thing in (Ed25519PrivateKey.generate().public, "key", b"x" * 32):
        with pytest.raises(TypeError, match="a signer is"):
            sources.resolve_signer("name", thing, None)  # type: ignore[arg-type]


def test_a_signer_needs_no_keyring() -> None:
    """And is looked up nowhere; otherwise the keyring's own signs and comes with it."""
    assert sources.resolve_signer("name", ARGUMENT, None) == (ARGUMENT, None)
    ring = Keyring.of(IN_FILE)
    assert sources.resolve_signer("name", None, ring) == (IN_FILE, ring)


def test_a_keyring_that_only_verifies_signs_nothing() -> None:
    """It says so, and which command makes a key."""
    with pytest.raises(NoKeyError, match="`safeload keygen`"):
        sources.resolve_signer("name", None, Keyring.of(Ed25519PrivateKey.generate().public))


def test_an_empty_path_is_no_keyring() -> None:
    """Neither the working folder nor the default one."""
    in_folder()
    with pytest.raises(MalformedError):
        sources.resolve("")
