"""DataFrames and Series as Arrow tables, with notes of what a table would lose of them.

The table itself is what pandas and pyarrow agree on, so that ``pandas.read_parquet`` reads it as well as any
other. The notes hold labels and names that are no text, an index's frequency, ``attrs``, and the types that
Arrow has no word for; ``frame_values.py`` has the types.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safeload.errors import MalformedError, SerializationError
from safeload.formats.tables import frame_values

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Notes = dict[str, Any]
_SCALARS = (str, int, float, bool, type(None))


def to_table(obj: Any) -> tuple[pa.Table, Notes]:
    """Return an object as a table, and notes for :func:`from_table`, which JSON keeps.

    Raises
    ------
    SerializationError
        It is no DataFrame, Series or :class:`pyarrow.Table`, or of a class of its own.
    """
    import pyarrow as pa

    if type(obj) is pa.Table:
        return obj, {"kind": "table"}
    import pandas as pd

    if type(obj) not in (pd.DataFrame, pd.Series):
        raise SerializationError(
            f"a {type(obj).__name__} is no DataFrame, Series or pyarrow.Table", hint='Use format="joblib".'
        )
    notes: Notes = {"kind": "frame"}
    if isinstance(obj, pd.Series):
        notes = {"kind": "series", "name": _noted(obj.name)}
        frame = obj.to_frame(obj.name if isinstance(obj.name, str) else "0")
    else:
        frame = obj.copy(deep=False)
        notes["labels"] = _labels(frame.columns)
        if _needs_other_labels(frame.columns):
            frame.columns = pd.Index([str(position) for position in range(frame.shape[1])])
    notes["attrs"] = _attrs(obj)
    frame.attrs = {}
    notes["names"] = [_noted(name) for name in frame.index.names]
    frame.index = frame.index.set_names(
        [name if isinstance(name, str) else None for name in frame.index.names]
    )
    notes["freq"] = [_freq(frame.index), _freq(getattr(obj, "columns", None))]
    notes["values"] = [frame_values.noted(frame.iloc[:, position]) for position in range(frame.shape[1])]
    notes["index"] = [
        frame_values.noted(frame.index.get_level_values(level)) for level in range(frame.index.nlevels)
    ]
    return pa.Table.from_pandas(frame), notes


def from_table(table: pa.Table, notes: Notes) -> Any:
    """Return the object that a table was made of; without notes, what pyarrow makes of it."""
    frame = table.to_pandas()
    if notes.get("kind") not in ("frame", "series"):
        return frame
    for position, note in enumerate(notes["values"]):
        if note is not None:
            column = table.column(position)
            frame.isetitem(position, frame_values.restored(frame.iloc[:, position], column, note))
    frame.index = _index(table, frame.index, notes)
    if notes["kind"] == "series":
        series = frame.iloc[:, 0]
        series.name = _read(notes["name"])
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
            raise MalformedError("its notes are of another index")
        levels = []
        for number, (place, note) in enumerate(zip(places, notes["index"], strict=True)):
            level = index.get_level_values(number)
            levels.append(level if note is None else frame_values.restored(level, table.column(place), note))
        index = pd.MultiIndex.from_arrays(levels) if len(levels) > 1 else pd.Index(levels[0])
    index = index.set_names([_read(name) for name in notes["names"]])
    return _with_freq(index, notes["freq"][0])


def _labels(columns: pd.Index) -> Any:
    """Return column labels for JSON, or None for such as pyarrow keeps."""
    import pandas as pd

    if isinstance(columns, pd.RangeIndex):
        return {"range": [columns.start, columns.stop, columns.step], "name": _noted(columns.name)}
    if isinstance(columns, pd.MultiIndex) or not all(type(label) in _SCALARS for label in columns.tolist()):
        return None
    note = frame_values.noted(columns) or {"as": str(columns.dtype)}
    return {"list": columns.tolist(), "type": note, "name": _noted(columns.name)}


def _needs_other_labels(columns: pd.Index) -> bool:
    """Tell whether pyarrow would refuse the labels, or make the same text of different ones."""
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
    name = _read(labels["name"])
    if "range" in labels:
        start, stop, step = labels["range"]
        return pd.RangeIndex(start, stop, step, name=name)
    return pd.Index(labels["list"], dtype=frame_values.dtype_of(labels["type"]), name=name)


def _freq(index: Any) -> str | None:
    # That of a PeriodIndex is part of its type.
    import pandas as pd

    held = isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex)
    return None if not held or index.freq is None else str(index.freqstr)


def _with_freq(index: Any, freq: str | None) -> Any:
    if freq is not None:
        index = index.copy()
        index.freq = freq  # Raises if the values do not keep to it.
    return index


def _attrs(obj: Any) -> dict[str, Any]:
    try:
        json.dumps(obj.attrs)
    except (TypeError, ValueError) as error:
        raise SerializationError(
            f"JSON cannot keep its attrs ({error})", hint='Use format="joblib".'
        ) from error
    return dict(obj.attrs)


def _noted(name: Any) -> Any:
    """Return a name for JSON. What JSON has no word for becomes None, and is missed when it is compared."""
    if isinstance(name, tuple):
        return [_noted(part) for part in name]
    return name if type(name) in _SCALARS else None


def _read(name: Any) -> Any:
    # A list cannot be a name, so that there it stands for a tuple.
    return tuple(_read(part) for part in name) if isinstance(name, list) else name
