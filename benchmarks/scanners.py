"""Side by side with other scanners on the corpus of the tests: ``python -m benchmarks.scanners``.

With ``--python PATH`` the others are looked for in the environment of that interpreter, which keeps
what they pin apart::

    python -m venv .venv-scanners && .venv-scanners/bin/pip install picklescan fickling modelscan \
        typing_extensions
    python -m benchmarks.scanners --python .venv-scanners/bin/python --write docs/scanners.md

Of the files that attack, only those count that were confirmed in this very run to execute when loaded. The
corpus is ours: it was made by people who knew what safeload looks at, and the others' ways to miss things.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from benchmarks.scanner_worker import OUTCOMES, SCANNERS, SECONDS

_WORKER = Path(__file__).with_name("scanner_worker.py")
_ROOT = str(Path(__file__).parent.parent)


def _scanned(scanner: str, python: str, paths: list[str]) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([_ROOT, os.environ.get("PYTHONPATH", "")])}
    if scanner != "safeload":
        environment.pop("PYTHONPATH")
    done = subprocess.run(
        [python, "-W", "ignore", str(_WORKER), scanner],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    return dict(json.loads(done.stdout))


def _version(python: str, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _files(folder: Path) -> tuple[list[str], list[str], int, dict[str, str]]:
    """Write the corpus; return the attacks that run, the harmless files, the number of attacks, and names."""
    from corpus import benign
    from corpus.running import run, written

    attacks = written(folder / "attacks")
    ran = run("execute", [[technique.loader, str(path)] for path, technique in attacks.items()])
    harmless = []
    (folder / "harmless").mkdir()
    for number, one in enumerate(benign.files()):
        path = folder / "harmless" / f"{number:04}{one.suffix}"
        path.write_bytes(one.data)
        harmless.append(str(path))
    return ran, harmless, len(attacks), {str(path): technique.name for path, technique in attacks.items()}


def _table(rows: list[tuple[str, Counter[str], Counter[str], float]], attacks: int, harmless: int) -> str:
    head = [
        "scanner",
        f"of {attacks} that run: detected",
        "unsure",
        "passed in silence",
        "not read",
        "crash",
        f"of {harmless} harmless: false alarm",
        "unsure",
        "not read",
        "crash",
        "seconds",
    ]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, bad, good, seconds in rows:
        cells = [name, *(str(bad[outcome]) for outcome in OUTCOMES)]
        cells += [str(good[outcome]) for outcome in ("alarm", "unsure", "unread", "crash")] + [
            f"{seconds:.0f}"
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """See the module."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--python", default=sys.executable, help="interpreter with the other scanners")
    arguments.add_argument("--write", type=Path, help="a file for the table")
    arguments.add_argument("--missed", action="store_true", help="name what each scanner passed in silence")
    options = arguments.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        attacks, harmless, made, names = _files(Path(folder))
        for scanner in SCANNERS:
            python = sys.executable if scanner == "safeload" else options.python
            found = _scanned(scanner, python, attacks + harmless)
            bad = Counter(found["outcomes"][path] for path in attacks)
            good = Counter(found["outcomes"][path] for path in harmless)
            rows.append((f"{scanner} {_version(python, scanner)}", bad, good, found["seconds"]))
            if options.missed:
                missed = [names[path] for path in attacks if found["outcomes"][path] == "silent"]
                print(f"{scanner} passes in silence: {'; '.join(missed) or 'none'}", file=sys.stderr)
    table = _table(rows, len(attacks), len(harmless))
    print(
        f"{made} files that attack, {len(attacks)} of them confirmed to run; {len(harmless)} harmless files"
    )
    print(table)
    if options.write:
        options.write.parent.mkdir(exist_ok=True)
        options.write.write_text(_document(table, made, len(attacks), len(harmless)), encoding="utf-8")


def _document(table: str, made: int, attacks: int, harmless: int) -> str:
    return f"""# Scanners side by side

Made by `python -m benchmarks.scanners --write docs/scanners.md`, on the corpus that the tests generate
(`tests/corpus/`): {made} files that attack, {attacks} of them confirmed in the same run to execute when
loaded by the loader that they are for, and {harmless} harmless files. Each file is scanned in a process of
its own, with each scanner's defaults.

{table}

- **detected**: the scanner reports an issue (safeload: `dangerous`, `malformed`, or a refusal to read on).
- **unsure**: safeload's `unknown types`; the others have no such answer.
- **passed in silence**: no issue, no error.
- **not read**: the scanner says that it could not read the file, or skipped it by its name or kind.
- **crash**: another exception, a signal, or no answer within {SECONDS} seconds.

The corpus is safeload's own, so the figures say how far each scanner covers these techniques, and nothing
about files that none of us has thought of. By its design fickling takes every import that it does not know
for unsafe.
"""


if __name__ == "__main__":
    main()
