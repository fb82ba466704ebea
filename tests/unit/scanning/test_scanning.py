"""What a file refers to, told without running it, is what an unpickler looks up."""

from __future__ import annotations

import contextlib
import io
import pickle
import pickletools
import re
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib.numpy_pickle import NumpyUnpickler
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from safeload import Limits, SafeloadError
from safeload.parsers.compression import decompress
from safeload.parsers.magic import compressor
from safeload.scanning import globals_of

LIMITS = Limits()


def forest() -> Any:
    x = np.arange(40.0).reshape(20, 2)
    return make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)).fit(x, x[:, 0] > 9)


class OldStyle:
    def __init__(self, value: Any) -> None:
        self.value = value


OBJECTS = {
    "numbers": lambda: [1, -1, 2**70, 1.5, 1j, True, None],
    "text": lambda: ["a", "ä", "\n\\x41", b"b", bytearray(b"c"), "x" * 100_000, b"y" * 100_000],
    "containers": lambda: {"l": [1, [2]], "t": ((), (1,), (1, 2, 3, 4)), "s": {1}, "f": frozenset({2})},
    "shared": lambda: (lambda x: [x, x, {"x": x}])([1]),
    "C and F order": lambda: [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.ones((3, 4)))],
    "no elements": lambda: [np.zeros((0, 3)), np.array(5.0)],
    "kinds": lambda: [np.zeros(3, kind) for kind in ("?", "i1", ">u4", "f2", "g", "G", "U5", "S3", "M8[D]")],
    "objects": lambda: np.array([1, "a", {"x": OldStyle(1)}], dtype=object),
    "structured": lambda: np.zeros(3, [("a", "f8"), ("b", "(2,3)i4"), ("c", [("d", "U2")])]),
    "structured with objects": lambda: np.zeros(2, [("a", "f8"), ("b", "O")]),
    "a matrix": lambda: np.matrix([[1, 2]]),
    "nested": lambda: {"a": [np.arange(3), {"b": np.arange(4)}], "c": OldStyle(np.arange(5))},
    "a frame": lambda: pd.DataFrame({"a": [1, 2], "b": pd.date_range("2026", periods=2, tz="UTC")}),
    "a model": forest,
}


def looked_up(data: bytes) -> set[str]:
    """Return what joblib's unpickler looks up."""
    found = set()

    class Recorder(NumpyUnpickler):
        def find_class(self, module: str, name: str) -> Any:
            found.add(f"{module}.{name}")
            return super().find_class(module, name)

    Recorder("", io.BytesIO(data), True).load()
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("case", OBJECTS)
def test_what_is_found_is_what_is_looked_up(case: str, protocol: int) -> None:
    """In every protocol, no more and no less, to the end of the file."""
    file = io.BytesIO()
    joblib.dump(OBJECTS[case](), file, protocol=protocol)
    scan = globals_of(file.getvalue(), LIMITS)
    assert (scan.complete, scan.reason, scan.stopped_at) == (True, None, None)
    assert set(scan.globals) == looked_up(file.getvalue())


@pytest.mark.parametrize("compress", ["zlib", "gzip", "bz2", "lzma", "xz", "lz4"])
def test_compressed_files_are_unfolded(compress: str) -> None:
    """By every compressor of joblib's."""
    file = io.BytesIO()
    joblib.dump(forest(), file, compress=(compress, 1))
    data = file.getvalue()
    name = compressor(data)
    assert name == compress
    scan = globals_of(data, LIMITS)
    assert scan.complete
    assert set(scan.globals) == looked_up(decompress(data, name, LIMITS))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_plain_pickles_are_followed_too(protocol: int) -> None:
    """As pickle writes them, with its frames."""
    scan = globals_of(pickle.dumps(OldStyle([1] * 100_000), protocol), LIMITS)
    assert scan.complete
    assert f"{__name__}.OldStyle" in scan.globals


