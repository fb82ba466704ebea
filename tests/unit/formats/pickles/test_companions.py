"""A signed file that reads a second one while it is loaded is refused: the signature covers one."""

from __future__ import annotations

import importlib
import json
import pathlib
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import safeload
from safeload import HmacKey, Keyring


def calling(module: str, name: str, *arguments: object) -> bytes:
    """Return a pickle that calls a function with constant arguments."""
    constants = b"".join(pickle.dumps(value, 0)[:-1] for value in arguments)
    # Protocol 4, by which a name may have dots in it.
    return b"\x80\x04" + f"c{module}\n{name}\n(".encode() + constants + b"tR."


# What opens `companion.npy` or `companion.txt` in the working directory when it is called.
OPENERS = {
    "builtins.open": ("builtins", "open", "companion.txt"),
    "io.open": ("io", "open", "companion.txt"),
    "_io.FileIO": ("_io", "FileIO", "companion.txt"),
    "os.open": ("os", "open", "companion.txt", 0),
    "posix.open": ("posix", "open", "companion.txt", 0),
    "codecs.open": ("codecs", "open", "companion.txt"),
    "gzip.open": ("gzip", "open", "companion.txt"),
    "gzip.GzipFile": ("gzip", "GzipFile", "companion.txt"),
    "bz2.open": ("bz2", "open", "companion.txt"),
    "lzma.open": ("lzma", "open", "companion.txt"),
    "tarfile.open": ("tarfile", "open", "companion.txt"),
    "zipfile.ZipFile": ("zipfile", "ZipFile", "companion.txt"),
    "numpy.load": ("numpy", "load", "companion.npy"),
    "numpy.fromfile": ("numpy", "fromfile", "companion.npy"),
    "numpy.memmap": ("numpy", "memmap", "companion.npy"),
    "numpy.loadtxt": ("numpy", "loadtxt", "companion.txt"),
    "numpy.genfromtxt": ("numpy", "genfromtxt", "companion.txt"),
    "numpy.lib.format.open_memmap": ("numpy.lib.format", "open_memmap", "companion.npy"),
    "joblib.load": ("joblib", "load", "companion.txt"),
    "joblib.numpy_pickle.load": ("joblib.numpy_pickle", "load", "companion.txt"),
    "pandas.read_csv": ("pandas", "read_csv", "companion.txt"),
    "pandas.read_pickle": ("pandas", "read_pickle", "companion.txt"),
    "pathlib.Path.read_bytes": ("pathlib", "Path.read_bytes", pathlib.PurePosixPath("companion.txt")),
    "linecache.getlines": ("linecache", "getlines", "companion.txt"),
    "runpy.run_path": ("runpy", "run_path", "companion.txt"),
    "sqlite3.connect": ("sqlite3", "connect", "companion.txt"),
    "tokenize.open": ("tokenize", "open", "companion.txt"),
    "fileinput.input": ("fileinput", "FileInput", "companion.txt"),
}

# Loads what it is told to, with a hook that writes down which companions are opened.
LOADER = """
import json, os, sys
import safeload, numpy, joblib, pandas
opened = []
def hook(event, arguments):
    if event == "open" and os.path.basename(str(arguments[0])) in ("companion.npy", "companion.txt"):
        opened.append(str(arguments[0]))
sys.addaudithook(hook)
answers = {}
for path in sys.argv[2:]:
    opened.clear()
    try:
        safeload.load(path, keyring=sys.argv[1])
        answers[path] = ["loaded", list(opened)]
    except safeload.SafeloadError as error:
        answers[path] = [error.code, list(opened)]
print(json.dumps(answers))
"""


