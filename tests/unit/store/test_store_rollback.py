"""What an attacker gets who puts back older files of a store, in every combination.

The attacker has kept every file that was ever there, and puts them back as they like. Whether a loader
notices depends on what it knows: from its own memory, or from arguments.
"""

from __future__ import annotations

import itertools
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.places import Place, is_root

import safeload
from safeload import KeyringError, MalformedError, NotFound, RollbackDetected, StorageError

POINTER = "churn/latest.sig"


def of(files: dict[str, bytes], tag: str) -> tuple[str, str]:
    """Return the paths of a tag's sidecar and artifact."""
    artifact = next(path for path in files if path.startswith(f"churn/{tag}.") and path.endswith(".joblib"))
    return f"churn/{tag}.sig", artifact


def two_versions(place: Place) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Store tag 1 twice; return the files of each state."""
    store = place.open()
    store.dump("old", "churn", "1")
    old = place.files()
    store.dump("new", "churn", "1", overwrite=True)
    return old, place.files()


def outcome(store: safeload.Store, *arguments: Any, **named: Any) -> Any:
    try:
        return store.load("churn", *arguments, **named)
    except safeload.SafeloadError as error:
        return error.code


# Which of pointer, sidecar and artifact of an overwritten tag are put back (the artifact beside the new one,
# since it has a name of its own) -> what `latest` and the tag itself give a loader that has seen the new one.
OVERWRITTEN = {
    (False, False, False): ("new", "new"),
    (False, False, True): ("new", "new"),
    (False, True, False): ("RollbackDetected", "NotFound"),
    (False, True, True): ("RollbackDetected", "old"),
    (True, False, False): ("RollbackDetected", "new"),
    (True, False, True): ("RollbackDetected", "new"),
    (True, True, False): ("RollbackDetected", "NotFound"),
    (True, True, True): ("RollbackDetected", "old"),
}


@pytest.mark.parametrize("put_back", OVERWRITTEN, ids=str)
def test_putting_back_an_overwritten_tag(put_back: tuple[bool, bool, bool], place: Place) -> None:
    """``latest`` is never the old object. The tag itself can be: it was signed for that very name and tag."""
    old, new = two_versions(place)
    assert place.open().load("churn") == "new"
    sidecar, artifact = of(old, "1")
    for path, back in zip((POINTER, sidecar, artifact), put_back, strict=True):
        if back:
            place.write(path, old[path])
    assert (outcome(place.open()), outcome(place.open(), "1")) == OVERWRITTEN[put_back]
    # A loader that remembers nothing, but was told a number, fares no worse.
    fresh = place.state.with_name("fresh")
    expected = OVERWRITTEN[put_back][0]
    assert outcome(place.open(state=fresh), min_sequence=2) == expected
    place.restore(new)
    assert place.open().load("churn") == "new"


@pytest.mark.parametrize("put_back", OVERWRITTEN, ids=str)
def test_a_loader_without_memory_believes_the_whole_old_store(
    put_back: tuple[bool, bool, bool], place: Place
) -> None:
    """And nothing less: mixed states are noticed by everybody, or are the newer one."""
    old, _ = two_versions(place)
    sidecar, artifact = of(old, "1")
    for path, back in zip((POINTER, sidecar, artifact), put_back, strict=True):
        if back:
            place.write(path, old[path])
    pointer, statement, stored = put_back
    found = outcome(place.open(state=place.state.with_name("fresh")))
    if pointer and statement and stored:
        assert found == "old"
    elif statement:
        assert found in ("RollbackDetected", "NotFound")
    else:
        # An old pointer with the newer statement: the tag it names has been overwritten since.
        assert found == "new"


def test_every_combination_of_files_of_two_tags(place: Place) -> None:
    """A loader that has seen the newer gets the newer or a refusal; one that has not, one of both."""
    store = place.open()
    store.dump("one", "churn", "1")
    first = place.files()
    store.dump("two", "churn", "2")
    second = place.files()
    assert place.open().load("churn") == "two"
    pairs = [of(second, "1"), of(second, "2")]
    parts = [path for pair in pairs for path in pair]
    seen: dict[tuple[str, str], int] = {}
    for pointer, *kept in itertools.product((None, "first", "second"), *[(False, True)] * 4):
        files = {path: second[path] for path, keep in zip(parts, kept, strict=True) if keep}
        if pointer is not None:
            files[POINTER] = (first if pointer == "first" else second)[POINTER]
        place.restore(files)
        knowing = outcome(place.open())
        unknowing = outcome(
            place.open(state=place.state.with_name(f"fresh-{len(seen)}-{sum(seen.values())}"))
        )
        both_of_2 = parts[2] in files and parts[3] in files
        both_of_1 = parts[0] in files and parts[1] in files
        expected = {
            None: ("NotFound", "NotFound"),
            "first": ("RollbackDetected", "one" if both_of_1 else "NotFound"),
            "second": ("two" if both_of_2 else "NotFound",) * 2,
        }[pointer]
        assert (knowing, unknowing) == expected, (pointer, kept)
        seen[knowing, unknowing] = seen.get((knowing, unknowing), 0) + 1
    assert sum(seen.values()) == 48


def test_files_swapped_between_tags_and_names(place: Place) -> None:
    """Sidecars, artifacts and pointers under another name or tag."""
    store = place.open()
    for name in ("churn", "other"):
        for tag in ("1", "2"):
            store.dump(f"{name} {tag}", name, tag)
    files = place.files()
    sidecars = [path for path in files if path.endswith(".sig")]
    for target, source in itertools.permutations(sidecars, 2):
        place.write(target, files[source])
        name, _, leaf = target.partition("/")
        arguments = (name,) if leaf == "latest.sig" else (name, leaf[: -len(".sig")])
        with pytest.raises((safeload.VerificationError, MalformedError)):
            place.open().load(*arguments)
        place.write(target, files[target])
    artifacts = [path for path in files if path.endswith(".joblib")]
    for target, source in itertools.permutations(artifacts, 2):
        place.write(target, files[source])
        name, _, leaf = target.partition("/")
        with pytest.raises(safeload.DigestMismatch):
            place.open().load(name, leaf[:1])
        place.write(target, files[target])
    assert len(place.open().verify()) == 4


def test_the_memory_is_of_one_store_and_name(place: Place) -> None:
    """Numbers of other names say nothing."""
    store = place.open()
    for tag in "abc":
        store.dump(tag, "many", tag)
    store.dump("one", "churn", "1")
    assert (store.load("many"), store.load("churn")) == ("c", "one")


def test_the_memory_lies_where_the_environment_says(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``state=``, then ``SAFELOAD_STATE``, then the user's state folder."""
    place.open(state=tmp_path / "writer").dump(1, "churn", "1")
    loads = [({"state": tmp_path / "a"}, tmp_path / "a"), ({"state": None}, tmp_path / "b")]
    monkeypatch.setenv("SAFELOAD_STATE", str(tmp_path / "b"))
    for given, folder in loads:
        assert not folder.exists()
        assert place.open(**given).load("churn") == 1
        assert len(list(folder.rglob("*.seq"))) == 1
    monkeypatch.setenv("SAFELOAD_STATE", "relative")
    with pytest.raises(KeyringError, match="relative"):
        place.open(state=None).load("churn")
    monkeypatch.delenv("SAFELOAD_STATE")
    assert place.open(state=None).load("churn") == 1
    assert len(list(Path(os.environ["XDG_STATE_HOME"], "safeload").rglob("churn.seq"))) == 1