ARRAY = io.BytesIO()
joblib.dump([np.arange(9.0), "end"], ARRAY)
DANGER = b"cos\nsystem\n(Vtrue\ntR."


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "ends early"),
        (b"\x80\x04]", "ends early"),
        (b"\x80\x04.", "more than there is"),
        (b"\x80\x09N.", "no protocol"),
        (b"\x80\x04\xffN.", "no such instruction"),
        (b"\x80\x04\x8c", "ends early"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx.", "does not fit"),
        (b"\x80\x04\x8b\xff\xff\xff\x7fx.", "does not fit"),
        (b"\x80\x04h\x05.", "no such entry"),
        (b"\x80\x04t.", "there is none"),
        (b"\x80\x04(Nd.", "no value"),
        (b"\x80\x02\x82\x01.", "extension registry"),
        (b"\x80\x02Pabc\n.", "outside the file"),
        (b"\x80\x02NQ.", "outside the file"),
        (b"\x80\x05\x97.", "outside the file"),
        (b"\x80\x04]\x93.", "more than there is"),
        (b"\x80\x04]]\x93.", "made while loading"),
        (b"\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00N.", "does not fit"),
        (b"\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00\x8c\x05abcde.", "does not fit"),
        (b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00J\x00\x00\x00\x00.", "crosses"),
        (b"\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00N.NNNNNNN", "before its frame|bytes follow"),
        (b"\x80\x04N." + DANGER, "bytes follow"),
        (ARRAY.getvalue()[:-40], "."),
        (b"cjoblib.numpy_pickle\nNDArrayWrapper\n)R}b.", "before 0.10"),
        (b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)R}b.", "length of an array"),
        (b"cjoblib.memory\nNumpyArrayWrapper\n)R}b.", "depends on joblib"),
        (b"cos\n\xff\n.", "no text"),
    ],
)
def test_what_cannot_be_followed_is_incomplete(data: bytes, reason: str) -> None:
    """With the place and the reason."""
    scan = globals_of(data, LIMITS)
    assert not scan.complete
    assert scan.reason is not None
    assert re.search(reason, scan.reason), scan.reason
    assert scan.stopped_at is not None
    assert scan.stopped_at <= len(data)


@pytest.mark.parametrize("protocol", [2, 4])
def test_what_comes_after_an_array_is_seen(protocol: int) -> None:
    """The standard library's own tool stops at the array's bytes, or takes them for instructions."""
    file = io.BytesIO()
    joblib.dump([np.frombuffer(b"\x8d" * 64, dtype="u1"), OldStyle(1)], file, protocol=protocol)
    scan = globals_of(file.getvalue(), LIMITS)
    assert scan.complete
    assert f"{__name__}.OldStyle" in scan.globals
    with pytest.raises(ValueError):  # noqa: PT011  of whichever kind
        list(pickletools.genops(file.getvalue()))


def test_a_name_in_the_pickle_of_an_object_array_is_seen() -> None:
    """A pickle within the pickle."""
    file = io.BytesIO()
    joblib.dump({"x": np.array([OldStyle(1)], dtype=object)}, file)
    assert f"{__name__}.OldStyle" in globals_of(file.getvalue(), LIMITS).globals


def test_names_are_seen_however_they_are_referred_to() -> None:
    """GLOBAL, STACK_GLOBAL with names from the memo, INST, and names that are not in ASCII."""
    ways = {
        b"cos\nsystem\n.": "os.system",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93.": "os.system",
        b"(ios\nsystem\n.": "os.system",
        "cmödul\nfün\n.".encode(): "mödul.fün",
        b"cos\\x2epath\nsystem\n.": "os\\x2epath.system",
    }
    for data, name in ways.items():
        assert globals_of(data, LIMITS).globals == (name,), data


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_answer_or_a_refusal(data: bytes) -> None:
    """And in nothing else."""
    for candidate in (data, b"\x80\x04" + data, b"\x80\x04(" + data + b"."):
        with contextlib.suppress(SafeloadError):
            globals_of(candidate, LIMITS)


@given(st.data())
def test_any_change_to_a_file_ends_in_an_answer(data: st.DataObject) -> None:
    """Bytes changed, removed and put in."""
    changed = bytearray(ARRAY.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(SafeloadError):
        globals_of(bytes(changed), LIMITS)


def test_a_pickle_within_an_array_stops_where_it_breaks_off() -> None:
    """Not where its array starts."""
    file = io.BytesIO()
    joblib.dump(np.array([1, "text", None], dtype=object), file)
    cut = file.getvalue()[:-4]
    scan = globals_of(cut, LIMITS)
    assert not scan.complete
    assert scan.stopped_at is not None
    assert cut.index(b"NumpyArrayWrapper") + 100 < scan.stopped_at <= len(cut)
