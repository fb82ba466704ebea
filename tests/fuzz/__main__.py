"""Run a harness under atheris: ``python -m tests.fuzz NAME [--runs N] [--seconds N] [--keep FOLDER]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import atheris

from fuzz import NAMES, harness, regressions


def main() -> None:
    """Fuzz until the runs are done, the time is over or something is found; atheris ends the process."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("name", choices=NAMES)
    arguments.add_argument("--runs", type=int, default=100_000)
    arguments.add_argument("--seconds", type=int, default=0, help="0 means no bound")
    arguments.add_argument("--bytes", type=int, default=4096, help="largest input")
    arguments.add_argument("--keep", type=Path, help="a folder for what is found and what is learned")
    options = arguments.parse_args()
    with atheris.instrument_imports(include=["safeload"]):
        module = harness(options.name)
    keep = options.keep or Path(tempfile.mkdtemp(prefix="safeload-fuzz-"))
    learned, found = keep / "learned", keep / "found"
    for folder in (learned, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate([*module.SEEDS, *regressions(options.name).values()]):
        (learned / f"seed-{number}").write_bytes(seed)
    print(f"what is found goes to {found}")
    atheris.Setup(
        [
            sys.argv[0],
            f"-runs={options.runs}",
            f"-max_total_time={options.seconds}",
            f"-max_len={options.bytes}",
            f"-artifact_prefix={found}/",
            "-timeout=10",
            "-rss_limit_mb=2048",
            str(learned),
        ],
        module.one,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
