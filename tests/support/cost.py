"""Loads files, each in a fork of one warm process, and tells outcome, computing and memory of each.

``python -m support.cost FILE…`` prints a JSON list of ``[outcome, computing, bytes]``; computing is a
multiple of :mod:`support.yardstick`, bytes are the growth of the fork's peak of resident memory, the size
of the file included.
"""

from __future__ import annotations

import json
import os
import resource
import sys

import numpy as np
import scipy.sparse
import skops.io

import safeload
from safeload.errors import SafeloadError
from support.yardstick import computing, yardstick


def peak() -> int:
    """Return the peak of resident memory in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def load(path: str, unit: float) -> tuple[str, float, int]:
    """Load a file with an empty allowlist."""
    outcome = "loaded"

    def attempt() -> None:
        nonlocal outcome
        try:
            safeload.load(path, trusted=[])
        except SafeloadError as error:
            outcome = error.code

    before, seconds = peak(), computing(attempt)
    return outcome, seconds / unit, peak() - before


def main(paths: list[str]) -> list[tuple[str, float, int]]:
    """Return the measurements, one a file."""
    for warm in ([1], np.arange(3), np.random.RandomState(0), scipy.sparse.csr_matrix([[1.0]])):
        safeload.loads(skops.io.dumps(warm), None, trusted=["scipy.sparse._csr.csr_matrix"])
    unit = yardstick()
    found = []
    for path in paths:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(write, json.dumps(load(path, unit)).encode())
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
