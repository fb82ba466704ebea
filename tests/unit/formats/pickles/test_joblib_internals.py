"""What safeload relies on inside joblib. When a new joblib fails here, read joblib_arrays.py again."""

from __future__ import annotations

import inspect
import io
import pickle

import joblib
import numpy as np
import pytest
from joblib import numpy_pickle, numpy_pickle_compat, numpy_pickle_utils

from safeload import UntrustedType
from safeload.formats.pickles.unpicklers import ArrayUnpickler


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
    """What joblib wrote there comes through the same door as everything else."""
    file = io.BytesIO()
    joblib.dump(np.array([inspect.Parameter], dtype=object), file)
    memory = file.getbuffer()
    (value,) = ArrayUnpickler(memory, None, copy=False).finish()
    assert value is inspect.Parameter
    admitted = frozenset({"joblib.numpy_pickle.NumpyArrayWrapper", "numpy.ndarray", "numpy.dtype"})
    with pytest.raises(UntrustedType) as refused:
        ArrayUnpickler(memory, admitted, copy=False).finish()
    assert "_reconstruct" in refused.value.types[0]


def test_the_wrapper_has_the_known_fields() -> None:
    """Which our own class takes in its place, and no other."""
    wrapper = numpy_pickle.NumpyArrayWrapper(np.ndarray, (2,), "C", np.dtype("f8"))
    assert set(vars(wrapper)) == {
        "subclass",
        "shape",
        "order",
        "dtype",
        "allow_mmap",
        "numpy_array_alignment_bytes",
    }
    assert vars(wrapper)["numpy_array_alignment_bytes"] == 16


def test_joblib_reads_a_plain_pickle_of_protocol_5() -> None:
    """Without a word."""
    assert joblib.load(io.BytesIO(pickle.dumps({"a": [1, b"x" * 100_000]}, 5))) == {"a": [1, b"x" * 100_000]}


@pytest.mark.parametrize("name", ["NDArrayWrapper", "ZNDArrayWrapper"])
def test_the_legacy_wrappers_are_where_they_were(name: str) -> None:
    """They are refused by identity, under both modules through which pickles name them."""
    wrapper = getattr(numpy_pickle_compat, name)
    assert getattr(numpy_pickle, name) is wrapper
    assert (wrapper.__module__, wrapper.__qualname__) == ("joblib.numpy_pickle_compat", name)
    assert "np.load" in inspect.getsource(numpy_pickle_compat.NDArrayWrapper.read)
