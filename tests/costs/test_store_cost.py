"""How many reads a load takes, whatever else is in the store, and what listing holds in memory."""

from __future__ import annotations

import itertools

import pytest
from support.counting import counted
from support.places import FolderPlace, Place


def fill(place: Place, tags: int) -> None:
    """Store tags under one name, and one under another."""
    store = place.open()
    store.dump("other", "other", "1")
    for number in range(tags):
        store.dump(number, "churn", str(number))


@pytest.mark.parametrize("tags", [1, 60])
def test_a_tag_takes_two_reads_and_latest_three(tags: int, place: Place) -> None:
    """Sidecar and artifact; and the pointer. Nothing is listed."""
    fill(place, tags)
    for arguments, reads in ((("churn", "0"), 2), (("churn",), 3)):
        store = place.open()
        backend = counted(store)
        store.load(*arguments)
        assert dict(backend.calls) == {"read": reads}


def test_storing_lists_nothing_but_for_the_first_of_a_name(place: Place) -> None:
    """One read each of sidecar and pointer, one put each of artifact, sidecar and pointer."""
    fill(place, 20)
    store = place.open()
    backend = counted(store)
    store.dump("new", "churn", "new")
    assert dict(backend.calls) == {"read": 2, "write_artifact": 1, "conditional_write": 2}


def test_listing_streams(place: Place) -> None:
    """The first names and tags come before the others are read."""
    fill(place, 40)
    store = place.open()
    backend = counted(store)
    assert len(list(itertools.islice(store.tags("churn"), 3))) == 3
    assert backend.calls["read"] <= 1 + 3 + 1  # the pointer, the sidecars
    if isinstance(place, FolderPlace):
        assert backend.calls["listed"] < 41
    backend.calls.clear()
    assert len(list(itertools.islice(store.names(), 1))) == 1
    assert backend.calls["read"] == 0


def test_listing_reads_no_artifact(place: Place) -> None:
    """Sidecars and pointers only."""
    fill(place, 5)
    store = place.open()
    backend = counted(store)
    assert len(list(store.check(artifacts=False))) == 6
    assert all(path.endswith(".sig") for path in backend.reads)
