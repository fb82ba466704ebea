"""What a signed pickle may refer to: what its statement lists, and what an allowlist names."""

from __future__ import annotations

import datetime
import importlib
import io
import pickle
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from support import estimators
from support.attacks import marker_pickle
from support.auditing import no_unpickler_runs
from support.signed_pickles import load, signed

import safeload
from safeload import HmacKey, Keyring, MalformedError, Policy, PolicyError, Store, UntrustedType

NUMPY = ["preset:numpy"]


def test_what_the_statement_does_not_list_is_refused(key: HmacKey, tmp_path: Path) -> None:
    """Although the signature is right; and nothing of it has run."""
    hostile = marker_pickle(tmp_path / "marker")
    for format in ("joblib", "pickle"):
        with pytest.raises(UntrustedType, match="signed statement does not list"):
            load(signed(hostile, key, ("builtins.set",), format), key)
    assert not (tmp_path / "marker").exists()


def test_an_array_that_the_statement_does_not_list_is_refused(key: HmacKey) -> None:
    """The statement decides how an artifact is read; bytes that say otherwise get no further."""
    file = io.BytesIO()
    joblib.dump(np.arange(5.0), file)
    with pytest.raises(UntrustedType, match="NumpyArrayWrapper"):
        load(signed(file.getvalue(), key, ("numpy.ndarray", "numpy.dtype")), key)


def test_a_nested_pickle_comes_through_the_same_door(key: HmacKey) -> None:
    """An object array in joblib's own form."""
    file = io.BytesIO()
    joblib.dump(np.array([datetime.date(2026, 1, 1)], dtype=object), file)
    names = ("joblib.numpy_pickle.NumpyArrayWrapper", "numpy.ndarray", "numpy.dtype")
    with pytest.raises(UntrustedType):
        load(signed(file.getvalue(), key, names), key)
    everything = (*names, "datetime.date", "numpy._core.multiarray._reconstruct", "_codecs.encode")
    assert load(signed(file.getvalue(), key, everything), key)[0] == datetime.date(2026, 1, 1)


def test_a_dotted_name_does_not_lead_through_another_module(key: HmacKey) -> None:
    """``random`` with ``_os.getcwd`` is the text ``random._os.getcwd``, and not what a list means by it."""
    data = b"\x80\x04\x8c\x06random\x8c\x0a_os.getcwd\x93)R."
    for names in (("random._os.getcwd",), ("os.getcwd",)):
        with pytest.raises(UntrustedType):
            load(signed(data, key, names), key)
    assert hasattr(sys.modules["random"], "_os")


