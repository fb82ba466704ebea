"""Runs one scanner over files, each in a forked process: ``python scanner_worker.py SCANNER``.

It is run by the interpreter of the environment that the scanner is installed in, and imports nothing of
safeload's unless that is the scanner. It reads a JSON list of paths and prints, for each, one of

``alarm``    what a pipeline would stop at
``unsure``   the scanner says that it does not know the types, and raises no alarm
``silent``   nothing was found
``unread``   the scanner says that it could not read the file, or skipped it
``crash``    an exception that is not the scanner's own, a signal, or no answer in twenty seconds

with the seconds it took.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable

SECONDS = 20
OUTCOMES = ("alarm", "unsure", "silent", "unread", "crash")


def _picklescan() -> Callable[[str], str]:
    from picklescan.scanner import scan_file_path

    def scan(path: str) -> str:
        result = scan_file_path(path)
        if result.issues_count:
            return "alarm"
        if result.scan_err or not result.scanned_files:
            return "unread"
        # picklescan's exit status is 0 for these, so they are not unsure but silent.
        return "silent"

    return scan


def _fickling() -> Callable[[str], str]:
    import fickling.exception
    from fickling.analysis import Severity, check_safety
    from fickling.fickle import PickleDecodeError, StackedPickle

    own = (PickleDecodeError, fickling.exception.ResourceExhaustionError)

    def scan(path: str) -> str:
        with open(path, "rb") as file:
            data = file.read()
        try:
            pickles = list(StackedPickle.load(io.BytesIO(data)))
            severities = [check_safety(pickled).severity for pickled in pickles]
        except own:
            return "unread"
        return "alarm" if any(severity > Severity.LIKELY_SAFE for severity in severities) else "silent"

    return scan


def _modelscan() -> Callable[[str], str]:
    from modelscan.modelscan import ModelScan

    def scan(path: str) -> str:
        result = ModelScan().scan(path)
        summary = result["summary"]
        if summary["total_issues"]:
            return "alarm"
        if result["errors"] or summary["skipped"]["total_skipped"] or not summary["scanned"]["total_scanned"]:
            return "unread"
        return "silent"

    return scan


def _safeload() -> Callable[[str], str]:
    import joblib
    import skops.io

    import safeload
    import safeload.api.inspection

    # What is imported before the processes are forked need not be imported in each.
    del joblib, skops

    outcomes = {
        "data": "silent",
        "known types": "silent",
        "unknown types": "unsure",
        "malformed": "alarm",
        "dangerous": "alarm",
    }

    def scan(path: str) -> str:
        try:
            report = safeload.inspect(path).report
        except safeload.SafeloadError:
            return "alarm"
        return outcomes[report.verdict] if report is not None else "unread"

    return scan


SCANNERS = {"safeload": _safeload, "picklescan": _picklescan, "fickling": _fickling, "modelscan": _modelscan}


def _apart(scan: Callable[[str], str], path: str) -> str:
    """Scan in a forked process, since a scanner may hang, crash, or spend all memory."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            nothing = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(nothing, descriptor)
            signal.alarm(SECONDS)
            os.write(writer, scan(path).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        outcome = pipe.read().decode()
    os.waitpid(child, 0)
    return outcome or "crash"


def main() -> None:
    """See the module."""
    scan = SCANNERS[sys.argv[1]]()
    outcomes, start = {}, time.perf_counter()
    for path in json.load(sys.stdin):
        outcomes[path] = _apart(scan, path)
    json.dump({"outcomes": outcomes, "seconds": time.perf_counter() - start}, sys.stdout)


if __name__ == "__main__":
    main()
