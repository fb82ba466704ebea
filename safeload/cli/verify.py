"""``safeload verify``: check files against their sidecars, without deserializing any."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from safeload.cli.options import JsonOption, KeyringOption, PolicyOption
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
from safeload.sidecar import SUFFIX

# What looks like an artifact although it has no sidecar, so that its absence is reported.
_ARTIFACTS = (".joblib", ".pkl", ".pickle", ".skops")


def verify(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files, or folders with --recursive.")
    ],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Check every artifact below a folder.")
    ] = False,
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    json: JsonOption = False,
) -> None:
    """Verify files against their signatures, each of them, whatever becomes of the others."""
    import safeload

    files: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            if not recursive:
                wrong_usage(f"{path} is a folder; use --recursive to check what is below it")
            files += sorted(_artifacts_below(str(path)))
        else:
            files.append(str(path))
    rows: list[dict[str, Any]] = []
    with progress([_size(file) for file in files], enabled=not json) as done:
        for file in files:
            row: dict[str, Any] = {"path": file}
            try:
                found = safeload.inspect(file, keyring=keyring, policy=policy)
                if found.refusal is not None:
                    raise found.refusal
                row |= _verified(found)
            except SafeloadError as error:
                row |= {"status": "refused", **error_document(error)}
            rows.append(row)
            done(_size(file))
    refused = sum(row["status"] == "refused" for row in rows)
    if json:
        print_json({"files": rows, "verified": len(rows) - refused, "refused": refused})
    else:
        _print(rows, refused)
    if refused:
        raise typer.Exit(REFUSED)


def _verified(found: Any) -> dict[str, Any]:
    statement = found.statement
    return {
        "status": "verified",
        "error": None,
        "name": statement.name,
        "format": statement.format,
        "size": statement.size,
        "digest": str(statement.digest),
        "created": statement.created.isoformat(),
        "expires": statement.expires.isoformat() if statement.expires else None,
        "keys": list(found.key_ids),
    }


def _artifacts_below(folder: str) -> Iterator[str]:
    """Yield everything with a sidecar, every sidecar's artifact, and what looks like an artifact."""
    for base, _, names in os.walk(folder):
        present = set(names)
        for name in names:
            path = os.path.join(base, name)
            if name.endswith(SUFFIX):
                if name[: -len(SUFFIX)] not in present:
                    yield path[: -len(SUFFIX)]
            elif name + SUFFIX in present or (name.endswith(_ARTIFACTS) and not name.startswith(".")):
                yield path


def _print(rows: list[dict[str, Any]], refused: int) -> None:
    listing = table(None, ("file", "status", "format", "bytes", "signed", "key"))
    for row in rows:
        good = row["status"] == "verified"
        listing.add_row(
            safe(row["path"]),
            "[green]verified[/]" if good else f"[red]{row['error']}[/]",
            safe(row.get("format", "")),
            f"{row['size']:,}" if good else "",
            row["created"][:16].replace("T", " ") if good else "",
            " ".join(key[:12] for key in row["keys"]) if good else "",
        )
    screen = console()
    screen.print(listing)
    for row in rows:
        if row["status"] == "refused":
            screen.print(f"[red]•[/] {safe(row['message'])}", soft_wrap=True)
    screen.print(f"{len(rows) - refused} verified, {refused} refused")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0
