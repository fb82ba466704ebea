"""``safeload guard``: run a script under the guard."""

from __future__ import annotations

import os
import runpy
import sys
from typing import Annotated

import typer

from safeload.cli.common import wrong_usage


def guard(
    script: Annotated[str, typer.Argument(metavar="SCRIPT", help="Python script to run.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGUMENTS", help="Arguments for the script.")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Log what would be refused, but allow it.")
    ] = False,
    multiprocessing: Annotated[
        bool,
        typer.Option("--multiprocessing", help="Allow messages between worker processes to be unpickled."),
    ] = False,
) -> None:
    """Run a Python script that may unpickle only what safeload has verified.

    Any other pickle that refers to a class or function raises an error. This finds forgotten calls of
    pickle.load or joblib.load, in libraries too; it is not a sandbox.
    """
    from safeload.guarding import Guard

    if not os.path.isfile(script):
        wrong_usage(f"{script} is not a file")
    sys.argv = [script, *(arguments or [])]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    Guard("report" if report else "refuse", multiprocessing=multiprocessing).enable()
    # The guard is never disabled: threads and exit handlers of the script stay under it too.
    runpy.run_path(script, run_name="__main__")
