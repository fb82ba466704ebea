"""What announces more than it holds costs no more than it holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from support import bombs
from support.paths import ROOT, TESTS

SECONDS = 1.0
GROWTH = 64 * bombs.MIB


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, float]]:
    """Return what looking into each bomb gave, in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-m", "support.bombs"],
        capture_output=True,
        check=True,
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(TESTS)])},
    )
    answer: dict[str, dict[str, float]] = json.loads(ran.stdout)
    return answer


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_costs_little(name: str, results: dict[str, dict[str, float]]) -> None:
    """Within a second of computing, and 64 MiB beyond the file."""
    assert results[name]["seconds"] < SECONDS
    assert results[name]["grown"] < GROWTH
