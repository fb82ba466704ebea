"""Loads files that attack with the loaders that they are for, each in a process of its own.

``python -m corpus.execute`` reads a JSON list of ``[loader, path]`` and prints the list of those paths beside
which the marker appeared. The processes are forked from one that has imported what the loaders need.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pickle
import signal
import sys
import time
from pathlib import Path

SECONDS = 20


def _load(loader: str, path: str) -> None:
    with open(path, "rb") as file:
        if loader == "pickle":
            pickle.load(file)
        elif loader == "pickle in Python":
            pickle._Unpickler(file).load()  # type: ignore[attr-defined]
        elif loader == "repeated pickle":
            while file.peek(1):
                pickle.load(file)
        elif loader == "joblib":
            import joblib

            joblib.load(path)
        elif loader == "numpy":
            import numpy as np

            loaded = np.load(file, allow_pickle=True)
            for member in getattr(loaded, "files", ()):
                loaded[member]
        elif loader == "skops":
            import skops.io

            skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
        else:
            raise ValueError(loader)


def _child(loader: str, path: str) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1) if os.environ.get("CORPUS_VERBOSE") else (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.chdir(Path(path).parent)
    signal.alarm(SECONDS)
    try:
        _load(loader, path)
    except BaseException:
        if os.environ.get("CORPUS_VERBOSE"):
            import traceback

            sys.stderr.write(f"\n=== {path}\n")
            traceback.print_exc()
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()


def executed(loader: str, path: str) -> bool:
    """Load one file in a forked process, and tell whether its marker is there."""
    child = os.fork()
    if child == 0:
        try:
            _child(loader, path)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    marker = Path(path).parent / "marker"
    deadline = time.monotonic() + 0.2
    while not (found := os.path.lexists(marker)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def main() -> None:
    """See the module."""
    import joblib
    import numpy as np
    import scipy.stats
    import sklearn.model_selection
    import skops.io

    del joblib, np, scipy, sklearn, skops
    with contextlib.suppress(ImportError):
        import pandas  # noqa: F401
    print(json.dumps([path for loader, path in json.load(sys.stdin) if executed(loader, path)]))


if __name__ == "__main__":
    main()
