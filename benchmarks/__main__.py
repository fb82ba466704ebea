"""Print the table: ``python -m benchmarks [part of a row's name]``."""

from __future__ import annotations

import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from benchmarks.rows import ROWS


def main() -> None:
    """Measure each row and print it."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("joblib", "numpy", "scikit-learn", "blake3"))
    print(f"Python {platform.python_version()}, {platform.machine()}, {packages}")
    print(f"{'what':<48} {'measured':<24} target")
    for measure in ROWS:
        if len(sys.argv) > 1 and sys.argv[1] not in measure.__name__:
            continue
        with tempfile.TemporaryDirectory() as folder:
            for what, figure, target in measure(Path(folder)):
                print(f"{what:<48} {figure:<24} {target}")


if __name__ == "__main__":
    main()
