"""What the dry run of an allowlist sees done with names that are on the list."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.auditing import no_unpickler_runs
from support.paths import environment
from support.signed_pickles import load, signed

import safeload
from safeload import HmacKey, MalformedError, UntrustedType

SKLEARN = ["preset:sklearn"]
_MINUS = b"J\xff\xff\xff\xff"


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


_PLAIN = named("sklearn.calibration", "_CalibratedClassifier")
_ADD = named("numpy", "add")
_BOOSTER = named("sklearn.tree._classes", "DecisionTreeClassifier")
_RANDOM = "numpy.random._pickle"

ALTERED = {
    "a class's attribute is set": _PLAIN + b"N}" + text("predict_proba") + _ADD + b"s\x86b.",
    "a function's attribute is set": _ADD + b"N}" + text("x") + b"Ns\x86b.",
    "a class takes an item": _PLAIN + b"Na.",
    "a class takes items": _PLAIN + b"(Ne.",
    "a class takes members": _PLAIN + b"(N\x90.",
}
CALLED = {
    "as the object's own __setstate__": _PLAIN + b")\x81}" + text("__setstate__") + _ADD + b"sbNb.",
    "as the object's own append": _PLAIN + b")\x81N}" + text("append") + _ADD + b"s\x86bNa.",
    "as a constructor's base": named("copyreg", "_reconstructor") + _BOOSTER * 2 + b"N\x87R.",
    "by a constructor of generators": named(_RANDOM, "__generator_ctor") + text("x") + _ADD + b"\x86R.",
    "by a constructor of bit generators": named(_RANDOM, "__bit_generator_ctor") + _BOOSTER + b"\x85R.",
    "by the oldest instruction": b"(" + _ADD + b"o.",
    "by the oldest instruction, by name": b"(inumpy\nadd\n.",
}


@pytest.mark.parametrize("format", ["joblib", "pickle"])
@pytest.mark.parametrize("what", ALTERED)
def test_a_name_is_not_altered(what: str, format: str, key: HmacKey) -> None:
    """A class that is on the list stays as it is in this process."""
    pair = signed(b"\x80\x04" + ALTERED[what], key, None, format)
    with no_unpickler_runs(), pytest.raises(UntrustedType, match="alters"):
        load(pair, key, allow=SKLEARN)


@pytest.mark.parametrize("format", ["joblib", "pickle"])
@pytest.mark.parametrize("what", CALLED)
def test_what_no_dump_calls_is_not_called_by_a_detour(what: str, format: str, key: HmacKey) -> None:
    """Neither by the unpickler nor by what it calls."""
    pair = signed(b"\x80\x04" + CALLED[what], key, None, format)
    with no_unpickler_runs(), pytest.raises(UntrustedType):
        load(pair, key, allow=SKLEARN)


def test_attributes_named_like_methods_are_data(key: HmacKey) -> None:
    """As long as they hold some."""
    data = b"\x80\x04" + _PLAIN + b")\x81}" + text("add") + b"\x88sb."
    assert load(signed(data, key, None), key, allow=SKLEARN).add is True


def dtype(code: str, state: bytes, put: bytes = b"") -> bytes:
    return named("numpy", "dtype") + text(code) + b"\x89\x88\x87R" + put + state


def described(order: str, flags: int) -> bytes:
    return b"(K\x03" + text(order) + b"NNN" + _MINUS * 2 + b"K" + bytes([flags]) + b"tb"


def fielded(fields: bytes, flags: int) -> bytes:
    return (
        b"(K\x03" + text("|") + b"N" + text("o") + b"\x85" + fields + b"K\x08K\x01K" + bytes([flags]) + b"tb"
    )


def array(kind: bytes) -> bytes:
    made = named("numpy._core.multiarray", "_reconstruct") + named("numpy", "ndarray")
    return made + b"K\x00\x85C\x01b\x87R(K\x01K\x01\x85" + kind + b"\x89C\x08" + b"A" * 8 + b"tb"


OBJECTS = dtype("O8", described("|", 63))
NUMBERS = dtype("i8", described("<", 0))
AS_OBJECTS = fielded(b"}" + text("o") + OBJECTS + b"K\x00\x86s", 27)
AS_NUMBERS = fielded(b"}\x94" + text("o") + NUMBERS + b"K\x00\x86s", 16)

POINTERS = {
    # Memory of raw bytes first, and then a type that says that they are objects.
    "a state after an array was made": dtype("V8", b"", b"\x94")
    + array(b"h\x00")
    + b"h\x00"
    + AS_OBJECTS
    + b"\x86.",
    "a second state": array(dtype("V8", described("|", 0), b"\x94")) + b"h\x00" + AS_OBJECTS + b"\x86.",
    "a field after an array was made": array(dtype("V8", AS_NUMBERS))
    + b"h\x00"
    + text("o")
    + OBJECTS
    + b"K\x00\x86s\x86.",
    "an array without a constructor": dtype("V8", b"", b"\x94")
    + named("numpy", "ndarray")
    + b"K\x01\x85h\x00\x86\x81h\x00"
    + AS_OBJECTS
    + b"\x86.",
    "a field whose state is set later": dtype("V8", b"", b"\x94")
    + dtype("V8", fielded(b"}" + text("o") + b"h\x00K\x00\x86s", 16))
    + b"h\x00"
    + AS_OBJECTS
    + b"\x86.",
    # By these flags, those of an array of objects, it is a pointer to one.
    "a record with the flags of an object": dtype(
        "V8", fielded(b"}" + text("o") + OBJECTS + b"K\x00\x86s", 63) + b"."
    ),
    # A number with a field beyond its end.
    "fields of a number": dtype(
        "i8",
        b"(K\x03" + text("<") + b"N" + text("o") + b"\x85}" + text("o") + NUMBERS + b"KH\x86sKPK\x01K\x00tb.",
    ),
    "another type under a field's title": array(
        dtype(
            "V8",
            fielded(
                b"}("
                + text("o")
                + NUMBERS
                + b"K\x00"
                + text("t")
                + b"\x87"
                + text("t")
                + OBJECTS
                + b"K\x00"
                + text("t")
                + b"\x87u",
                16,
            ),
        )
    )
    + b".",
    "objects in a list that is made": array(OBJECTS).replace(
        b"C\x08" + b"A" * 8, named("builtins", "list") + b")\x81"
    )
    + b".",
    # Ten numbers in the memory of one.
    "more elements than there are bytes": dtype(
        "V8", b"(K\x03" + text("|") + NUMBERS + b"K\x0a\x85\x86NNK\x08K\x01K\x00tb."
    ),
}


@pytest.mark.parametrize("format", ["joblib", "pickle"])
@pytest.mark.parametrize("what", POINTERS)
def test_a_dtype_does_not_change_once_it_is_made(what: str, format: str, key: HmacKey) -> None:
    """Numpy would take bytes of the file for pointers, or read beyond its memory."""
    pair = signed(b"\x80\x04" + POINTERS[what], key, None, format)
    with no_unpickler_runs(), pytest.raises(MalformedError):
        load(pair, key, allow=["preset:numpy"])


def test_types_that_share_their_fields_are_admitted(key: HmacKey) -> None:
    """Numpy has one dictionary for a type and the record that is made of it."""
    plain = np.dtype([("a", "i4"), ("b", "f8")])
    both = [plain, np.dtype((np.record, plain)), np.zeros(2, plain), np.zeros(2, plain).view(np.recarray)]
    back = load(signed(pickle.dumps(both, 4), key, None), key, allow=["preset:numpy"])
    assert [part if isinstance(part, np.dtype) else part.dtype for part in back] == [
        part if isinstance(part, np.dtype) else part.dtype for part in both
    ]


def test_fields_with_titles_are_admitted(key: HmacKey) -> None:
    """They stand in the type twice."""
    array = np.ones(2, [(("title", "a"), "i4"), ("b", "f8")])
    back = load(signed(pickle.dumps(array, 4), key, None), key, allow=["preset:numpy"])
    assert back.dtype == array.dtype
    assert back["title"].tolist() == [1, 1]


@pytest.mark.parametrize("shape", [(0,), (1,)])
def test_a_scalar_of_objects_is_made_of_one_element(shape: tuple[int, ...], key: HmacKey) -> None:
    """Of an array without elements numpy would read memory that is not the array's."""
    array = np.zeros((), [("o", "O"), ("n", "i4")])
    back = load(signed(pickle.dumps(array[()], 4), key, None), key, allow=["preset:numpy"])
    assert back == array[()]
    call, (dtype, _) = array[()].__reduce__()
    for other in (np.zeros(shape, dtype), np.zeros((), [("o", "i8"), ("n", "i4")])):
        data = _set(call, (dtype, other), None)
        with no_unpickler_runs(), pytest.raises(MalformedError, match="scalar"):
            load(signed(data, key, None), key, allow=["preset:numpy"])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_array_has_as_many_objects_as_its_shape_says(count: int, key: HmacKey) -> None:
    """Numpy would take what lies beyond the list for more of them."""
    call, arguments, _ = np.zeros(2, object).__reduce__()
    state = (1, (2,), np.dtype("O"), False, [None] * count)
    data = _set(call, arguments, state)
    with no_unpickler_runs(), pytest.raises(MalformedError, match="shape"):
        load(signed(data, key, None), key, allow=["preset:numpy"])


