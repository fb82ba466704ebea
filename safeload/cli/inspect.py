"""``safeload inspect``: show what a file contains without running any of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from safeload.cli import common
from safeload.cli.common import JsonOption, KeyringOption, PolicyOption, safe
from safeload.errors import SafeloadError

# Lines of each section on a screen; --json and --html have all of them.
_SHOWN = 40
_SHOWN_CALLS = 60
_COLOURS = {
    "data": "green",
    "known types": "green",
    "unknown types": "yellow",
    "malformed": "red",
    "dangerous": "bold red",
}


def inspect(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File to inspect.")],
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    json: JsonOption = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write an HTML page with all details.")
    ] = None,
) -> None:
    """Show what a file contains and who signed it, without deserializing it.

    The signed statement is shown only if the signature verifies. The verdict on the contents is data, known
    types, unknown types, malformed or dangerous; it is about what loading the file would do, not about who
    made it.
    """
    import safeload

    try:
        found = safeload.inspect(path, keyring=keyring, policy=policy)
        if html is not None:
            _write_page(html, document(found))
    except SafeloadError as error:
        common.refuse(error, as_json=json)
    if json:
        common.print_json(document(found))
    else:
        _print(found)
    if not found.verified:
        raise typer.Exit(common.REFUSED)


def document(found: Any) -> dict[str, Any]:
    """Return the result of an inspection in JSON types."""
    refusal = (
        common.error_document(found.refusal)
        if found.refusal is not None
        else {"error": None, "message": None}
    )
    return {
        "path": found.path,
        "size": found.size,
        "digest": found.digest,
        "looks_like": found.looks_like,
        "key_ids": list(found.key_ids),
        "status": "verified" if found.verified else "refused",
        **refusal,
        "statement": msgspec.to_builtins(found.statement) if found.statement is not None else None,
        "verdict": found.report.verdict if found.report is not None else None,
        "report": _plain(found.report) if found.report is not None else None,
    }


def _plain(report: Any) -> dict[str, Any]:
    """Return a report in JSON types.

    Calls form one flat list, in which each has the index of the call that it is part of: the tree may be
    deeper than JSON parsers allow.
    """
    calls: list[dict[str, Any]] = []
    waiting: list[tuple[Any, int | None]] = [(call, None) for call in reversed(report.calls)]
    while waiting:
        call, parent = waiting.pop()
        number = len(calls)
        calls.append(
            {
                "how": call.how,
                "what": call.what,
                "arguments": call.arguments,
                "offset": call.offset,
                "part_of": parent,
            }
        )
        waiting += [(part, number) for part in reversed(call.parts)]
    return {
        "findings": [msgspec.to_builtins(finding) for finding in report.findings],
        "globals": [
            {"name": name, "offset": offset}
            for name, offset in zip(report.globals, report.offsets, strict=True)
        ],
        "calls": calls,
        "calls_left_out": report.calls_left_out,
        "arrays": [msgspec.to_builtins(array) for array in report.arrays],
        "arrays_left_out": report.arrays_left_out,
        "pickles": [msgspec.to_builtins(pickle) for pickle in report.pickles],
        "compressor": report.compressor,
        "unfolded_size": report.unfolded_size,
        "facts": [list(fact) for fact in report.facts],
    }


def _write_page(path: Path, found: dict[str, Any]) -> None:
    from safeload.cli import page
    from safeload.storage.writer import write_bytes

    write_bytes(str(path), page.render(found).encode("utf-8", "backslashreplace"))


def _print(found: Any) -> None:
    from rich.tree import Tree

    tree = Tree(f"[bold]{safe(found.path)}[/]")
    tree.add(
        f"{found.size:,} bytes, {f'looks like {found.looks_like}' if found.looks_like else 'no known format'}"
    )
    tree.add(found.digest)
    for key_id in found.key_ids:
        tree.add(f"signature by {safe(key_id)}")
    if found.statement is None:
        tree.add(f"[bold red]{found.refusal.code}[/] {safe(found.refusal)}")
    else:
        branch = tree.add("[bold green]verified[/]")
        for field, value in msgspec.to_builtins(found.statement).items():
            _add(branch, field, value)
    if found.report is not None:
        _add_report(tree, found.report)
    common.console().print(tree)


def _add_report(tree: Any, report: Any) -> None:
    branch = tree.add(f"contents: [{_COLOURS[report.verdict]}]{report.verdict}[/]")
    if report.compressor is not None:
        branch.add(f"compressed with {report.compressor}; decompresses to {report.unfolded_size:,} bytes")
    _add_some(
        branch,
        "findings",
        [
            f"[{_COLOURS[finding.verdict]}]{finding.verdict}[/] {safe(finding.reason)} "
            f"[dim]at {finding.offset}[/]"
            for finding in sorted(report.findings, key=lambda one: one.verdict != report.verdict)
        ],
    )
    _add_some(branch, "header", [f"{safe(subject)}: {safe(text)}" for subject, text in report.facts])
    _add_some(branch, "names", [safe(name) for name in report.globals])
    _add_calls(branch, report)
    _add_some(
        branch,
        "arrays",
        [f"{safe(array.dtype)} {array.shape} [dim]{array.size:,} bytes[/]" for array in report.arrays],
        more=report.arrays_left_out,
    )
    _add_some(
        branch,
        "pickles",
        [f"protocol {one.protocol}, bytes {one.start} to {one.end}" for one in report.pickles],
    )


def _add_some(branch: Any, title: str, lines: list[str], *, more: int = 0) -> None:
    if not lines:
        return
    below = branch.add(f"[cyan]{title}[/] ({len(lines) + more})")
    for line in lines[:_SHOWN]:
        below.add(line)
    if len(lines) + more > _SHOWN:
        below.add(f"and {len(lines) + more - _SHOWN} more; --json and --html show them")


def _add_calls(branch: Any, report: Any) -> None:
    if not report.calls:
        return
    below = branch.add("[cyan]calls[/]")
    left = _SHOWN_CALLS
    waiting = [(call, below, 0) for call in reversed(report.calls)]
    while waiting and left:
        call, parent, depth = waiting.pop()
        left -= 1
        line = parent.add(f"[dim]{call.how}[/] {safe(call.what)} {safe(call.arguments)}")
        # A tree deeper than this does not fit the width of a screen: deeper calls go beside their parent.
        waiting += [(part, line if depth < 20 else parent, depth + 1) for part in reversed(call.parts)]
    if waiting or report.calls_left_out:
        below.add("and more; --json and --html show them")


def _add(branch: Any, field: str, value: Any) -> None:
    """Add one field to the tree; a container becomes a branch."""
    if value is None or value in ([], {}, ()):
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
