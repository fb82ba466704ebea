"""Deleting and promoting tags, and what ``latest`` is then: on a folder, in memory and on an S3 server."""

from __future__ import annotations

import pytest
from support.places import Place

from safeload import NotFound, StoreError


def test_deleting_the_latest_moves_latest_to_the_newest_that_remains(place: Place) -> None:
    """By the order of storing."""
    store = place.open()
    for number, tag in enumerate(("c", "a", "b")):
        store.dump(number, "churn", tag)
    store.delete("churn", "b")
    assert (store.load("churn"), store.latest("churn")) == (1, "a")
    store.delete("churn", "c")
    assert store.load("churn") == 1
    with pytest.raises(StoreError, match="latest"):
        store.delete("churn", "a", latest="refuse")
    assert store.load("churn") == 1
    store.delete("churn", "a")
    for call in (lambda: store.load("churn"), lambda: store.load("churn", "a")):
        with pytest.raises(NotFound):
            call()
    assert list(store.names()) == []
    # The numbers go on, so that nobody takes the new one for a rollback.
    store.dump("new", "churn", "a")
    assert place.open().load("churn") == "new"


def test_a_deleted_tag_leaves_no_file_but_the_pointer(place: Place) -> None:
    """Artifact and sidecar are gone."""
    store = place.open()
    store.dump(1, "churn", "1")
    store.delete("churn", "1")
    assert [path.rpartition("/")[2] for path in place.files()] == ["latest.sig"]


def test_promoting_makes_an_older_tag_the_latest(place: Place) -> None:
    """With a new number; loaders that have seen the other one go along."""
    store = place.open()
    store.dump(1, "churn", "1")
    store.dump(2, "churn", "2")
    assert store.load("churn") == 2
    store.promote("churn", "1")
    assert (store.load("churn"), store.latest("churn")) == (1, "1")
