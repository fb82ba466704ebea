"""Harnesses for fuzzing: each module has ``SEEDS``, and ``one(data)``, which states a property of any bytes.

``python -m tests.fuzz NAME --runs N`` runs one under atheris (extra ``fuzz``); ``test_fuzz.py`` replays
seeds and regressions and mutates them in every test run. What was found stands in ``regressions/NAME/``, as
hexadecimal text with the reason above it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

NAMES = ("envelope", "statement", "keyring", "joblib_inspection", "skops_check")
REGRESSIONS = Path(__file__).with_name("regressions")


def harness(name: str) -> ModuleType:
    """Return the module of a harness."""
    if name not in NAMES:
        raise ValueError(f"there is no harness {name!r}, only {', '.join(NAMES)}")
    return import_module(f"fuzz.{name}_harness")


def regressions(name: str) -> dict[str, bytes]:
    """Return what was found before, by the file's name."""
    return {
        path.name: bytes.fromhex(
            "".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
        )
        for path in sorted((REGRESSIONS / name).glob("*.hex"))
    }
