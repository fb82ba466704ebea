"""``safeload rm``: delete a tag of a store."""

from __future__ import annotations

from typing import Annotated

import typer

from safeload.cli.options import JsonOption, KeyringOption, PolicyOption
from safeload.cli.output import console, print_json, refuse, safe
from safeload.cli.stores import StateOption, StoreArgument, open_store
from safeload.errors import SafeloadError


def rm(
    store: StoreArgument,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    tag: Annotated[str, typer.Argument(metavar="TAG")],
    keep_latest: Annotated[
        bool, typer.Option("--keep-latest", help="Refuse when it is the latest, instead of moving latest.")
    ] = False,
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a tag. When it is the latest, latest moves to the newest tag that remains."""
    try:
        open_store(store, keyring, policy, state).delete(
            name, tag, latest="refuse" if keep_latest else "move"
        )
    except SafeloadError as error:
        refuse(error, as_json=json)
    if json:
        print_json({"name": name, "tag": tag, "status": "deleted"})
    else:
        console().print(f"[green]Deleted[/] {safe(name)} {safe(tag)}")
