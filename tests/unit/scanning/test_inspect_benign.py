"""Inspection finds in real dumps exactly the names that loading looks up, and none is dangerous."""

from __future__ import annotations

import io
import pickle
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import scipy.stats
from joblib.numpy_pickle import NumpyUnpickler
from support import estimators

from safeload import Limits
from safeload.parsers.compression import decompress
from safeload.parsers.magic import compressor
from safeload.scanning import Report, scan

LIMITS = Limits()


@pytest.fixture(autouse=True)
def _may_warn() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def objects() -> dict[str, Any]:
    return {
        "zones": pd.DataFrame({"a": pd.date_range("2026", periods=3, tz="Europe/Berlin")}),
        "categories": pd.Series(list("aba"), dtype="category"),
        "strings": pd.Series(["a", "b", None]),
        "multi index": pd.MultiIndex.from_product([[1, 2], ["a"]]),
        "intervals": pd.interval_range(0, 4),
        "periods": pd.period_range("2020", periods=3),
        "csr": scipy.sparse.random(5, 5, 0.5, "csr"),
        "coo": scipy.sparse.random(5, 5, 0.5, "coo"),
        "distribution": scipy.stats.norm(0, 1),
        "generator": np.random.default_rng(1),
        "old generator": np.random.RandomState(3),
        "philox": np.random.Generator(np.random.Philox(1)),
        "masked": np.ma.array([1, 2], mask=[0, 1]),
        "records": np.rec.array([(1, "a")], dtype=[("x", "i4"), ("y", "U2")]),
        "structured": np.zeros(3, [("a", "f8"), ("b", "(2,3)i4"), ("c", [("d", "U2")])]),
        "aligned": np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        "with objects": np.array([(1.0, [2])], dtype=[("a", "f8"), ("b", "O")]),
        "objects": np.array([1, "a", np.arange(3), None], dtype=object),
        "kinds": [
            np.zeros(3, kind) for kind in ("?", "i1", ">u4", "f2", "g", "G", "U5", "S3", "M8[D]", "m8[ns]")
        ],
        "numbers": [
            np.float32(1),
            np.int8(2),
            np.datetime64("2020"),
            np.str_("x"),
            np.bytes_(b"q"),
            np.void(b"a"),
        ],
        "orders": [np.asfortranarray(np.ones((2, 3))), np.zeros((0, 3)), np.array(5.0)],
    }


class Joblib(NumpyUnpickler):
    seen: set[str]

    def find_class(self, module: str, name: str) -> Any:
        self.seen.add(f"{module}.{name}")
        return super().find_class(module, name)


class Plain(pickle.Unpickler):
    seen: set[str]

    def find_class(self, module: str, name: str) -> Any:
        self.seen.add(f"{module}.{name}")
        return super().find_class(module, name)


def by_joblib(value: Any, **options: Any) -> tuple[Report, set[str]]:
    file = io.BytesIO()
    joblib.dump(value, file, **options)
    data = file.getvalue()
    name = compressor(data)
    recorder = Joblib("", io.BytesIO(decompress(data, name, LIMITS) if name else data), True)
    recorder.seen = set()
    recorder.load()
    return scan(data, LIMITS), recorder.seen


def by_pickle(value: Any, protocol: int) -> tuple[Report, set[str]]:
    data = pickle.dumps(value, protocol)
    recorder = Plain(io.BytesIO(data))
    recorder.seen = set()
    recorder.load()
    return scan(data, LIMITS, arrays=False), recorder.seen


def check(found: tuple[Report, set[str]], what: object, verdicts: Counter[str]) -> None:
    report, seen = found
    assert set(report.globals) == seen, what
    # Nothing is known here but the standard names; still nothing is dangerous, and all can be followed.
    assert report.verdict in ("data", "known types", "unknown types"), (what, report.findings)
    assert not any(finding.limit for finding in report.findings), what
    verdicts[report.verdict] += 1


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_the_names_are_those_that_loading_looks_up(protocol: int, capsys: pytest.CaptureFixture[str]) -> None:
    """For every estimator, frame and array, by joblib and by pickle, in each protocol."""
    verdicts: Counter[str] = Counter()
    values = objects() | {name: model for name, (model, _) in estimators.fitted().items()}
    for name, value in values.items():
        check(by_pickle(value, protocol), (name, "pickle"), verdicts)
        if protocol >= 2:
            check(by_joblib(value, protocol=protocol), (name, "joblib"), verdicts)
    with capsys.disabled():
        print(f"\n  protocol {protocol}: {dict(verdicts)}", end="")
    assert sum(verdicts.values()) > 200


@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "lzma", "xz", "lz4"])
def test_compressed_dumps_show_the_same_names(method: str) -> None:
    """By each compressor of joblib's; the report says which."""
    verdicts: Counter[str] = Counter()
    values = objects() | {name: model for name, (model, _) in list(estimators.fitted().items())[::10]}
    for name, value in values.items():
        found = by_joblib(value, compress=(method, 1))
        check(found, name, verdicts)
        assert found[0].compressor == method


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_all_names_known_makes_known_types(protocol: int) -> None:
    """With exactly the names of each estimator's dump; so nothing else is held against any."""
    for name, (model, _) in estimators.fitted().items():
        file = io.BytesIO()
        joblib.dump(model, file, protocol=protocol)
        for data, arrays in ((file.getvalue(), True), (pickle.dumps(model, protocol), False)):
            known = frozenset(scan(data, LIMITS, arrays=arrays).globals)
            again = scan(data, LIMITS, known, arrays=arrays)
            assert again.verdict == "known types", (name, again.findings)


def test_one_name_missing_makes_unknown_types() -> None:
    """Whichever it is, and the finding names it."""
    report, _ = by_joblib(estimators.fitted()["RandomForestClassifier"][0])
    file = io.BytesIO()
    joblib.dump(estimators.fitted()["RandomForestClassifier"][0], file)
    for name in report.globals:
        known = frozenset(report.globals) - {name}
        again = scan(file.getvalue(), LIMITS, known)
        assert again.verdict == "unknown types"
        assert any(name in finding.reason for finding in again.findings)
        assert scan(file.getvalue(), LIMITS, known | {name}, own_state=frozenset({name})).verdict == (
            "unknown types"
        )


@pytest.mark.parametrize("detail", [True, False])
def test_arrays_are_reported_where_they_are(detail: bool) -> None:
    """With dtype, shape, and the place of their bytes; without detail the verdict is the same."""
    value = [np.arange(6.0).reshape(2, 3), np.arange(3, dtype=">i2"), "end"]
    file = io.BytesIO()
    joblib.dump(value, file)
    report = scan(file.getvalue(), LIMITS, detail=detail)
    assert report.verdict == "known types"
    if not detail:
        assert (report.arrays, report.calls) == ((), ())
        return
    first, second = report.arrays
    assert (first.dtype, first.shape, second.dtype, second.shape) == ("<f8", (2, 3), ">i2", (3,))
    raw = file.getvalue()[first.offset : first.offset + first.size]
    assert np.array_equal(np.frombuffer(raw).reshape(2, 3), value[0])
