"""Keys, expiry and the policy of a store: on a folder, in memory and on an S3 server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.places import Place

import safeload
from safeload import (
    Ed25519PrivateKey,
    Expired,
    FormatNotAllowed,
    HmacKey,
    KeyNotAllowed,
    Keyring,
    Policy,
    UnknownKey,
)
from safeload.trust.keys import Entry


def test_an_expired_object_is_refused(place: Place) -> None:
    """By load and verify."""
    store = place.open()
    store.dump(1, "churn", "1", expires=datetime.now(UTC) - timedelta(days=1))
    for call in (lambda: store.load("churn"), lambda: store.verify("churn", "1"), lambda: store.verify()):
        with pytest.raises(Expired):
            call()
    (found,) = store.check()
    assert isinstance(found.refusal, Expired)
    assert list(store.tags("churn")) == []


def test_other_keys_are_refused(place: Place) -> None:
    """Unknown, revoked, and not for this name."""
    key = place.keyring.entries[0].key
    place.open().dump(1, "churn", "1")
    rings = {
        UnknownKey: Keyring.of(HmacKey.generate()),
        KeyNotAllowed: Keyring([Entry(key=key, state="revoked", reason="test")]),
    }
    for error, ring in rings.items():
        for call in (
            lambda ring=ring: place.open(keyring=ring).load("churn"),
            lambda ring=ring: place.open(keyring=ring).load("churn", "1"),
        ):
            with pytest.raises(error):
                call()
    other = Keyring([Entry(key=key, state="active", names=("plant-a/*",))])
    with pytest.raises(KeyNotAllowed):
        place.open(keyring=other).load("churn", "1")
    with pytest.raises(KeyNotAllowed):
        place.open(keyring=other).dump(1, "churn", "2")
    place.open(keyring=other).dump(1, "plant-a/pump", "1")


def test_loaders_with_a_public_key_load_and_cannot_store(place: Place) -> None:
    """Nor delete, since that may move the pointer."""
    key = Ed25519PrivateKey.generate()
    place.open(keyring=Keyring.of(key)).dump([1], "churn", "1")
    loader = place.open(keyring=Keyring.of(key.public))
    assert (loader.load("churn"), loader.load("churn", "1")) == ([1], [1])
    before = place.files()
    with pytest.raises(safeload.NoKeyError):
        loader.dump([2], "churn", "2")
    with pytest.raises(safeload.NoKeyError):
        loader.promote("churn", "1")
    assert place.files() == before


def test_a_signer_alone_is_enough(place: Place) -> None:
    """Keyring or signer, as for safeload.dump."""
    key = HmacKey.generate()
    place.open(keyring=None, signer=key).dump(1, "churn", "1")
    assert place.open(keyring=key).load("churn") == 1


def test_the_policy_holds(place: Place) -> None:
    """Formats and limits of the loader's policy."""
    place.open().dump(bytes(10_000), "churn", "1")
    with pytest.raises(FormatNotAllowed):
        place.open(policy=Policy(formats=frozenset({"skops"}))).load("churn")
    small = Policy(limits=safeload.Limits(artifact_bytes=1000))
    with pytest.raises(safeload.LimitExceeded):
        place.open(policy=small).load("churn")
    assert place.open(policy=Policy(fips=True)).dump(1, "churn", "2").digest.algorithm == "sha256"
    assert place.open(policy=Policy(fips=True)).load("churn") == 1
    with pytest.raises(safeload.PolicyError):
        place.open(policy=Policy(fips=True)).load("churn", "1")


def test_a_restricted_store_loads_and_lists_some_formats_only(place: Place) -> None:
    """By the gate; the policy's own list goes on to hold, and the store itself is as it was."""
    store = place.open()
    store.dump("j", "churn", "joblib")
    store.dump("p", "churn", "pickle", format="pickle")
    narrowed = store.restricted(["pickle", "skops"])
    assert narrowed.load("churn", "pickle") == narrowed.load("churn") == "p"
    assert [found.tag for found in narrowed.tags("churn")] == ["pickle"]
    for refused in (narrowed.restricted(["joblib"]), narrowed.restricted(["skops"])):
        for tag in ("joblib", "pickle", "latest"):
            with pytest.raises(FormatNotAllowed):
                refused.load("churn", tag)
    closed = place.open(policy=Policy(formats=frozenset({"joblib"}))).restricted(["pickle"])
    with pytest.raises(FormatNotAllowed):
        closed.load("churn", "pickle")
    with pytest.raises(FormatNotAllowed):
        narrowed.statement("churn", "joblib")
    assert store.load("churn", "joblib") == "j"
    with pytest.raises(TypeError):
        store.restricted("pickle")
