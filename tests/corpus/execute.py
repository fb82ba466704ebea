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
import select
import signal
import sys
import time
from pathlib import Path

SECONDS = 100


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


def _child(loader: str, path: str, output: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor in (1,) if os.environ.get("CORPUS_VERBOSE") else (1, 2):
        os.dup2(output, descriptor)
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
    reading, output = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _child(loader, path, output)
        finally:
            os._exit(0)
    os.close(output)
    marker = Path(path).parent / "marker"
    # What the file starts goes on after the child; its end is that of their common output.
    deadline = time.monotonic() + 2 * SECONDS
    while time.monotonic() < deadline and not os.path.lexists(marker):
        if select.select([reading], [], [], 0.02)[0] and not os.read(reading, 1 << 16):
            break
    os.close(reading)
    os.waitpid(child, 0)
    return os.path.lexists(marker)


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
