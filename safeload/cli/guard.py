"""``safeload guard``: run somebody's script under the guard."""

from __future__ import annotations

import os
import runpy
import sys
from typing import Annotated

import typer

from safeload.cli.output import wrong_usage


def guard(
    script: Annotated[str, typer.Argument(metavar="SCRIPT", help="A Python script.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[ARGUMENTS]...")] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Log what would be refused, and let it happen.")
    ] = False,
    multiprocessing: Annotated[
        bool, typer.Option("--multiprocessing", help="Let worker processes' messages be unpickled.")
    ] = False,
) -> None:
    """Run a script in which nothing may be unpickled but what safeload verifies."""
    from safeload.guarding import Guard

    if not os.path.isfile(script):
        wrong_usage(f"there is no script {script}")
    sys.argv = [script, *(arguments or [])]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    Guard("report" if report else "refuse", multiprocessing=multiprocessing).enable()
    # To its end as a program: nothing that it started may unpickle afterwards either.
    runpy.run_path(script, run_name="__main__")
