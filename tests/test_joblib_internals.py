"""What safeload relies on inside joblib. When a new joblib fails here, read joblib_pickler.py again."""

from __future__ import annotations

import inspect
import io
import pickle

import joblib
import numpy as np
import pytest
from joblib import numpy_pickle, numpy_pickle_compat, numpy_pickle_utils

from safeload.formats import joblib_pickler


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_the_picklers_are_pythons_own_with_the_known_arguments() -> None:
    """Subclassing, `dispatch` and `find_class` work because both are the pure-Python classes."""
    assert issubclass(numpy_pickle.NumpyPickler, pickle._Pickler)
    assert issubclass(numpy_pickle.NumpyUnpickler, pickle._Unpickler)
    assert parameters(numpy_pickle.NumpyPickler.__init__) == ["self", "fp", "protocol"]
    assert parameters(numpy_pickle.NumpyUnpickler.__init__) == [
        "self",
        "filename",
        "file_handle",
        "ensure_native_byte_order",
        "mmap_mode",
    ]
    assert parameters(numpy_pickle_utils._write_fileobject) == ["filename", "compress"]


def test_joblib_adds_no_other_way_to_call_or_to_look_up() -> None:
    """The unpickler overrides `load_build` alone; a new opcode handler would need another look."""
    base, ours = pickle._Unpickler, numpy_pickle.NumpyUnpickler
    changed = {code for code in ours.dispatch if ours.dispatch[code] is not base.dispatch.get(code)}
    assert changed == {pickle.BUILD[0]}
    own = {name for name in vars(ours) if not name.startswith("__")}
    assert own == {"dispatch", "load_build"}
    assert {name for name in vars(numpy_pickle.NumpyPickler) if not name.startswith("__")} == {
        "dispatch",
        "_create_array_wrapper",
        "save",
    }


def test_an_object_arrays_nested_pickle_is_looked_up_by_our_unpickler() -> None:
    """joblib 1.6 hands `find_class` on; before, a call hidden there ran ungated."""
    seen: list[str] = []

    class Watching(joblib_pickler.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            seen.append(f"{module}.{name}")
            return super().find_class(module, name)

    file = io.BytesIO()
    joblib.dump(np.array([inspect.Parameter], dtype=object), file)
    (value,) = Watching(file.getvalue()).load()
    assert value is inspect.Parameter
    assert "inspect.Parameter" in seen


def test_the_wrapper_reads_arrays_from_the_file_it_is_given() -> None:
    """No path reaches the unpickler: its file name is empty, and no memory map is asked for."""
    unpickler = joblib_pickler.Unpickler(b"")
    assert (unpickler.filename, unpickler._dirname, unpickler.mmap_mode) == ("", "", None)
    assert parameters(numpy_pickle.NumpyArrayWrapper.read) == [
        "self",
        "unpickler",
        "ensure_native_byte_order",
    ]


@pytest.mark.parametrize("name", ["NDArrayWrapper", "ZNDArrayWrapper"])
def test_the_legacy_wrappers_are_where_they_were(name: str) -> None:
    """They are refused by identity, under both modules through which pickles name them."""
    wrapper = getattr(numpy_pickle_compat, name)
    assert getattr(numpy_pickle, name) is wrapper
    assert (wrapper.__module__, wrapper.__qualname__) == ("joblib.numpy_pickle_compat", name)
    assert "np.load" in inspect.getsource(numpy_pickle_compat.NDArrayWrapper.read)
