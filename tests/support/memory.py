"""Loads one file in a process of its own and tells how much memory that took.

``python -m support.memory <way> <path>`` prints the outcome and the growth of the process's peak, in bytes.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import scipy.sparse  # noqa: F401  what is imported counts before
import skops.io

import safeload
from safeload.errors import SafeloadError


def peak() -> int:
    """Return the peak of resident memory in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(way: str, path: str) -> tuple[str, int]:
    """Load, or look into it for signing."""
    warm = skops.io.dumps([1])
    safeload.loads(warm, None, trusted=[])
    before = peak()
    try:
        if way == "load":
            safeload.load(path, trusted=[])
        else:
            safeload.sign(path, format="skops")
        outcome = "done"
    except SafeloadError as error:
        outcome = error.code
    return outcome, peak() - before


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], str(Path(sys.argv[2])))))
