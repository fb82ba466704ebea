"""What people and machines see: tables and colours for the ones, one JSON document for the others.

File names and messages may hold anything, so they are escaped for terminals and for rich's markup.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from safeload.errors import SafeloadError, printable

REFUSED = 1
WRONG_USAGE = 2

_PROGRESS_AFTER_SECONDS = 1.0
_WIDE = 10_000


def console(*, stderr: bool = False) -> Console:
    """Return a console for standard output, or for standard error.

    What goes into a file or a pipe is not broken into lines at the width of a screen.
    """
    made = Console(stderr=stderr, highlight=False, soft_wrap=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _WIDE
    return made


def safe(text: object) -> str:
    """Return text that neither a terminal nor rich acts on."""
    return escape(printable(str(text)))


def table(title: str | None, columns: Iterable[str]) -> Table:
    """Return a table in the house style."""
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def print_json(document: dict[str, Any]) -> None:
    """Print the one JSON document of a command."""
    encoded = msgspec.json.encode(document, enc_hook=str)
    sys.stdout.write(msgspec.json.format(encoded, indent=2).decode("utf-8") + "\n")


def error_document(error: SafeloadError) -> dict[str, str | None]:
    """Return what machines are told of an error."""
    return {"error": error.code, "message": str(error)}


def refuse(error: SafeloadError, *, as_json: bool) -> NoReturn:
    """Say what was refused and exit with status 1."""
    if as_json:
        print_json(error_document(error))
    else:
        console(stderr=True).print(f"[bold red]{error.code}[/] {safe(error)}", soft_wrap=True)
    raise typer.Exit(REFUSED)


def wrong_usage(message: str) -> NoReturn:
    """Say what is wrong with the call and exit with status 2."""
    raise typer.BadParameter(printable(message))


@contextmanager
def progress(sizes: list[int], *, enabled: bool) -> Iterator[Callable[[int], None]]:
    """Give a function to call with the size in bytes of each file that is done; see :func:`_bar`."""
    from rich.progress import DownloadColumn

    with _bar("hashing", sum(sizes), DownloadColumn(), enabled=enabled) as advance:
        yield advance


@contextmanager
def counting(what: str, *, enabled: bool) -> Iterator[Callable[[], None]]:
    """Give a function to call for each thing that is done, of a number unknown; see :func:`_bar`."""
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
    # Shown by a clock of its own, so that it appears while one large file is at work.
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
