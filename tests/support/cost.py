"""Loads files, each in a fork of one warm process, and tells the outcome, the seconds and the memory of each.

``python -m support.cost FILE…`` prints a JSON list of ``[outcome, seconds, bytes]``; bytes are the growth of
the fork's peak of resident memory, the file's own bytes included.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

import numpy as np
import scipy.sparse
import skops.io

import safeload
from safeload.errors import SafeloadError


def peak() -> int:
    """Return the peak of resident memory in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def load(path: str) -> tuple[str, float, int]:
    """Load a file with an empty allowlist."""
    before, start = peak(), time.perf_counter()
    try:
        safeload.load(path, trusted=[])
        outcome = "loaded"
    except SafeloadError as error:
        outcome = error.code
    return outcome, time.perf_counter() - start, peak() - before


def main(paths: list[str]) -> list[tuple[str, float, int]]:
    """Return the measurements, one a file."""
    for warm in ([1], np.arange(3), np.random.RandomState(0), scipy.sparse.csr_matrix([[1.0]])):
        safeload.loads(skops.io.dumps(warm), None, trusted=["scipy.sparse._csr.csr_matrix"])
    found = []
    for path in paths:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(write, json.dumps(load(path)).encode())
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        found.append(tuple(json.loads(text)) if text else ("died", 0.0, 0))
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
