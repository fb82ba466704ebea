"""Taking an unsigned repository into a store, after a look at what its files refer to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from support.attacks import marker_pickle
from support.auditing import no_unpickler_runs

import safeload
from safeload import Keyring, Limits, Store
from safeload.store.adoption import Candidate, Split, adopt, plan


def hetida_dump(folder: Path, obj: Any, name: str, tag: str) -> None:
    """Lay files out as hetida designer's components do."""
    joblib.dump(obj, folder / f"{name}_{tag}")
    link = folder / f"{name}_latest"
    link.unlink(missing_ok=True)
    link.symlink_to(folder / f"{name}_{tag}")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path: Path, keyring: Keyring) -> Store:
    return Store(tmp_path / "new", keyring=keyring, state=tmp_path / "state")


def by_path(candidates: list[Candidate]) -> dict[str, Candidate]:
    return {Path(candidate.path).name: candidate for candidate in candidates}


def names_of(folder: Path, **named: Any) -> dict[str, tuple[str | None, str | None]]:
    return {
        file: (found.name, found.tag) for file, found in by_path(list(plan(str(folder), **named))).items()
    }


def test_a_repository_is_adopted_with_its_latest(old: Path, store: Store) -> None:
    """Every object is there under its name and tag, and latest is what the links said."""
    hetida_dump(old, {"version": 1}, "model", "v1")
    hetida_dump(old, {"version": 3}, "model", "v3")
    hetida_dump(old, {"version": 2}, "model", "v2")
    hetida_dump(old, np.arange(5), "other", "x")
    before = {path.name: (path.lstat().st_mtime_ns, path.read_bytes()) for path in old.iterdir()}
    with no_unpickler_runs():
        outcomes = [adopt(store, candidate).outcome for candidate in plan(str(old))]
    assert outcomes == ["adopted"] * 4
    assert [store.load("model", tag)["version"] for tag in ("v1", "v2", "v3")] == [1, 2, 3]
    assert (store.latest("model"), store.load("model")) == ("v2", {"version": 2})
    np.testing.assert_array_equal(store.load("other"), np.arange(5))
    assert {path.name: (path.lstat().st_mtime_ns, path.read_bytes()) for path in old.iterdir()} == before
    assert store.statement("model", "v1").metadata == {"adopted": True}
    assert len(store.verify()) == 4


def test_planning_writes_nothing(old: Path, store: Store) -> None:
    """It is what the command does without being told to go on."""
    hetida_dump(old, 1, "model", "v1")
    assert [candidate.outcome for candidate in plan(str(old))] == ["planned"]
    assert not Path(store.location).exists()


def test_links_decide_where_a_name_is_split(old: Path) -> None:
    """``a_b_c`` is ``a`` with ``b_c`` or ``a_b`` with ``c``."""
    hetida_dump(old, 1, "a_b", "c")
    hetida_dump(old, 2, "a", "b_d")
    joblib.dump(3, old / "a_b_e")
    assert names_of(old, split="first") == {
        "a_b_c": ("a_b", "c"),
        "a_b_d": ("a", "b_d"),
        # Both names exist, and no link names this file.
        "a_b_e": ("a", "b_e"),
    }
    assert names_of(old, split="last")["a_b_e"] == ("a_b", "e")
    (refused,) = [found for found in plan(str(old)) if found.outcome == "refused"]
    assert Path(refused.path).name == "a_b_e"
    assert "--split" in str(refused.refusal)


def test_a_name_with_a_link_takes_all_its_files(old: Path) -> None:
    """Not only the one that the link names now."""
    hetida_dump(old, 1, "my_model", "2025_01_01")
    hetida_dump(old, 2, "my_model", "2025_01_02")
    assert names_of(old) == {
        "my_model_2025_01_01": ("my_model", "2025_01_01"),
        "my_model_2025_01_02": ("my_model", "2025_01_02"),
    }


@pytest.mark.parametrize(("split", "expected"), [("first", ("a", "b_c")), ("last", ("a_b", "c"))])
def test_without_links_the_caller_decides(split: Split, expected: tuple[str, str], old: Path) -> None:
    """Only where there is something to decide."""
    joblib.dump(1, old / "a_b_c")
    joblib.dump(1, old / "x_y")
    joblib.dump(1, old / "z")
    assert names_of(old, split=split) == {"a_b_c": expected, "x_y": ("x", "y"), "z": ("z", "adopted")}
    assert by_path(list(plan(str(old))))["a_b_c"].outcome == "refused"


