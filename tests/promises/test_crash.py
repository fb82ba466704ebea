"""A dump that is stopped, cut short or failed anywhere leaves the old object or the new one.

The stops themselves are in ``support/faults.py``. What is stopped is the process; for the machine losing
power there is the order of syncs and renames, which is looked at here.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support import faults, processes
from support.stops import report
from support.stops import series as stops_of

from safeload import HmacKey

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="stops are made in forked processes"),
]

STATES = ["nothing", "object", "interrupted-early", "interrupted-late"]

# What a folder in each state loads as, before the dump.
BEFORE = {"nothing": "NotFound", "object": 1, "interrupted-early": 0, "interrupted-late": 1}


def series(mode: str, state: str, key: HmacKey, folder: Path) -> list[dict[str, Any]]:
    """Return the stops of one series, each of them looked at."""
    return stops_of("faults", mode, state, key, folder, before=BEFORE[state])


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("mode", ["before", "after"])
def test_a_dump_stopped_at_any_call_leaves_the_old_object_or_the_new_one(
    mode: str, state: str, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process ends at each of its calls; what loads is old or new, and the next dump works."""
    stops = series(mode, state, key, tmp_path)
    assert {stop["loads"] for stop in stops} == {BEFORE[state], faults.NEW}
    calls = Counter(stop["call"] for stop in stops)
    assert calls["replace"] == (2 if state == "nothing" else 3)
    assert calls["write"] > calls["replace"]
    assert calls["fsync"] == 2 * calls["replace"]
    assert calls["flock"] == 1
    report(capsys, f"{mode} each call, {state}", stops)


@pytest.mark.parametrize("state", STATES)
def test_a_torn_write_leaves_the_old_object_or_the_new_one(
    state: str, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process ends in the middle of each write, with half of the bytes in the file."""
    stops = series("torn", state, key, tmp_path)
    assert len(stops) >= 5
    report(capsys, f"torn writes, {state}", stops)


def test_a_write_that_takes_half_of_the_bytes_is_continued(key: HmacKey, tmp_path: Path) -> None:
    """The system may write less than it was given; the dump writes the rest and what it signs is whole."""
    stops = processes.run("faults", "short", "object", tmp_path, key=key)
    assert len(stops) >= 5
    assert {stop["ended"] for stop in stops} == {0}
    assert {stop["loads"] for stop in stops} == {faults.NEW}


@pytest.mark.parametrize("state", STATES)
def test_a_full_disk_at_any_call_raises_leaves_nothing_behind_and_loses_nothing(
    state: str, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each call fails once: old or new loads, no temporary file stays, and what is raised is of the tree."""
    stops = series("error", state, key, tmp_path)
    assert {stop["loads"] for stop in stops} == {BEFORE[state], faults.NEW}
    assert [stop for stop in stops if stop["left"]] == []
    assert [stop for stop in stops if stop["call"] == "write" and stop["ended"] != faults.REFUSED] == []
    # A dump that says that it succeeded has.
    assert [stop for stop in stops if stop["ended"] == 0 and stop["loads"] != faults.NEW] == []
    report(capsys, f"failure of each call, {state}", stops)


@pytest.mark.parametrize("state", STATES)
def test_what_a_failing_call_raises_is_a_storage_error(state: str, key: HmacKey, tmp_path: Path) -> None:
    """No OSError leaves a dump that is not a SafeloadError, whichever call failed."""
    stops = processes.run("faults", "error", state, tmp_path, key=key)
    assert [(stop["at"], stop["call"], *stop["told"]) for stop in stops if stop["ended"] == faults.RAW] == []


@pytest.mark.parametrize("state", STATES)
def test_a_call_that_fails_and_a_stop_at_the_next_rename_lose_nothing(
    state: str, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A former sidecar that could not be read for a moment is not taken for one that admits nothing."""
    stops = processes.run("faults", "error-stop", state, tmp_path, key=key)
    lost = [stop for stop in stops if stop["loads"] not in (stop["before"], faults.NEW)]
    assert [(stop["at"], stop["call"], stop["loads"]) for stop in lost] == []
    report(capsys, f"failure, then a stop, {state}", stops)


@pytest.mark.parametrize("state", STATES)
def test_every_rename_is_of_a_synced_file_and_is_itself_synced_before_the_next(
    state: str, key: HmacKey, tmp_path: Path
) -> None:
    """So a machine that loses power is in one of the states of a stopped process."""
    calls = processes.run("faults", "trace", state, tmp_path, key=key)
    opened: dict[str, str] = {}
    synced: set[str] = set()
    unsynced_writes: set[str] = set()
    waiting_for: str | None = None
    renames = 0
    for name, arguments, result in calls:
        if name == "open":
            opened[str(result)] = arguments[0]
        elif name == "write":
            unsynced_writes.add(opened[arguments[0]])
        elif name == "fsync":
            path = opened[arguments[0]]
            synced.add(path)
            unsynced_writes.discard(path)
            if path == waiting_for:
                waiting_for = None
        elif name == "replace":
            assert waiting_for is None
            assert arguments[0] in synced - unsynced_writes
            waiting_for = os.path.dirname(arguments[1])
            renames += 1
    assert renames == (2 if state == "nothing" else 3)
    assert waiting_for is None


def test_kills_at_random_moments_lose_nothing(
    key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL while version after version is dumped: the last that was acknowledged loads, or the next."""
    kills = processes.run("faults", "kill", 60, tmp_path, key=key)
    ever = False
    for kill in kills:
        ever = ever or kill["acknowledged"] > 0 or kill["loads"] != "NotFound"
        if ever:
            assert kill["loads"] in (kill["acknowledged"], kill["acknowledged"] + 1), kill
    assert len(kills) == 60
    assert kills[-1]["acknowledged"] >= 60
    report(capsys, "random kills", [{"loads": "an acknowledged or the next version"} for _ in kills])