@pytest.mark.parametrize("format", ["joblib", "pickle"])
def test_names_of_python_2_are_translated_below_protocol_3_only(format: str, key: HmacKey) -> None:
    """As the unpicklers of the standard library do; what is checked is what is looked up."""
    old = b"c__builtin__\nxrange\n(K\x01tR."
    for header in (b"", b"\x80\x01", b"\x80\x02"):
        pair = signed(header + old, key, ("builtins.range",), format)
        assert load(pair, key) == range(1)
        assert load(pair, key, allow=["builtins.range"]) == range(1)
        with pytest.raises(UntrustedType):
            load(signed(header + old, key, ("__builtin__.xrange",), format), key)
    # A later instruction does not change it back: the name that was checked is looked up.
    for header in (b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x80\x04\x80\x02"):
        with pytest.raises(UntrustedType):
            load(signed(header + old, key, ("builtins.range",), format), key)


@pytest.mark.parametrize("format", ["joblib", "pickle"])
def test_a_module_with_a_name_that_python_2_had_is_loaded(
    format: str, key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``Queue`` became ``queue``; the old name may be that of a module of the user."""
    (tmp_path / "Queue.py").write_text("class Model:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("Queue")
    try:
        pair = safeload.dumps([module.Model(), np.arange(3)], name="x", signer=key, format=format)
        assert type(load(pair, key)[0]) is module.Model
        assert type(load(pair, key, allow=["preset:numpy", "Queue.Model"])[0]) is module.Model
        with pytest.raises(UntrustedType, match=r"Queue\.Model"):
            load(pair, key, allow=["preset:numpy", "reprlib.Repr"])
    finally:
        del sys.modules["Queue"]


def test_a_file_that_was_signed_as_it_was_found_has_no_list(key: HmacKey, tmp_path: Path) -> None:
    """Its signer vouched for the bytes."""
    (tmp_path / "x").write_bytes(pickle.dumps({datetime.date(2026, 1, 1)}))
    safeload.sign(tmp_path / "x", signer=key)
    assert safeload.load(tmp_path / "x", keyring=key) == {datetime.date(2026, 1, 1)}


def test_an_allowlist_names_everything(key: HmacKey) -> None:
    """One name less is refused, and told."""
    pair = safeload.dumps(np.arange(3), name="x", signer=key)
    names = ["numpy.ndarray", "numpy.dtype", "numpy._core.multiarray._reconstruct"]
    assert list(load(pair, key, allow=names)) == [0, 1, 2]
    for missing in names:
        with pytest.raises(UntrustedType) as refused:
            load(pair, key, allow=[name for name in names if name != missing])
        assert refused.value.types == (missing,)
    assert list(load(pair, key, policy=Policy(allow=NUMPY))) == [0, 1, 2]
    assert load(safeload.dumps([1, {"a": 2}], name="x", signer=key), key, allow=[]) == [1, {"a": 2}]


@pytest.mark.parametrize(
    "name", ["numpy.*", "os.system", "builtins.getattr", "functools.partial", "joblib.load", "numpy", ""]
)
def test_some_names_are_on_no_allowlist(name: str, key: HmacKey) -> None:
    """Wildcards, and what calls or opens what it is given."""
    with pytest.raises(PolicyError):
        load(safeload.dumps(1, name="x", signer=key), key, allow=[name])


def test_an_allowlist_is_no_single_text(key: HmacKey) -> None:
    """Nor true."""
    for wrong in ("numpy.ndarray", True, [np.ndarray]):
        with pytest.raises(TypeError):
            load(safeload.dumps(1, name="x", signer=key), key, allow=wrong)


def test_nothing_is_looked_up_before_all_of_it_is_held(key: HmacKey) -> None:
    """The last name of a file is refused before the first has been imported."""

    class Last:
        def __reduce__(self) -> Any:
            return print, ("x",)

    obj = [np.arange(3), datetime.date(2026, 1, 1), Last()]
    for options in ({}, {"format": "pickle"}, {"compress": 3}, {"protocol": 2}):
        pair = safeload.dumps(obj, name="x", signer=key, **options)
        with no_unpickler_runs(), pytest.raises(UntrustedType) as refused:
            load(pair, key, allow=NUMPY)
        assert refused.value.types in (("builtins.print",), ("builtins.getattr",))


def test_the_policy_of_a_store_is_held_as_well(key: HmacKey, tmp_path: Path) -> None:
    """And that of a shared artifact."""
    store = Store(tmp_path / "s", signer=key, keyring=Keyring.of(key), state=tmp_path / "state")
    store.dump(datetime.date(2026, 1, 1), "a", "1")
    strict = Policy(allow=["numpy.ndarray"])
    narrow = Store(tmp_path / "s", keyring=Keyring.of(key), state=tmp_path / "state", policy=strict)
    with pytest.raises(UntrustedType):
        narrow.load("a")
    assert store.load("a") == datetime.date(2026, 1, 1)
    safeload.dump(datetime.date(2026, 1, 1), tmp_path / "x", signer=key)
    with safeload.share(tmp_path / "x", keyring=key, policy=strict) as shared:
        with pytest.raises(UntrustedType):
            shared.load()
        with pytest.raises(UntrustedType):
            pickle.loads(pickle.dumps(shared)).load()


def test_a_signed_skops_file_is_held_too(key: HmacKey) -> None:
    """What its statement lists is not enough where the policy has a list."""
    pair = safeload.dumps(
        estimators.fitted()["DecisionTreeClassifier"][0], name="x", format="skops", signer=key
    )
    assert load(pair, key) is not None
    with pytest.raises(UntrustedType):
        load(pair, key, allow=["preset:python"])
    assert load(pair, key, allow=["preset:sklearn"]) is not None


# Pickles by hand; each names what is on the list and does with it what no dump does.
_NDARRAY = b"cnumpy\nndarray\n"
_DTYPE = b"cnumpy\ndtype\n"
DONE_WITH_LISTED = {
    "a class that is only referred to is called": b"\x80\x04" + _NDARRAY + b"K\x03\x85R.",
    "what a call returned is called": b"\x80\x04" + _DTYPE + b"\x8c\x02f8\x89\x88\x87R)R.",
    "a class's state is set": b"\x80\x04" + _DTYPE + b"}\x8c\x01aK\x01sb.",
    "a name is made while loading": b"\x80\x04\x8c\x02os" + _DTYPE + b"\x8c\x02f8\x89\x88\x87R\x93.",
    "an extension code": b"\x80\x02\x82\x01.",
    "a persistent id": b"\x80\x04\x8c\x01xQ.",
    "a dtype of objects without the flag": b"\x80\x04"
    + _DTYPE
    + b"\x8c\x02O8\x89\x88\x87R(K\x03\x8c\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.",
    "a dtype of numbers with the flag of objects": b"\x80\x04"
    + _DTYPE
    + b"\x8c\x02f8\x89\x88\x87R(K\x03\x8c\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb.",
    "a dtype by another name": b"\x80\x04" + _DTYPE + b"\x8c\x06object\x89\x88\x87R(NtbN.",
    "trailing bytes": pickle.dumps([1]) + b"x",
    "nothing": b"",
}


@pytest.mark.parametrize("what", DONE_WITH_LISTED)
def test_names_on_the_list_do_not_excuse_what_is_done_with_them(what: str, key: HmacKey) -> None:
    """Refused before anything is looked up."""
    for format in ("joblib", "pickle"):
        pair = signed(DONE_WITH_LISTED[what], key, None, format)
        with no_unpickler_runs(), pytest.raises((UntrustedType, MalformedError)):
            load(pair, key, allow=NUMPY)


@pytest.mark.parametrize(
    ("position", "good"), [(0, True), (624, True), (625, False), (-1, False), (10**6, False)]
)
def test_a_generators_position_is_within_its_numbers(position: int, good: bool, key: HmacKey) -> None:
    """Native code indexes with it."""
    random = np.random.RandomState(0)
    kind, keys, _, has, gauss = random.get_state()
    honest = pickle.dumps(random, 5)
    assert load(signed(honest, key, None), key, allow=NUMPY).randint(10) == random.randint(10)
    state = {
        "bit_generator": kind,
        "state": {"key": keys, "pos": position},
        "has_gauss": has,
        "gauss": gauss,
    }
    call, arguments, _ = random.__reduce__()[:3]

    class Crafted:
        def __reduce__(self) -> Any:
            return call, arguments, state

    data = pickle.dumps(Crafted(), 5)
    if good:
        assert load(signed(data, key, None), key, allow=NUMPY) is not None
    else:
        with no_unpickler_runs(), pytest.raises(MalformedError, match="position"):
            load(signed(data, key, None), key, allow=NUMPY)


DTYPES = [
    *("f8", "<i4", ">u2", "c16", "?", "U7", "S3", "V5", "O", "M8[ns]", "m8[25s]", "M8", "f2"),
    np.dtype([("a", "i4"), ("b", "f8", (2, 3)), ("c", [("d", "U2"), ("o", "O")])]),
    np.dtype([("a", "i1"), ("b", "f8")], align=True),
    np.dtype({"names": ["x", "y"], "formats": ["i2", "f4"], "offsets": [6, 0], "itemsize": 16}),
]


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_type_of_elements_that_numpy_writes_is_admitted(
    dtype: Any, protocol: int, key: HmacKey
) -> None:
    """As an array's and on its own."""
    array = np.zeros(3, dtype)
    for obj in (array, array.dtype):
        data = pickle.dumps(obj, protocol)
        back, plain = load(signed(data, key, None, "pickle"), key, allow=NUMPY), pickle.loads(data)
        assert getattr(back, "dtype", back) == getattr(plain, "dtype", plain)


def test_time_zones_are_read_by_the_one_call_of_getattr(key: HmacKey) -> None:
    """And by no other."""
    import zoneinfo

    zone = zoneinfo.ZoneInfo("UTC")
    assert load(safeload.dumps(zone, name="x", signer=key), key, allow=["preset:python"]) is zone
    for arguments in (b"czoneinfo\nZoneInfo\n\x8c\x08__dict__\x86", b"\x8c\x01x\x8c\x09_unpickle\x86"):
        data = b"\x80\x04cbuiltins\ngetattr\n" + arguments + b"R."
        with pytest.raises(UntrustedType, match="getattr"):
            load(signed(data, key, None), key, allow=["preset:python"])
