"""Signing a store anew: every record, no artifact, and again after a stop."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from support.counting import counted
from support.places import Place

import safeload
from safeload import Ed25519PrivateKey, HmacKey, Keyring, KeyringError, SignatureInvalid, UnknownKey
from safeload.trust.keys import Entry


def both(old: Keyring) -> tuple[HmacKey, Keyring]:
    """Return a new key, and a keyring in which it signs and the old one verifies."""
    new = HmacKey.generate()
    return new, old.with_entry(Entry(key=new, state="active"))


def fill(place: Place, size: int = 100) -> None:
    store = place.open()
    for name in ("churn", "plant-a/pump"):
        for tag in ("1", "2", "3"):
            store.dump(bytes(size), name, tag)


def test_after_a_rotation_the_new_key_is_enough(place: Place) -> None:
    """Statements stay as they were; and the old key alone knows nothing any more."""
    fill(place)
    before = {(found.name, found.tag): found.statement for found in place.open().check()}
    new, ring = both(place.keyring)
    outcomes = [(r.name, r.tag, r.outcome) for r in place.open(keyring=ring).rotate(new.key_id[:8])]
    assert len(outcomes) == 8
    assert {outcome for _, _, outcome in outcomes} == {"signed"}
    store = place.open(keyring=Keyring.of(new))
    assert {(found.name, found.tag): found.statement for found in store.check()} == before
    assert store.load("churn") == bytes(100)
    assert list(store.unreferenced_files()) == []
    with pytest.raises(UnknownKey):
        place.open().load("churn")


def test_a_rotation_that_stopped_is_started_again(place: Place) -> None:
    """What the new key has signed is kept; every load works meanwhile with both keys."""
    fill(place)
    new, ring = both(place.keyring)
    store = place.open(keyring=ring)
    some = store.rotate(new.key_id)
    for _ in range(3):
        assert next(some).outcome == "signed"
        for name in ("churn", "plant-a/pump"):
            assert store.load(name) == bytes(100)
    some.close()
    outcomes = [found.outcome for found in store.rotate(new.key_id)]
    assert sorted(outcomes) == ["kept"] * 3 + ["signed"] * 5
    assert {found.outcome for found in store.rotate(new.key_id)} == {"kept"}


def test_a_store_goes_on_during_and_after_a_rotation(place: Place) -> None:
    """Dumps by the old key while it runs are signed at the next run; numbers go on."""
    fill(place)
    new, ring = both(place.keyring)
    rotating = place.open(keyring=ring).rotate(new.key_id)
    next(rotating)
    place.open(keyring=replace_active(ring, place.keyring)).dump("meanwhile", "churn", "4")
    list(rotating)
    list(place.open(keyring=ring).rotate(new.key_id))
    store = place.open(keyring=Keyring.of(new))
    assert store.load("churn") == "meanwhile"
    store.dump("after", "churn", "5")
    assert (store.load("churn"), len(store.verify())) == ("after", 8)


def replace_active(ring: Keyring, old: Keyring) -> Keyring:
    """Return the keyring with the old key as the one that signs."""
    signer = old.signer.key_id
    return Keyring(
        replace(entry, state="active" if entry.key.key_id == signer else "verify-only")
        for entry in ring.entries
    )


def test_what_does_not_verify_is_not_signed_anew(place: Place) -> None:
    """It stays as it is, and is told; the others are signed."""
    fill(place)
    path = "churn/2.sig"
    data = place.files()[path]
    at = data.index(b'"sig":"') + 10
    damaged = data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]
    place.write(path, damaged)
    new, ring = both(place.keyring)
    outcomes = {(r.name, r.tag): r for r in place.open(keyring=ring).rotate(new.key_id)}
    assert outcomes["churn", "2"].outcome == "refused"
    assert isinstance(outcomes["churn", "2"].refusal, SignatureInvalid)
    assert sum(r.outcome == "signed" for r in outcomes.values()) == 7
    assert place.files()[path] == damaged


@pytest.mark.parametrize("size", [100, 300_000])
def test_no_artifact_is_read(size: int, place: Place) -> None:
    """The bytes read are those of sidecars and pointers, whatever the artifacts' size."""
    fill(place, size)
    new, ring = both(place.keyring)
    store = place.open(keyring=ring)
    backend = counted(store)
    assert len(list(store.rotate(new.key_id))) == 8
    assert all(path.endswith(".sig") for path in backend.reads)
    signed = sum(len(data) for path, data in place.files().items() if path.endswith(".sig"))
    assert backend.bytes_read < 2 * signed
    assert backend.calls["conditional_write"] == 8


def test_rotating_to_a_public_key_algorithm(place: Place) -> None:
    """From a shared secret to loaders that cannot sign."""
    fill(place)
    new = Ed25519PrivateKey.generate()
    ring = place.keyring.with_entry(Entry(key=new, state="active"))
    assert {r.outcome for r in place.open(keyring=ring).rotate(new.key_id[:12])} == {"signed"}
    assert place.open(keyring=Keyring.of(new.public)).load("churn") == bytes(100)


def test_a_key_that_cannot_be_rotated_to_is_refused(place: Place) -> None:
    """None with that id, several, revoked, or public only; before anything is signed."""
    fill(place)
    before = place.files()
    public = Ed25519PrivateKey.generate().public
    revoked = HmacKey.generate()
    ring = place.keyring.with_entry(Entry(key=public)).with_entry(
        Entry(key=revoked, state="revoked", reason="test")
    )
    for key_id, problem in (
        ("no such id", "no key of the keyring has an id that starts with 'no such id'. Add the new key"),
        ("", "3 keys of the keyring have ids that start with ''. Give more of the id"),
        (public.key_id, "is revoked or cannot sign"),
        (revoked.key_id, "is revoked or cannot sign"),
    ):
        with pytest.raises(KeyringError, match=re.escape(problem)):
            list(place.open(keyring=ring).rotate(key_id))
    assert place.files() == before
    assert safeload.__version__
