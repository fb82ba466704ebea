"""DataFrames and Series as Arrow tables, with notes of what a table would lose.

The table is the one that pyarrow makes of a DataFrame, so ``pandas.read_parquet`` reads it like any other.
The notes hold labels and names that are not strings, the frequency of an index, ``attrs``, and the types of
pandas columns that Arrow lacks: objects, strings by their storage, UTC of :mod:`datetime`, and categories of
these.
"""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

from safeload.errors import MalformedError, SerializationError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Notes = dict[str, Any]
TypeNote = dict[str, Any]
_SCALARS = (str, int, float, bool, type(None))


def to_table(obj: Any) -> tuple[pa.Table, Notes]:
    """Return an object as a table, and notes for :func:`from_table`, which can be written as JSON.

    SerializationError if it is not exactly a DataFrame, Series or :class:`pyarrow.Table`; subclasses are
    refused.
    """
    import pyarrow as pa

    if type(obj) is pa.Table:
        return obj, {"kind": "table"}
    import pandas as pd

    if type(obj) not in (pd.DataFrame, pd.Series):
        raise SerializationError(
            f"a {type(obj).__name__} is not a DataFrame, Series or pyarrow.Table", hint='Use format="joblib".'
        )
    notes: Notes = {"kind": "frame"}
    if isinstance(obj, pd.Series):
        notes = {"kind": "series", "name": _name_note(obj.name)}
        frame = obj.to_frame(obj.name if isinstance(obj.name, str) else "0")
    else:
        frame = obj.copy(deep=False)
        notes["labels"] = _labels(frame.columns)
        if _needs_other_labels(frame.columns):
            frame.columns = pd.Index([str(position) for position in range(frame.shape[1])])
    notes["attrs"] = _attrs(obj)
    frame.attrs = {}
    notes["names"] = [_name_note(name) for name in frame.index.names]
    frame.index = frame.index.set_names(
        [name if isinstance(name, str) else None for name in frame.index.names]
    )
    notes["freq"] = [_freq(frame.index), _freq(getattr(obj, "columns", None))]
    notes["values"] = [_type_note(frame.iloc[:, position]) for position in range(frame.shape[1])]
    notes["index"] = [_type_note(frame.index.get_level_values(level)) for level in range(frame.index.nlevels)]
    return pa.Table.from_pandas(frame), notes


def from_table(table: pa.Table, notes: Notes) -> Any:
    """Return the object that a table was made of; without notes, the DataFrame that pyarrow makes of it."""
    frame = table.to_pandas()
    if notes.get("kind") not in ("frame", "series"):
        return frame
    for position, note in enumerate(notes["values"]):
        if note is not None:
            column = table.column(position)
            frame.isetitem(position, _with_type(frame.iloc[:, position], column, note))
    frame.index = _index(table, frame.index, notes)
    if notes["kind"] == "series":
        series = frame.iloc[:, 0]
        series.name = _name_of(notes["name"])
        series.attrs = notes["attrs"]
        return series
    frame.columns = _columns(frame.columns, notes)
    frame.attrs = notes["attrs"]
    return frame


def _index(table: pa.Table, index: pd.Index, notes: Notes) -> pd.Index:
    import pandas as pd

    if any(note is not None for note in notes["index"]):
        places = (table.schema.pandas_metadata or {})["index_columns"]
        if len(places) != len(notes["index"]) or index.nlevels != len(places):
            raise MalformedError("its notes do not fit its index")
        levels = []
        for number, (place, note) in enumerate(zip(places, notes["index"], strict=True)):
            level = index.get_level_values(number)
            levels.append(level if note is None else _with_type(level, table.column(place), note))
        index = pd.MultiIndex.from_arrays(levels) if len(levels) > 1 else pd.Index(levels[0])
    index = index.set_names([_name_of(name) for name in notes["names"]])
    return _with_freq(index, notes["freq"][0])


def _labels(columns: pd.Index) -> Any:
    """Return column labels for JSON, or None if pyarrow keeps them."""
    import pandas as pd

    if isinstance(columns, pd.RangeIndex):
        return {"range": [columns.start, columns.stop, columns.step], "name": _name_note(columns.name)}
    if isinstance(columns, pd.MultiIndex) or not all(type(label) in _SCALARS for label in columns.tolist()):
        return None
    note = _type_note(columns) or {"as": str(columns.dtype)}
    return {"list": columns.tolist(), "type": note, "name": _name_note(columns.name)}


def _needs_other_labels(columns: pd.Index) -> bool:
    """Tell whether pyarrow would refuse the labels, or convert different ones to the same string."""
    import pandas as pd

    if isinstance(columns, pd.MultiIndex) or _labels(columns) is None:
        return False
    texts = all(isinstance(label, str) for label in columns)
    return not columns.is_unique or (columns.dtype.kind in "Ob" and not texts)


