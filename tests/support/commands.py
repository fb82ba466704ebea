"""Runs ``safeload``'s commands within this process."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from safeload.cli.app import app


def run(*arguments: object) -> tuple[int, str, str]:
    """Return exit status, output and error output of a command."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def run_json(*arguments: object) -> tuple[int, Any]:
    """Return exit status and answer of a command with ``--json``."""
    status, out, _ = run(*arguments, "--json")
    return status, json.loads(out)
