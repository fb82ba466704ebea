"""Loads one file in a process of its own, for files that attack.

``python -m support.loading <way> <path> [trusted ...]`` prints the name of the error or ``loaded``, as JSON.
The way ``unguarded`` is the control: the standard library's unpickler, which runs what the file says.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import safeload
from safeload.errors import SafeloadError


def main(way: str, path: str, *trusted: str) -> str:
    """Load and say what came of it."""
    try:
        if way == "unguarded":
            pickle.loads(Path(path).read_bytes())
        else:
            getattr(safeload, way)(path, **({"trusted": trusted} if way == "load" else {}))
    except SafeloadError as error:
        return error.code
    return "loaded"


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
