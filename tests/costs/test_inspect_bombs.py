"""What announces more than it holds costs no more than it holds."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support import bombs
from support.paths import TESTS, environment

# As a multiple of the yardstick, which is a quarter of a second on a machine of 2024.
COMPUTING = 10
GROWTH = 64 * bombs.MIB


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, float]]:
    """Return what looking into each bomb gave, in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-m", "support.bombs"],
        capture_output=True,
        check=True,
        cwd=TESTS,
        env=environment(),
    )
    answer: dict[str, dict[str, float]] = json.loads(ran.stdout)
    return answer


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_a_bomb_costs_little(name: str, results: dict[str, dict[str, float]]) -> None:
    """Computing that the size of the file explains, and at most 64 MiB beyond the file."""
    assert results[name]["computing"] < COMPUTING
    assert results[name]["grown"] < GROWTH
