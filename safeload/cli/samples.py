"""Samples out of files: rows of numbers and texts that predictions are compared on, and never objects."""

from __future__ import annotations

import io
from typing import Any

SUFFIXES = (".npy", ".csv", ".parquet")


class NoSample(ValueError):
    """A file that holds no rows: a mistake of whoever named it."""


def rows(data: bytes, suffix: str) -> Any:
    """Return the rows of a file of the caller's own.

    Parameters
    ----------
    data
        The file.
    suffix
        One of `SUFFIXES`, which says how it is read.

    Raises
    ------
    NoSample
        It cannot be read so.
    """
    if suffix not in SUFFIXES:
        raise NoSample(f"a sample is a file of {', '.join(SUFFIXES)}")
    file = io.BytesIO(data)
    try:
        if suffix == ".npy":
            import numpy

            return numpy.load(file, allow_pickle=False)
        import pandas

        return pandas.read_csv(file) if suffix == ".csv" else pandas.read_parquet(file)
    except (ValueError, OSError, ImportError, EOFError) as error:
        raise NoSample(f"the sample cannot be read: {error}") from error
