"""The format safetensors: what comes back, what is not taken, and what is admitted without a signature."""

from __future__ import annotations

import builtins
import io
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from support.attacks import marker_pickle
from support.auditing import no_unpickler_runs
from support.safetensors_files import file_of, tensor

import safeload
from safeload import (
    DeserializationError,
    FormatNotAllowed,
    HmacKey,
    MalformedError,
    Policy,
    SafeloadError,
    SerializationError,
    SignatureMissing,
    UnknownKey,
)

TYPES = [
    *(
        np.dtype(name)
        for name in ("?", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8", "c8")
    ),
    *(np.dtype(getattr(ml_dtypes, name)) for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2")),
]
UNSIGNED = Policy(unsigned_formats=frozenset({"safetensors"}))
# From here on a file is read into memory of its own, which need not be copied.
LARGE = 5 << 20


def there_and_back(obj: Any, key: HmacKey) -> Any:
    """Dump and load in memory."""
    return safeload.loads(*safeload.dumps(obj, format="safetensors", signer=key), keyring=key)


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Whether two dicts of arrays are the same, whatever their order."""
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype
        and left[name].shape == right[name].shape
        and left[name].tobytes() == right[name].tobytes()
        for name in left
    )


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_arrays_of_every_type_come_back(dtype: np.dtype[Any], key: HmacKey) -> None:
    """Also without dimensions and without elements; each can be written to."""
    values = np.random.default_rng(1).integers(0, 2, (3, 4))
    arrays = {
        "two": values.astype(dtype),
        "none": np.asarray(values[0, 0]).astype(dtype),
        "empty": np.empty((0, 5), dtype),
        "one": values[:, 0].astype(dtype),
    }
    loaded = there_and_back(arrays, key)
    assert same(loaded, arrays)
    assert all(type(array) is np.ndarray and array.flags.writeable for array in loaded.values())


@pytest.mark.parametrize("names", [[], ["", "ü 模型", "a\0b", "a" * 10_000]])
def test_any_names_and_none_at_all_come_back(names: list[str], key: HmacKey) -> None:
    """A dict without arrays is one."""
    arrays = {name: np.arange(3) for name in names}
    assert same(there_and_back(arrays, key), arrays)


def test_the_values_of_arrays_in_any_layout_come_back(key: HmacKey) -> None:
    """Views, steps, transposed and backwards; the values are what the format keeps."""
    base = np.arange(24.0).reshape(4, 6)
    arrays = {
        "t": base.T,
        "step": base[::2, ::3],
        "back": base[::-1],
        "wide": np.broadcast_to(base[0], (3, 6)),
    }
    assert same(there_and_back(arrays, key), arrays)


@pytest.mark.parametrize(
    "obj",
    [
        {"x": np.zeros(3, ">f4")},
        {"x": np.zeros(3, "c16")},
        {"x": np.zeros(3, "M8[s]")},
        {"x": np.zeros(3, "S4")},
        {"x": np.zeros(3, "U4")},
        {"x": np.zeros(3, [("a", "f4")])},
        {"x": np.array([None])},
        {"x": np.zeros(3, ml_dtypes.int4)},
        {"x": np.ma.masked_array([1.0, 2.0], [True, False])},
        {"x": np.zeros(2).view(np.recarray)},
        {"x": np.float64(1)},
        {"x": [1.0]},
        {"x": np.zeros(1), "y": None},
        {1: np.zeros(1)},
        {"\ud800": np.zeros(1)},
        {"x": np.array([2], "u1").view(bool)},
        {"__metadata__": np.zeros(1)},
        {"__metadata__": np.zeros(1), "x": np.zeros(1)},
        [np.zeros(1)],
        np.zeros(1),
        None,
    ],
)
def test_what_would_not_come_back_as_it_was_is_not_written(obj: Any, key: HmacKey) -> None:
    """Another byte order, a type that the format lacks, a subclass, a name of the format's own."""
    with pytest.raises(SerializationError):
        safeload.dumps(obj, format="safetensors", signer=key)


def test_a_subclass_of_dict_is_not_written(key: HmacKey) -> None:
    """A plain dict would come back."""
    from collections import OrderedDict

    with pytest.raises(SerializationError):
        safeload.dumps(OrderedDict(x=np.zeros(1)), format="safetensors", signer=key)


def test_there_are_no_options_but_as_(key: HmacKey) -> None:
    """A misspelled one is a mistake of the program's."""
    with pytest.raises(TypeError, match="no option compress"):
        safeload.dumps({}, format="safetensors", signer=key, compress=3)
    pair = safeload.dumps({}, format="safetensors", signer=key)
    for options in ({"copy": True}, {"as_": "jax"}, {"as_": 1}, {"mmap_mode": "r"}):
        with pytest.raises(TypeError):
            safeload.loads(*pair, keyring=key, **options)


def test_large_arrays_look_into_the_memory_that_was_verified(key: HmacKey, tmp_path: Path) -> None:
    """None is copied, all can be written to, and the file stays as it is."""
    arrays = {"a": np.arange(LARGE, dtype="u1"), "b": np.arange(LARGE // 8, dtype="f8"), "c": np.ones(3, "?")}
    path = tmp_path / "x"
    safeload.dump(arrays, path, format="safetensors", signer=key)
    before = path.read_bytes()
    loaded = safeload.load(path, keyring=key)
    assert same(loaded, arrays)
    memories = {id(_owner(loaded[name])) for name in ("a", "b")}
    assert len(memories) == 1
    for array in loaded.values():
        array[:] = 0
    assert path.read_bytes() == before
    del loaded["b"]
    assert not loaded["a"].any()


def _owner(array: Any) -> Any:
    while isinstance(array, np.ndarray):
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


def test_arrays_from_bytes_in_memory_are_copies(key: HmacKey) -> None:
    """Bytes cannot be written to, and are not."""
    artifact, sidecar = safeload.dumps({"x": np.zeros(9)}, format="safetensors", signer=key)
    before = bytearray(artifact)
    safeload.loads(artifact, sidecar, keyring=key)["x"][:] = 1
    assert artifact == before


def test_the_library_reads_what_is_written_and_the_other_way_round(key: HmacKey, tmp_path: Path) -> None:
    """The files are those of everybody else."""
    arrays = {dtype.name: np.ones((2, 3), dtype) for dtype in TYPES if dtype.isbuiltin == 1}
    artifact, _ = safeload.dumps(arrays, format="safetensors", signer=key)
    assert same(safetensors.numpy.load(artifact), arrays)
    path = tmp_path / "theirs.safetensors"
    safetensors.numpy.save_file(arrays, path, metadata={"format": "np", "note": "x" * 999})
    assert safeload.sign(path, signer=key).format == "safetensors"
    assert same(safeload.load(path, keyring=key), arrays)


def test_bfloat16_needs_ml_dtypes_and_says_so(key: HmacKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it only that type is refused, by an error that names the package."""
    pair = safeload.dumps({"x": np.ones(2, ml_dtypes.bfloat16)}, format="safetensors", signer=key)
    plain = safeload.dumps({"x": np.ones(2)}, format="safetensors", signer=key)
    real = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "ml_dtypes":
            raise ModuleNotFoundError("No module named 'ml_dtypes'", name=name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "ml_dtypes")
    with pytest.raises(DeserializationError, match="ml_dtypes"):
        safeload.loads(*pair, keyring=key)
    assert same(safeload.loads(*plain, keyring=key), {"x": np.ones(2)})


def unsigned(tmp_path: Path, data: bytes | None = None) -> Path:
    """Write a file without a sidecar."""
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors.numpy.save({"x": np.arange(3)}) if data is None else data)
    return path


def test_an_unsigned_file_is_admitted_only_by_the_policy(key: HmacKey, tmp_path: Path) -> None:
    """Not by default, not by an allowlist of types; and with it by load alone."""
    path = unsigned(tmp_path)
    for named in ({}, {"trusted": []}, {"policy": Policy(trusted=frozenset({"numpy.ndarray"}))}):
        with pytest.raises(SignatureMissing):
            safeload.load(path, keyring=key, **named)
    assert same(safeload.load(path, policy=UNSIGNED), {"x": np.arange(3)})
    assert same(safeload.loads(path.read_bytes(), None, policy=UNSIGNED), {"x": np.arange(3)})


def test_the_policy_admits_safetensors_only_and_no_broken_sidecar(key: HmacKey, tmp_path: Path) -> None:
    """A sidecar that is present must verify; a format that the policy does not list is refused."""
    path = unsigned(tmp_path)
    only_joblib = Policy(unsigned_formats=frozenset({"safetensors"}), formats=frozenset({"joblib"}))
    with pytest.raises(FormatNotAllowed):
        safeload.load(path, policy=only_joblib)
    sidecar = path.with_name(f"{path.name}.sig")
    for data, error in (
        (b"", MalformedError),
        (safeload.dumps({}, name=path.name, signer=key)[1], UnknownKey),
    ):
        sidecar.write_bytes(data)
        with pytest.raises(error):
            safeload.load(path, policy=UNSIGNED, keyring=HmacKey.generate())


# As zlib and as pickles start; the headers are as long as these bytes say.
COLLISIONS = {
    "zlib": 0x9C78,
    "zlib, best": 0xDA78,
    "pickle 2": 0x0280,
    "pickle 4": 0x0480,
    "pickle 5": 0x0580,
    "gzip": 0x8B1F,
    "bz2": 0x685A42,
    "numpy": 0x4E93,
    "onnx": 0x0708,
}


@pytest.mark.parametrize("length", COLLISIONS.values(), ids=COLLISIONS)
def test_a_header_whose_length_looks_like_another_format_is_data(length: int, tmp_path: Path) -> None:
    """It is read as what it is; a pickle in the rest of it is never one."""
    hostile = marker_pickle(tmp_path / "marker")
    entry = file_of({"x": tensor(0, 8)})[8:-1]
    header = entry + b" " * (length - len(entry) - 1) + b"}"
    path = unsigned(tmp_path, file_of(header, b"x" * 8))
    with no_unpickler_runs():
        assert safeload.load(path, policy=UNSIGNED)["x"].tobytes() == b"x" * 8
        for data in (file_of(header, hostile), file_of(b"{" + hostile.ljust(length - 1), b"x" * 8)):
            path.write_bytes(data)
            with pytest.raises(SafeloadError):
                safeload.load(path, policy=UNSIGNED)
    assert not (tmp_path / "marker").exists()


def test_a_pickle_is_not_admitted_as_safetensors(tmp_path: Path) -> None:
    """Whatever follows it, and whatever it is called."""
    hostile = marker_pickle(tmp_path / "marker")
    honest = safetensors.numpy.save({"x": np.arange(3)})
    with no_unpickler_runs():
        for data in (hostile, hostile + honest, b"\x80\x04" + honest, io.BytesIO(honest).read(7)):
            with pytest.raises(SafeloadError):
                safeload.load(unsigned(tmp_path, data), policy=UNSIGNED)
