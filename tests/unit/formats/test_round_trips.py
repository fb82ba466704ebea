"""Objects come back as they were, in every compression and protocol; what cannot be stored loses nothing."""

from __future__ import annotations

import io
import pickle
import tempfile
import threading
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import safeload
from safeload import DeserializationError, HmacKey, SerializationError
from safeload.api.artifacts import IN_MEMORY_NAME
from safeload.formats.equality import difference
from safeload.formats.pickles import joblib_arrays, picklers

COMPRESSIONS = [0, 3, True, ("zlib", 1), ("gzip", 9), ("bz2", 1), ("xz", 1), ("lzma", 1), ("lz4", 1), "lz4"]


def through(obj: object, key: HmacKey, **options: object) -> object:
    artifact, sidecar = safeload.dumps(obj, signer=key, **options)  # type: ignore[arg-type]
    return safeload.loads(artifact, sidecar, keyring=key)


STRUCTURED = np.array([(1, 2.5, "x"), (2, 3.5, "y")], dtype=[("a", "i2"), ("b", "f8"), ("c", "U3")])
ARRAYS = {
    "C": np.arange(24.0).reshape(4, 6),
    "F": np.asfortranarray(np.arange(24.0).reshape(4, 6)),
    "strided": np.arange(48.0).reshape(4, 12)[:, ::2],
    "0-d": np.array(3.5),
    "empty": np.empty((0, 3)),
    "object": np.array([1, "two", None, [3], {"four": np.arange(4)}], dtype=object),
    "nested object": np.array([np.array([{1, 2}, "x"], dtype=object), 5], dtype=object),
    "structured": STRUCTURED,
    "big-endian": np.arange(5, dtype=">f8"),
    "dates": np.array(["2026-11-24", "NaT"], dtype="M8[D]"),
    "half": np.arange(5, dtype="f2"),
    "complex": np.arange(5) * 1j,
    "bool": np.array([True, False]),
    "text": np.array(["ä", "bcd"]),
    "bytes": np.array([b"a", b"bcd"]),
    "masked": np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0], fill_value=-9.0),
    "void": np.zeros(3, dtype="V5"),
}


@pytest.mark.parametrize("format", ["joblib", "pickle"])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back(name: str, format: str, key: HmacKey) -> None:
    """Values, shape and kind of every array in nested dicts; and they can be written to."""
    array = ARRAYS[name]
    back = through({"deep": {"er": [array]}}, key, format=format)["deep"]["er"][0]  # type: ignore[index]
    if (name, format) == ("big-endian", "joblib"):
        array = array.astype("f8")  # As with joblib, the byte order becomes the machine's own.
    assert difference(back, array) is None
    assert back.flags.f_contiguous == array.flags.f_contiguous or name == "strided"
    assert back.flags.writeable


FRAME = pd.DataFrame(
    {
        "i": [1, 2, 3],
        "f": [0.5, np.nan, 2.0],
        "s": ["x", None, "ü"],
        "c": pd.Categorical(["a", "b", "a"]),
        "t": pd.date_range("2026-01-01", periods=3, tz="Europe/Berlin"),
        "n": pd.array([1, None, 3], dtype="Int64"),
        "o": [[1], {"k": 2}, None],
    }
)
FRAMES = {
    "mixed": FRAME,
    "multi-index": FRAME.set_index(["i", "c"])[["f"]],
    "periods": pd.Series(range(3), index=pd.period_range("2026-01", periods=3, freq="M"), name="v"),
    "intervals": pd.Series(pd.cut([1, 5, 9], 3)),
    "empty": pd.DataFrame(),
    "sparse": pd.DataFrame({"x": pd.arrays.SparseArray([0, 0, 1])}),
    "timedelta": pd.Series(pd.to_timedelta([1, 2], unit="h")),
}


@pytest.mark.parametrize("format", ["joblib", "pickle"])
@pytest.mark.parametrize("name", FRAMES)
def test_pandas_comes_back(name: str, format: str, key: HmacKey) -> None:
    """Frames and series with types, index and names; time zones are read from the system's own data."""
    back = through(FRAMES[name], key, format=format)
    if isinstance(FRAMES[name], pd.DataFrame):
        pd.testing.assert_frame_equal(back, FRAMES[name])
    else:
        pd.testing.assert_series_equal(back, FRAMES[name])


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"])
@pytest.mark.parametrize("format", ["joblib", "pickle", "skops"])
def test_sparse_matrices_come_back(kind: str, format: str, key: HmacKey) -> None:
    """Every kind, as matrix and as array; skops declines what it does not keep."""
    for suffix in ("matrix", "array"):
        sparse = getattr(scipy.sparse, f"{kind}_{suffix}")(np.eye(4) * 2)
        try:
            back = through(sparse, key, format=format)
        except SerializationError:
            assert format == "skops"
            continue
        assert type(back) is type(sparse)
        assert (back.toarray() == sparse.toarray()).all()  # type: ignore[attr-defined]


