"""``safeload inspect``: what is known of a file, running none of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from safeload.cli.options import JsonOption, KeyringOption, PolicyOption
from safeload.cli.output import REFUSED, console, error_document, print_json, refuse, safe
from safeload.errors import SafeloadError


def inspect(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file.")],
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    json: JsonOption = False,
) -> None:
    """Show a file's bytes, signature and statement. It is not deserialized.

    What a sidecar claims is shown only when it verifies.
    """
    import safeload

    try:
        found = safeload.inspect(path, keyring=keyring, policy=policy)
    except SafeloadError as error:
        refuse(error, as_json=json)
    if json:
        print_json(_document(found))
    else:
        _print(found)
    if not found.verified:
        raise typer.Exit(REFUSED)


def _document(found: Any) -> dict[str, Any]:
    refusal = error_document(found.refusal) if found.refusal is not None else {"error": None, "message": None}
    return {
        "path": found.path,
        "size": found.size,
        "digest": found.digest,
        "looks_like": found.looks_like,
        "key_ids": list(found.key_ids),
        "status": "verified" if found.verified else "refused",
        **refusal,
        "statement": msgspec.to_builtins(found.statement) if found.statement is not None else None,
    }


def _print(found: Any) -> None:
    from rich.tree import Tree

    tree = Tree(f"[bold]{safe(found.path)}[/]")
    tree.add(f"{found.size:,} bytes, by its first bytes {found.looks_like or 'of no known format'}")
    tree.add(found.digest)
    for key_id in found.key_ids:
        tree.add(f"signature by {safe(key_id)}")
    if found.statement is None:
        tree.add(f"[bold red]{found.refusal.code}[/] {safe(found.refusal)}")
    else:
        branch = tree.add("[bold green]verified[/]")
        for field, value in msgspec.to_builtins(found.statement).items():
            _add(branch, field, value)
    console().print(tree)


def _add(branch: Any, field: str, value: Any) -> None:
    """Show one field, a container as a branch of its own."""
    if value is None or value in ([], {}):
        return
    if isinstance(value, dict):
        below = branch.add(f"[cyan]{safe(field)}[/]")
        for key, item in value.items():
            _add(below, key, item)
    elif isinstance(value, list | tuple):
        below = branch.add(f"[cyan]{safe(field)}[/]")
        for item in value:
            below.add(safe(item))
    else:
        branch.add(f"[cyan]{safe(field)}[/] {safe(value)}")
