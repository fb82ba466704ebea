"""Files that do no harm: what joblib, pickle, numpy and skops write of genuine objects."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import fractions
import io
import pickle
import uuid
import warnings
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import joblib
import numpy as np
from support import estimators
from threadpoolctl import threadpool_limits

from corpus.entry import installed
from corpus.gadgets import searched

# Estimators whose state is large or slow to write are written once; these are written in every way too.
_MANY_WAYS = ("Pipeline", "RandomForestClassifier", "StandardScaler", "LogisticRegression")

# A time zone is made by a function that only getattr reaches; trees hold indices that native code trusts; a
# fraction of a few characters can take for ever. (So can boosters' bytes, which go to parsers in C.) The
# type of a record is a dtype of another class.
_UNNAMED = ("dates in Berlin", "tree", "fraction", "record")


@dataclass(frozen=True)
class Benign:
    """A file that does no harm.

    Parameters
    ----------
    name, category, suffix
        As those of a technique.
    data
        The file.
    named
        Whether presets name what is in it: plain data and the packages that presets are for.
    """

    name: str
    category: str
    data: bytes
    suffix: str = ".joblib"
    named: bool = True


def by_joblib(obj: Any, **options: Any) -> bytes:
    """Return what joblib writes."""
    file = io.BytesIO()
    joblib.dump(obj, file, **options)
    return file.getvalue()


def plain() -> dict[str, Any]:
    """Return plain data, and what the standard library holds data in."""
    shared = [1, 2]
    return {
        "numbers": [0, -1, 255, 2**15, 2**31, 2**70, -(2**70), 1.5, float("inf"), True, None],
        "complex": 1j,
        "text": ["", "a", "ä\n", "x" * 300, "\ud800", "os\nsystem"],
        "bytes": [b"", b"a", bytes(300), bytearray(b"abc")],
        "containers": {"l": [1, [2]], "t": ((), (1,), (1, 2, 3, 4)), "s": {1, 2}, "f": frozenset({1})},
        "shared": [shared, shared, {"x": shared}],
        "large": {str(number): [number] * 3 for number in range(3_000)},
        "nested": _nested(90),
        "config": {"lr": 0.1, "layers": [64, 32], "name": "os.system", "note": "eval(1)"},
        "ordered": collections.OrderedDict(a=1),
        "counter": collections.Counter("abca"),
        "deque": collections.deque([1, 2], maxlen=3),
        "dates": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.date(2026, 1, 1), dt.timedelta(1), dt.time(1)],
        "decimal": decimal.Decimal("1.5"),
        "fraction": fractions.Fraction(1, 3),
        "uuid": uuid.UUID(int=1),
        "slices": [slice(1, 2), range(3)],
    }


def _nested(depth: int) -> Any:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    return nested


def arrays() -> dict[str, Any]:
    """Return arrays of every kind, and what numpy has besides."""
    return {
        "C and F order": [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.ones((3, 4)))],
        "no elements": [np.zeros((0, 3)), np.array(5.0)],
        "a view": np.arange(20)[::2],
        **{
            f"kind {kind}": np.zeros(3, kind)
            for kind in ("?", "i1", ">u4", "<i8", "f2", "g", "c8", "G", "U5", "S3", "M8[D]", "m8[s]", "V4")
        },
        "objects": np.array([1, "a", None, {"x": [1]}], dtype=object),
        "arrays of arrays": np.array([np.arange(2), np.arange(3), None], dtype=object),
        "structured": np.zeros(3, [("a", "f8"), ("b", "(2,3)i4"), ("c", [("d", "U2")])]),
        "aligned": np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        "structured with objects": np.zeros(2, [("a", "f8"), ("b", "O")]),
        "matrix": np.matrix([[1, 2]]),
        "masked": np.ma.masked_array([1, 2], [True, False]),
        "record": np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        "scalars": [np.float64(1), np.int8(2), np.str_("a"), np.bool_(True), np.datetime64("2026-01-01")],
        "dtypes": [np.dtype("f8"), np.dtype([("a", "i4")]), np.float32],
        "generators": [np.random.default_rng(0), np.random.RandomState(0), np.random.PCG64(1)],
        "ufuncs": [np.log1p, np.exp],
        "looks like opcodes": np.frombuffer(b"cos\nsystem\n(S'x'\ntR.", "u1"),
        "large": np.arange(100_000.0),
    }


def frames() -> dict[str, Any]:
    """Return frames, series and indexes with many dtypes."""
    import pandas as pd

    when = pd.date_range("2026-01-01", periods=3)
    return {
        "numbers": pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]}),
        "text": pd.DataFrame({"a": ["x", None, "z"]}),
        "objects": pd.Series([1, "a", None], dtype=object),
        "categories": pd.DataFrame({"a": pd.Categorical(["x", "y", "x"], ordered=True)}),
        "dates": pd.DataFrame({"a": when, "b": when - when[0]}),
        "dates in UTC": pd.DataFrame({"a": when.tz_localize("UTC")}),
        "dates in Berlin": pd.DataFrame({"a": when.tz_localize("Europe/Berlin")}),
        "dates at an offset": pd.Series(when.tz_localize(dt.timezone(dt.timedelta(hours=1)))),
        "periods": pd.Series(pd.period_range("2026-01", periods=3, freq="M")),
        "intervals": pd.Series(pd.interval_range(0, 3)),
        "nullable": pd.DataFrame(
            {
                "a": pd.array([1, None], "Int64"),
                "b": pd.array([True, None], "boolean"),
                "c": pd.array([1.0, None], "Float32"),
            }
        ),
        "string dtype": pd.Series(["a", None], dtype="string"),
        "sparse": pd.Series(pd.arrays.SparseArray([0, 0, 1])),
        "multi-index": pd.DataFrame({"x": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
        "named": pd.Series([1, 2], index=pd.Index(["a", "b"], name="i"), name="s"),
        "indexes": [pd.RangeIndex(3), when, pd.CategoricalIndex(["a"]), pd.TimedeltaIndex(["1D"])],
        "scalars": [pd.Timestamp("2026-01-01", tz="UTC"), pd.Timedelta("1D"), pd.NaT, pd.NA],
        "offsets": [pd.offsets.MonthEnd(2), pd.offsets.BusinessDay()],
        "empty": pd.DataFrame(),
        "dtypes": [pd.CategoricalDtype(["a"]), pd.Int64Dtype(), pd.DatetimeTZDtype("ns", "UTC")],
    }


def matrices() -> dict[str, Any]:
    """Return sparse matrices and arrays, and what scipy has besides."""
    import scipy.interpolate
    import scipy.sparse as sp
    from scipy.spatial import KDTree

    dense = np.eye(3)
    return {
        **{
            f"{kind} matrix": getattr(sp, f"{kind}_matrix")(dense)
            for kind in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")
        },
        **{f"{kind} array": getattr(sp, f"{kind}_array")(dense) for kind in ("csr", "csc", "coo")},
        "spline": scipy.interpolate.CubicSpline([0, 1, 2], [0, 1, 4]),
        "tree": KDTree(np.random.default_rng(0).random((20, 2))),
    }


def boosted() -> dict[str, Any]:
    """Return gradient-boosted models of the packages that are installed."""
    found: dict[str, Any] = {}
    if installed(["xgboost"]):
        import xgboost

        model = xgboost.XGBClassifier(n_estimators=2, max_depth=2)
        found["xgboost classifier"] = model.fit(estimators.X, estimators.CLASSES)
        found["xgboost booster"] = model.get_booster()
        found["xgboost regressor"] = xgboost.XGBRegressor(n_estimators=2).fit(
            estimators.X, estimators.NUMBERS
        )
    if installed(["lightgbm"]):
        import lightgbm

        quiet = {"n_estimators": 2, "verbose": -1, "min_child_samples": 2}
        found["lightgbm classifier"] = lightgbm.LGBMClassifier(**quiet).fit(estimators.X, estimators.CLASSES)
        found["lightgbm regressor"] = lightgbm.LGBMRegressor(**quiet).fit(estimators.X, estimators.NUMBERS)
        found["lightgbm booster"] = found["lightgbm classifier"].booster_
    return found


def _objects() -> Iterator[tuple[str, str, Any, bool]]:
    for category, things in (
        ("plain data", plain()),
        ("numpy", arrays()),
        ("scipy", matrices()),
        ("boosting", boosted()),
        ("pandas", frames() if installed(["pandas"]) else {}),
    ):
        for name, obj in things.items():
            yield name, category, obj, name not in _UNNAMED and category != "boosting"
    for name, (model, _) in estimators.fitted().items():
        yield name, "scikit-learn", model, True
    yield "zone", "standard library", zoneinfo.ZoneInfo("Europe/Berlin"), False
    yield "search over a distribution", "scikit-learn", searched(), False


def _written() -> Iterator[Benign]:
    for name, category, obj, named in _objects():
        yield Benign(f"{category} {name}", category, by_joblib(obj), named=named)
        if category == "scikit-learn" and name not in _MANY_WAYS:
            continue
        for protocol in (2, 3, 4, 5):
            yield Benign(
                f"{category} {name} protocol {protocol}",
                f"{category} by pickle",
                pickle.dumps(obj, protocol),
                ".pkl",
                # Protocol 2 has no bytes, so that a tree's nodes are text.
                named and (name, protocol) != ("RandomForestClassifier", 2),
            )
    model = estimators.fitted()["Pipeline"][0]
    things = {"model": model, "array": np.arange(1_000.0), "data": plain()["large"]}
    compressors = ["zlib", "gzip", "bz2", "lzma", "xz"] + (["lz4"] if installed(["lz4"]) else [])
    for kind in compressors:
        for name, obj in things.items():
            yield Benign(f"{kind} {name}", "compressed", by_joblib(obj, compress=(kind, 3)), f".{kind}")
    for protocol in range(6):
        yield Benign(f"model protocol {protocol}", "joblib protocols", by_joblib(model, protocol=protocol))
    file = io.BytesIO()
    np.save(file, np.arange(5))
    yield Benign("npy", "numpy files", file.getvalue(), ".npy", named=False)
    file = io.BytesIO()
    np.savez(file, a=np.arange(5))
    yield Benign("npz", "numpy files", file.getvalue(), ".npz", named=False)


def _by_skops() -> Iterator[Benign]:
    import skops.io

    for name, obj in {"plain": [1, {"a": "b"}, (1.5, None)], "array": np.arange(3.0)}.items():
        yield Benign(f"skops {name}", "skops", bytes(skops.io.dumps(obj)), ".skops")
    for name, (model, _) in estimators.fitted().items():
        try:
            data = bytes(skops.io.dumps(model))
        except skops.io.exceptions.UnsupportedTypeException:
            continue
        needs = skops.io.get_untrusted_types(data=data)
        yield Benign(f"skops {name}", "skops", data, ".skops", named=not needs)


@lru_cache(maxsize=1)
def files() -> tuple[Benign, ...]:
    """Return all of them."""
    # Many threads on tiny data cost more than they save, the more so beside other tests.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = (*_written(), *_by_skops())
    assert len({one.name for one in found}) == len(found)
    return found
