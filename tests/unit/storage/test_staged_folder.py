"""A folder that is put in place: whoever can write there gains nothing, and two writers lose nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safeload import AlreadyExists, NotFound, SafeloadError, StorageError
from safeload.storage import staged_folder
from safeload.storage.staged_folder import create_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders need the descriptors of POSIX")

FILES = {"saved_model.pb": b"model", "variables/a/b": b"weights", "variables/c": b""}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Return a folder that is to be put in place."""
    for path, data in FILES.items():
        (tmp_path / "made" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "made" / path).write_bytes(data)
    return tmp_path / "made"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return where it goes."""
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / "model"


def put(made: Path, target: Path, sidecar: bytes = b"signature") -> None:
    """Put it there."""
    create_folder(str(made), list(FILES), str(target), sidecar)


def hooked(monkeypatch: pytest.MonkeyPatch, name: str, before: Callable[[], object]) -> None:
    """Let something happen before a step."""
    real = getattr(staged_folder, name)

    def step(*arguments: Any, **options: Any) -> Any:
        before()
        return real(*arguments, **options)

    monkeypatch.setattr(staged_folder, name, step)


def test_a_folder_and_its_sidecar_are_put_in_place(made: Path, target: Path) -> None:
    """All files, and nothing else is left."""
    put(made, target)
    assert {path: (target / path).read_bytes() for path in FILES} == FILES
    assert sorted(path.name for path in target.parent.iterdir()) == ["model", "model.sig"]
    assert target.with_name("model.sig").read_bytes() == b"signature"


def test_a_missing_folder_is_named(made: Path, target: Path) -> None:
    """The error is about the folder to write to, and nothing is made."""
    with pytest.raises(NotFound, match="the folder to write to does not exist") as caught:
        put(made, target.parent / "missing" / "model")
    assert caught.value.where == str(target.parent / "missing")
    assert list(target.parent.iterdir()) == []


def test_what_is_there_stays(made: Path, target: Path) -> None:
    """A file, a folder, a link that leads nowhere, or a sidecar."""
    sidecar = target.with_name("model.sig")
    for there in (target, sidecar):
        for make in (there.touch, there.mkdir, lambda there=there: there.symlink_to("nowhere")):
            make()
            with pytest.raises(AlreadyExists):
                put(made, target)
            assert [path.name for path in target.parent.iterdir()] == [there.name]
            there.rmdir() if there.is_dir() else there.unlink()


def test_no_link_that_is_planted_meanwhile_is_followed(
    made: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder under way is replaced by one of links that are named like the files."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")

    def attack() -> None:
        for staged in [] if (target.parent / "away").exists() else target.parent.glob(".model.*.tmp"):
            staged.rename(target.parent / "away")
            staged.mkdir()
            (staged / "saved_model.pb").symlink_to(victim)
            (staged / "variables").symlink_to(tmp_path)

    hooked(monkeypatch, "_copy", attack)
    with pytest.raises(StorageError, match="was replaced"):
        put(made, target)
    assert victim.read_bytes() == b"mine"
    assert not target.exists()
    assert not target.with_name("model.sig").exists()


def test_a_link_within_the_folder_under_way_is_not_followed(
    made: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one for a file nor one for a folder."""
    victim = tmp_path / "victim"
    victim.mkdir()
    for name in ("saved_model.pb", "variables"):

        def attack(name: str = name) -> None:
            for staged in target.parent.glob(".model.*.tmp"):
                if not (staged / name).is_symlink():
                    (staged / name).symlink_to(victim)

        with monkeypatch.context() as patched:
            hooked(patched, "_copy", attack)
            with pytest.raises(SafeloadError):
                put(made, target)
        assert not list(victim.iterdir())
        assert not list(target.parent.iterdir())


def test_who_comes_second_takes_nothing_from_the_first(
    made: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if both have looked before there was anything, as where no lock is known."""
    real = os.rename

    def rename(*arguments: Any, **named: Any) -> None:
        target.mkdir()
        (target / "theirs").touch()
        real(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", rename)
        with pytest.raises(StorageError):
            put(made, target, b"second")
    assert [path.name for path in target.parent.iterdir()] == ["model"]
    (target / "theirs").unlink()
    target.rmdir()
    hooked(monkeypatch, "write_bytes", lambda: target.with_name("model.sig").write_bytes(b"theirs"))
    with pytest.raises(SafeloadError):
        put(made, target, b"second")
    assert target.with_name("model.sig").read_bytes() == b"theirs"


def test_of_many_writers_one_wins_whole(made: Path, target: Path) -> None:
    """Its folder and its sidecar are there, and the others are told."""
    outcomes: list[object] = []

    def write(number: int) -> None:
        try:
            put(made, target, b"%d" % number)
            outcomes.append(number)
        except AlreadyExists as error:
            outcomes.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(winners) == 1
    assert len(outcomes) == 8
    assert target.with_name("model.sig").read_bytes() == b"%d" % winners[0]
    assert sorted(path.name for path in target.parent.iterdir()) == ["model", "model.sig"]
