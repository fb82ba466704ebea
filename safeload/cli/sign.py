"""``safeload sign``: write sidecars for existing files and folders."""

from __future__ import annotations

import json as _json
import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from safeload.cli import common
from safeload.cli.common import ExpiresOption, JsonOption, KeyringOption, PolicyOption
from safeload.errors import SafeloadError


def sign(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and model folders to sign.")],
    format: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="joblib, onnx, …; by default told from the first bytes."
        ),
    ] = None,
    expires: ExpiresOption = None,
    metadata: Annotated[
        str | None, typer.Option(metavar="JSON", help="JSON object to include in the signed statement.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing sidecars.")] = False,
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    json: JsonOption = False,
) -> None:
    """Sign existing files and model folders; the signature is written beside each.

    Nothing is deserialized. Your signature vouches for the files, so check where they come from first.
    """
    import safeload

    signed = partial(
        safeload.sign,
        format=format,
        expires=common.moment(expires, "--expires"),
        metadata=_metadata(metadata),
        overwrite=overwrite,
        keyring=keyring,
        policy=policy,
    )
    rows: list[dict[str, Any]] = []
    with common.progress([common.size_of(path) for path in paths], enabled=not json) as done:
        for path in paths:
            row: dict[str, Any] = {"path": str(path)}
            try:
                statement = signed(path, progress=done)
                row |= {
                    "status": "signed",
                    "name": statement.name,
                    "format": statement.format,
                    "size": statement.size,
                    "digest": str(statement.digest),
                }
            except SafeloadError as error:
                row |= common.refused_row(error)
            except ValueError as error:
                # An expiry or metadata that a statement cannot hold.
                common.wrong_usage(str(error))
            rows.append(row)
            if not os.path.isdir(path):
                done(common.size_of(path))
    refused = sum(row["status"] == "refused" for row in rows)
    if json:
        common.print_json({"files": rows, "signed": len(rows) - refused, "refused": refused})
    else:
        common.print_rows(rows, "file", "status", "format", "bytes")
        common.console().print(f"{len(rows) - refused} signed, {refused} refused")
    if refused:
        raise typer.Exit(common.REFUSED)


def _metadata(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = _json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        common.wrong_usage("--metadata takes a JSON object such as '{\"ticket\": 42}'")
    return value
