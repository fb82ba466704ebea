"""The commands on stores, ``safeload ls``, ``rotate`` and ``rm``, and what all commands on stores share."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from safeload.cli import common
from safeload.cli.common import JsonOption, KeyringOption, PolicyOption
from safeload.errors import NotFound, SafeloadError

if TYPE_CHECKING:
    from safeload.store import Store, TagStatus

StoreArgument = Annotated[
    str,
    typer.Argument(
        metavar="STORE",
        envvar="MODEL_REPO_PATH",
        help="A folder, or a bucket: s3://…, gs://… or az://…",
        show_envvar=True,
    ),
]
StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="FOLDER",
        help="Folder that remembers the newest versions seen, so that a rollback is refused.",
    ),
]


def open_store(
    location: str, keyring: Path | None, policy: Path | None, state: Path | None = None, *, new: bool = False
) -> Store:
    """Return the store that a command works on; NotFound if its folder does not exist and `new` is false."""
    from safeload.store import Store

    if not new and "://" not in location and not os.path.isdir(location):
        raise NotFound("there is no such folder", where=location)
    return Store(location, keyring=keyring, policy=policy, state=state)


def tag_row(found: TagStatus) -> dict[str, Any]:
    """Return the row about a tag."""
    row: dict[str, Any] = {"name": found.name, "tag": found.tag, "latest": found.latest}
    if found.refusal is not None:
        return row | common.refused_row(found.refusal)
    assert found.statement is not None  # noqa: S101  there is a refusal otherwise
    metadata = found.statement.metadata
    return row | common.statement_row(found.statement) | {"metadata": metadata, "keys": list(found.keys)}


def ls(
    store: StoreArgument,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="List only this name.")] = None,
    prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="List only names that start with this, such as plant-a/")
    ] = "",
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """List the tags of a store.

    Their signed statements are verified, but the artifacts are not read; 'safeload verify -r' checks both.
    """
    try:
        opened = open_store(store, keyring, policy, state)
        names = [name] if name is not None else sorted(opened.names(prefix))
        rows = [tag_row(found) for one in names for found in opened.check(one, artifacts=False)]
    except SafeloadError as error:
        common.refuse(error, as_json=json)
    rows.sort(key=lambda row: (row["name"], row.get("created", ""), row["tag"]))
    count = sum(row["status"] == "refused" for row in rows)
    if json:
        common.print_json({"store": opened.location, "tags": rows, "refused": count})
    else:
        common.print_rows(rows, "name", "tag", "latest", "bytes", "format", "signed", "key", "status")
    if count:
        raise typer.Exit(common.REFUSED)


def rotate(
    store: StoreArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="KEYID",
            help="Id of the new key, or its beginning; see 'safeload keygen --rotate'.",
        ),
    ],
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Sign a store again with another key.

    Every signature is verified before it is replaced; artifacts are not read. An interrupted run can be
    repeated. Revoke the old key once a run has nothing left to sign.
    """
    counts: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    try:
        with common.counting("signing", enabled=not json) as done:
            for outcome in open_store(store, keyring, policy, state).rotate(to):
                counts[outcome.outcome] += 1
                if outcome.refusal is not None:
                    failures.append(
                        {"name": outcome.name, "tag": outcome.tag, **common.refused_row(outcome.refusal)}
                    )
                done()
    except SafeloadError as error:
        common.refuse(error, as_json=json)
    if json:
        common.print_json({"signed": counts["signed"], "kept": counts["kept"], "refused": failures})
    else:
        common.print_refusals(failures)
        common.console().print(
            f"{counts['signed']} signed, {counts['kept']} already signed by that key, {len(failures)} refused"
        )
    if failures:
        raise typer.Exit(common.REFUSED)


def rm(
    store: StoreArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name.")],
    tag: Annotated[str, typer.Argument(metavar="TAG", help="The tag to delete.")],
    keep_latest: Annotated[
        bool, typer.Option("--keep-latest", help="Refuse to delete the latest tag instead of moving latest.")
    ] = False,
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a tag from a store.

    If it is the latest, latest moves to the newest tag that remains.
    """
    try:
        open_store(store, keyring, policy, state).delete(
            name, tag, latest="refuse" if keep_latest else "move"
        )
    except SafeloadError as error:
        common.refuse(error, as_json=json)
    if json:
        common.print_json({"name": name, "tag": tag, "status": "deleted"})
    else:
        common.console().print(f"[green]Deleted[/] {common.safe(name)} {common.safe(tag)}")
