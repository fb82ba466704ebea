"""Damaged, planted and stray files of a store: on a folder, in memory and on an S3 server."""

from __future__ import annotations

import pytest
from support.places import Place

import safeload
from safeload import SignatureInvalid


def test_a_plain_sidecar_does_not_stand_in_for_a_tag(place: Place) -> None:
    """A statement without a tag, signed by the same key for a file of the same name, is no tag's."""
    store = place.open()
    store.dump("stored", "churn", "1")
    (path,) = [path for path in place.files() if path.endswith("1.sig")]
    _, sidecar = safeload.dumps("plain", name="churn", signer=place.keyring.signer)
    place.write(path, sidecar)
    with pytest.raises(safeload.SafeloadError):
        store.load("churn", "1")


def test_a_damaged_sidecar_is_refused_and_the_others_are_still_checked(place: Place) -> None:
    """One bad tag among several."""
    store = place.open()
    for tag in ("1", "2", "3"):
        store.dump(tag, "churn", tag)
    sidecar = next(path for path in place.files() if path.endswith("/2.sig"))
    data = place.files()[sidecar]
    at = data.index(b'"sig":"') + 10
    place.write(sidecar, data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :])
    outcomes = {found.tag: found.refusal for found in store.check()}
    assert {tag: type(refusal) for tag, refusal in outcomes.items()} == {
        "1": type(None),
        "2": SignatureInvalid,
        "3": type(None),
    }
    with pytest.raises(SignatureInvalid):
        store.verify()
    assert {one.tag for one in store.tags("churn")} == {"1", "3"}


def test_a_damaged_pointer_is_reported_and_the_tags_are_still_there(place: Place) -> None:
    """Under the tag ``latest``; storing is refused until it is found out what happened."""
    store = place.open()
    store.dump(1, "churn", "1")
    place.write("churn/latest.sig", b"{}\n")
    outcomes = {found.tag: found.refusal for found in store.check("churn")}
    assert isinstance(outcomes["latest"], safeload.MalformedError)
    assert outcomes["1"] is None
    for call in (lambda: store.load("churn"), lambda: store.verify(), lambda: store.dump(2, "churn", "2")):
        with pytest.raises(safeload.MalformedError):
            call()
    assert store.load("churn", "1") == 1


def test_files_that_nothing_signed_accounts_for_are_told(place: Place) -> None:
    """Wherever they lie and however they are called; the store loads none."""
    store = place.open()
    store.dump(1, "churn", "1")
    unreferenced_files = [
        *("evil.joblib", "churn/evil.joblib", "churn/1.joblib", "churn/1.0123456789abcdef.joblib"),
        *("churn/sub/evil.pkl", "Churn/1.sig.joblib", "churn/latest.0123456789abcdef.joblib", "%ZZ/x"),
    ]
    for path in unreferenced_files:
        place.write(path, b"x")
    assert sorted(store.unreferenced_files()) == sorted(unreferenced_files)
    assert [found.tag for found in store.check()] == ["1"]
    assert list(store.names()) == ["churn"]
