"""Stops or fails a store's dump at each of its calls to the operating system; see :mod:`support.faults`.

``python -m support.store_faults <mode> <state> <folder>``. The state is ``nothing``, ``object`` (another tag
is there), or ``overwrite`` (the tag is there and is replaced).

``kill`` stops writers of several names by SIGKILL at random moments, as often as the state says, and looks
after each at what is there.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from pathlib import Path
from typing import Any

from safeload import Store
from safeload.errors import SafeloadError
from support import faults

NAME, SAME = "churn", "same"
# A writer is killed after up to so many lines, two for each dump.
LINES = 5
NAMES = ("churn", "plant-a/pump", "Ü" * 100)
_overwriting = False


def _store(folder: Path) -> Store:
    return Store(folder / "store", state=folder / "state")


def dump(version: int, folder: Path) -> None:
    """Store a version under a tag of its own, or all of them under one."""
    tag = SAME if _overwriting else str(version)
    _store(folder).dump(faults.value(version), NAME, tag, overwrite=_overwriting)


def outcome(folder: Path) -> Any:
    """Load the latest, and return the version or the name of the error; every tag must verify."""
    store = _store(folder)
    refused = [str(found.refusal) for found in store.check() if found.refusal is not None]
    if refused:
        return refused
    try:
        loaded = store.load(NAME)
    except SafeloadError as error:
        return error.code
    return loaded["version"] if loaded == faults.value(loaded["version"]) else "something else"


def prepare(state: str, folder: Path) -> None:
    """Bring a folder into the state that the dump finds."""
    global _overwriting
    folder.mkdir()
    _overwriting = state == "overwrite"
    if state != "nothing":
        dump(faults.OLD, folder)


def write_until_killed(folder: Path, start: int, report: int) -> None:
    """Dump under all names in turn, in both ways; report when each starts and when it has returned."""
    store = _store(folder)
    for number in range(start, start + 1_000_000):
        name = NAMES[number % len(NAMES)]
        tag, overwrite = (SAME, True) if number % 5 == 0 else (str(number), False)
        os.write(report, json.dumps(["starts", name, tag, number]).encode() + b"\n")
        store.dump(faults.value(number), name, tag, overwrite=overwrite)
        os.write(report, json.dumps(["returned", name, tag, number]).encode() + b"\n")


def kills(times: int, root: Path) -> dict[str, Any]:
    """Kill a writer `times` times; return what was lost, what does not verify, and what is left over."""
    folder = root / "killed"
    # All that is imported is imported now, and not by each child anew.
    _store(root / "warm").dump(1, NAME, SAME)
    _store(root / "warm").load(NAME)
    there: dict[tuple[str, str], int] = {}
    returned: dict[str, int] = {}
    lost, unverifiable, stale, number, dumps = [], [], [], 0, 0
    for attempt in range(times):
        under_way: dict[tuple[str, str], int] = {}
        for line in faults.killed(functools.partial(write_until_killed, folder, number), attempt % LINES):
            what, name, tag, number = json.loads(line)
            if what == "starts":
                under_way = {(name, tag): number}
            else:
                there[name, tag] = returned[name] = number
                under_way = {}
                dumps += 1
        number += 1
        store = _store(folder)
        for (name, tag), version in there.items():
            try:
                loaded = store.load(name, tag)["version"]
            except SafeloadError as error:
                lost.append([name, tag, version, error.code])
                continue
            # The dump that was under way may have got as far as to be seen.
            if loaded != version and loaded != under_way.get((name, tag)):
                stale.append([name, tag, version, loaded])
            there[name, tag] = loaded
        unverifiable += [
            [found.name, found.tag, str(found.refusal)]
            for found in store.check()
            if found.refusal is not None
        ]
        for name, version in returned.items():
            newest = store.load(name)["version"]
            if newest < version:
                stale.append([name, "latest", version, newest])
        if len(there) > 60:
            # Old ones go, so that looking at all of them stays fast.
            for name, tag in list(there)[:40]:
                if tag != store.latest(name):
                    store.delete(name, tag)
                    del there[name, tag]
    return {
        "kills": times,
        "dumps": dumps,
        "lost": lost,
        "unverifiable": unverifiable,
        "stale": stale,
        "left over": len(list(_store(folder).unreferenced_files())),
    }


if __name__ == "__main__":
    if sys.argv[1] == "kill":
        print(json.dumps(kills(int(sys.argv[2]), Path(sys.argv[3]))))
    else:
        faults.dump, faults.outcome, faults.prepare = dump, outcome, prepare
        faults.main(*sys.argv[1:])