def test_memory_maps_come_back_as_arrays(key: HmacKey, tmp_path: Path) -> None:
    """As with joblib, the values are stored and not the path of the file that was mapped."""
    mapped = np.memmap(tmp_path / "m", dtype="f8", mode="w+", shape=(3, 4))
    mapped[:] = 7
    nested = np.array([mapped, "x"], dtype=object)
    for format in ("joblib", "pickle"):
        artifact, sidecar = safeload.dumps({"m": mapped, "n": nested}, format=format, signer=key)
        (tmp_path / "m").unlink(missing_ok=True)
        back = safeload.loads(artifact, sidecar, keyring=key)
        assert np.array_equal(back["m"], np.full((3, 4), 7.0))
        assert np.array_equal(back["n"][0], np.full((3, 4), 7.0))
        assert not isinstance(back["m"], np.memmap) or back["m"].filename is None


@pytest.fixture(params=["as it is", "every array is large"])
def _sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small objects be written in both ways."""
    if request.param != "as it is":
        monkeypatch.setattr(picklers, "_LARGE_BYTES", 1)
        monkeypatch.setattr(joblib_arrays, "_OWN_BYTES", 1)


@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
@pytest.mark.parametrize("protocol", [None, -1, 2, 3, 4, 5])
@pytest.mark.usefixtures("_sizes")
def test_every_compression_and_protocol(compress: object, protocol: int | None, key: HmacKey) -> None:
    """joblib reads the artifact, and so do we what joblib writes."""
    obj = {"x": np.arange(1000.0), "y": ["text"] * 50, "z": ARRAYS["object"], "f": ARRAYS["F"], "e": []}
    artifact, sidecar = safeload.dumps(obj, compress=compress, protocol=protocol, signer=key)
    assert difference(safeload.loads(artifact, sidecar, keyring=key), obj) is None
    assert difference(joblib.load(io.BytesIO(artifact)), obj) is None


@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_joblib_wrote_is_read(compress: object, protocol: int, key: HmacKey, tmp_path: Path) -> None:
    """In every compression and protocol, once it is signed."""
    obj = {"x": np.arange(1000.0), "y": ["text"] * 50, "z": ARRAYS["object"], "f": ARRAYS["F"], "e": []}
    joblib.dump(obj, tmp_path / "x", compress=compress, protocol=protocol)
    safeload.sign(tmp_path / "x", signer=key)
    assert difference(safeload.load(tmp_path / "x", keyring=key), obj) is None


def test_a_large_array_comes_back(key: HmacKey, tmp_path: Path) -> None:
    """20 MB, by a file."""
    array = np.random.default_rng(0).random(2_500_000)
    safeload.dump(array, tmp_path / "x", signer=key)
    assert np.array_equal(safeload.load(tmp_path / "x", keyring=key), array)


def unpicklable() -> list[object]:
    return [lambda: 1, threading.Lock(), (i for i in range(3)), {"deep": [open]}, io.StringIO]


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("format", ["joblib", "pickle", "skops"])
def test_an_object_that_cannot_be_stored_leaves_the_old_one(
    index: int, format: str, key: HmacKey, tmp_path: Path
) -> None:
    """SerializationError, the old object still loads, and no other file is left."""
    safeload.dump("old", tmp_path / "x", signer=key)
    with pytest.raises(SerializationError):
        safeload.dump([np.arange(100_000), unpicklable()[index]], tmp_path / "x", format=format, signer=key)
    assert safeload.load(tmp_path / "x", keyring=key) == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "x.sig"]


def test_what_is_nested_too_deep_is_a_safeload_error(key: HmacKey) -> None:
    """Neither dumping nor loading ends in a RecursionError."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for format in ("joblib", "pickle"):
        with pytest.raises(SerializationError):
            safeload.dumps(deep, format=format, signer=key)
    # Loading is a loop and takes any depth; taking such an object apart again is Python's own matter.
    artifact = b"\x80\x04" + b"]" * 2_000 + b"a" * 1_999 + b"."
    sidecar = _sign(artifact, key)
    loaded = safeload.loads(artifact, sidecar, keyring=key)
    assert isinstance(loaded, list)


def _sign(artifact: bytes, key: HmacKey, format: str = "pickle") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(artifact)
        safeload.sign(path, name=IN_MEMORY_NAME, format=format, signer=key)
        return Path(f"{path}.sig").read_bytes()


def test_a_signed_file_that_is_no_object_is_a_safeload_error(key: HmacKey) -> None:
    """A class that is gone, a file that was cut before it was signed, and rubbish."""
    for artifact in (
        b"cno_such_module\nC\n.",
        pickle.dumps([1])[:-1],
        b"rubbish",
        b"",
        pickle.dumps(1) + b"x",
    ):
        for format in ("joblib", "pickle"):
            with pytest.raises((DeserializationError, safeload.MalformedError)):
                safeload.loads(artifact, _sign(artifact, key, format), keyring=key)
    with pytest.raises(safeload.SafeloadError):
        safeload.loads(b"PK\x03\x04", _sign(b"PK\x03\x04x", key, "pickle"), keyring=key)


def test_an_unknown_option_is_the_callers_mistake(key: HmacKey) -> None:
    """As elsewhere in Python, a misspelled argument is an error of the program."""
    for options in (
        {"compres": 3},
        {"format": "pickle", "compress": 3},
        {"compress": "no"},
        {"compress": 11},
    ):
        with pytest.raises(TypeError):
            safeload.dumps(1, signer=key, **options)  # type: ignore[arg-type]
    with pytest.raises(safeload.FormatNotAllowed):
        safeload.dumps(1, signer=key, format="yaml")
