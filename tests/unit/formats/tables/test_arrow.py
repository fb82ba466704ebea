"""parquet and arrow: what comes back of DataFrames, Series and Arrow tables, and what is refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import safeload
from safeload import HmacKey
from safeload.formats.tables import frame_equality

pa = pytest.importorskip("pyarrow")
pytestmark = pytest.mark.parametrize("format", ["parquet", "arrow"])

HOURS = pd.date_range("2026-03-29", periods=4, freq="h", tz="Europe/Berlin")
OBJECTS = np.array([["x", 1], {"k": [None, "v"]}], dtype=object)


def of(*values: Any, **options: Any) -> pd.DataFrame:
    """Return a frame with one column."""
    return pd.DataFrame({"a": pd.Series(values, **options)})


FRAMES = {
    "floats with NaN and both zeros": of(1.5, np.nan, 0.0, -0.0, np.inf),
    "small numbers": pd.DataFrame({"a": np.int8([1]), "b": np.uint64([2**64 - 1]), "c": np.float16([0.5])}),
    "booleans": of(True, False),
    "nullable": pd.DataFrame(
        {
            "a": pd.array([1, None], dtype="Int8"),
            "b": pd.array([True, None], dtype="boolean"),
            "c": pd.array([0.5, None], dtype="Float32"),
        }
    ),
    "texts": of("x", None, "ü\0"),
    "texts as objects": of("x", None, dtype=object),
    "texts as objects with NaN": of("x", np.nan, dtype=object),
    "texts in Python": of("x", None, dtype="string[python]"),
    "texts in Arrow": of("x", None, dtype="string[pyarrow]"),
    "Arrow's own type": of(1, None, dtype="int64[pyarrow]"),
    "bytes": of(b"x", b"\0", dtype=object),
    "whole numbers as objects": of(1, None, dtype=object),
    "lists": of([1, 2], [3, 4], dtype=object),
    "dicts": of({"k": [1]}, {"k": []}, dtype=object),
    "decimals": of(Decimal("1.50"), Decimal("2.25"), dtype=object),
    "dates": of(dt.date(2026, 1, 2), None, dtype=object),
    "categories": pd.DataFrame({"a": pd.Categorical(["b", None, "a"], ["c", "b", "a"], ordered=True)}),
    "categories of numbers": pd.DataFrame({"a": pd.Categorical([3, 1], [9, 3, 1])}),
    "categories of times": pd.DataFrame({"a": pd.Categorical(HOURS[::-1], HOURS[::-1])}),
    "categories of objects": pd.DataFrame(
        {"a": pd.Categorical(["b", "a"], pd.Index(["b", "a"], dtype=object))}
    ),
    "no categories": pd.DataFrame({"a": pd.Categorical([], pd.Index([], dtype="int64"))}),
    "seconds": pd.DataFrame({"a": HOURS.as_unit("s")}),
    "nanoseconds": pd.DataFrame({"a": HOURS.as_unit("ns") + pd.Timedelta(1, "ns")}),
    "durations": pd.DataFrame({"a": pd.to_timedelta([1, None], unit="s").as_unit("s")}),
    "periods": pd.DataFrame({"a": pd.period_range("2026-01", periods=2, freq="M")}),
    "intervals": pd.DataFrame({"a": pd.IntervalIndex.from_breaks([0.0, 1.0, 2.0])}),
    "times with a frequency": pd.DataFrame({"a": range(4)}, index=HOURS),
    "times named, without one": pd.DataFrame({"a": [1, 2]}, index=HOURS[[0, 2]].rename("t")),
    "times of UTC by datetime": pd.DataFrame({"a": [1]}, index=HOURS[:1].tz_convert(dt.UTC)),
    "times of UTC by zoneinfo": pd.DataFrame({"a": [1]}, index=HOURS[:1].tz_convert(ZoneInfo("UTC"))),
    "times of an offset": pd.DataFrame({"a": HOURS.tz_convert(dt.timezone(dt.timedelta(hours=-3)))}),
    "durations as index": pd.DataFrame({"a": [1, 2]}, index=pd.timedelta_range(0, periods=2, freq="15min")),
    "a range": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(5, 11, 3, name="r")),
    "an index named by a number": pd.DataFrame({"a": [1]}, index=pd.Index([7], name=3)),
    "an index named by a tuple": pd.DataFrame({"a": [1]}, index=pd.Index([7], name=("p", 1))),
    "an index named as a column": pd.DataFrame({"a": [1]}, index=pd.Index([7], name="a")),
    "an index of objects": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", None], dtype=object)),
    "an index of several levels": pd.DataFrame(
        {"a": range(4)}, index=pd.MultiIndex.from_arrays([HOURS, list("abab")], names=["t", None])
    ),
    "several levels with objects": pd.DataFrame(
        {"a": range(2)}, index=pd.MultiIndex.from_arrays([pd.Index(["x", "y"], dtype=object), [1, 2]])
    ),
    "an index of categories": pd.DataFrame(
        {"a": [1, 2]}, index=pd.CategoricalIndex(["z", "a"], ["z", "y", "a"], name="k")
    ),
    "columns by number": pd.DataFrame(np.eye(3)),
    "columns by other numbers": pd.DataFrame(np.eye(2), columns=[4, 2]),
    "columns by text and number": pd.DataFrame(np.eye(2), columns=[1, "1"]),
    "columns by truth": pd.DataFrame(np.eye(2), columns=[True, False]),
    "columns twice": pd.DataFrame([[1, "x"]], columns=["a", "a"]),
    "columns as objects": pd.DataFrame([[1, 2]], columns=pd.Index(["b", "a"], dtype=object, name="n")),
    "columns by time": pd.DataFrame(np.eye(4), columns=HOURS),
    "columns of two levels": pd.DataFrame(
        np.eye(2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None])
    ),
    "nothing": pd.DataFrame(),
    "no rows": pd.DataFrame({"a": pd.Series([], dtype="float32"), "b": pd.Series([], dtype=object)}),
    "no columns": pd.DataFrame(index=HOURS),
}


def through(obj: Any, format: str, key: HmacKey, load: dict[str, Any] | None = None, **dump: Any) -> Any:
    """Return what comes back of an object that was signed."""
    artifact, sidecar = safeload.dumps(obj, format=format, name="x", signer=key, **dump)
    return safeload.loads(artifact, sidecar, name="x", keyring=key, **(load or {}))


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_comes_back_exactly(
    frame: pd.DataFrame, compression: str | None, format: str, key: HmacKey
) -> None:
    """By pandas' comparison with every check on, and by ours of what pandas does not look at."""
    before = frame.copy()
    loaded = through(frame, format, key, compression=compression)
    pd.testing.assert_frame_equal(frame, loaded, check_exact=True, check_index_type=True, check_freq=False)
    assert frame_equality.changed(frame, loaded) is None
    # Storing it has changed nothing of it.
    assert frame_equality.changed(frame, before) is None


