"""Files that would run something, or lead native code astray, are called so. None is deserialized."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.tree import DecisionTreeClassifier

from safeload import Limits
from safeload.scanning import Report, contents, scan

LIMITS = Limits()
MARKER = b"\x8c\x06marker"


def look(data: bytes, known: set[str] | None = None) -> Report:
    """Return the report; with `known`, those names are known too."""
    from safeload.scanning import STANDARD

    return contents.examine(data, LIMITS, STANDARD | (known or set()))


def dumped(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(value, file, **options)
    return file.getvalue()


def reference(module: str, name: str) -> bytes:
    return b"".join(b"\x8c" + bytes([len(part)]) + part.encode() for part in (module, name)) + b"\x93"


def call(module: str, name: str) -> bytes:
    return b"\x80\x04" + reference(module, name) + MARKER + b"\x85R."


NAMES = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "popen"),
    ("subprocess", "Popen"),
    ("subprocess", "check_output"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "__import__"),
    ("builtins", "getattr"),
    ("builtins", "map"),
    ("operator", "attrgetter"),
    ("_operator", "methodcaller"),
    ("functools", "partial"),
    ("functools", "reduce"),
    ("importlib", "import_module"),
    ("runpy", "run_path"),
    ("pydoc", "pipepager"),
    ("timeit", "timeit"),
    ("code", "InteractiveInterpreter"),
    ("cProfile", "run"),
    ("pty", "spawn"),
    ("socket", "create_connection"),
    ("shutil", "rmtree"),
    ("ctypes", "CDLL"),
    ("webbrowser", "open"),
    ("joblib", "load"),
    ("joblib.numpy_pickle", "load"),
    ("numpy", "load"),
    ("numpy.testing._private.utils", "runstring"),
    ("pandas", "read_pickle"),
    ("pandas.io.pickle", "read_pickle"),
    ("pandas", "eval"),
    ("torch", "load"),
    ("torch.hub", "load"),
    ("pip", "main"),
    ("pip._internal", "main"),
    ("marshal", "loads"),
    ("types", "FunctionType"),
    ("random", "_os.system"),
    ("collections", "_sys.modules"),
    ("sklearn.base", "__builtins__"),
    ("numpy", "ndarray.__class__"),
    ("builtins", "eval.__call__"),
]


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_a_dangerous_name_is_called_dangerous(module: str, name: str) -> None:
    """Called, or only referred to; with the reason and the place."""
    for data in (call(module, name), b"\x80\x04" + reference(module, name) + b"."):
        report = look(data)
        assert report.verdict == "dangerous"
        assert any(f"{module}.{name}" in finding.reason for finding in report.findings)


@pytest.mark.parametrize(("module", "name"), NAMES)
@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "lzma", "xz", "lz4"])
def test_compression_hides_nothing(module: str, name: str, method: str) -> None:
    """The names stand out of each of joblib's compressors too."""
    data = dumped([np.arange(3), "x" * 100], compress=(method, 1))
    assert look(data).compressor == method
    from safeload.parsers.compression import decompress
    from safeload.parsers.magic import compressor

    unfolded = bytes(decompress(data, compressor(data) or "", LIMITS))
    file = io.BytesIO()
    from joblib.numpy_pickle_utils import _write_fileobject

    with _write_fileobject(file, compress=(method, 1)) as stream:
        stream.write(unfolded[:-1] + b"0" + call(module, name)[2:])
    assert look(file.getvalue()).verdict == "dangerous"


