"""``format="auto"``: the safest format that keeps an object exactly, and what it says of its choice."""

from __future__ import annotations

import datetime
import enum
import sys
from collections import OrderedDict
from decimal import Decimal
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
from support.auditing import no_unpickler_runs
from support.objects import pipeline

import safeload
from safeload import HmacKey, Keyring, SerializationError, Statement
from safeload.formats.equality import difference

ARRAY = np.arange(6.0).reshape(2, 3)


class Colour(enum.Enum):
    """Of a type that only a pickle keeps."""

    RED = 1


CHOSEN = {
    "a dict of arrays": ({"a": ARRAY, "b": ARRAY + 1}, "safetensors"),
    "a dict of truth": ({"a": np.array([True])}, "safetensors"),
    "a dict of bfloat16": ({"a": np.ones(2, ml_dtypes.bfloat16)}, "safetensors"),
    "names out of order": ({"b": ARRAY, "a": ARRAY + 1}, "numpy"),
    "arrays of two types": ({"a": ARRAY, "b": np.arange(3)}, "numpy"),
    "arrays that safetensors lacks": ({"a": np.array(["x"])}, "numpy"),
    "arrays in the other byte order": ({"a": np.zeros(2, ">f8")}, "numpy"),
    "a name of safetensors' own": ({"__metadata__": ARRAY}, "numpy"),
    "an array in Fortran's order": ({"a": np.asfortranarray(ARRAY)}, "numpy"),
    "an array": (ARRAY, "numpy"),
    "an array of dates": (np.array(["2026-11-23"], "M8[D]"), "numpy"),
    "an array of bfloat16": (np.ones(2, ml_dtypes.bfloat16), "joblib"),
    "an array of a type with notes": (np.zeros(2, np.dtype("f8", metadata={"unit": "m"})), "joblib"),
    "aligned fields": (np.zeros(2, np.dtype([("a", "i1"), ("b", "i4")], align=True)), "joblib"),
    "truth that is neither 0 nor 1": ({"a": np.array([2], "u1").view(bool)}, "numpy"),
    "one array under two names": (dict.fromkeys("ab", ARRAY), "skops"),
    "names that are numbers": ({1: ARRAY}, "skops"),
    "an array and a number": ({"a": ARRAY, "b": 1}, "skops"),
    "an empty dict": ({}, "skops"),
    "a number": (1.5, "skops"),
    "text": ("x", "skops"),
    "an estimator": (pipeline(), "skops"),
    "an array of objects": (np.array([{"a": 1}], dtype=object), None),
    "an ordered dict of arrays": (OrderedDict(a=ARRAY), None),
    "a masked array": (np.ma.masked_array([1.0, 2.0], [True, False]), None),
    "a time": (datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC), None),
    "an enumeration": (Colour.RED, "joblib"),
    "numbers as keys of numbers": ({1: "a", "1": "b", 1.5: "c"}, None),
    "a decimal": (Decimal("1.50"), None),
}


def chosen(obj: Any, key: HmacKey) -> tuple[Statement, Any]:
    """Return the statement and what is loaded."""
    artifact, sidecar = safeload.dumps(obj, format="auto", signer=key)
    (envelope,) = safeload.attestation.envelope.parse_sidecar(sidecar, limit=1 << 20)
    return safeload.attestation.statement.parse(envelope.payload), safeload.loads(
        artifact, sidecar, keyring=key
    )


@pytest.mark.parametrize("name", CHOSEN)
def test_the_format_is_the_safest_that_keeps_the_object_exactly(name: str, key: HmacKey) -> None:
    """Its types, the order of its keys, and the order of its elements in memory."""
    obj, expected = CHOSEN[name]
    statement, loaded = chosen(obj, key)
    assert statement.format in ((expected,) if expected else ("skops", "joblib"))
    assert difference(obj, loaded) is None
    if isinstance(obj, dict):
        assert list(loaded) == list(obj)
        for key_, value in obj.items():
            if isinstance(value, np.ndarray):
                assert loaded[key_].flags.f_contiguous == value.flags.f_contiguous
        # What was one object is one.
        assert len({id(value) for value in loaded.values()}) == len({id(value) for value in obj.values()})


@pytest.mark.parametrize("name", CHOSEN)
def test_the_statement_says_what_was_chosen_and_why(name: str, key: HmacKey) -> None:
    """The first remark is the choice; the others say what was not taken, each in a sentence."""
    statement, _ = chosen(CHOSEN[name][0], key)
    assert statement.remarks[0].startswith(f"The format {statement.format} was chosen: ")
    assert all(remark.endswith(".") and "was not taken, since" in remark for remark in statement.remarks[1:])


