"""joblib's arrays: payloads behind them, inside them, and in the object that says how long they are."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np

from corpus.assembler import EXEC, POP, SYSTEM, Op, build, call, name, pickled, value
from corpus.entry import Contents, Place, Technique
from corpus.evaluation import any_arguments


class Payload:
    """Reduces to a call that creates the marker."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return eval, (self.place.code,)


def dumped(obj: Any, **options: Any) -> bytes:
    """Return what ``joblib.dump`` writes."""
    file = io.BytesIO()
    joblib.dump(obj, file, **options)
    return file.getvalue()


_DTYPE = call(name("numpy", "dtype"), "u1")


def wrapper(length: int, **changed: Any) -> Op:
    """Push an array of `length` bytes, whose raw bytes have to follow, with fields of its wrapper changed."""
    fields = {
        "subclass": name("numpy", "ndarray"),
        "shape": (length,),
        "order": "C",
        "dtype": _DTYPE,
        "allow_mmap": False,
        "numpy_array_alignment_bytes": None,
        **changed,
    }
    made = name("joblib.numpy_pickle", "NumpyArrayWrapper") + value(()) + b"\x81"
    return build(Op(made), fields)


def _after(raw: bytes) -> Callable[[Place], bytes]:
    return lambda place: pickled(wrapper(len(raw)) + raw + POP + call(SYSTEM, place.command))


def _object_array(place: Place) -> np.ndarray[Any, Any]:
    return np.array([Payload(place), 1], dtype=object)


def _nested_object_array(place: Place) -> bytes:
    outer = np.empty(1, dtype=object)
    outer[0] = _object_array(place)
    return dumped({"a": np.arange(3), "b": [outer]})


def _structured(place: Place) -> bytes:
    array = np.zeros(1, [("a", "f8"), ("b", "O")])
    array["b"][0] = Payload(place)
    return dumped(array)


def _later_object_array(place: Place) -> bytes:
    return dumped([np.arange(100), "x", _object_array(place), np.arange(100)])


def _trailing(place: Place) -> bytes:
    """Leave more in the object array's own pickle than its first object."""
    inner = pickled(call(SYSTEM, place.command) + POP + value([1]))
    kind = call(name("numpy", "dtype"), "O")
    return pickled(wrapper(1, dtype=kind) + inner)


def _shadow(attribute: str) -> Callable[[Place], bytes]:
    def make(place: Place) -> bytes:
        function = (
            call(name("functools", "partial"), EXEC, place.code)
            if attribute.startswith("safe_get")
            else any_arguments(place)
        )
        # What follows is read as an array's byte if nothing was shadowed.
        return pickled(wrapper(1, **{attribute: function}) + b"0N")

    return make


def _shadow_by_savetxt(place: Place) -> bytes:
    function = call(name("functools", "partial"), name("numpy", "savetxt"), place.marker, [1], "%d")
    return pickled(wrapper(1, read=function) + b"0N")


def _from_field(field: str) -> Callable[[Place], bytes]:
    def make(place: Place) -> bytes:
        return pickled(wrapper(1, **{field: call(SYSTEM, place.command)}) + b"0N")

    return make


def _dtype_state(place: Place) -> bytes:
    """Call in the metadata of a dtype's state."""
    kind = build(
        call(name("numpy", "dtype"), "V1", False, True),
        (4, "|", None, None, None, 1, 1, 8, (call(SYSTEM, place.command), None, 1)),
    )
    return pickled(wrapper(1, dtype=kind) + b"0N")


def _dtype_flags(place: Place) -> bytes:
    """Take the objects' flag from a dtype, so that raw bytes become pointers; the act is a call before."""
    kind = build(call(name("numpy", "dtype"), "O8", False, True), (3, "|", None, None, None, -1, -1, 0))
    return pickled(call(SYSTEM, place.command) + POP + kind)


def _companion(place: Place) -> Contents:
    """Leave the array in a file beside it, read with pickles allowed."""
    file = io.BytesIO()
    np.save(file, _object_array(place), allow_pickle=True)
    made = name("joblib.numpy_pickle_compat", "NDArrayWrapper") + value(()) + b"\x81"
    state = {"filename": "beside.npy", "subclass": name("numpy", "ndarray"), "allow_mmap": False}
    return {"": pickled(build(Op(made), state)), "beside.npy": file.getvalue()}


def _companion_compressed(place: Place) -> Contents:
    """Leave the array's bytes in a compressed file beside it; the call stands in what rebuilds it."""
    import zlib

    made = name("joblib.numpy_pickle_compat", "ZNDArrayWrapper") + value(()) + b"\x81"
    state = {
        "filename": "beside.z",
        "init_args": (name("numpy", "ndarray"), (call(SYSTEM, place.command),), b"b"),
        "state": (1, (1,), _DTYPE, False),
    }
    data = zlib.compress(b"x")
    return {"": pickled(build(Op(made), state)), "beside.z": b"ZF" + b"0x1".ljust(19) + data}


