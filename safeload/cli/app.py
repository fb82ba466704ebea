"""The commands put together to one application."""

from __future__ import annotations

import typer

from safeload._version import __version__
from safeload.cli.adopt import adopt
from safeload.cli.convert import convert
from safeload.cli.demo import demo
from safeload.cli.guard import guard
from safeload.cli.inspect import inspect
from safeload.cli.keygen import keygen
from safeload.cli.sign import sign
from safeload.cli.stores import ls, rm, rotate
from safeload.cli.verify import verify

app = typer.Typer(
    name="safeload",
    help="Sign stored Python objects, and load them only if their signatures verify.",
    no_args_is_help=True,
    add_completion=False,
    # The other modes keep the line breaks within a docstring's paragraph.
    rich_markup_mode="markdown",
    # A traceback with local variables could show a key.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


for command in (keygen, sign, verify, inspect, convert, adopt, ls, rotate, rm):
    app.command()(command)
# Options after the script's name belong to the script.
app.command(context_settings={"allow_interspersed_args": False})(guard)
app.command()(demo)