WAYS = {
    "GLOBAL": b"cos\nsystem\n(Vmarker\ntR.",
    "INST": b"(Vmarker\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nVmarker\no.",
    "NEWOBJ": b"\x80\x02cos\nsystem\n\x8c\x06marker\x85\x81.",
    "names from the memo": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x9400h\x00h\x01\x93\x8c\x06marker\x85R.",
    "Python 2's name": b"\x80\x02c__builtin__\neval\nX\x06\x00\x00\x00marker\x85R.",
    "a name of Python 2 that is translated": b"\x80\x02ccommands\ngetoutput\nX\x06\x00\x00\x00marker\x85R.",
    "an extension's number": b"\x80\x02\x82\x01X\x06\x00\x00\x00marker\x85R.",
    "a computed name": b"\x80\x04\x8c\x02oscbuiltins\nstr\n\x8c\x06system\x85R\x93\x8c\x06marker\x85R.",
    "a second pickle after the first": b"\x80\x04N." + call("os", "system"),
    "a hundredth pickle": b"N." * 99 + call("os", "system"),
    "before it is cut off": call("os", "system")[:-1],
    "before it is malformed": call("os", "system")[:-1] + b"\xff",
    "a class that is changed": b"\x80\x04" + reference("sklearn.base", "BaseEstimator") + b"}\x8c\x01aNsb.",
    "the environment that is changed": b"\x80\x04" + reference("m", "environ") + b"\x8c\x01a\x8c\x01bs.",
    "a list of a module's that is changed": b"\x80\x04" + reference("m", "path") + b"\x8c\x01aa.",
    "a set of a module's that is changed": b"\x80\x04" + reference("m", "some") + b"(N\x90.",
    "getattr held and not called": b"\x80\x04" + reference("builtins", "getattr") + b"\x85.",
    "getattr of something else": b"\x80\x04"
    + reference("builtins", "getattr")
    + reference("zoneinfo", "ZoneInfo")
    + b"\x8c\x08no_cache\x86R.",
    "getattr twice, once as admitted": b"\x80\x04"
    + reference("builtins", "getattr")
    + b"\x94"
    + reference("zoneinfo", "ZoneInfo")
    + b"\x8c\x09_unpickle\x86R0h\x00.",
}


@pytest.mark.parametrize("way", WAYS)
def test_however_it_is_done(way: str) -> None:
    """By every opcode that calls, by computed names, after the end and before a defect."""
    assert look(WAYS[way]).verdict == "dangerous", look(WAYS[way]).findings


def test_the_one_call_of_getattr_that_data_need_is_admitted() -> None:
    """``ZoneInfo`` is read back by it."""
    import zoneinfo

    data = pickle.dumps(zoneinfo.ZoneInfo("Europe/Berlin"), 4)
    report = look(data, {"builtins.getattr", "zoneinfo.ZoneInfo"})
    assert report.verdict == "known types", report.findings
    assert look(data).verdict == "unknown types"


def after_an_array(tail: bytes) -> bytes:
    whole = dumped([np.arange(9.0), None])
    assert whole.endswith(b"Ne.")
    return whole[:-3] + tail


def test_what_stands_after_an_arrays_bytes_is_seen() -> None:
    """The standard library's own tool stops before."""
    report = look(after_an_array(call("os", "system")[2:-1] + b"e."))
    assert report.verdict == "dangerous"
    assert report.arrays[0].shape == (9,)


def test_array_bytes_that_look_like_an_opcode_swallow_nothing() -> None:
    """A BINBYTES in the array that would reach over the payload, for who does not know joblib."""
    data = dumped([np.frombuffer(b"B\xff\x00\x00\x00" * 8, "u1"), None])
    assert look(data[:-3] + call("os", "system")[2:-1] + b"e.").verdict == "dangerous"


def test_array_bytes_that_are_a_pickle_for_another_loader_are_dangerous() -> None:
    """For ``pickle.load`` the array's bytes are instructions."""
    evil = call("os", "system")[2:]
    genuine = dumped([np.frombuffer(b"N" * 64 + evil, "u1"), None], protocol=4)
    start = genuine.index(b"N" * 64)
    # Without alignment there is no padding between the wrapper and the bytes.
    data = genuine[: start - 17].replace(b"bytes\x94K\x10", b"bytes\x94N\x94") + genuine[start:]
    report = look(data)
    assert report.verdict == "dangerous"
    assert any("pickle.load" in finding.reason for finding in report.findings)


def test_a_pickle_within_an_object_array_is_seen() -> None:
    """It is a pickle of its own, in the middle of the file."""

    class Evil:
        def __reduce__(self) -> Any:
            import os

            return os.system, ("marker",)

    report = look(dumped({"x": np.array([Evil()], dtype=object)}))
    assert report.verdict == "dangerous"
    assert len(report.pickles) == 2


def test_an_attribute_that_shadows_a_method_of_the_wrapper_is_dangerous() -> None:
    """``read`` in the state would be called in the place of the method."""
    genuine = dumped(np.arange(3.0), protocol=2)
    at = genuine.index(b"X\x08\x00\x00\x00subclass")
    forged = genuine[:at] + b"X\x04\x00\x00\x00readNX" + genuine[at + 1 :]
    report = look(forged)
    assert report.verdict == "dangerous"
    assert any("attribute" in finding.reason for finding in report.findings)