def _looks_like_bytes(place: Place) -> bytes:
    """End an array with an opcode that swallows the call, for who takes the array's bytes for opcodes."""
    act = POP + call(SYSTEM, place.command)
    raw = b"N" * 16 + b"B" + (len(act)).to_bytes(4, "little")
    return pickled(wrapper(len(raw)) + raw + act)


def _looks_like_stop(place: Place) -> bytes:
    """Begin an array with STOP."""
    return _after(b"N." + bytes(30))(place)


def _looks_like_global(place: Place) -> bytes:
    """End an array with an opcode whose text argument has no end."""
    return _after(bytes(3) + b"cbuiltins\nlen\n0V")(place)


def _long_padding(place: Place) -> bytes:
    """Hide the call behind a padding of 255 bytes."""
    act = POP + call(SYSTEM, place.command)
    return pickled(wrapper(1, numpy_array_alignment_bytes=16) + b"\xff" + bytes(255) + b"x" + act)


def _padding_that_swallows(place: Place) -> bytes:
    """Use a padding byte of zero, where an aligned array would have another."""
    act = POP + call(SYSTEM, place.command)
    return pickled(wrapper(16, numpy_array_alignment_bytes=16) + b"\x00" + act[:0] + b"B" * 16 + act)


def _npy(place: Place) -> bytes:
    file = io.BytesIO()
    np.save(file, _object_array(place), allow_pickle=True)
    return file.getvalue()


def _npz(place: Place) -> bytes:
    file = io.BytesIO()
    np.savez(file, plain=np.arange(3), objects=_object_array(place))
    return file.getvalue()


def _plain_pickle_for_numpy(place: Place) -> bytes:
    return pickled(call(SYSTEM, place.command))


def _legacy_fortran(place: Place) -> bytes:
    """Store an array in Fortran order, with a call as its order."""
    return pickled(call(SYSTEM, place.command) + POP + wrapper(4, order="F") + b"abcd")


def _pickle_array(place: Place) -> bytes:
    return pickle.dumps(_object_array(place), protocol=2)


_JOBLIB: dict[str, tuple[str, Callable[[Place], Contents], bool]] = {
    "behind an array": ("the call follows the raw bytes", _after(bytes(64)), True),
    "behind bytes that look like BINBYTES": ("for who does not know joblib", _looks_like_bytes, True),
    "behind bytes that look like STOP": ("for who stops there", _looks_like_stop, True),
    "behind bytes that look like text": ("for who reads on to its end", _looks_like_global, True),
    "behind a long padding": ("255 bytes", _long_padding, True),
    "behind no padding": ("where one is usual", _padding_that_swallows, True),
    "behind an array in Fortran order": ("and before it", _legacy_fortran, True),
    "behind an empty array": ("of no bytes", _after(b""), True),
    "behind a large array": ("of a megabyte", _after(bytes(1 << 20)), True),
    "in an object array": ("a pickle of its own", lambda p: dumped(_object_array(p)), True),
    "in nested object arrays": ("two deep", _nested_object_array, True),
    "in a later object array": ("between others", _later_object_array, True),
    "in a structured array": ("a field of objects", _structured, True),
    "in a pickle that is no array": ("where an object array is due", _trailing, True),
    "shadowed read": ("an attribute in place of a method", _shadow("read"), True),
    "shadowed read_array": ("an attribute in place of a method", _shadow("read_array"), True),
    "shadowed alignment": (
        "an attribute in place of a method",
        _shadow("safe_get_numpy_array_alignment_bytes"),
        True,
    ),
    "shadowed read by savetxt": ("no code in the file", _shadow_by_savetxt, True),
    "in subclass": ("a call as a field", _from_field("subclass"), True),
    "in shape": ("a call as a field", _from_field("shape"), True),
    "in dtype": ("a call as a field", _from_field("dtype"), True),
    "in dtype metadata": ("a call in the state of a dtype", _dtype_state, True),
    "with a dtype without flags": ("memory besides", _dtype_flags, True),
    "in a companion": ("a file beside it", _companion, True),
    "in a compressed companion": ("a file beside it", _companion_compressed, True),
}

TECHNIQUES = [
    *(
        Technique(f"joblib {way}", "joblib arrays", about, made, "joblib", ".joblib", executes)
        for way, (about, made, executes) in _JOBLIB.items()
    ),
    Technique("npy of objects", "numpy files", "numpy.load with pickles allowed", _npy, "numpy", ".npy"),
    Technique("npz of objects", "numpy files", "one of two members", _npz, "numpy", ".npz"),
    Technique(
        "npy that is a pickle",
        "numpy files",
        "numpy.load falls back to it",
        _plain_pickle_for_numpy,
        "numpy",
        ".npy",
    ),
    Technique("pickle of an object array", "numpy files", "not by joblib", _pickle_array),
]
