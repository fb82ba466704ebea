"""``safeload verify``: check files and stores against their signatures, without deserializing any."""

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
    counting,
    print_json,
    progress,
    safe,
    table,
    wrong_usage,
)
from safeload.cli.stores import StateOption, open_store, refused, row_of
from safeload.errors import SafeloadError, SignatureMissing
from safeload.sidecar import SUFFIX

# What looks like an artifact although it has no sidecar, so that its absence is reported.
_ARTIFACTS = (".joblib", ".pkl", ".pickle", ".skops")


def verify(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Files; stores (s3://…); folders and stores with --recursive."
        ),
    ],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Check every artifact and store below a folder.")
    ] = False,
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Verify files against their signatures, each of them, whatever becomes of the others."""
    files, stores = _targets(paths, recursive)
    rows: list[dict[str, Any]] = []
    with progress([_size(file) for file in files], enabled=not json) as done:
        for file in files:
            rows.append(_file_row(file, keyring, policy))
            done(_size(file))
    with counting("hashing", enabled=not json and bool(stores)) as done_one:
        for location in stores:
            for row in _store_rows(location, keyring, policy, state):
                rows.append(row)
                done_one()
    refusals = sum(row["status"] == "refused" for row in rows)
    if json:
        print_json({"files": rows, "verified": len(rows) - refusals, "refused": refusals})
    else:
        _print(rows, refusals)
    if refusals:
        raise typer.Exit(REFUSED)


def _targets(paths: list[str], recursive: bool) -> tuple[list[str], list[str]]:
    """Return the files and the stores that are to be checked."""
    from safeload.store.locations import is_store

    files: list[str] = []
    stores: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            (stores if "://" in path else files).append(path)
            continue
        if not recursive:
            wrong_usage(f"{path} is a folder; use --recursive to check what is below it")
        for base, folders, names in os.walk(path):
            if is_store(base):
                stores.append(base)
                folders.clear()
            else:
                files += sorted(os.path.join(base, name) for name in _artifacts_among(names))
    return files, stores


def _file_row(file: str, keyring: Path | None, policy: Path | None) -> dict[str, Any]:
    import safeload

    try:
        found = safeload.inspect(file, keyring=keyring, policy=policy)
        if found.refusal is not None:
            raise found.refusal
    except SafeloadError as error:
        return {"path": file, **refused(error)}
    return {"path": file, **_verified(found)}


def _store_rows(
    location: str, keyring: Path | None, policy: Path | None, state: Path | None
) -> Iterator[dict[str, Any]]:
    """Yield a row for each tag, and for each file in the store that nothing signed accounts for."""
    try:
        store = open_store(location, keyring, policy, state)
        for found in store.check():
            yield {"path": f"{store.location}: {found.name} {found.tag}", **row_of(found)}
        for path in store.strays():
            where = f"{store.location}/{path}"
            yield {"path": where, **refused(_stray(where))}
    except SafeloadError as error:
        yield {"path": location, **refused(error)}


def _stray(where: str) -> SafeloadError:
    return SignatureMissing(
        "nothing signed accounts for this file in a store",
        where=where,
        hint="The store does not load it. A dump that was stopped may have left it; delete it then.",
    )


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


def _artifacts_among(names: list[str]) -> Iterator[str]:
    """Yield everything with a sidecar, every sidecar's artifact, and what looks like an artifact."""
    present = set(names)
    for name in names:
        if name.endswith(SUFFIX):
            if name[: -len(SUFFIX)] not in present:
                yield name[: -len(SUFFIX)]
        elif name + SUFFIX in present or (name.endswith(_ARTIFACTS) and not name.startswith(".")):
            yield name


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
