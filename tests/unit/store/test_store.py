"""Names, tags and ``latest``: the same tests on a folder, in memory and on an S3 server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from support.places import Place

import safeload
from safeload import InvalidName, NotFound, SerializationError, Store, StoreError, TagExists


def test_an_object_comes_back_by_tag_and_as_latest(place: Place) -> None:
    """Whoever opens the store anew finds it."""
    stored = {"weights": np.arange(5.0), "version": 1}
    place.open().dump(stored, "churn", "2026-11-24")
    for loaded in (place.open().load("churn", "2026-11-24"), place.open().load("churn")):
        np.testing.assert_equal(loaded, stored)


def test_latest_is_what_was_stored_last(place: Place) -> None:
    """Not the highest tag, and also after a tag was replaced."""
    store = place.open()
    for number, tag in enumerate(("b", "c", "a")):
        store.dump(number, "churn", tag)
        assert (store.load("churn"), store.latest("churn")) == (number, tag)
    store.dump("again", "churn", "b", overwrite=True)
    assert (store.load("churn"), store.load("churn", "a"), store.latest("churn")) == ("again", 2, "b")


@pytest.mark.parametrize("tag", ["latest", "Latest", "LATEST", "late\u017ft"])
def test_nothing_is_stored_under_latest(tag: str, place: Place) -> None:
    """In any case; the last one has a long s, which is an s to whoever ignores case."""
    with pytest.raises(InvalidName, match="latest"):
        place.open().dump(1, "churn", tag)
    with pytest.raises(ValueError, match="latest"):
        place.open().dump(1, "churn", tag)
    assert place.files() == {}


def test_a_tag_is_written_once(place: Place) -> None:
    """The second dump changes nothing."""
    store = place.open()
    store.dump("first", "churn", "1")
    before = place.files()
    with pytest.raises(TagExists, match="taken"):
        store.dump("second", "churn", "1")
    assert place.files() == before
    assert store.load("churn", "1") == "first"


def test_overwriting_replaces_the_artifact_and_removes_the_old_one(place: Place) -> None:
    """Three files before, three files after, none of them the old artifact."""
    store = place.open()
    store.dump("first", "churn", "1")
    before = place.files()
    store.dump("second", "churn", "1", overwrite=True)
    after = place.files()
    assert (store.load("churn", "1"), store.load("churn")) == ("second", "second")
    assert len(before) == len(after) == 3
    assert len(before.keys() & after.keys()) == 2
    assert not set(before.values()) & set(after.values())
    store.dump("third", "other", "1", overwrite=True)
    assert store.load("other", "1") == "third"


def test_what_was_signed_is_returned(place: Place) -> None:
    """And it is what verify and statement give."""
    ends = datetime(2099, 1, 1, tzinfo=UTC)
    store = place.open()
    signed = store.dump([1], "churn", "1", format="skops", metadata={"auc": 0.9}, expires=ends)
    assert (signed.name, signed.tag, signed.format, signed.sequence) == ("churn", "1", "skops", 1)
    assert (signed.metadata, signed.expires) == ({"auc": 0.9}, ends)
    assert store.verify("churn", "1") == (signed,) == store.verify("churn") == store.verify()
    assert store.statement("churn", "1") == signed


def test_the_tags_of_a_name_are_listed_from_their_signed_statements(place: Place) -> None:
    """Created, size, format, key and metadata of each."""
    store = place.open()
    store.dump([1, 2, 3], "churn", "1", metadata={"n": 1})
    store.dump(bytes(5000), "churn", "2", format="pickle")
    store.dump([1], "other", "1")
    found = {one.tag: one for one in store.tags("churn")}
    assert set(found) == {"1", "2"}
    assert [found["1"].latest, found["2"].latest] == [False, True]
    first, second = found["1"].statement, found["2"].statement
    assert first is not None
    assert second is not None
    assert (first.metadata, first.format, second.format) == ({"n": 1}, "joblib", "pickle")
    assert second.size > 5000 > first.size
    assert abs(datetime.now(UTC) - first.created) < timedelta(minutes=5)
    assert found["1"].keys == (place.keyring.entries[0].key.key_id,)


def test_names_are_listed_once_and_by_namespace(place: Place) -> None:
    """``/`` makes a namespace."""
    store = place.open()
    for name in ("churn", "plant-a/pump", "plant-a/valve", "plant-b/pump"):
        for tag in ("1", "2"):
            store.dump(1, name, tag)
    assert sorted(store.names()) == ["churn", "plant-a/pump", "plant-a/valve", "plant-b/pump"]
    assert sorted(store.names("plant-a/")) == ["plant-a/pump", "plant-a/valve"]


NAMES = [
    *("A", "a", "a.", ".a", "..", ".", "a b", "CON", "con.x", "nul", "com1", "lpt9.txt", "aux"),
    *("../up", "/etc/passwd", "a/../b", "C:\\x", "a\\b", "%41", "a%2Fb", "a/b", "-rf", "~", "$HOME", "*"),
    "?",
    *("ä", "模型", "😀", "é", "a_b", "latest", "Latest", "latest.sig", "x" * 200, "Ü" * 100, "%" * 200),
    *("a" * 149, "a" * 150, "a" * 151, "." * 200, "x" * 150 + ".", "name.sig", "name.1.joblib"),
]


def test_every_name_and_tag_is_its_own(place: Place) -> None:
    """However odd, long or alike: each comes back as itself, as a name and as a tag."""
    store = place.open()
    for name in NAMES:
        store.dump(f"{name!r} as name", name, "1")
    tags = [tag for tag in NAMES if tag.casefold() != "latest"]
    for tag in tags:
        store.dump(f"{tag!r} as tag", "by tag", tag)
    fresh = place.open()
    assert sorted(fresh.names()) == sorted([*NAMES, "by tag"])
    assert [fresh.load(name) for name in NAMES] == [f"{name!r} as name" for name in NAMES]
    assert sorted(one.tag for one in fresh.tags("by tag")) == sorted(tags)
    assert [fresh.load("by tag", tag) for tag in tags] == [f"{tag!r} as tag" for tag in tags]
    assert len(fresh.verify()) == len(NAMES) + len(tags)
    assert list(fresh.unreferenced_files()) == []


def test_a_long_name_with_only_a_long_tag_is_found(place: Place) -> None:
    """Both are continued in folders below."""
    store = place.open()
    store.dump(1, "Ü" * 100, "Ö" * 100)
    store.dump(2, "Ü" * 99, "Ö" * 100)
    assert sorted(store.names()) == ["Ü" * 99, "Ü" * 100]
    assert [store.load("Ü" * 100), store.load("Ü" * 99, "Ö" * 100)] == [1, 2]


BAD = [
    *("", "x" * 201, "Ü" * 101, "a\x00b", "a\nb", "\x1b[31m"),
    *("e\u0301", "\ud800", "a\u200b", "\u202e", "\uffff"),
]


@pytest.mark.parametrize("text", BAD, ids=ascii)
def test_impossible_names_and_tags_are_refused(text: str, place: Place) -> None:
    """For every way to give one."""
    store = place.open()
    calls: list[Any] = [
        lambda: store.dump(1, text, "1"),
        lambda: store.dump(1, "n", text),
        lambda: store.load(text),
        lambda: store.load("n", text),
        lambda: store.verify(text),
        lambda: store.verify("n", text),
        lambda: list(store.tags(text)),
        lambda: store.latest(text),
        lambda: store.delete(text, "1"),
        lambda: store.delete("n", text),
        lambda: store.promote("n", text),
        lambda: store.statement("n", text),
    ]
    for call in calls:
        with pytest.raises(InvalidName):
            call()
    assert place.files() == {}


@pytest.mark.parametrize("thing", [None, 7, b"churn", ["churn"], True], ids=type)
def test_names_that_are_no_text_are_misuse(thing: Any, place: Place) -> None:
    """By a TypeError."""
    for call in (lambda: place.open().dump(1, thing, "1"), lambda: place.open().load(thing)):
        with pytest.raises(TypeError):
            call()


def test_what_is_not_there_is_not_found(place: Place) -> None:
    """In an empty store and in one with other things."""
    store = place.open()
    for _ in range(2):
        for call in (
            lambda: store.load("churn"),
            lambda: store.load("churn", "9"),
            lambda: store.latest("churn"),
            lambda: store.delete("churn", "9"),
            lambda: store.verify("churn", "9"),
            lambda: store.promote("churn", "9"),
        ):
            with pytest.raises(NotFound):
                call()
        assert list(store.tags("churn")) == []
        store.dump(1, "other", "1", overwrite=True)
    with pytest.raises(FileNotFoundError):
        store.load("churn")


def test_a_dump_that_fails_leaves_what_was_there(place: Place) -> None:
    """An object that cannot be stored, an unknown format or option, metadata that are too long."""

    class Unstorable:
        def __reduce__(self) -> Any:
            raise RuntimeError("no")

    store = place.open()
    store.dump("first", "churn", "1")
    before = place.files()
    calls: list[tuple[type[Exception], Any, dict[str, Any]]] = [
        (SerializationError, [bytes(9 << 20), Unstorable()], {}),
        (safeload.SafeloadError, 1, {"format": "no such format"}),
        (TypeError, 1, {"no_such_option": 1}),
        (safeload.LimitExceeded, 1, {"metadata": {"too long": "x" * (1 << 20)}}),
        (TypeError, 1, {"metadata": {"x": object()}}),
    ]
    for error, value, options in calls:
        for overwrite in (False, True):
            with pytest.raises(error):
                store.dump(value, "churn", "1" if overwrite else "2", overwrite=overwrite, **options)
            assert place.files() == before, error


@pytest.mark.parametrize("size", [0, 1, (8 << 20) - 200, 8 << 20, (8 << 20) + 1, 20 << 20])
def test_artifacts_of_every_size_come_back(size: int, place: Place) -> None:
    """Around the size of the ranges that are read and the parts that are written."""
    value = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    store = place.open()
    signed = store.dump(value, "churn", "1")
    assert signed.size > size
    np.testing.assert_array_equal(store.load("churn"), value)


@pytest.mark.parametrize("compress", [0, 3, ("xz", 1)])
def test_the_options_of_the_format_are_passed_on(compress: Any, place: Place) -> None:
    """As for safeload.dump."""
    store = place.open()
    store.dump({"x": np.zeros(10_000)}, "churn", "1", compress=compress)
    assert (store.statement("churn", "1").size < 10_000) == bool(compress)
    np.testing.assert_array_equal(store.load("churn")["x"], np.zeros(10_000))


def test_an_artifact_is_what_joblib_reads(place: Place, tmp_path: Any) -> None:
    """Anybody can, without safeload and without the check."""
    import joblib

    place.open().dump({"x": np.arange(3)}, "churn", "1")
    (artifact,) = [data for path, data in place.files().items() if path.endswith(".joblib")]
    (tmp_path / "plain.joblib").write_bytes(artifact)
    np.testing.assert_equal(joblib.load(tmp_path / "plain.joblib"), {"x": np.arange(3)})


def test_a_place_that_is_no_store_is_refused() -> None:
    """Unknown schemes; settings for a folder."""
    for location in ("ftp://host/x", "http://host/x", "file:///tmp/x", "s4://b"):
        with pytest.raises(StoreError, match="not supported"):
            Store(location)
    with pytest.raises(TypeError, match="a folder has no setting"):
        Store("models", region="x")
