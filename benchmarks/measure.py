"""Measuring two things side by side, so that a drifting machine does not decide the comparison."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

REPEATS = 15
_SETTLING_SECONDS = 2.0


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    what
        What is compared.
    figure
        What was measured.
    target
        What it should be; empty for what is only told.
    met
        Whether it is; None without a target.
    series
        Points of a plot, size in bytes and seconds, by name.
    """

    what: str
    figure: str
    target: str = ""
    met: bool | None = None
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


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

    def row(self, what: str, most: float | None = None) -> Row:
        """Return a line with the ratio, and a target for it."""
        return Row(
            what,
            f"{_shown(self.ours)} / {_shown(self.theirs)} = {self.ratio:.2f}",
            "" if most is None else f"<= {most:.2f}",
            None if most is None else self.ratio <= most,
        )

    def more_row(self, what: str, most_ms: float) -> Row:
        """Return a line with what ours takes more, and a target for it."""
        more = (self.ours - self.theirs) * 1000
        return Row(
            what,
            f"{_shown(self.ours)} - {_shown(self.theirs)} = {more:+.3f} ms",
            f"<= {most_ms:+.3f} ms",
            more <= most_ms,
        )


def side_by_side(ours: Callable[[], object], theirs: Callable[[], object], calls: int = 1) -> Pair:
    """Time two functions in turn, each for `calls` calls a repeat, after one repeat that is not counted."""
    if hasattr(os, "sync"):
        # What was written to prepare this would still be on its way to the disk, and through the host's.
        os.sync()
        time.sleep(_SETTLING_SECONDS)
    pairs = []
    for repeat in range(REPEATS + 1):
        pair = (_time(ours, calls), _time(theirs, calls))
        if repeat:
            pairs.append(pair)
    return Pair(
        statistics.median(one for one, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(one / other for one, other in pairs),
    )


def median_seconds(function: Callable[[], object]) -> float:
    """Return the median time of a call, after one that is not counted."""
    return statistics.median([_time(function, 1) for _ in range(REPEATS + 1)][1:])


def _time(function: Callable[[], object], calls: int) -> float:
    gc.collect()
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"


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


def in_process(code: str, *arguments: object) -> dict[str, float]:
    """Run code that prints a JSON object, in a process of its own, and return the object."""
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(ran.stdout)
    return found
