"""``safeload adopt``: take unsigned files into a signed store after reviewing them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from safeload.cli import common
from safeload.cli.common import JsonOption, KeyringOption, PolicyOption
from safeload.cli.stores import StateOption, open_store
from safeload.errors import SafeloadError

if TYPE_CHECKING:
    from safeload.store.adoption import Candidate

Split = Literal["first", "last"]
ApplyOption = Annotated[
    bool, typer.Option("--apply", help="Sign and store; otherwise only show what would be done.")
]

_SHOWN_GLOBALS = 8


def adopt(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder with the unsigned files; it is not changed.")
    ],
    into: Annotated[
        str, typer.Option("--into", metavar="STORE", help="A folder, or a bucket: s3://…, gs://… or az://…")
    ],
    apply: ApplyOption = False,
    split: Annotated[
        Split | None,
        typer.Option(
            help="Split a file name such as a_b_c at its first or last underscore, unless a link NAME_latest "
            "shows where the tag begins."
        ),
    ] = None,
    tag: Annotated[
        str, typer.Option(metavar="TAG", help="Tag for files without one in their name.")
    ] = "adopted",
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Review unsigned joblib and pickle files; with --apply, sign them and store them.

    Nothing is deserialized. Your signature vouches for the files, so check what they refer to and where they
    come from first. An interrupted run can be repeated.
    """
    from safeload.store import adoption
    from safeload.trust.policy import resolve

    done: list[Candidate] = []
    try:
        store = open_store(into, keyring, policy, state, new=True)
        limits = resolve(policy).limits
        with common.counting("reading", enabled=not json) as advance:
            for candidate in adoption.plan(str(folder), split=split, tag=tag, limits=limits):
                adopted = apply and candidate.outcome == "planned"
                done.append(adoption.adopt(store, candidate, limits) if adopted else candidate)
                advance()
    except SafeloadError as error:
        common.refuse(error, as_json=json)
    rows = [_row(candidate) for candidate in done]
    counts: Counter[str] = Counter(candidate.outcome for candidate in done)
    if json:
        common.print_json(
            {
                "files": rows,
                **{outcome: counts[outcome] for outcome in ("planned", "adopted", "skipped", "refused")},
            }
        )
    else:
        _print(rows, counts, into)
    if counts["refused"]:
        raise typer.Exit(common.REFUSED)


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
        return row | common.refused_row(candidate.refusal)
    return row | {"status": candidate.outcome, "error": None}


def _print(rows: list[dict[str, Any]], counts: Counter[str], into: str) -> None:
    columns = ("file", "name", "tag", "latest", "bytes", "refers to", "status")
    common.print_rows(rows, *columns, **{"refers to": _globals})
    screen = common.console()
    screen.print(f"{counts['adopted']} adopted, {counts['skipped']} skipped, {counts['refused']} refused")
    if counts["planned"]:
        screen.print(
            f"{counts['planned']} would be signed and stored in {common.safe(into)}. Nothing was changed. "
            "Check what they refer to (--json lists all of it), then run this again with --apply.",
            soft_wrap=True,
        )


def _globals(row: common.Row) -> str:
    names = row["globals"]
    if row["digest"] is None:
        return ""
    shown = ", ".join(names[:_SHOWN_GLOBALS]) or "nothing"
    more = f" and {len(names) - _SHOWN_GLOBALS} more" if len(names) > _SHOWN_GLOBALS else ""
    return shown + more + ("" if row["globals_complete"] else ", and more that could not be determined")
