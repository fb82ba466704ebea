"""Types of pandas columns that Arrow has no word for, noted beside a table and put back.

They are objects, texts by where pandas keeps them, UTC as :mod:`datetime` has it, and categories of these.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from safeload.errors import MalformedError

if TYPE_CHECKING:
    import pyarrow as pa

Note = dict[str, Any]


def noted(values: Any) -> Note | None:
    """Return a note of the type of a Series or Index, or None where it is kept without one."""
    import pandas as pd

    dtype = values.dtype
    if pd.api.types.is_object_dtype(dtype):
        # Arrow has one way for a value to be missing. A column that mixes two is found out in the end.
        missing = values[pd.isna(values)].tolist()
        return {"as": "object", "nan": bool(missing) and isinstance(missing[0], float)}
    if isinstance(dtype, pd.StringDtype):
        return {"as": "string", "storage": dtype.storage, "na": _missing(dtype) is pd.NA}
    if isinstance(dtype, pd.DatetimeTZDtype) and dtype.tz is datetime.UTC:
        return {"as": "utc"}
    if isinstance(dtype, pd.CategoricalDtype):
        categories = dtype.categories
        within = noted(categories)
        if within is not None or isinstance(categories.dtype, pd.DatetimeTZDtype):
            return {"as": "category", "of": within}
    return None


def restored(values: Any, column: pa.Array | pa.ChunkedArray, note: Note) -> Any:
    """Return values as they were.

    Parameters
    ----------
    values
        A Series or Index, as pandas has it from Arrow.
    column
        The same in Arrow.
    note
        What :func:`noted` said.

    Raises
    ------
    MalformedError
        There is no such note.
    """
    import numpy as np
    import pandas as pd

    if note["as"] == "object":
        items = column.to_pylist()
        if note["nan"]:
            items = [np.nan if item is None else item for item in items]
        return _of_type(values, np.fromiter(items, dtype=object, count=len(items)))
    if note["as"] == "string":
        wanted = dtype_of(note)
        return values if values.dtype == wanted else values.astype(wanted)
    if note["as"] == "utc":
        convert = values.dt.tz_convert if isinstance(values, pd.Series) else values.tz_convert
        return convert(datetime.UTC)
    if note["as"] == "category":
        return _of_type(values, _categorical(column, note["of"]))
    raise MalformedError("its notes name a type that there is not")


def dtype_of(note: Note) -> Any:
    """Return the pandas type that a note of texts or objects is of."""
    import numpy as np
    import pandas as pd

    if note["as"] != "string":
        return note["as"]
    if note["na"]:
        return pd.StringDtype(note["storage"])
    return pd.StringDtype(note["storage"], na_value=np.nan)


def _missing(dtype: Any) -> Any:
    # Until pandas 2.3 a StringDtype had nothing but NA.
    import pandas as pd

    return getattr(dtype, "na_value", pd.NA)


def _of_type(values: Any, array: Any) -> Any:
    """Return an array as a Series or Index, whichever `values` is, that pandas takes for nothing else."""
    import pandas as pd

    if isinstance(values, pd.Series):
        return pd.Series(array, index=values.index, dtype=array.dtype)
    return pd.Index(array, dtype=array.dtype)


def _categorical(column: pa.Array | pa.ChunkedArray, note: Note | None) -> Any:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    parts = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if not parts:
        raise MalformedError("it lacks its categories")
    dictionary = parts[0].dictionary
    categories = pd.Index(dictionary.to_pandas())
    if note is not None:
        categories = restored(categories, dictionary, note)
    codes = np.concatenate([part.indices.fill_null(-1).to_numpy(zero_copy_only=False) for part in parts])
    return pd.Categorical.from_codes(codes, categories, ordered=column.type.ordered)