@pytest.mark.parametrize("name", ["value", None, "", 7, ("plant", 3)])
def test_a_series_of_measurements_comes_back_with_its_index_name_and_attrs(
    name: Any, format: str, key: HmacKey
) -> None:
    """As hetida designer hands it over: by time, in UTC, with a frequency, and with metadata in attrs."""
    index = pd.date_range("2026-01-01", periods=5, freq="15min", tz="UTC", name="timestamp")
    series = pd.Series([1.0, np.nan, 3.0, 4.0, 5.0], index=index, name=name)
    series.attrs = {
        "single_metric_metadata": {"unit": "°C", "limits": [0, None, 1e-300]},
        "ref_frequency": "PT15M",
    }
    loaded = through(series, format, key)
    pd.testing.assert_series_equal(series, loaded, check_exact=True, check_freq=True)
    assert type(loaded) is pd.Series
    assert (loaded.index.freq, loaded.attrs, loaded.name) == (index.freq, series.attrs, name)


def test_a_series_without_frequency_has_none(format: str, key: HmacKey) -> None:
    """Measurements that came when they came, and twice at one time."""
    index = pd.DatetimeIndex(["2026-01-01T00:00:01Z", "2026-01-01T00:00:01Z", "2026-01-01T00:07Z"])
    loaded = through(pd.Series(["on", None, "off"], index=index, dtype=object), format, key)
    assert loaded.index.freq is None
    assert loaded.tolist() == ["on", None, "off"]
    assert loaded.dtype == object


def test_what_was_loaded_can_be_changed(format: str, key: HmacKey) -> None:
    """Although its numbers may lie in the verified memory, which stays as it was."""
    artifact, sidecar = safeload.dumps(of(1.0, 2.0), format=format, name="x", signer=key, compression=None)
    kept = bytes(bytearray(artifact))
    loaded = safeload.loads(artifact, sidecar, name="x", keyring=key)
    loaded.loc[0, "a"] = 9.0
    assert loaded["a"].tolist() == [9.0, 2.0]
    assert artifact == kept


def test_an_arrow_table_comes_back_as_it_is(format: str, key: HmacKey) -> None:
    """With metadata, types that pandas does not have, NaN, and dictionaries whole."""
    words = pa.DictionaryArray.from_arrays(pa.array([2, None, 0], pa.int8()), ["a", "b", "c"])
    numbers = pa.array([[1.0, float("nan")], None, []], pa.list_(pa.field("item", pa.float32())))
    schema = pa.schema(
        [pa.field("w", words.type), pa.field("n", numbers.type), pa.field("s", pa.timestamp("s", "UTC"))],
        metadata={"mine": "x"},
    )
    table = pa.table([words, numbers, pa.array([0, None, 5], pa.timestamp("s", "UTC"))], schema=schema)
    loaded = through(table, format, key)
    assert loaded.schema.equals(schema, check_metadata=True)
    assert repr(loaded.to_pylist()) == repr(table.to_pylist())
    assert loaded.column("w").chunk(0).dictionary.to_pylist() == ["a", "b", "c"]


