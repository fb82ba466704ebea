"""Files that attack do attack: what each claims to do when it is loaded, it does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from corpus import techniques
from corpus.entry import Technique
from corpus.running import markers, run, written


@dataclass(frozen=True)
class Loaded:
    """The files, which of them ran something made or loaded, and what their folders held before."""

    files: dict[Path, Technique]
    ran_when_made: set[str]
    ran: set[Path]
    before: dict[Path, set[str]]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Load every file by the loader that it is for, in a process of its own."""
    folder = tmp_path_factory.mktemp("attacks")
    files = written(folder)
    before = {path: {entry.name for entry in path.parent.iterdir()} for path in files}
    made = markers(folder)
    ran = run("execute", [[technique.loader, str(path)] for path, technique in files.items()])
    return Loaded(files, made, set(map(Path, ran)), before)


def test_every_technique_does_what_it_declares(loaded: Loaded, capsys: pytest.CaptureFixture[str]) -> None:
    """Its marker appears when it is loaded, or does not, and never when it is made."""
    assert loaded.ran_when_made == set()
    wrong = {
        technique.name: "ran" if path in loaded.ran else "did not run"
        for path, technique in loaded.files.items()
        if (path in loaded.ran) != technique.executes
    }
    assert wrong == {}
    with capsys.disabled():
        print(f"\n{len(loaded.files)} techniques, of which {len(loaded.ran)} are confirmed to run")


def test_a_file_does_nothing_but_create_its_marker(loaded: Loaded) -> None:
    """After it was loaded its folder holds what was made, the marker, and nothing else."""
    mine = {"marker", "__pycache__"}  # Python's own, of the module that one technique imports.
    new = {
        technique.name: added
        for path, technique in loaded.files.items()
        if (added := {entry.name for entry in path.parent.iterdir()} - loaded.before[path] - mine)
    }
    assert new == {}


def test_there_are_many_techniques_of_many_kinds() -> None:
    """At least sixty that run something, over at least twenty categories, each described."""
    running = [technique for technique in techniques() if technique.executes]
    assert len(running) >= 60
    assert len(Counter(technique.category for technique in running)) >= 20
    assert all(technique.about for technique in running)