def load_elsewhere(
    files: dict[str, bytes], formats: tuple[str, ...]
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Sign files with a real key, load them in a process of their own, and tell what came of each."""
    with tempfile.TemporaryDirectory() as base:
        ring, folder = Path(base, "ring.json"), Path(base, "models")
        folder.mkdir()
        Keyring.of(HmacKey.generate()).save(ring)
        np.save(folder / "companion.npy", np.arange(3))
        (folder / "companion.txt").write_text("1\n")
        names = []
        for name, data in files.items():
            for format in formats:
                path = folder / f"{name}.{format}"
                path.write_bytes(data)
                safeload.sign(path, format=format, keyring=ring)
                names.append(path.name)
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", LOADER, str(ring), *names],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        assert ran.returncode == 0, ran.stderr
        return {name: (code, tuple(opened)) for name, (code, opened) in json.loads(ran.stdout).items()}


def test_a_signed_pickle_that_calls_what_opens_files_is_refused() -> None:
    """Each is refused when the name is looked up, and no companion is opened."""
    answers = load_elsewhere({name: calling(*call) for name, call in OPENERS.items()}, ("joblib", "pickle"))
    assert len(answers) == 2 * len(OPENERS)
    # The class of a memory map becomes that of an array, which cannot be made of a file name.
    for format in ("joblib", "pickle"):
        assert answers.pop(f"numpy.memmap.{format}") == ("DeserializationError", ())
    assert {name: answer for name, answer in answers.items() if answer != ("FormatNotAllowed", ())} == {}


def legacy(module: str, kind: str) -> bytes:
    """Return what joblib before 0.10 wrote for an array: a wrapper with the name of a companion."""
    state = {"filename": "companion.npy", "subclass": None, "allow_mmap": True}
    if kind == "ZNDArrayWrapper":
        state = {"filename": "companion.npy", "shape": (3,), "init_args": (None,), "state": None}
    return b"\x80\x02" + f"c{module}\n{kind}\n".encode() + b")\x81" + pickle.dumps(state, 2)[2:-1] + b"b."


def test_joblibs_legacy_files_are_refused_and_their_companions_not_opened() -> None:
    """Both wrappers, under both modules' names; and the legacy container, which has a magic of its own."""
    files = {
        f"{kind}-{module}": legacy(module, kind)
        for kind in ("NDArrayWrapper", "ZNDArrayWrapper")
        for module in ("joblib.numpy_pickle_compat", "joblib.numpy_pickle")
    }
    files["container"] = b"ZF0x3                   x\x9cKL\x04\x00\x01%\x00\xc7"
    answers = load_elsewhere(files, ("joblib",))
    assert set(answers.values()) == {("FormatNotAllowed", ())}
    answers = load_elsewhere({name: data for name, data in files.items() if name != "container"}, ("pickle",))
    assert set(answers.values()) == {("FormatNotAllowed", ())}


def test_the_loader_sees_files_that_are_opened() -> None:
    """The control: a plain unpickler, watched in the same way, opens the companion."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "companion.npy"), np.arange(3))
        code = (
            "import sys, pickle, numpy\nopened = []\n"
            "sys.addaudithook(lambda e, a: opened.append(a[0]) if e == 'open' else None)\n"
            f"pickle.loads({calling('numpy', 'load', 'companion.npy')!r})\n"
            "assert any('companion' in str(name) for name in opened)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)


@pytest.mark.parametrize(
    "value",
    [
        pathlib.Path("companion.txt"),
        pd.Timestamp("2026-01-01", tz="Europe/Berlin"),
        pd.DataFrame({"x": [1]}),
        np.arange(3),
        np.dtype("f8"),
        len,
    ],
    ids=str,
)
def test_what_only_names_a_file_or_reads_the_systems_data_is_loaded(value: object, key: HmacKey) -> None:
    """Paths as data, time zones, and ordinary functions are no companions."""
    for format in ("joblib", "pickle"):
        artifact, sidecar = safeload.dumps([value], format=format, signer=key)
        (back,) = safeload.loads(artifact, sidecar, keyring=key)
        assert type(back) is type(value)


def test_a_module_that_only_begins_like_one_is_admitted(
    key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dbmodels` has nothing to do with `dbm`."""
    (tmp_path / "dbmodels.py").write_text("class Model:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    dbmodels = importlib.import_module("dbmodels")
    try:
        for format in ("joblib", "pickle"):
            artifact, sidecar = safeload.dumps(dbmodels.Model(), format=format, signer=key)
            assert type(safeload.loads(artifact, sidecar, keyring=key)) is dbmodels.Model
    finally:
        del sys.modules["dbmodels"]
