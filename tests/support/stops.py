"""Runs a series of stops by :mod:`support.faults`, and holds what is so after each of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from safeload import HmacKey
from support import faults, processes


def series(
    module: str, mode: str, state: str, key: HmacKey, folder: Path, *, before: Any
) -> list[dict[str, Any]]:
    """Return the stops of a series; after each the old object loads or the new one, and the next dump works.

    In a store, the new tag may be there before `latest` names it; an overwritten tag is one file.
    """
    stops: list[dict[str, Any]] = processes.run(module, mode, state, folder, key=key)
    for stop in stops:
        assert stop["before"] == before, stop
        assert stop["loads"] in (before, faults.NEW), stop
        assert stop["next"] == faults.NEXT, stop
    return stops


def report(capsys: pytest.CaptureFixture[str], what: str, stops: list[dict[str, Any]]) -> None:
    """Print how many stops there were, at which calls, and what was found after them."""
    found = Counter(str(stop["loads"]) for stop in stops)
    calls = Counter(str(stop.get("call")) for stop in stops)
    with capsys.disabled():
        print(f"\n  {what}: {len(stops)} stops, loads {dict(found)}, at {dict(calls)}", end="")
