"""``safeload rotate``: sign a store anew with another key."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from safeload.cli.options import JsonOption, KeyringOption, PolicyOption
from safeload.cli.output import REFUSED, console, counting, print_json, refuse, safe
from safeload.cli.stores import StateOption, StoreArgument, open_store, refused
from safeload.errors import SafeloadError


def rotate(
    store: StoreArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="KEYID", help="The new key's id, or its beginning; see keygen --rotate."
        ),
    ],
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Verify every signature of a store and make it anew with another key. No artifact is read.

    It can be stopped and started again. Revoke the old key when it is through.
    """
    counts: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    try:
        with counting("signing", enabled=not json) as done:
            for outcome in open_store(store, keyring, policy, state).rotate(to):
                counts[outcome.outcome] += 1
                if outcome.refusal is not None:
                    failures.append({"name": outcome.name, "tag": outcome.tag, **refused(outcome.refusal)})
                done()
    except SafeloadError as error:
        refuse(error, as_json=json)
    if json:
        print_json({"signed": counts["signed"], "kept": counts["kept"], "refused": failures})
    else:
        screen = console()
        for row in failures:
            screen.print(f"[red]•[/] {safe(row['message'])}", soft_wrap=True)
        screen.print(
            f"{counts['signed']} signed, {counts['kept']} signed by that key before, {len(failures)} refused"
        )
    if failures:
        raise typer.Exit(REFUSED)
