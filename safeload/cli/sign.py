"""``safeload sign``: write the sidecars of existing files."""

from __future__ import annotations

import json as _json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from safeload.api import folders
from safeload.cli.options import JsonOption, KeyringOption, PolicyOption, moment
from safeload.cli.output import (
    REFUSED,
    console,
    error_document,
    print_json,
    progress,
    safe,
    table,
    wrong_usage,
)
from safeload.errors import SafeloadError


def sign(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and model folders to sign.")],
    format: Annotated[
        str | None, typer.Option("--format", help="joblib, onnx, …; else by the first bytes.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="When loaders refuse it (ISO 8601).")
    ] = None,
    metadata: Annotated[str | None, typer.Option(metavar="JSON", help="An object to sign along.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace sidecars that are there.")] = False,
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    json: JsonOption = False,
) -> None:
    """Vouch for existing files and folders: write a signature beside each. None is deserialized.

    Make sure of where they come from first.
    """
    import safeload

    ends = moment(expires, "--expires")
    extra = _metadata(metadata)
    rows: list[dict[str, Any]] = []
    with progress([_size(path) for path in paths], enabled=not json) as done:
        for path in paths:
            row: dict[str, Any] = {"path": str(path)}
            try:
                statement = safeload.sign(
                    path,
                    format=format,
                    expires=ends,
                    metadata=extra,
                    overwrite=overwrite,
                    keyring=keyring,
                    policy=policy,
                    progress=done,
                )
                row |= {
                    "status": "signed",
                    "name": statement.name,
                    "format": statement.format,
                    "size": statement.size,
                    "digest": str(statement.digest),
                }
            except SafeloadError as error:
                row |= {"status": "refused", **error_document(error)}
            except ValueError as error:
                # An expiry or metadata that no statement can carry.
                wrong_usage(str(error))
            rows.append(row)
            if not os.path.isdir(path):
                done(_size(path))
    refused = sum(row["status"] == "refused" for row in rows)
    if json:
        print_json({"files": rows, "signed": len(rows) - refused, "refused": refused})
    else:
        _print(rows, refused)
    if refused:
        raise typer.Exit(REFUSED)


def _print(rows: list[dict[str, Any]], refused: int) -> None:
    listing = table(None, ("file", "status", "format", "bytes"))
    for row in rows:
        signed = row["status"] == "signed"
        listing.add_row(
            safe(row["path"]),
            "[green]signed[/]" if signed else f"[red]{row['error']}[/]",
            safe(row.get("format", "")),
            f"{row['size']:,}" if signed else "",
        )
    screen = console()
    screen.print(listing)
    for row in rows:
        if row["status"] == "refused":
            screen.print(f"[red]•[/] {safe(row['message'])}", soft_wrap=True)
    screen.print(f"{len(rows) - refused} signed, {refused} refused")


def _metadata(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = _json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        wrong_usage("--metadata takes a JSON object such as '{\"ticket\": 42}'")
    return value


def _size(path: Path) -> int:
    try:
        return folders.size_of(path) if os.path.isdir(path) else os.stat(path).st_size
    except (OSError, ValueError, SafeloadError):
        return 0