def dtype(code: str, state: bytes) -> bytes:
    return (
        b"\x80\x04"
        + reference("numpy", "dtype")
        + b"\x8c"
        + bytes([len(code)])
        + code.encode()
        + b"\x89\x88\x87R"
        + state
    )


def state(order: bytes, size: int, flags: int, middle: bytes = b"NNN") -> bytes:
    number = b"J" + struct.pack("<i", size)
    return b"(K\x03\x8c\x01" + order + middle + number * 2 + b"J" + struct.pack("<i", flags) + b"tb"


FORGED = {
    "an object's flags cleared": dtype("O8", state(b"|", -1, 0)),
    "a number's flags set": dtype("i8", state(b"<", -1, 63)),
    "one bit of them": dtype("f8", state(b"<", -1, 1)),
    "bytes called objects": dtype("V8", state(b"|", 8, 27)),
    "another size": dtype("S3", state(b"|", 1000, 0)),
    "fields of a number": dtype("i8", state(b"<", -1, 0, b"N\x8c\x01a\x85}")),
    "a second state": dtype("O8", state(b"|", -1, 63) + state(b"|", -1, 63)),
    "the shared dtype": b"\x80\x04"
    + reference("numpy", "dtype")
    + b"\x8c\x02O8\x89\x89\x87R"
    + state(b"|", -1, 63),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_dtype_is_dangerous(forgery: str) -> None:
    """Whether it stands alone or describes an array of joblib's."""
    report = look(FORGED[forgery] + b".")
    assert report.verdict == "dangerous", report.findings


def test_a_forged_dtype_of_an_array_in_a_joblib_file_is_dangerous() -> None:
    """Raw bytes would be taken for pointers."""
    genuine = dumped(np.arange(3), protocol=4)
    flags = genuine.index(b"K\x00t\x94b")
    assert look(genuine).verdict == "known types"
    assert look(genuine[:flags] + b"K\x3f" + genuine[flags + 2 :]).verdict == "dangerous"
    objects = dumped(np.array([None]), protocol=4)
    flags = objects.index(b"K?t\x94b")
    assert look(objects[:flags] + b"K\x00" + objects[flags + 2 :]).verdict == "dangerous"


def test_objects_made_of_bytes_are_dangerous() -> None:
    """By numpy's own ways to make an array or a number."""
    objects = dtype("O8", b"")[2:]
    raw = b"C\x08" + b"A" * 8
    for data in (
        reference("numpy._core.multiarray", "scalar") + objects + raw + b"\x86R.",
        reference("numpy._core.numeric", "_frombuffer") + b"(" + raw + objects + b"K\x01\x85\x8c\x01CtR.",
        reference("numpy._core.multiarray", "_reconstruct")
        + reference("numpy", "ndarray")
        + b"K\x00\x85C\x01b\x87R(K\x01K\x01\x85"
        + objects
        + b"\x89"
        + raw
        + b"tb.",
    ):
        report = look(b"\x80\x04" + data)
        assert report.verdict == "dangerous", report.findings


@pytest.mark.parametrize("position", [625, -1, 2**31 - 1])
def test_a_generator_beyond_its_numbers_is_dangerous(position: int) -> None:
    """``RandomState`` reads where its position says."""
    genuine = pickle.dumps(np.random.RandomState(0), 2)
    assert look(
        genuine, {f"numpy.random._pickle.{n}" for n in ("__randomstate_ctor", "__bit_generator_ctor")}
    )
    at = genuine.index(b"X\x03\x00\x00\x00posq") + 10
    assert genuine[at : at + 1] == b"M"
    forged = genuine[:at] + b"J" + struct.pack("<i", position) + genuine[at + 3 :]
    assert look(genuine).verdict == "unknown types"
    assert look(forged).verdict == "dangerous"


def tree() -> tuple[bytes, Any]:
    x = np.arange(40.0).reshape(20, 2)
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(x, [0, 1] * 10)
    return dumped(model), model.tree_


@pytest.mark.parametrize("field", ["left_child", "right_child", "feature"])
@pytest.mark.parametrize("value", [10**6, -7, 2**62])
def test_a_tree_that_leads_outside_of_itself_is_dangerous(field: str, value: int) -> None:
    """Its native code would follow the index."""
    data, genuine = tree()
    nodes = genuine.__reduce__()[2]["nodes"]
    start = data.index(nodes.tobytes())
    forged = nodes.copy()
    forged[0][field] = value
    report = look(data[:start] + forged.tobytes() + data[start + nodes.nbytes :])
    assert look(data).verdict == "unknown types"
    assert report.verdict == "dangerous"
    assert any("decision tree" in finding.reason for finding in report.findings)


def test_a_tree_that_leads_in_a_circle_is_dangerous() -> None:
    """Following it would not end."""
    data, genuine = tree()
    nodes = genuine.__reduce__()[2]["nodes"]
    start = data.index(nodes.tobytes())
    forged = nodes.copy()
    forged[0]["left_child"] = 0
    assert look(data[:start] + forged.tobytes() + data[start + nodes.nbytes :]).verdict == "dangerous"


@pytest.mark.parametrize("name", ["xgboost.core.Booster", "lightgbm.basic.Booster"])
def test_boosters_are_unknown_unless_listed(name: str) -> None:
    """The reason says that a parser in C gets their bytes."""
    module, _, qualified = name.rpartition(".")
    data = b"\x80\x04" + reference(module, qualified) + b")\x81}b."
    report = look(data)
    assert report.verdict == "unknown types"
    assert "parser in C" in report.findings[0].reason
    assert look(data, {name}).verdict == "known types"


@pytest.mark.parametrize("name", ["set", "bytearray", "bytes", "frozenset"])
def test_a_known_type_that_is_asked_for_a_size_is_unknown(name: str) -> None:
    """``bytearray(2**40)`` and ``set(range(2**40))`` hold nothing and take all memory."""
    huge = b"\x8a\x06\x00\x00\x00\x00\x00\x01"
    for argument in (huge, reference("builtins", "range") + huge + b"\x85R"):
        report = look(b"\x80\x04" + reference("builtins", name) + argument + b"\x85R.")
        assert report.verdict == "unknown types"


def test_a_file_that_is_an_archive_too_is_malformed() -> None:
    """A pickle with a ZIP archive appended, and one with it in a text."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("schema.json", "{}")
    inside = archive.getvalue()
    for data in (
        b"\x80\x04N." + inside,
        b"\x80\x04B" + struct.pack("<I", len(inside)) + inside + b".",
    ):
        report = look(data)
        assert report.verdict == "malformed"
        assert any("ZIP" in finding.reason for finding in report.findings)


@pytest.mark.parametrize("tail", [b"\0", b"\n", b"N.", b"\x80\x04N."])
def test_bytes_after_the_end_are_malformed(tail: bytes) -> None:
    """Also where they are another pickle."""
    report = look(b"\x80\x04N." + tail)
    assert report.verdict == "malformed"
    assert any("follow the end" in finding.reason for finding in report.findings)


def test_calls_are_a_tree() -> None:
    """What a call takes stands below it."""
    inner = reference("m", "inner") + b")R"
    report = look(
        b"\x80\x04](" + reference("m", "outer") + inner + b"\x85R" + reference("m", "other") + b")Re."
    )
    assert [(call.what, [part.what for part in call.parts]) for call in report.calls] == [
        ("m.outer", ["m.inner"]),
        ("m.other", []),
    ]
    with pytest.raises(AttributeError):
        report.verdict = "data"  # type: ignore[misc]
    assert scan(b"N.", LIMITS).verdict == "data"


@pytest.mark.parametrize(("field", "value"), [("left", 1 << 31), ("right", 0), ("feature_idx", -1)])
def test_a_tree_of_histogram_boosting_that_leads_outside_is_dangerous(field: str, value: int) -> None:
    """Its nodes are an array of the pickle, which native code looks into."""
    x = np.arange(400.0).reshape(200, 2)
    model = HistGradientBoostingClassifier(max_iter=1, min_samples_leaf=5).fit(x, [0, 1] * 100)
    found = model._predictors[0][0]
    nodes = found.nodes.copy()
    assert look(dumped(found)).verdict == "unknown types"
    nodes[0][field] = value
    found.nodes = nodes
    assert look(dumped(found)).verdict == "dangerous"
