"""``dump_obj`` and ``load_obj`` in place of hetida designer's, without the faults of those.

The faults, each with a test here: names leave the folder; two names with ``_`` are one file; a tag is
replaced in silence; the link to the latest is missing for a moment; it is absolute, so that
the folder cannot move; nothing is authenticated; a crash leaves half a file (``test_store_crash.py``).
"""

from __future__ import annotations

import shutil
import threading
from base64 import b64encode
from pathlib import Path

import joblib
import pytest
from support.attacks import marker_pickle

import safeload
from safeload import HmacKey, InvalidName, NotFound, Store, dump_obj, load_obj


@pytest.fixture(autouse=True)
def repo(key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configure all by the environment, as for hetida's components."""
    folder = tmp_path / "repo"
    monkeypatch.setenv("MODEL_REPO_PATH", str(folder))
    monkeypatch.setenv("SAFELOAD_KEY", b64encode(key.export_secret()).decode())
    return folder


def test_the_functions_store_and_load() -> None:
    """By tag, and latest as the default."""
    assert dump_obj({"a": 1}, "model", "v1") is None
    dump_obj({"a": 2}, name="model", tag="v2")
    assert (load_obj("model", "v1"), load_obj("model"), load_obj("model", "latest")) == (
        {"a": 1},
        {"a": 2},
        {"a": 2},
    )
    assert load_obj(name="model", tag="v2") == {"a": 2}


def test_the_refusal_of_latest_is_a_value_error_too() -> None:
    """Who catches what hetida's function raises goes on doing so."""
    with pytest.raises(ValueError, match="latest"):
        dump_obj(1, "model", "latest")
    with pytest.raises(InvalidName):
        dump_obj(1, "model", "LATEST")


def test_what_is_missing_is_a_file_not_found_error_too() -> None:
    """As joblib raises it."""
    with pytest.raises(FileNotFoundError):
        load_obj("model", "v1")
    with pytest.raises(NotFound):
        load_obj("model")


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "..", "a/../../outside", "a\\..\\outside"])
def test_names_do_not_leave_the_folder(name: str, repo: Path, tmp_path: Path) -> None:
    """They are names, and mean no path."""
    dump_obj("x", name, "../1")
    assert load_obj(name, "../1") == load_obj(name) == "x"
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and repo not in path.parents]
    assert outside == []
    assert not Path("/etc/outside").exists()


def test_names_and_tags_with_underscores_do_not_meet() -> None:
    """``a_b`` with ``c`` and ``a`` with ``b_c``; and a name that ends like the link."""
    dump_obj(1, "a_b", "c")
    dump_obj(2, "a", "b_c")
    dump_obj(3, "a_b_latest", "x")
    assert (load_obj("a_b", "c"), load_obj("a", "b_c"), load_obj("a_b_latest", "x")) == (1, 2, 3)
    assert (load_obj("a_b"), load_obj("a")) == (1, 2)


def test_a_tag_is_replaced_at_once_and_a_store_can_refuse_to(repo: Path) -> None:
    """The functions replace, as hetida's do; ``Store.dump`` does not unless told to."""
    dump_obj("first", "model", "v1")
    dump_obj("second", "model", "v1")
    assert load_obj("model", "v1") == "second"
    with pytest.raises(safeload.TagExists):
        Store(repo).dump("third", "model", "v1")


def test_latest_is_there_at_every_moment() -> None:
    """While it moves some hundred times; and it never goes back."""
    dump_obj(0, "model", "0")
    seen, stop = [], threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(load_obj("model"))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, 150):
            dump_obj(number, "model", str(number))
    finally:
        stop.set()
        reader.join()
    assert seen == sorted(seen)
    assert len(seen) > 50


def test_the_folder_can_move(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in it says where it lies."""
    dump_obj("x", "model", "v1")
    moved = repo.with_name("moved")
    shutil.move(repo, moved)
    monkeypatch.setenv("MODEL_REPO_PATH", str(moved))
    assert (load_obj("model"), load_obj("model", "v1")) == ("x", "x")


def test_an_unsigned_file_is_refused(repo: Path, tmp_path: Path) -> None:
    """In place of the artifact, or as hetida would have named it."""
    dump_obj("x", "model", "v1")
    marker = tmp_path / "marker"
    hostile = marker_pickle(marker)
    (artifact,) = (repo / "model").glob("*.joblib")
    artifact.write_bytes(hostile)
    (repo / "model_v2").write_bytes(hostile)
    (repo / "model_latest").symlink_to(repo / "model_v2")
    for arguments, error in ((("model",), safeload.DigestMismatch), (("model", "v2"), NotFound)):
        with pytest.raises(error):
            load_obj(*arguments)
    assert not marker.exists()


def test_half_a_file_is_refused(repo: Path) -> None:
    """And what is stored is what joblib reads."""
    dump_obj(list(range(1000)), "model", "v1")
    (artifact,) = (repo / "model").glob("*.joblib")
    assert joblib.load(artifact) == list(range(1000))
    artifact.write_bytes(artifact.read_bytes()[:500])
    with pytest.raises(safeload.DigestMismatch):
        load_obj("model")


def test_without_a_folder_that_can_be_made_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default, ``/mnt/obj_repo``, is the one of hetida designer."""
    monkeypatch.setenv("MODEL_REPO_PATH", "/proc/no such place/repo")
    with pytest.raises(safeload.SafeloadError, match="no such place"):
        dump_obj(1, "model", "v1")
    monkeypatch.setenv("MODEL_REPO_PATH", "")
    from safeload.store import model_repo

    assert model_repo._store().location == "/mnt/obj_repo"