def _set(call: Any, arguments: Any, state: Any) -> bytes:
    class Crafted:
        def __reduce__(self) -> Any:
            return call, arguments, state

    return pickle.dumps(Crafted(), 4)


def _legacy(sequence: Callable[..., Any]) -> bytes:
    random = np.random.RandomState(0)
    kind, keys, *_ = random.get_state()
    return _set(*random.__reduce__()[:2], sequence((kind, keys, 10**9, 0, 0.0)))


def _bits() -> bytes:
    bits = np.random.MT19937(0)
    return _set(*bits.__reduce__()[:2], (("MT19937", bits.state["state"]["key"], 10**9), None))


POSITIONS = {
    "a tuple": lambda: _legacy(tuple),
    "a list": lambda: _legacy(list),
    "a bit generator's tuple": _bits,
    "no constructor": lambda: b"\x80\x04" + named("numpy.random._mt19937", "MT19937") + b")\x81}b.",
}


@pytest.mark.parametrize("what", POSITIONS)
def test_a_generators_position_is_looked_at_in_every_form(what: str, key: HmacKey) -> None:
    """Numpy takes its older forms, too."""
    with no_unpickler_runs(), pytest.raises(MalformedError, match="random generator"):
        load(signed(POSITIONS[what](), key, None), key, allow=["preset:numpy"])


