"""What the commands share: options, rows about files, tables for people, and JSON for machines.

File names and messages may come from an attacker, so they are escaped for terminals and for rich's markup
before they are printed.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from safeload.errors import SafeloadError, printable

if TYPE_CHECKING:
    from safeload.attestation.statement import Statement

KeyringOption = Annotated[
    Path | None,
    typer.Option(
        "--keyring", metavar="FILE", help="Keyring file, instead of SAFELOAD_KEYRING or keygen's default."
    ),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="Policy file, instead of SAFELOAD_POLICY."),
]
ExpiresOption = Annotated[
    str | None,
    typer.Option("--expires", metavar="TIME", help="Time from which loaders refuse it (ISO 8601)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

# A row of JSON output: about a file, a folder or a tag.
Row = Mapping[str, Any]

REFUSED = 1

_PROGRESS_AFTER_SECONDS = 1.0
_WIDE = 10_000


def moment(text: str | None, option: str) -> datetime | None:
    """Return an ISO 8601 time given as an option; without a time zone it is in UTC."""
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        wrong_usage(f"{option} takes a time such as 2027-01-31 or 2027-01-31T12:00:00+01:00")
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


def console(*, stderr: bool = False) -> Console:
    """Return a console for standard output, or for standard error.

    Output to a file or a pipe is not wrapped at the width of a screen.
    """
    made = Console(stderr=stderr, highlight=False, soft_wrap=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _WIDE
    return made


def safe(text: object) -> str:
    """Escape text so that neither a terminal nor rich interprets any of it."""
    return escape(printable(str(text)))


def print_table(columns: Iterable[str], lines: Iterable[Iterable[str]]) -> None:
    """Print a table; cells may contain rich's markup."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in lines:
        table.add_row(*line)
    console().print(table)


def print_rows(rows: Sequence[Row], *columns: str, **cells: Callable[[Row], str]) -> None:
    """Print rows about files or tags as a table, followed by the messages of those that were refused.

    The rows are those of JSON output. `columns` are names in `_CELLS` or `cells`; `cells` are columns of one
    command alone, functions that return a row's text, which is escaped here.
    """
    known = _CELLS | {name: lambda row, cell=cell: safe(cell(row)) for name, cell in cells.items()}
    print_table(columns, ([known[column](row) for column in columns] for row in rows))
    print_refusals(rows)


def print_refusals(rows: Iterable[Row]) -> None:
    """Print the message of each refused row."""
    screen = console()
    for row in rows:
        if row["status"] == "refused":
            screen.print(f"[red]•[/] {safe(row['message'])}", soft_wrap=True)


def print_json(document: dict[str, Any]) -> None:
    """Print the one JSON document of a command."""
    encoded = msgspec.json.encode(document, enc_hook=str)
    sys.stdout.write(msgspec.json.format(encoded, indent=2).decode("utf-8") + "\n")


def statement_row(statement: Statement) -> dict[str, Any]:
    """Return the fields of a verified statement that rows about files and tags have in common."""
    return {
        "status": "verified",
        "error": None,
        "format": statement.format,
        "size": statement.size,
        "digest": str(statement.digest),
        "created": statement.created.isoformat(),
        "expires": statement.expires.isoformat() if statement.expires else None,
    }


def refused_row(error: SafeloadError) -> dict[str, Any]:
    """Return the fields of a row about something that was refused."""
    return {"status": "refused", **error_document(error)}


def error_document(error: SafeloadError) -> dict[str, str | None]:
    """Return an error as it appears in JSON output."""
    return {"error": error.code, "message": str(error)}


def _status(row: Row) -> str:
    if row["status"] == "refused":
        return f"[red]{row['error']}[/]"
    return f"[green]{row['status']}[/]" if row["status"] in ("verified", "signed") else str(row["status"])


_CELLS: dict[str, Callable[[Row], str]] = {
    "file": lambda row: safe(row["path"]),
    "name": lambda row: safe(row["name"] or ""),
    "tag": lambda row: safe(row["tag"] or ""),
    "latest": lambda row: "←" if row["latest"] else "",
    "bytes": lambda row: "" if row["status"] == "refused" and not row.get("size") else f"{row['size']:,}",
    "format": lambda row: safe(row.get("format", "")),
    "signed": lambda row: row.get("created", "")[:16].replace("T", " "),
    "key": lambda row: " ".join(key[:12] for key in row.get("keys", ())),
    "status": _status,
}


def size_of(path: str | os.PathLike[str]) -> int:
    """Return the size in bytes of a file or model folder for a progress bar; 0 if it cannot be read."""
    from safeload.api import folders

    try:
        return folders.size_of(path) if os.path.isdir(path) else os.stat(path).st_size
    except (OSError, ValueError, SafeloadError):
        return 0


def refuse(error: SafeloadError, *, as_json: bool) -> NoReturn:
    """Print an error and exit with status 1."""
    if as_json:
        print_json(error_document(error))
    else:
        console(stderr=True).print(f"[bold red]{error.code}[/] {safe(error)}", soft_wrap=True)
    raise typer.Exit(REFUSED)


def wrong_usage(message: str) -> NoReturn:
    """Print what is wrong with the command line and exit with status 2."""
    raise typer.BadParameter(printable(message))


@contextmanager
def progress(sizes: list[int], *, enabled: bool) -> Iterator[Callable[[int], None]]:
    """Provide a function to call with the size in bytes of each file that is done; see :func:`_bar`."""
    from rich.progress import DownloadColumn

    with _bar("hashing", sum(sizes), DownloadColumn(), enabled=enabled) as advance:
        yield advance


@contextmanager
def counting(what: str, *, enabled: bool) -> Iterator[Callable[[], None]]:
    """Provide a function to call for each item that is done, of an unknown number; see :func:`_bar`."""
    from rich.progress import MofNCompleteColumn

    with _bar(what, None, MofNCompleteColumn(), enabled=enabled) as advance:
        yield lambda: advance(1)


@contextmanager
def _bar(what: str, total: int | None, done: Any, *, enabled: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error once the work has taken longer than a second."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        done,
        TimeElapsedColumn(),
        console=console(stderr=True),
        transient=True,
    )
    task = bar.add_task(what, total=total)
    # A timer starts it, so that it also appears while a single large file is being read.
    timer = threading.Timer(_PROGRESS_AFTER_SECONDS, bar.start)
    if enabled:
        timer.start()
    try:
        yield lambda count: bar.advance(task, count)
    finally:
        timer.cancel()
        if enabled:
            timer.join()
        if bar.live.is_started:
            bar.stop()
