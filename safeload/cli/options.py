"""Options that several commands share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from safeload.cli.output import wrong_usage

KeyringOption = Annotated[
    Path | None,
    typer.Option("--keyring", metavar="FILE", help="The keyring file; else as the environment says."),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="The policy file; else as the environment says."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]


def moment(text: str | None, option: str) -> datetime | None:
    """Return an ISO 8601 time; one without a time zone is taken as UTC."""
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        wrong_usage(f"{option} takes a time such as 2027-01-31 or 2027-01-31T12:00:00+01:00")
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
