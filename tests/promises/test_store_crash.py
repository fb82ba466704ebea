"""A store's dump that is stopped or fails anywhere loses nothing that was there before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support import faults, processes
from support.stops import report
from support.stops import series as stops_of

import safeload
from safeload import HmacKey, Keyring, Store

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="stops are made in forked processes")

BEFORE = {"nothing": "NotFound", "object": 1, "overwrite": 1}


def series(mode: str, state: str, key: HmacKey, folder: Path) -> list[dict[str, Any]]:
    """Return the stops of one series, each of them looked at."""
    return stops_of("store_faults", mode, state, key, folder, before=BEFORE[state])


@pytest.mark.slow
@pytest.mark.parametrize("state", BEFORE)
@pytest.mark.parametrize("mode", ["before", "after", "torn"])
def test_a_dump_stopped_at_any_call_leaves_every_tag_verifiable(
    mode: str, state: str, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process ends at each of its calls; all tags verify, and the next dump works."""
    stops = series(mode, state, key, tmp_path)
    assert len(stops) > (5 if mode == "torn" else 50)
    if mode != "torn":
        assert {stop["loads"] for stop in stops} == {BEFORE[state], faults.NEW}
        calls = Counter(stop["call"] for stop in stops)
        assert calls["fsync"] >= 6
        assert calls["link"] == {"nothing": 2, "object": 1, "overwrite": 0}[state]
    report(capsys, f"{mode} each call, {state}", stops)


@pytest.mark.slow
@pytest.mark.parametrize("state", BEFORE)
@pytest.mark.parametrize("mode", ["error", "short"])
def test_a_call_that_fails_is_told_and_loses_nothing(
    mode: str, state: str, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the operating system refuses is a SafeloadError, or did not matter."""
    stops = series(mode, state, key, tmp_path)
    for stop in stops:
        assert stop["ended"] in ((0,) if mode == "short" else (0, faults.REFUSED)), stop
    report(capsys, f"{mode} at each call, {state}", stops)


@pytest.mark.slow
def test_writers_that_are_killed_lose_no_tag(
    key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """300 times at random moments, over several names; a tag whose dump had returned is there."""
    result = processes.run("store_faults", "kill", 300, tmp_path, key=key)
    assert (result["lost"], result["unverifiable"], result["stale"]) == ([], [], [])
    assert (result["kills"], result["dumps"] > 200) == (300, True)
    with capsys.disabled():
        print(
            f"\n  {result['kills']} kills during {result['dumps']} dumps: 0 tags lost, 0 unverifiable, "
            f"{result['left over']} files left over",
            end="",
        )


def run_restricted(code: str, key: HmacKey, *arguments: object) -> Any:
    """Run code that prints JSON in a process of its own."""
    from base64 import b64encode

    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SAFELOAD_KEY": b64encode(key.export_secret()).decode()},
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


FULL = """
import json, resource, signal, sys
import joblib, safeload
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = safeload.Store(sys.argv[1], state=sys.argv[2])
outcomes = []
for size in (0, 100, 1000, 5000, 20000, 100000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    for tag, overwrite in (("new", False), ("old", True)):
        try:
            store.dump(bytes(50_000), "churn", tag, overwrite=overwrite)
            outcomes.append([size, tag, "stored"])
        except safeload.SafeloadError as error:
            outcomes.append([size, tag, error.code])
print(json.dumps(outcomes))
"""


def test_a_full_disk_is_told_and_loses_nothing(keyring: Keyring, key: HmacKey, tmp_path: Path) -> None:
    """Files may grow to fewer bytes than are needed: for the artifact, or already for the sidecar."""
    root, state = tmp_path / "store", tmp_path / "state"
    store = Store(root, keyring=keyring, state=state)
    store.dump("old", "churn", "old")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    outcomes = run_restricted(FULL, key, root, state)
    assert outcomes[:-2] == [
        [size, tag, "StorageError"] for size in (0, 100, 1000, 5000, 20000) for tag in ("new", "old")
    ]
    assert outcomes[-2:] == [[100000, "new", "stored"], [100000, "old", "stored"]]
    assert before
    assert {found.tag for found in store.check() if found.refusal is None} == {"old", "new"}
    assert list(store.unreferenced_files()) == []
    assert not list(root.rglob("*.tmp"))


def test_a_full_disk_leaves_the_files_as_they_were(keyring: Keyring, key: HmacKey, tmp_path: Path) -> None:
    """To the byte."""
    root, state = tmp_path / "store", tmp_path / "state"
    Store(root, keyring=keyring, state=state).dump("old", "churn", "old")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    run_restricted(FULL.replace(", 100000)", ")"), key, root, state)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


READ_ONLY = """
import json, os, sys
import joblib, safeload
# All that is imported is imported now: who has no rights may not be able to read the interpreter's files.
warm = safeload.Store(sys.argv[4], state=sys.argv[4] + "-state")
warm.dump(1, "warm", "1")
warm.load("warm")
warm.verify()
list(warm.check())
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
outcomes = []
store = safeload.Store(sys.argv[1], state=sys.argv[2])
for call in (
    lambda: store.load("churn"),
    lambda: store.load("churn", "1"),
    lambda: len(store.verify()),
    lambda: store.dump("new", "churn", "2"),
    lambda: store.dump("new", "churn", "1", overwrite=True),
    lambda: store.dump("new", "other", "1"),
    lambda: store.delete("churn", "1"),
    lambda: safeload.Store(sys.argv[1], state=sys.argv[3]).load("churn"),
    lambda: safeload.Store(sys.argv[1], state=sys.argv[3]).load("churn", min_sequence=1),
):
    try:
        outcomes.append(call())
    except safeload.SafeloadError as error:
        outcomes.append(error.code)
print(json.dumps(outcomes))
"""


def test_a_read_only_folder_loads_and_refuses_to_store(
    keyring: Keyring, key: HmacKey, tmp_path: Path
) -> None:
    """Also a memory that cannot be written is told, unless something else is demanded of the pointer."""
    root, state, fixed = tmp_path / "store", tmp_path / "state", tmp_path / "fixed"
    Store(root, keyring=keyring, state=tmp_path / "writer").dump("old", "churn", "1")
    fixed.mkdir()
    state.mkdir()
    state.chmod(0o777)
    # pytest's own folders are for their owner only.
    opened = [
        folder
        for folder in (tmp_path, *tmp_path.parents)
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001
    ]
    modes = {folder: folder.stat().st_mode for folder in opened}
    read_only = [*(folder for folder in root.rglob("*") if folder.is_dir()), root, fixed]
    try:
        for folder in opened:
            folder.chmod(modes[folder] | 0o011)
        for folder in read_only:
            folder.chmod(0o555)
        outcomes = run_restricted(READ_ONLY, key, root, state, fixed, tmp_path / "warm")
    finally:
        for folder in read_only:
            folder.chmod(0o755)
        for folder in opened:
            folder.chmod(modes[folder])
    assert outcomes == ["old", "old", 1, *["StorageError"] * 4, "StorageError", "old"]
    assert Store(root, keyring=keyring, state=tmp_path / "writer").load("churn") == "old"


def test_stores_on_file_systems_without_hard_links_work_too(
    keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder's lock and a look decide there."""

    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    store = Store(tmp_path / "store", keyring=keyring, state=tmp_path / "state")
    store.dump(1, "churn", "1")
    with pytest.raises(safeload.TagExists):
        store.dump(2, "churn", "1")
    assert store.load("churn") == 1
    assert list(store.unreferenced_files()) == []
