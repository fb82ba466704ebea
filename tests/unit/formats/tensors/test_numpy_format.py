"""The format numpy: what comes back from ``.npy`` and ``.npz``, and what is not taken."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from support.auditing import no_unpickler_runs

import safeload
from safeload import HmacKey, SerializationError

LARGE = 5 << 20
RANDOM = np.random.default_rng(1)
ARRAYS = {
    "whole numbers": np.arange(6, dtype="<i8").reshape(2, 3),
    "the other byte order": np.arange(6, dtype=">i4"),
    "truth": np.array([True, False]),
    "half": np.arange(3, dtype="f2"),
    "complex": np.array([1 + 2j]),
    "long double": np.arange(3, dtype=np.longdouble),
    "NaN and -0.0": np.array([np.nan, -0.0, np.inf]),
    "no dimensions": np.array(3.5),
    "no elements": np.empty((0, 3, 0), "f4"),
    "text": np.array(["", "ü", "模型"]),
    "bytes": np.array([b"", b"a\0b"]),
    "dates": np.array(["2026-11-23", "NaT"], "M8[s]"),
    "spans": np.array([1, 2], "m8[25us]"),
    "Fortran": np.asfortranarray(RANDOM.random((3, 4))),
    "fields": np.array([(1, 2.5, b"x")], [("a", "<i4"), ("b", ">f8"), ("c", "S3")]),
    "fields in fields": np.zeros(2, [("a", [("b", "f4", (2, 3)), ("c", "?")])]),
    "fields in Latin-1": np.zeros(2, [("größe", "f4")]),
    "fields with titles": np.zeros(2, [(("Größe", "a"), "f4")]),
    "fields with gaps": np.zeros(2, {"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 16]}),
    "raw": np.zeros(2, "V7"),
    "raw, of no length": np.zeros(3, "V0"),
    "a header of over 64 KB": np.zeros(1, [(f"{number:06}", "i1") for number in range(2_000)]),
}


def there_and_back(obj: Any, key: HmacKey, **options: Any) -> Any:
    """Dump and load in memory."""
    return safeload.loads(*safeload.dumps(obj, format="numpy", signer=key, **options), keyring=key)


def assert_same(loaded: Any, array: Any) -> None:
    """Type, shape, order and every byte of the values."""
    assert type(loaded) is np.ndarray
    assert loaded.dtype == array.dtype
    assert loaded.dtype.descr == array.dtype.descr
    assert loaded.shape == array.shape
    # What lies between fields is nobody's data.
    for part in array.dtype.names or [...]:
        assert loaded[part].tobytes() == array[part].tobytes()
    assert loaded.flags.writeable
    assert loaded.flags.f_contiguous == array.flags.f_contiguous or array.size < 2


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_alone_and_in_a_dict(name: str, key: HmacKey) -> None:
    """Stored and compressed."""
    array = ARRAYS[name]
    assert_same(there_and_back(array, key), array)
    for compress in (False, True):
        loaded = there_and_back({"x": array, "y": array[:0] if array.ndim else array}, key, compress=compress)
        assert list(loaded) == ["x", "y"]
        assert_same(loaded["x"], array)


@pytest.mark.parametrize("name", ["a", "a/b", "../a", "/a", "a.npy", ".", " ", "ü 模型", "a" * 1000])
def test_an_array_in_a_dict_may_have_any_name_that_zip_keeps(name: str, key: HmacKey) -> None:
    """No name is a path here, since nothing is decompressed into a folder."""
    assert list(there_and_back({name: np.zeros(1), "other": np.zeros(1)}, key)) == [name, "other"]


def test_a_dict_of_no_arrays_comes_back(key: HmacKey) -> None:
    """As an archive without members."""
    assert there_and_back({}, key) == {}


@pytest.mark.parametrize(
    "obj",
    [
        np.array([None]),
        np.array([{"a": 1}, "x"], dtype=object),
        np.zeros(1, [("a", "i4"), ("b", "O")]),
        np.array(["a"], dtype=np.dtypes.StringDType()),
        np.zeros(3, ml_dtypes.bfloat16),
        np.zeros(3, ml_dtypes.float8_e5m2),
        np.zeros(2, np.dtype("f8", metadata={"unit": "m"})),
        np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        np.zeros(2, [("模型", "f4")]),
        np.ma.masked_array([1.0]),
        np.zeros(2).view(np.recarray),
        np.float64(1),
        [np.zeros(1)],
        None,
    ],
    ids=lambda obj: str(getattr(obj, "dtype", type(obj))),
)
def test_what_would_not_come_back_as_it_was_is_not_written(obj: Any, key: HmacKey) -> None:
    """Python objects, types that are numpy's by extension, what the format drops without a word."""
    for candidate in (obj, {"x": obj}):
        with no_unpickler_runs(), pytest.raises(SerializationError):
            safeload.dumps(candidate, format="numpy", signer=key)


