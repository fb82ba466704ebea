"""Exact comparison of a DataFrame, Series or Arrow table with what was read back.

pandas' own comparison leaves out some parts even with every check on. These are compared here as well:
``attrs``, the parts of objects, frequencies of columns, and the class of a time zone. A frequency within a
MultiIndex or a categorical does not count: pandas drops it when such an index is cut.
"""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING, Any

from safeload.errors import brief
from safeload.formats.equality import difference

if TYPE_CHECKING:
    import pyarrow as pa


def changed(before: Any, after: Any) -> str | None:
    """Return where two tables differ, or None if they are equal."""
    import pyarrow as pa

    if isinstance(before, pa.Table):
        return _tables(before, after)
    import pandas as pd
    from pandas import testing

    if type(before) is not type(after):
        return "its type"
    try:
        with warnings.catch_warnings():
            # pandas warns that version 4 will compare the frequencies of levels and categories too.
            warnings.simplefilter("ignore")
            if isinstance(before, pd.Series):
                testing.assert_series_equal(before, after, check_index_type=True, check_exact=True)
            else:
                testing.assert_frame_equal(
                    before, after, check_index_type=True, check_column_type=True, check_exact=True
                )
    except AssertionError as error:
        return _place(str(error))
    return _unseen(before, after)


def _place(message: str) -> str:
    """Return the place of a difference from pandas' message, without the values in brackets."""
    lines = itertools.takewhile(lambda line: not line.startswith("["), message.splitlines())
    return brief(", ".join(filter(None, lines)))


def _unseen(before: Any, after: Any) -> str | None:
    """Compare the parts that pandas leaves out."""
    import pandas as pd

    if (found := _parts(before.attrs, after.attrs)) is not None:
        return f"attrs{found}"
    frame = isinstance(before, pd.DataFrame)
    indexes = [("index", before.index, after.index)]
    if frame:
        indexes.append(("columns", before.columns, after.columns))
    for what, one, other in indexes:
        if getattr(one, "freq", None) != getattr(other, "freq", None):
            return f"the frequency of {what}"
        if (found := _parts(list(one.names), list(other.names))) is not None:
            return f"the names of {what}"
        for level in range(one.nlevels):
            found = _values(one.get_level_values(level), other.get_level_values(level))
            if found is not None:
                return f"{what} {found}"
    for position in range(before.shape[1] if frame else 1):
        found = _values(
            before.iloc[:, position] if frame else before, after.iloc[:, position] if frame else after
        )
        if found is not None:
            return f"column {position} {found}" if frame else found
    return None


def _values(before: Any, after: Any) -> str | None:
    import pandas as pd

    if isinstance(before.dtype, pd.CategoricalDtype):
        return _values(before.dtype.categories, after.dtype.categories)
    if type(getattr(before.dtype, "tz", None)) is not type(getattr(after.dtype, "tz", None)):
        return "its time zone"
    return _parts(before.tolist(), after.tolist()) if pd.api.types.is_object_dtype(before.dtype) else None


def _parts(before: Any, after: Any) -> str | None:
    try:
        return difference(before, after)
    except TypeError as error:
        return f" a part that cannot be compared ({brief(error)})"


def _tables(before: pa.Table, after: pa.Table) -> str | None:
    if not after.schema.equals(before.schema, check_metadata=True):
        return "its schema"
    if before.num_rows != after.num_rows:
        return "its number of rows"
    for name, one, other in zip(before.column_names, before.columns, after.columns, strict=True):
        # In Arrow's comparison no NaN equals another.
        if not one.equals(other) and _parts(one.to_pylist(), other.to_pylist()) is not None:
            return f"its column {name!r}"
    return None