def test_what_was_declined_is_named_in_order(key: HmacKey) -> None:
    """With the format's own reason."""
    statement, _ = chosen({"a": np.array([Colour.RED], dtype=object)}, key)
    assert statement.format == "joblib"
    assert [remark.split()[0] for remark in statement.remarks[1:]] == ["safetensors", "numpy", "skops"]
    assert "Python objects" in statement.remarks[2]


def test_a_frame_is_stored_as_arrow(key: HmacKey) -> None:
    """Where pyarrow is installed; DataFrames and Series."""
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"b": [1, 2], "a": ["x", None]}, index=[5, 3])
    for obj in (frame, frame["b"]):
        statement, loaded = chosen(obj, key)
        assert statement.format == "arrow"
        assert loaded.equals(obj)
        assert type(loaded) is type(obj)


def test_a_package_that_is_not_installed_is_passed_over(
    key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next format is tried, and the remark says what was lacking."""
    for name in ("safetensors", "safetensors.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    statement, loaded = chosen({"a": ARRAY}, key)
    assert statement.format == "numpy"
    assert "not installed" in statement.remarks[1]
    assert difference(loaded, {"a": ARRAY}) is None


def test_a_package_with_a_known_hole_is_passed_over(key: HmacKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a candidate raises, the last format says whether the object can be stored."""
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": [1, 2]})

    def hole(package: str) -> None:
        raise safeload.FormatNotAllowed(f"{package} has one")

    monkeypatch.setattr("safeload.formats.registry.require_safe", hole)
    statement, loaded = chosen(frame, key)
    assert statement.format != "arrow"
    assert "pyarrow has one" in statement.remarks[1]
    assert loaded.equals(frame)


def test_a_reason_is_cut_to_what_helps(key: HmacKey) -> None:
    """A type of thousands of fields is part of it, and of what is signed."""
    array = np.zeros(1, np.dtype([(f"{number:06}", "i1") for number in range(3_000)], align=True))
    artifact, sidecar = safeload.dumps(array, format="auto", signer=key)
    assert difference(safeload.loads(artifact, sidecar, keyring=key), array) is None
    assert len(sidecar) < 5_000


def test_what_nothing_keeps_is_an_error_of_joblibs(key: HmacKey) -> None:
    """As with ``format="joblib"``."""
    with pytest.raises(SerializationError, match="joblib"):
        safeload.dumps(lambda: None, format="auto", signer=key)


def test_options_are_refused_since_no_format_is_known_yet(key: HmacKey, tmp_path: Path) -> None:
    """In dump, dumps and a store alike; nothing is written."""
    store = safeload.Store(tmp_path / "store", keyring=Keyring.of(key), state=tmp_path / "state")
    for call in (
        lambda: safeload.dump(1, tmp_path / "x", format="auto", signer=key, compress=3),
        lambda: safeload.dumps(1, format="auto", signer=key, compress=3),
        lambda: store.dump(1, "churn", "v1", format="auto", compress=3),
    ):
        with pytest.raises(TypeError, match="auto has no option compress"):
            call()
    assert not (tmp_path / "x").exists()
    assert list(store.names()) == []


@pytest.mark.parametrize("name", ["a dict of arrays", "an array", "text", "an enumeration"])
def test_dump_and_a_store_choose_alike(name: str, key: HmacKey, tmp_path: Path) -> None:
    """What is returned is what is signed, and it says the format and the remarks."""
    obj, expected = CHOSEN[name]
    store = safeload.Store(tmp_path / "store", keyring=Keyring.of(key), state=tmp_path / "state")
    for signed, verified, loaded in (
        (
            safeload.dump(obj, tmp_path / "x", format="auto", signer=key),
            safeload.verify(tmp_path / "x", keyring=key),
            safeload.load(tmp_path / "x", keyring=key),
        ),
        (
            store.dump(obj, "churn", "v1", format="auto"),
            store.statement("churn", "v1"),
            store.load("churn", "v1"),
        ),
    ):
        assert signed == verified
        assert signed.format == expected
        assert signed.remarks[0].startswith(f"The format {expected}")
        assert difference(loaded, obj) is None


def test_auto_is_no_format_to_sign_or_to_read_by(key: HmacKey, tmp_path: Path) -> None:
    """It is a way to choose; a statement that names it is refused."""
    from support.forgery import payload_of, sidecar_of

    (tmp_path / "x").write_bytes(b"N.")
    with pytest.raises(safeload.FormatNotAllowed):
        safeload.sign(tmp_path / "x", format="auto", signer=key)
    sidecar = sidecar_of(payload_of(b"N.", "x", format="auto"), key)
    with no_unpickler_runs(), pytest.raises(safeload.FormatNotAllowed):
        safeload.loads(b"N.", sidecar, name="x", keyring=key)
