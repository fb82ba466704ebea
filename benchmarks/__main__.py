"""Measure, print the table, and write it: ``python -m benchmarks [--write] [part of a row's name]``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import large, memory, model_folders, report, small, stores, tensors
from benchmarks.measure import Row

ROWS: tuple[Callable[[Path], Iterator[Row]], ...] = (
    large.loading_arrays,
    small.loading_and_dumping_estimators,
    small.loading_a_small_object,
    small.loading_with_an_allowlist,
    small.dumping_a_small_object,
    large.dumping_arrays,
    tensors.loading_safetensors,
    model_folders.signing_and_verifying_a_folder,
    memory.peak_of_a_load,
    memory.memory_of_a_map,
    memory.memory_of_workers,
    small.importing,
    small.verifying_many,
    stores.latest_among_many_tags,
    stores.rotating,
    large.growing,
)


def main(arguments: list[str]) -> None:
    """Measure each row that was asked for."""
    write = "--write" in arguments
    wanted = [argument for argument in arguments if argument != "--write"]
    print(report.machine())
    rows: list[Row] = []
    for measure in ROWS:
        if wanted and not any(part in measure.__name__ for part in wanted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            for row in measure(Path(folder)):
                print(report.line(row), flush=True)
                rows.append(row)
    if write:
        report.write(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
