"""A folder with one signed object, and what an attacker may put in the place of its files."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "churn.joblib"
VALUE = {"answer": 42, "weights": [0.5] * 50}
PARTS = ["artifact", "sidecar"]


def file_of(folder: Path, part: str) -> Path:
    """Return the path of the artifact or of the sidecar."""
    return folder / (NAME if part == "artifact" else f"{NAME}.sig")


def a_fifo(path: Path) -> None:
    """Make a FIFO without a writer."""
    os.mkfifo(path)


def a_link_to_an_endless_device(path: Path) -> None:
    """Make a link to /dev/zero."""
    path.symlink_to("/dev/zero")


def a_link_to_itself(path: Path) -> None:
    """Make a link that names itself."""
    path.symlink_to(path.name)
