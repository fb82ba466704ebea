"""Any bytes end in a verdict; what costs or fails is part of it."""

from __future__ import annotations

import io
import pickle
from typing import Any

import joblib
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from support import strategies

from safeload import Limits
from safeload.scanning import contents, scan
from safeload.scanning.report import VERDICTS

LIMITS = Limits()


def dumped(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(value, file, **options)
    return file.getvalue()


SAFETENSORS = b"\x10" + b"\0" * 7 + b"{"
GENUINE = [
    dumped({"a": np.arange(9.0), "b": ["x", 1.5, None, (1, 2)], "c": np.array([1, "x"], dtype=object)}),
    dumped(np.zeros(3, [("a", "f8"), ("b", "U2")]), protocol=2),
    dumped([np.arange(9.0), "end"], compress=1),
    pickle.dumps([{"a": 1, "b": [1.5, "x" * 300]}, np.random.RandomState(0)], 0),
    pickle.dumps([np.arange(3), np.float64(1)], 5),
]
FOREST = dumped(RandomForestClassifier(2, max_depth=3, random_state=0).fit([[0.0], [1.0]] * 9, [0, 1] * 9))


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_verdict(data: bytes) -> None:
    """Alone, as a pickle of each kind, and as the start of other formats."""
    for start in (
        b"",
        b"\x80\x04",
        b"\x80\x02(",
        b"PK\x03\x04",
        b"x\x9c",
        b"\x08\x07",
        b"\x10" + b"\0" * 7 + b"{",
    ):
        assert contents.examine(start + data + b".", LIMITS).verdict in VERDICTS


@given(st.data())
def test_any_change_to_a_file_ends_in_a_verdict(data: st.DataObject) -> None:
    """Bytes changed, removed, doubled and moved; with and without detail it is the same verdict."""
    changed = data.draw(strategies.mutations(data.draw(st.sampled_from(GENUINE))))
    report = contents.examine(changed, LIMITS)
    assert report.verdict in VERDICTS
    for arrays in (True, False):
        try:
            full, brief = (scan(changed, LIMITS, arrays=arrays, detail=detail) for detail in (True, False))
        except contents.SafeloadError:
            continue
        assert (full.verdict, full.findings) == (brief.verdict, brief.findings)


@given(st.data())
def test_a_file_that_is_cut_off_is_malformed(data: st.DataObject) -> None:
    """At any byte."""
    whole = data.draw(st.sampled_from(GENUINE))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert contents.examine(cut, LIMITS).verdict in ("malformed", "dangerous")


@given(st.data())
def test_a_model_that_is_changed_ends_in_a_verdict(data: st.DataObject) -> None:
    """A fitted forest's dump, with its trees."""
    assert contents.examine(data.draw(strategies.mutations(FOREST)), LIMITS).verdict in VERDICTS


def test_a_stream_that_unfolds_to_too_much_is_a_finding() -> None:
    """Not an error: the rest of what is known of the file is shown."""
    report = contents.examine(dumped(np.zeros(10**7), compress=9), Limits(decompressed_bytes=1000))
    assert report.verdict == "unknown types"
    assert report.findings[0].limit