@pytest.mark.parametrize("name", ["", 1, None, "a\0b", "\ud800"])
def test_a_name_that_the_archive_would_change_is_refused(name: Any, key: HmacKey) -> None:
    """Numpy itself would write it, and read another."""
    with pytest.raises(SerializationError):
        safeload.dumps({name: np.zeros(1)}, format="numpy", signer=key)


def test_an_unknown_option_is_a_mistake_of_the_programs(key: HmacKey) -> None:
    """When it is written and when it is read."""
    with pytest.raises(TypeError):
        safeload.dumps(np.zeros(1), format="numpy", signer=key, allow_pickle=True)
    pair = safeload.dumps(np.zeros(1), format="numpy", signer=key)
    for options in ({"allow_pickle": True}, {"mmap_mode": "r"}, {"copy": True}):
        with pytest.raises(TypeError):
            safeload.loads(*pair, keyring=key, **options)


def test_numpy_reads_what_is_written_and_the_other_way_round(key: HmacKey, tmp_path: Path) -> None:
    """The files are those of everybody else; an archive with another suffix is told by its members."""
    for name, array in ARRAYS.items():
        if array.dtype.itemsize == 0 or "64 KB" in name:
            continue  # Which numpy writes and does not read.
        artifact, _ = safeload.dumps(array, format="numpy", signer=key)
        np.testing.assert_array_equal(np.load(io.BytesIO(artifact)), array)
        path = tmp_path / "theirs"
        with path.open("wb") as file:
            np.save(file, array)
        assert safeload.sign(path, signer=key, overwrite=True).format == "numpy"
        assert_same(safeload.load(path, keyring=key), array)
    arrays = {"a": np.arange(3), "b": np.zeros((2, 2))}
    for save in (np.savez, np.savez_compressed):
        with path.open("wb") as file:
            save(file, **arrays)
        assert safeload.sign(path, signer=key, overwrite=True).format == "numpy"
        loaded = safeload.load(path, keyring=key)
        assert {name: array.tolist() for name, array in loaded.items()} == {
            name: array.tolist() for name, array in arrays.items()
        }
    artifact, _ = safeload.dumps(arrays, format="numpy", signer=key, compress=True)
    with np.load(io.BytesIO(artifact)) as archive:
        assert {name: archive[name].tolist() for name in archive} == {"a": [0, 1, 2], "b": [[0, 0], [0, 0]]}


def test_a_large_array_looks_into_the_memory_that_was_verified(key: HmacKey, tmp_path: Path) -> None:
    """It is not copied, it can be written to, and the file stays as it is."""
    array = np.arange(LARGE // 8, dtype="f8")
    safeload.dump(array, tmp_path / "x", format="numpy", signer=key)
    before = (tmp_path / "x").read_bytes()
    loaded = safeload.load(tmp_path / "x", keyring=key)
    assert_same(loaded, array)
    base = loaded
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, memoryview)
    assert base.nbytes < len(before)
    loaded[:] = 0
    assert (tmp_path / "x").read_bytes() == before
