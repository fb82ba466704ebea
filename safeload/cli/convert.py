"""``safeload convert``: a signed artifact in another format, compared on a sample, with its source signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from safeload.cli.options import JsonOption, KeyringOption, PolicyOption, moment
from safeload.cli.output import console, print_json, refuse, safe, wrong_usage
from safeload.errors import SafeloadError

# A sample is small.
_MAX_SAMPLE_BYTES = 1 << 30


def convert(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A signed artifact, or a SavedModel folder.")],
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help="onnx, skops, …, auto; tensorflow for a SavedModel.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Where it goes; else beside SRC, by the format."),
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(
            "--sample", metavar="FILE", help="Rows (.npy, .csv, .parquet) on which predictions are compared."
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="The largest difference of predictions that is accepted.")
    ] = 1e-5,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="When loaders refuse it (ISO 8601).")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an artifact that is there.")
    ] = False,
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    json: JsonOption = False,
) -> None:
    """Load a signed artifact, store it anew in another format, and sign that with what it was made of.

    With --sample, predictions of both are compared first, and nothing is written if they differ.
    """
    from safeload.api.conversion import TENSORFLOW
    from safeload.api.conversion import convert as converted

    ends = moment(expires, "--expires")
    suffix = "" if to == TENSORFLOW else f".{to}"
    if output is None:
        output = source.with_name(source.stem + suffix)
        if output == source:
            wrong_usage("this would replace SRC; say where it goes with --output")
    try:
        rows = None if sample is None else _rows(sample)
        statement = converted(
            source,
            output,
            to=to,
            sample=rows,
            tolerance=tolerance,
            expires=ends,
            overwrite=overwrite,
            keyring=keyring,
            policy=policy,
        )
    except SafeloadError as error:
        refuse(error, as_json=json)
    except ValueError as error:
        # An option that the format does not have, such as a sample for what needs none.
        wrong_usage(str(error))
    if json:
        print_json({"path": str(output), "status": "signed", "statement": msgspec.to_builtins(statement)})
        return
    screen = console()
    screen.print(f"[green]signed[/] {safe(output)}: {statement.format}, {statement.size:,} bytes")
    for remark in statement.remarks:
        screen.print(safe(remark), soft_wrap=True)


def _rows(path: Path) -> Any:
    """Return the rows of a sample, which is the caller's own and holds no objects."""
    from safeload.cli import samples
    from safeload.storage.reader import read

    try:
        return samples.rows(read(path, limit=_MAX_SAMPLE_BYTES).data, path.suffix.lower())
    except samples.NoSample as error:
        wrong_usage(str(error))
