"""Eight processes at one name: one winner for each tag, both tags of two writers, every number used once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import places, processes, store_racing

from safeload import HmacKey, Keyring

pytestmark = pytest.mark.slow

WRITERS, READERS = 6, 2


@pytest.fixture(params=["folder", "s3"])
def shared(request: pytest.FixtureRequest, keyring: Keyring, tmp_path: Path) -> places.Place:
    """Return a place that several processes share; memory is not."""
    if request.param == "folder":
        return places.FolderPlace(keyring, tmp_path / "state", tmp_path / "store")
    return places.s3_place(keyring, tmp_path / "state", request.getfixturevalue("s3_endpoint"))


def run(
    place: places.Place, key: HmacKey, folder: Path, role: str, count: int, *, reading: str
) -> tuple[list[Any], list[Any]]:
    """Run writers and readers from the same moment on; return what they say."""
    gate, stop = folder / "gate", folder / "stop"

    def start(role: str, who: str, *arguments: object) -> Any:
        # Each reader and writer has a memory of its own, as on another machine.
        given = {"location": str(place.location), "config": place.config, "state": str(folder / who)}
        return processes.start("store_racing", role, json.dumps(given), gate, *arguments, key=key)

    writers = [start(role, f"w{number}", number, count) for number in range(WRITERS)]
    readers = [start("load", f"r{number}", reading, stop) for number in range(READERS)]
    gate.touch()
    try:
        written = [processes.finish(process) for process in writers]
    finally:
        stop.touch()
    read = [processes.finish(process) for process in readers]
    for result in (*written, *read):
        assert result["wrong"] == []
    assert all("NotFound after loads" not in result["outcomes"] for result in read)
    return written, read


def report(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Print a line of figures."""
    with capsys.disabled():
        print(f"\n  {text}", end="")


def count_of(place: places.Place, key: HmacKey, default: int) -> int:
    """Return how often; the server of a test answers a few hundred requests a second."""
    return default if isinstance(place, places.FolderPlace) else default // 4


def test_of_several_writers_of_a_tag_exactly_one_wins(
    shared: places.Place, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For every tag; the loser is told, and the winner's object is what loads."""
    count = count_of(shared, key, 40)
    written, _ = run(shared, key, tmp_path, "same_tags", count, reading="latest")
    winners: dict[int, list[str]] = {number: [] for number in range(count)}
    for result in written:
        assert sorted(result["won"] + result["lost"]) == list(range(count))
        for number in result["won"]:
            winners[number].append(result["writer"])
    assert {number: len(who) for number, who in winners.items()} == dict.fromkeys(range(count), 1)
    store = shared.open()
    for number, (winner,) in winners.items():
        assert store.load("churn", str(number)) == store_racing.value(winner, number)
    assert len(store.verify()) == count
    assert list(store.unreferenced_files()) == []
    report(capsys, f"{count} tags, {WRITERS} writers of each: one winner each time")


def test_writers_of_different_tags_all_get_theirs_and_a_number_each(
    shared: places.Place, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No tag is lost, no number is used twice, and ``latest`` is the one with the highest."""
    count = count_of(shared, key, 16)
    written, _ = run(shared, key, tmp_path, "own_tags", count, reading="latest")
    sequences = [sequence for result in written for sequence in result["sequences"]]
    assert len(set(sequences)) == len(sequences) == WRITERS * count
    store = shared.open()
    statements = {found.tag: found.statement for found in store.check()}
    assert set(statements) == {f"{writer}-{n}" for writer in range(WRITERS) for n in range(count)}
    newest = max(statements.values(), key=lambda statement: statement.sequence if statement else 0)
    assert newest is not None
    assert store.latest("churn") == newest.tag
    assert list(store.unreferenced_files()) == []
    report(capsys, f"{len(sequences)} tags by {WRITERS} writers, all there, numbers up to {max(sequences)}")


def test_a_tag_that_is_overwritten_all_the_time_always_loads(
    shared: places.Place, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By tag; each load gives an object that somebody stored, and none is refused."""
    count = count_of(shared, key, 30)
    _, read = run(shared, key, tmp_path, "overwrite", count, reading="same")
    store = shared.open()
    assert len(store.verify()) == 1
    assert list(store.unreferenced_files()) == []
    loads = sum(result["outcomes"].get("loaded", 0) for result in read)
    assert loads > 0
    report(capsys, f"{WRITERS * count} times overwritten, {loads} loads meanwhile, none refused")
