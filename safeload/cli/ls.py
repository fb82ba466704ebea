"""``safeload ls``: what is in a store."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from safeload.cli.options import JsonOption, KeyringOption, PolicyOption
from safeload.cli.output import REFUSED, console, print_json, refuse, safe, table
from safeload.cli.stores import StateOption, StoreArgument, open_store, row_of
from safeload.errors import SafeloadError


def ls(
    store: StoreArgument,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One name only.")] = None,
    prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="Names that start with it only, such as plant-a/ .")
    ] = "",
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """List the tags of a store by their signed statements; artifacts are not read."""
    try:
        opened = open_store(store, keyring, policy, state)
        names = [name] if name is not None else sorted(opened.names(prefix))
        rows = [row_of(found) for one in names for found in opened.check(one, artifacts=False)]
    except SafeloadError as error:
        refuse(error, as_json=json)
    rows.sort(key=lambda row: (row["name"], row.get("created", ""), row["tag"]))
    count = sum(row["status"] == "refused" for row in rows)
    if json:
        print_json({"store": opened.location, "tags": rows, "refused": count})
    else:
        _print(rows)
    if count:
        raise typer.Exit(REFUSED)


def _print(rows: list[dict[str, Any]]) -> None:
    listing = table(None, ("name", "tag", "latest", "bytes", "format", "created", "key", "status"))
    for row in rows:
        good = row["status"] == "verified"
        listing.add_row(
            safe(row["name"]),
            safe(row["tag"]),
            "←" if row["latest"] else "",
            f"{row['size']:,}" if good else "",
            safe(row.get("format", "")),
            row["created"][:16].replace("T", " ") if good else "",
            " ".join(key[:12] for key in row["keys"]) if good else "",
            "[green]verified[/]" if good else f"[red]{row['error']}[/]",
        )
    screen = console()
    screen.print(listing)
    for row in rows:
        if row["status"] == "refused":
            screen.print(f"[red]•[/] {safe(row['message'])}", soft_wrap=True)
