"""Writes the corpus to a folder and runs a module of this package over it, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.paths import environment
from support.processes import ONE_THREAD, PATIENCE

from corpus import techniques
from corpus.entry import Technique


def written(folder: Path) -> dict[Path, Technique]:
    """Write every file that attacks, each to a folder of its own, by its path."""
    return {
        technique.write(folder / f"{number:03}"): technique for number, technique in enumerate(techniques())
    }


def markers(folder: Path) -> set[str]:
    """Return the names of the folders in which a marker is."""
    return {place.name for place in folder.iterdir() if os.path.lexists(place / "marker")}


def run(module: str, asked: Any, *arguments: str, timeout: float = PATIENCE) -> Any:
    """Give ``corpus.<module>`` arguments and some JSON, and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"corpus.{module}", *arguments],
        input=json.dumps(asked),
        env=environment(**ONE_THREAD),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