def _columns(columns: pd.Index, notes: Notes) -> pd.Index:
    import pandas as pd

    labels = notes["labels"]
    if labels is None:
        return _with_freq(columns, notes["freq"][1])
    name = _name_of(labels["name"])
    if "range" in labels:
        start, stop, step = labels["range"]
        return pd.RangeIndex(start, stop, step, name=name)
    return pd.Index(labels["list"], dtype=_dtype_of(labels["type"]), name=name)


def _freq(index: Any) -> str | None:
    # The frequency of a PeriodIndex is part of its type.
    import pandas as pd

    held = isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex)
    return None if not held or index.freq is None else str(index.freqstr)


def _with_freq(index: Any, freq: str | None) -> Any:
    if freq is not None:
        index = index.copy()
        index.freq = freq  # Raises if the values do not have it.
    return index


def _attrs(obj: Any) -> dict[str, Any]:
    try:
        json.dumps(obj.attrs)
    except (TypeError, ValueError) as error:
        raise SerializationError(
            f"its attrs cannot be written as JSON ({error})", hint='Use format="joblib".'
        ) from error
    return dict(obj.attrs)


def _name_note(name: Any) -> Any:
    """Return a name for JSON. An unsupported one becomes None, which the comparison after writing detects."""
    if isinstance(name, tuple):
        return [_name_note(part) for part in name]
    return name if type(name) in _SCALARS else None


def _name_of(name: Any) -> Any:
    # A name is hashable, so a list in JSON was a tuple.
    return tuple(_name_of(part) for part in name) if isinstance(name, list) else name


def _type_note(values: Any) -> TypeNote | None:
    """Return a note of the type of a Series or Index, or None if Arrow keeps the type."""
    import pandas as pd

    dtype = values.dtype
    if pd.api.types.is_object_dtype(dtype):
        # Arrow has one kind of missing value. The comparison after writing detects a column that mixes two.
        missing = values[pd.isna(values)].tolist()
        return {"as": "object", "nan": bool(missing) and isinstance(missing[0], float)}
    if isinstance(dtype, pd.StringDtype):
        return {"as": "string", "storage": dtype.storage, "na": _missing(dtype) is pd.NA}
    if isinstance(dtype, pd.DatetimeTZDtype) and dtype.tz is datetime.UTC:
        return {"as": "utc"}
    if isinstance(dtype, pd.CategoricalDtype):
        categories = dtype.categories
        within = _type_note(categories)
        if within is not None or isinstance(categories.dtype, pd.DatetimeTZDtype):
            return {"as": "category", "of": within}
    return None


def _with_type(values: Any, column: pa.Array | pa.ChunkedArray, note: TypeNote) -> Any:
    """Return a Series or Index in the type that was noted; `column` has the same values in Arrow."""
    import numpy as np
    import pandas as pd

    if note["as"] == "object":
        items = column.to_pylist()
        if note["nan"]:
            items = [np.nan if item is None else item for item in items]
        return _of_type(values, np.fromiter(items, dtype=object, count=len(items)))
    if note["as"] == "string":
        wanted = _dtype_of(note)
        return values if values.dtype == wanted else values.astype(wanted)
    if note["as"] == "utc":
        convert = values.dt.tz_convert if isinstance(values, pd.Series) else values.tz_convert
        return convert(datetime.UTC)
    if note["as"] == "category":
        return _of_type(values, _categorical(column, note["of"]))
    raise MalformedError("its notes name an unknown type")


def _dtype_of(note: TypeNote) -> Any:
    """Return the pandas type of a note on strings or objects."""
    import numpy as np
    import pandas as pd

    if note["as"] != "string":
        return note["as"]
    if note["na"]:
        return pd.StringDtype(note["storage"])
    return pd.StringDtype(note["storage"], na_value=np.nan)


def _missing(dtype: Any) -> Any:
    import pandas as pd

    # Before pandas 2.3 the missing value of a StringDtype was always NA.
    return getattr(dtype, "na_value", pd.NA)


def _of_type(values: Any, array: Any) -> Any:
    """Return an array as a Series or Index like `values`, without conversion by pandas."""
    import pandas as pd

    if isinstance(values, pd.Series):
        return pd.Series(array, index=values.index, dtype=array.dtype)
    return pd.Index(array, dtype=array.dtype)


def _categorical(column: pa.Array | pa.ChunkedArray, note: TypeNote | None) -> Any:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    parts = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    if not parts:
        raise MalformedError("a column has no categories")
    dictionary = parts[0].dictionary
    categories = pd.Index(dictionary.to_pandas())
    if note is not None:
        categories = _with_type(categories, dictionary, note)
    codes = np.concatenate([part.indices.fill_null(-1).to_numpy(zero_copy_only=False) for part in parts])
    return pd.Categorical.from_codes(codes, categories, ordered=column.type.ordered)