@pytest.mark.parametrize("content", [b"", b"x", b"-1", b"1 ", b"1" * 40, "\u0661".encode(), b"\xff"])
def test_a_damaged_memory_is_no_forgetting(content: bytes, place: Place) -> None:
    """Better refuse than forget."""
    place.open().dump(1, "churn", "1")
    assert place.open().load("churn") == 1
    (memory,) = place.state.rglob("churn.seq")
    memory.write_bytes(content)
    for call in (lambda: place.open().load("churn"), lambda: place.open().dump(2, "churn", "2")):
        with pytest.raises(safeload.SafeloadError):
            call()
    assert place.open().load("churn", "1") == 1


@pytest.mark.skipif(is_root(), reason="root can write everywhere; test_store_crash.py drops its rights")
def test_a_memory_that_cannot_be_kept_is_an_error_unless_something_else_is_demanded(place: Place) -> None:
    """``min_sequence`` or ``max_age``."""
    place.open().dump(1, "churn", "1")
    fixed = place.state.with_name("fixed")
    fixed.mkdir(mode=0o500)
    with pytest.raises(StorageError, match="remembered"):
        place.open(state=fixed).load("churn")
    assert place.open(state=fixed).load("churn", min_sequence=1) == 1
    assert place.open(state=fixed).load("churn", max_age=timedelta(hours=1)) == 1


