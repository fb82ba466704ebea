"""A keyring that changes between the moment a call looked it up and the moment it reads a record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safeload import Entry, HmacKey, Keyring, Store, UnknownKey
from safeload.store.backends.folder import FolderBackend

Arm = Callable[[Callable[[], None]], None]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Return a keyring file."""
    (tmp_path / "keys").mkdir()
    path = tmp_path / "keys" / "keyring.json"
    Keyring.of(HmacKey.generate()).save(path)
    return path


@pytest.fixture
def store(keys: Path, tmp_path: Path) -> Store:
    """Return a store with one object under that keyring."""
    made = Store(tmp_path / "store", keyring=keys, state=tmp_path / "state")
    made.dump("x", "churn", "1")
    return made


@pytest.fixture
def before_the_next_read(monkeypatch: pytest.MonkeyPatch) -> Arm:
    """Return a function that has something done before the next record is read."""
    pending: list[Callable[[], None]] = []
    original = FolderBackend.read

    def read(self: FolderBackend, path: str, **options: Any) -> Any:
        if pending:
            pending.pop()()
        return original(self, path, **options)

    monkeypatch.setattr(FolderBackend, "read", read)
    return pending.append


def rotate(store: Store, keys: Path) -> None:
    """Make a new key known, and sign the store anew with it, as another process does."""
    key = HmacKey.generate()
    Keyring.load(keys).with_entry(Entry(key=key, state="active")).save(keys, overwrite=True)
    assert {outcome.outcome for outcome in store.rotate(key.key_id)} == {"signed"}


OPERATIONS: dict[str, Callable[[Store], Any]] = {
    "load latest": lambda store: store.load("churn"),
    "load a tag": lambda store: store.load("churn", "1"),
    "statement": lambda store: store.statement("churn", "1"),
    "latest": lambda store: store.latest("churn"),
    "verify": lambda store: store.verify("churn", "1"),
    "dump": lambda store: store.dump("y", "churn", "2"),
    "overwrite": lambda store: store.dump("y", "churn", "1", overwrite=True),
    "promote": lambda store: store.promote("churn", "1"),
    "delete": lambda store: store.delete("churn", "1"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_rotation_meanwhile_fails_no_call(
    operation: str, store: Store, keys: Path, before_the_next_read: Arm
) -> None:
    """The new key is looked up when a record is signed by one that is not known yet."""
    before_the_next_read(lambda: rotate(store, keys))
    OPERATIONS[operation](store)


def test_a_check_meanwhile_refuses_nothing(store: Store, keys: Path, before_the_next_read: Arm) -> None:
    """Nor does a rotation that meets another one."""
    before_the_next_read(lambda: rotate(store, keys))
    assert [found.refusal for found in store.check()] == [None]
    newest = Keyring.load(keys).signer.key_id
    before_the_next_read(lambda: rotate(store, keys))
    assert {outcome.refusal for outcome in store.rotate(newest)} == {None}


def test_a_key_that_nobody_knows_stays_unknown(
    store: Store, keys: Path, tmp_path: Path, before_the_next_read: Arm
) -> None:
    """Looking again is no way around the keyring, not even when that changed for another reason."""
    stranger = Store(tmp_path / "store", keyring=HmacKey.generate(), state=tmp_path / "other")

    def meanwhile() -> None:
        ring = Keyring.load(keys)
        ring.with_entry(Entry(key=HmacKey.generate())).save(keys, overwrite=True)

    stranger.dump("z", "strange", "1")
    for arm in (lambda: None, meanwhile):
        before_the_next_read(arm)
        with pytest.raises(UnknownKey):
            store.load("strange", "1")


def test_a_key_that_is_revoked_meanwhile_counts_no_longer(
    store: Store, keys: Path, before_the_next_read: Arm
) -> None:
    """Where the keyring is looked up anew, all of it is."""

    def meanwhile() -> None:
        rotate(store, keys)
        ring = Keyring.load(keys)
        ring.revoked(ring.signer.key_id, "stolen").save(keys, overwrite=True)

    before_the_next_read(meanwhile)
    with pytest.raises(Exception, match="revoked"):
        store.load("churn", "1")