def test_elements_without_a_size_do_not_cost_memory(key: HmacKey) -> None:
    """Numpy gives each of them a character."""
    from joblib.numpy_pickle import NumpyArrayWrapper

    wrapper = NumpyArrayWrapper(np.ndarray, (2**28,), "C", np.dtype(">U0"), True)
    data = pickle.dumps(wrapper, 2)[:-1] + b"\x00."
    with pytest.raises(MalformedError, match="more elements"):
        load(signed(data, key, None), key)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy 1 has no such type")
def test_texts_of_any_length_are_admitted_in_joblib_files(key: HmacKey) -> None:
    """Their elements are a nested pickle, which the dry run reads as well."""
    obj = [np.array(["a", "bb" * 99], np.dtypes.StringDType()), np.zeros(1 << 18)]
    back = load(safeload.dumps(obj, name="x", signer=key), key, allow=["preset:numpy"])
    assert back[0].tolist() == obj[0].tolist()
    assert back[0].dtype == obj[0].dtype


EXTENSION = """
import copyreg, pickle, sys
import safeload
from support.signed_pickles import load, signed

copyreg.add_extension("os", "mkdir", 7)
pickle.loads(b"\\x80\\x02\\x82\\x07.")
path, format = sys.argv[1:]
text = b"X" + len(path).to_bytes(4, "little") + path.encode()
key = safeload.HmacKey(bytes(range(32)))
for names, allow in ((None, ["preset:python"]), (("builtins.set",), None)):
    try:
        load(signed(b"\\x80\\x02\\x82\\x07" + text + b"\\x85R.", key, names, format), key, allow=allow)
    except safeload.UntrustedType:
        print("refused")
assert copyreg._extension_cache == {}
"""


@pytest.mark.parametrize("format", ["joblib", "pickle"])
def test_a_number_that_stands_for_a_name_is_held_like_the_name(format: str, tmp_path: Path) -> None:
    """Also when the process has looked it up before, which unpicklers remember."""
    marker = tmp_path / "marker"
    done = subprocess.run(
        [sys.executable, "-c", EXTENSION, str(marker), format],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.stdout.split() == ["refused"] * 2, done.stderr
    assert not marker.exists()


def test_a_dry_run_does_not_write_into_arrays(key: HmacKey) -> None:
    """An array that looks into the file is no container of the pickle."""
    from joblib.numpy_pickle import NumpyArrayWrapper

    wrapper = NumpyArrayWrapper(np.ndarray, (4,), "C", np.dtype("u1"), True)
    data = pickle.dumps(wrapper, 2)[:-1] + b"\x00abcdK\x00K\x01s."
    with pytest.raises(MalformedError):
        load(signed(data, key, None), key, allow=["preset:numpy"])
