"""``safeload adopt``: take unsigned files into a signed store, after a look at them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from safeload.cli.options import JsonOption, KeyringOption, PolicyOption
from safeload.cli.output import REFUSED, console, counting, print_json, refuse, safe, table
from safeload.cli.stores import StateOption, open_store, refused
from safeload.errors import SafeloadError

if TYPE_CHECKING:
    from safeload.store.adoption import Candidate

Split = Literal["first", "last"]

_SHOWN_GLOBALS = 8


def adopt(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The unsigned files; they stay as they are.")
    ],
    into: Annotated[str, typer.Option("--into", metavar="STORE", help="A folder, or s3://… and the like.")],
    split: Annotated[
        Split | None,
        typer.Option(help="Where an ambiguous name_tag is split, if no link name_latest tells."),
    ] = None,
    tag: Annotated[
        str, typer.Option(metavar="TAG", help="For files without a tag in their name.")
    ] = "adopted",
    apply: Annotated[
        bool, typer.Option("--apply", help="Sign and store. Without it, only show what would be done.")
    ] = False,
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Show what unsigned joblib and pickle files refer to, and, with --apply, sign and store them.

    Nothing is deserialized. Your signature vouches for them: look at what they refer to, and make sure of
    where they come from, first. It can be stopped and started again.
    """
    from safeload.store import adoption
    from safeload.trust.policy import resolve

    done: list[Candidate] = []
    try:
        store = open_store(into, keyring, policy, state, new=True)
        limits = resolve(policy).limits
        with counting("reading", enabled=not json) as advance:
            for candidate in adoption.plan(str(folder), split=split, tag=tag, limits=limits):
                adopted = apply and candidate.outcome == "planned"
                done.append(adoption.adopt(store, candidate, limits) if adopted else candidate)
                advance()
    except SafeloadError as error:
        refuse(error, as_json=json)
    rows = [_row(candidate) for candidate in done]
    counts: Counter[str] = Counter(candidate.outcome for candidate in done)
    if json:
        print_json(
            {
                "files": rows,
                **{outcome: counts[outcome] for outcome in ("planned", "adopted", "skipped", "refused")},
            }
        )
    else:
        _print(rows, counts, into)
    if counts["refused"]:
        raise typer.Exit(REFUSED)


def _row(candidate: Candidate) -> dict[str, Any]:
    row: dict[str, Any] = {
        "path": candidate.path,
        "name": candidate.name,
        "tag": candidate.tag,
        "latest": candidate.latest,
        "size": candidate.size,
        "digest": str(candidate.digest) if candidate.digest is not None else None,
        "globals": list(candidate.globals),
        "globals_complete": candidate.complete,
    }
    if candidate.refusal is not None:
        return row | refused(candidate.refusal)
    return row | {"status": candidate.outcome, "error": None}


def _print(rows: list[dict[str, Any]], counts: Counter[str], into: str) -> None:
    listing = table(None, ("file", "name", "tag", "latest", "bytes", "refers to", "status"))
    for row in rows:
        good = row["status"] != "refused"
        listing.add_row(
            safe(row["path"]),
            safe(row["name"] or ""),
            safe(row["tag"] or ""),
            "←" if row["latest"] else "",
            f"{row['size']:,}" if row["size"] else "",
            safe(_globals(row)),
            row["status"] if good else f"[red]{row['error']}[/]",
        )
    screen = console()
    screen.print(listing)
    for row in rows:
        if row["status"] == "refused":
            screen.print(f"[red]•[/] {safe(row['message'])}", soft_wrap=True)
    screen.print(f"{counts['adopted']} adopted, {counts['skipped']} skipped, {counts['refused']} refused")
    if counts["planned"]:
        screen.print(
            f"{counts['planned']} would be signed and stored in {safe(into)}. Nothing was done. Look at what "
            "they refer to (all of it with --json), then run it again with --apply.",
            soft_wrap=True,
        )


def _globals(row: dict[str, Any]) -> str:
    names = row["globals"]
    if row["digest"] is None:
        return ""
    shown = ", ".join(names[:_SHOWN_GLOBALS]) or "nothing"
    more = f" and {len(names) - _SHOWN_GLOBALS} more" if len(names) > _SHOWN_GLOBALS else ""
    return shown + more + ("" if row["globals_complete"] else ", and what could not be followed")
