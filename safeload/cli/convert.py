"""``safeload convert``: a signed artifact in another format, with predictions compared, signed again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from safeload.cli import common
from safeload.cli.common import ExpiresOption, JsonOption, KeyringOption, PolicyOption
from safeload.errors import SafeloadError

_SAMPLE_SUFFIXES = (".npy", ".csv", ".parquet")
_MAX_SAMPLE_BYTES = 1 << 30


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Signed artifact, or a signed SavedModel folder.")
    ],
    to: Annotated[
        str,
        typer.Option("--to", metavar="FORMAT", help="onnx, skops, … or auto; tensorflow for a SavedModel."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Output path; by default beside SRC, named after the format.",
        ),
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(
            "--sample", metavar="FILE", help="Rows (.npy, .csv, .parquet) on which to compare predictions."
        ),
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Largest accepted difference between predictions.")] = 1e-5,
    expires: ExpiresOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing artifact.")] = False,
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    json: JsonOption = False,
) -> None:
    """Convert a signed artifact to another format, and sign the result.

    The new statement names the source. With --sample, the predictions of both are compared first, and
    nothing is written if they differ.
    """
    from safeload.api.conversion import TENSORFLOW
    from safeload.api.conversion import convert as converted

    ends = common.moment(expires, "--expires")
    suffix = "" if to == TENSORFLOW else f".{to}"
    if output is None:
        output = source.with_name(source.stem + suffix)
        if output == source:
            common.wrong_usage("this would replace SRC; choose another path with --output")
    try:
        statement = converted(
            source,
            output,
            to=to,
            sample=None if sample is None else _sample_rows(sample),
            tolerance=tolerance,
            expires=ends,
            overwrite=overwrite,
            keyring=keyring,
            policy=policy,
        )
    except SafeloadError as error:
        common.refuse(error, as_json=json)
    except ValueError as error:
        # An option that does not apply to the format, such as a sample where nothing is compared.
        common.wrong_usage(str(error))
    if json:
        common.print_json(
            {"path": str(output), "status": "signed", "statement": msgspec.to_builtins(statement)}
        )
        return
    screen = common.console()
    screen.print(f"[green]signed[/] {common.safe(output)}: {statement.format}, {statement.size:,} bytes")
    for remark in statement.remarks:
        screen.print(common.safe(remark), soft_wrap=True)


def _sample_rows(path: Path) -> Any:
    """Return the rows of the caller's own sample file: numbers and texts, never pickled objects."""
    from safeload.storage.reader import read

    suffix = path.suffix.lower()
    if suffix not in _SAMPLE_SUFFIXES:
        common.wrong_usage(f"a sample is a file of type {', '.join(_SAMPLE_SUFFIXES)}")
    file = io.BytesIO(read(path, limit=_MAX_SAMPLE_BYTES).data)
    try:
        if suffix == ".npy":
            import numpy

            return numpy.load(file, allow_pickle=False)
        import pandas

        return pandas.read_csv(file) if suffix == ".csv" else pandas.read_parquet(file)
    except (ValueError, OSError, ImportError, EOFError) as error:
        common.wrong_usage(f"the sample cannot be read: {error}")