def test_a_memory_in_place_of_a_folder_is_an_error(place: Place) -> None:
    """A file where the folder must be; also root cannot write into that."""
    place.open().dump(1, "churn", "1")
    blocked = place.state.with_name("blocked")
    blocked.write_text("")
    with pytest.raises(StorageError):
        place.open(state=blocked).load("churn")


def test_an_age_can_be_demanded(place: Place) -> None:
    """Of the pointer."""
    store = place.open()
    store.dump(1, "churn", "1")
    assert store.load("churn", max_age=timedelta(hours=1)) == 1
    with pytest.raises(RollbackDetected, match="longer ago"):
        store.load("churn", max_age=timedelta(seconds=-5))


def test_a_number_can_be_demanded(place: Place) -> None:
    """At least that one."""
    store = place.open()
    store.dump(1, "churn", "1")
    assert store.load("churn", min_sequence=1) == 1
    with pytest.raises(RollbackDetected, match="2 was there before"):
        store.load("churn", min_sequence=2)


def test_a_removed_pointer_does_not_make_the_numbers_start_again(place: Place, tmp_path: Path) -> None:
    """They go on from the statements, and from the writer's memory."""
    store = place.open()
    for number in range(3):
        store.dump(number, "churn", str(number))
    assert place.open(state=tmp_path / "loader").load("churn") == 2
    place.remove(POINTER)
    with pytest.raises(NotFound):
        store.load("churn")
    place.open(state=tmp_path / "another writer").dump("new", "churn", "new")
    assert place.open(state=tmp_path / "loader").load("churn") == "new"


def test_a_writer_notices_an_older_pointer_too(place: Place, tmp_path: Path) -> None:
    """It goes on from the highest number it knows, so that loaders are not locked out."""
    store = place.open()
    store.dump("one", "churn", "1")
    old = place.files()[POINTER]
    store.dump("two", "churn", "2")
    loader = place.open(state=tmp_path / "loader")
    assert loader.load("churn") == "two"
    place.write(POINTER, old)
    place.open().dump("three", "churn", "3")
    assert loader.load("churn") == "three"


def test_a_newer_version_that_comes_in_between_is_no_rollback(place: Place) -> None:
    """Another process of the same memory stores and loads right after this one has read the pointer."""
    store = place.open()
    store.dump("one", "churn", "1")
    backend = store._backend
    real = backend.read

    def read(path: str, *, limit: int) -> Any:
        found = real(path, limit=limit)
        if path == POINTER:
            backend.read = real  # type: ignore[method-assign]
            place.open().dump("two", "churn", "2")
            assert place.open().load("churn") == "two"
        return found

    backend.read = read  # type: ignore[method-assign]
    assert store.load("churn") in ("one", "two")
    assert store.load("churn") == "two"