def test_a_folder_of_files_is_adopted_under_their_names(old: Path, store: Store) -> None:
    """joblib and pickle, compressed or not; the tag is the caller's."""
    joblib.dump(1, old / "my_model.joblib")
    joblib.dump([2] * 1000, old / "packed.pkl", compress=3)
    (old / "plain.pickle").write_bytes(b"\x80\x04K\x03.")
    for candidate in plan(str(old), tag="2026"):
        assert adopt(store, candidate).outcome == "adopted"
    assert [store.load(name, "2026") for name in ("my_model", "packed", "plain")] == [1, [2] * 1000, 3]


def test_what_a_file_refers_to_is_told_and_nothing_is_run(old: Path, store: Store, tmp_path: Path) -> None:
    """A person decides; a file that cannot be followed to its end is said to be such."""
    marker = tmp_path / "marker"
    (old / "evil_1").write_bytes(marker_pickle(marker))
    (old / "odd_1").write_bytes(b"\x80\x02\x82\x01.")
    hetida_dump(old, {"x": np.arange(3)}, "good", "1")
    with no_unpickler_runs():
        found = by_path(list(plan(str(old))))
        for candidate in found.values():
            adopt(store, candidate)
    assert found["good_1"].complete
    assert set(found["good_1"].globals) == {
        *("joblib.numpy_pickle.NumpyArrayWrapper", "numpy.dtype", "numpy.ndarray")
    }
    assert any("open" in name or "system" in name or "touch" in name for name in found["evil_1"].globals)
    assert not found["odd_1"].complete
    assert not marker.exists()


def test_it_can_be_stopped_and_started_again(old: Path, store: Store) -> None:
    """What is there is skipped; a latest that was not set yet is set."""
    for number in range(6):
        hetida_dump(old, number, "model", f"v{number}")
    hetida_dump(old, 2, "model", "v2")
    candidates = list(plan(str(old)))
    for candidate in candidates[:3]:
        adopt(store, candidate)
    outcomes = [adopt(store, candidate).outcome for candidate in plan(str(old))]
    assert outcomes == ["skipped"] * 3 + ["adopted"] * 3
    assert store.load("model") == 2
    store.promote("model", "v5")
    assert [adopt(store, candidate).outcome for candidate in plan(str(old))] == ["skipped"] * 6
    assert store.load("model") == 2


def test_what_changed_after_it_was_looked_at_is_refused(old: Path, store: Store, tmp_path: Path) -> None:
    """Nobody vouched for the new bytes."""
    hetida_dump(old, 1, "model", "v1")
    (candidate,) = plan(str(old))
    (old / "model_v1").write_bytes(marker_pickle(tmp_path / "marker"))
    done = adopt(store, candidate)
    assert (done.outcome, type(done.refusal)) == ("refused", safeload.DigestMismatch)
    assert list(store.names()) == []


def test_a_tag_that_holds_something_else_is_not_replaced(old: Path, store: Store) -> None:
    """The store's object stays."""
    store.dump("mine", "model", "v1")
    hetida_dump(old, "theirs", "model", "v1")
    (candidate,) = plan(str(old))
    done = adopt(store, candidate)
    assert (done.outcome, type(done.refusal)) == ("refused", safeload.TagExists)
    assert store.load("model", "v1") == "mine"


def test_what_is_no_joblib_file_or_has_no_possible_name_is_refused(
    old: Path, store: Store, tmp_path: Path
) -> None:
    """Each with its reason; the others go on."""
    hetida_dump(old, 1, "good", "1")
    (old / "notes_1").write_text("no pickle")
    (old / "x_LATEST").write_bytes(b"\x80\x04K\x01.")
    (old / "bad\x07_1").write_bytes(b"\x80\x04K\x01.")
    (old / "big_1").write_bytes(b"\x80\x04" + bytes(5000) + b".")
    (old / "broken_1").write_bytes(b"x\x9c" + bytes(50))
    (old / "a link").symlink_to(tmp_path / "outside")
    (old / "a folder").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(old / "fifo_1")
    found = by_path(list(plan(str(old), limits=Limits(artifact_bytes=1000))))
    refusals = {name: type(candidate.refusal) for name, candidate in found.items() if candidate.refusal}
    assert refusals == {
        "notes_1": safeload.MalformedError,
        "x_LATEST": safeload.InvalidName,
        "bad\x07_1": safeload.InvalidName,
        "big_1": safeload.LimitExceeded,
        "broken_1": safeload.MalformedError,
    }
    assert found["good_1"].outcome == "planned"
    assert adopt(store, found["notes_1"]) is found["notes_1"]


def test_a_link_that_leads_elsewhere_is_not_followed(old: Path, tmp_path: Path) -> None:
    """Its target's name may tell of a file here, and that is all that counts of it."""
    outside = tmp_path / "outside_v1"
    joblib.dump(1, outside)
    (old / "outside_latest").symlink_to(outside)
    assert list(plan(str(old))) == []


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    """Not an empty list."""
    with pytest.raises(safeload.NotFound):
        list(plan(str(tmp_path / "missing")))
