"""Measuring two things side by side, so that a drifting machine does not decide the comparison."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

REPEATS = 9

# What was measured, the figure, and the target, if there is one.
Row = tuple[str, str, str]


@dataclass(frozen=True)
class Pair:
    """Medians of interleaved repeats, in seconds, and the median of the ratios pair by pair.

    Parameters
    ----------
    ours, theirs
        Seconds for one call.
    ratio
        Of ours to theirs.
    """

    ours: float
    theirs: float
    ratio: float


def side_by_side(ours: Callable[[], object], theirs: Callable[[], object], calls: int = 1) -> Pair:
    """Time two functions in turn, each for `calls` calls a repeat, after one repeat that is not counted."""
    pairs = []
    for repeat in range(REPEATS + 1):
        gc.collect()
        pair = (_time(ours, calls), _time(theirs, calls))
        if repeat:
            pairs.append(pair)
    return Pair(
        statistics.median(one for one, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(one / other for one, other in pairs),
    )


def _time(function: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def import_user_seconds(code: str) -> tuple[float, float]:
    """Return the user time of `code` and of an empty program; each is the mean of a batch of processes.

    The kernel counts user time in ticks of 1 to 10 ms, so that single runs would say little.
    """
    batch = 40
    ours, bare = [], []
    for _ in range(5):
        for program, times in ((code, ours), ("pass", bare)):
            before = os.times().children_user
            for _ in range(batch):
                subprocess.run([sys.executable, "-c", program], check=True)
            times.append((os.times().children_user - before) / batch)
    return statistics.median(ours), statistics.median(bare)