def test_a_caller_says_as_what_a_file_is_loaded(format: str, key: HmacKey) -> None:
    """A frame as an Arrow table, and the other way."""
    table = through(of(1, 2), format, key, {"as_": "table"})
    assert table.to_pydict() == {"a": [1, 2]}
    assert through(table, format, key, {"as_": "pandas"})["a"].tolist() == [1, 2]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_column_comes_back_or_is_refused(data: st.DataObject, format: str, key: HmacKey) -> None:
    """Whatever values are in it: nothing comes back as something else."""
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates()
    kinds = (
        st.lists(st.text() | st.none()),
        st.lists(st.integers(-(2**70), 2**70)),
        st.lists(st.floats() | st.none()),
        st.lists(scalars),
        st.lists(st.lists(st.integers(0, 5))),
        st.lists(st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))),
    )
    values = data.draw(st.one_of(*kinds))
    dtype = data.draw(st.sampled_from([None, object]))
    series = pd.Series(values, dtype=dtype, name=data.draw(st.none() | st.text()))
    try:
        loaded = through(series, format, key)
    except safeload.SerializationError:
        return
    assert frame_equality.changed(series, loaded) is None


class Subclass(pd.DataFrame):
    """A frame of a class of its own."""


LOSSY = {
    "no table": ([1, 2], "not a DataFrame"),
    "an array": (np.ones(3), "not a DataFrame"),
    "a subclass": (Subclass({"a": [1]}), "not a DataFrame"),
    "two kinds of missing": (of("x", None, np.nan, dtype=object), "column 0"),
    "a tuple in a column": (of((1, 2), [3], dtype=object), 'column name="a"'),
    "dicts with other keys": (of({"k": 1}, {"j": 1}, dtype=object), 'column name="a"'),
    "complex numbers": (of(1j), "complex"),
    "sparse numbers": (pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])}), "parse"),
    "an object in an index": (pd.DataFrame({"a": [1]}, index=[Decimal("1E+3")]), "index"),
    "a name that is no text or number": (pd.Series([1], name=dt.date(2026, 1, 1)), "name"),
    "a flag": (of(1).set_flags(allows_duplicate_labels=False), "Flags"),
    "a calendar": (
        pd.DataFrame(
            {"a": [1, 2]},
            index=pd.date_range(
                "2026-01-02", periods=2, freq=pd.offsets.CustomBusinessDay(holidays=["2026-01-05"])
            ),
        ),
        "",
    ),
}


@pytest.mark.parametrize(("obj", "where"), LOSSY.values(), ids=LOSSY)
def test_what_would_be_lost_is_refused_when_it_is_written(
    obj: Any, where: str, format: str, key: HmacKey
) -> None:
    """With the place in the message, and without the values."""
    with pytest.raises(safeload.SerializationError) as caught:
        safeload.dumps(obj, format=format, name="x", signer=key)
    assert where in str(caught.value)
    assert "[left]" not in str(caught.value)


@pytest.mark.parametrize("attrs", [{"t": (1, 2)}, {1: "x"}, {"d": dt.date(2026, 1, 1)}, {"s": {"x"}}])
def test_attrs_that_json_does_not_keep_are_refused(attrs: dict[Any, Any], format: str, key: HmacKey) -> None:
    """A tuple would come back as a list, a number as a text."""
    frame = of(1)
    frame.attrs = attrs
    with pytest.raises(safeload.SerializationError, match="attrs"):
        safeload.dumps(frame, format=format, name="x", signer=key)


def test_what_is_not_read_back_is_an_error_of_writing(
    format: str, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is not there yet, so that none is damaged."""

    def fails(*_: Any) -> Any:
        raise safeload.MalformedError("its notes are of another index")

    monkeypatch.setattr("safeload.formats.tables.frames.from_table", fails)
    with pytest.raises(safeload.SerializationError, match="another index"):
        safeload.dumps(of(1), format=format, name="x", signer=key)


# What is not told apart: by neither pandas' comparison nor ours, and the format's docstring says so.
NOT_TOLD = {
    "bits of NaN": pd.DataFrame({"a": np.array([0x7FF8000000000001, 0xFFF8000000000000], "u8").view("f8")}),
    "what a mask hides": pd.DataFrame({"a": pd.array([2, None], dtype="Int64")}) * 3,
    "levels without rows": pd.DataFrame(
        {"a": range(3)}, index=pd.MultiIndex.from_arrays([list("xyz"), [1, 2, 3]])
    ).iloc[:2],
    "one list twice": pd.DataFrame({"a": [[1]] * 2}),
}


@pytest.mark.parametrize("frame", NOT_TOLD.values(), ids=NOT_TOLD)
def test_what_nobody_asks_a_frame_for_may_be_lost(frame: pd.DataFrame, format: str, key: HmacKey) -> None:
    """Refusing it would refuse every NaN that a processor makes, and every index that was cut."""
    pd.testing.assert_frame_equal(frame, through(frame, format, key), check_exact=True)
