"""The schema of a skops file is what skops writes, or the file is refused before skops sees it."""

from __future__ import annotations

import copy
import io
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.sparse
import scipy.stats
import sklearn
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.model_selection import RandomizedSearchCV
from sklearn.preprocessing import FunctionTransformer
from support import archives
from support import skops_schemas as schemas
from support.skops_schemas import Node, changed, file_of, listed, mapping, node, text, type_of, with_loader

import safeload
from safeload import (
    HmacKey,
    LimitExceeded,
    Limits,
    MalformedError,
    Policy,
    PolicyError,
    SafeloadError,
    SignatureMissing,
    UntrustedType,
)

TREE = "sklearn.tree._tree.Tree"


def load(data: bytes, *trusted: str, policy: Policy | None = None) -> Any:
    """Load an unsigned file."""
    return safeload.loads(data, None, trusted=trusted, policy=policy)


def refused(
    data: bytes, *trusted: str, error: type[SafeloadError] = MalformedError, match: str = "."
) -> None:
    """See that an unsigned file is refused, whatever is trusted."""
    with pytest.raises(error, match=match):
        load(data, *trusted)


# Advisories of skops ------------------------------------------------------------------------------------


def test_cve_2024_37065_true_is_no_list() -> None:
    """``trusted=True`` once meant everything; and what a file asks for is never taken as the list."""
    data = skops.io.dumps(FunctionTransformer(np.loadtxt))
    for value in (True, object()):
        with pytest.raises(TypeError):
            safeload.loads(data, None, trusted=value)  # type: ignore[arg-type]
    refused(data, error=UntrustedType, match="loadtxt")


def test_cve_2025_54412_an_operator_is_not_shown_as_another_type() -> None:
    """Its node was audited by module and class, and made from ``operator`` whatever these said."""
    attributes = node("TupleNode", "tuple", content=[text("x")])
    for name, module in (("int", "builtins"), ("call", "operator"), ("call", "builtins"), ("eq", "operator")):
        data = file_of(node("OperatorFuncNode", name, module, attrs=attributes))
        refused(data, f"{module}.{name}", match="does not make")
    honest = file_of(node("OperatorFuncNode", "itemgetter", "operator", attrs=attributes))
    refused(honest, error=UntrustedType, match=r"operator\.itemgetter")
    assert load(honest, "operator.itemgetter")({"x": 7}) == 7


def test_cve_2025_54413_a_method_is_that_of_the_object_it_is_shown_with() -> None:
    """The class that was audited and the object that the method was taken from were two things."""
    state = mapping(alpha=text(1.0), _sklearn_version=text(sklearn.__version__))
    ridge = ("Ridge", "sklearn.linear_model._ridge")
    owner = node("ObjectNode", *ridge, content=state)
    honest = node("MethodNode", *ridge, content={"func": "predict", "obj": owner})
    method = "sklearn.linear_model._ridge.Ridge.predict"
    refused(file_of(honest), error=UntrustedType, match="predict")
    refused(file_of(honest), "sklearn.linear_model._ridge.Ridge", error=UntrustedType, match="predict")
    assert load(file_of(honest), "sklearn.linear_model._ridge.Ridge", method).__self__.alpha == 1.0
    other = {**honest, "__class__": "Lasso", "__module__": "sklearn.linear_model._coordinate_descent"}
    refused(file_of(other), "sklearn.linear_model._coordinate_descent.Lasso.predict", match="another class")
    for func in ("__globals__", "predict.__globals__", "__init__", "", "a b", 7, None):
        stranger = {**honest, "content": {"func": func, "obj": owner}}
        refused(file_of(stranger), method)


@pytest.mark.parametrize("name", ["model.skops", "model.zip", "model.joblib", "model"])
def test_cve_2025_54886_what_is_no_archive_is_not_loaded_in_another_way(name: str, tmp_path: Path) -> None:
    """skops' card fell back to joblib for a file that was no ZIP archive; there is no fallback here."""
    marker = tmp_path / "marker"
    path = tmp_path / name

    class Payload:
        def __reduce__(self) -> Any:
            return Path.touch, (marker,)

    for write in (lambda: joblib.dump(Payload(), path), lambda: path.write_bytes(pickle.dumps(Payload()))):
        write()
        script = f"import safeload\nsafeload.load({str(path)!r}, trusted=['pathlib.Path.touch', 'a.B'])"
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
        assert "SignatureMissing" in ran.stderr
        assert not marker.exists()


# Types that run their own state -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def search() -> bytes:
    """Return the file of a genuine search over a distribution."""
    X, y = np.random.default_rng(0).random((20, 2)), np.arange(20.0)
    model = RandomizedSearchCV(Ridge(), {"alpha": scipy.stats.uniform(0, 1)}, n_iter=2, cv=2, random_state=0)
    data: bytes = skops.io.dumps(model.fit(X, y))
    return data


def test_a_type_that_runs_its_state_is_refused_even_when_it_is_trusted(search: bytes) -> None:
    """Naming exactly what the benign file asks for would admit one that runs code."""
    needed = skops.io.get_untrusted_types(data=search)
    assert "scipy.stats._continuous_distns.uniform_gen" in needed
    with pytest.raises(PolicyError, match="exec"):
        load(search, *needed)
    refused(search, error=UntrustedType, match="exec")


def test_a_type_that_runs_its_state_loads_when_it_is_signed(
    key: HmacKey, search: bytes, tmp_path: Path
) -> None:
    """Someone vouches for its state then."""
    path = tmp_path / "search.skops"
    path.write_bytes(search)
    safeload.sign(path, signer=key)
    assert safeload.load(path, keyring=key).best_params_["alpha"] > 0


# Loaders and what they make -----------------------------------------------------------------------------

DISAGREEING = {
    "an unknown loader": node("EvalNode", "dict", content={}),
    "a loader that skops does not write": node("CachedNode", "dict", content={}),
    "a loader that is no text": {**text(1), "__loader__": ["JsonNode"]},
    "no loader": {"__class__": "dict", "__module__": "builtins", "content": {}},
    "plain data of another class": {**text(1), "__class__": "system", "__module__": "os"},
    "a slice of another class": node(
        "SliceNode", "system", "os", content={"start": None, "stop": 1, "step": None}
    ),
    "a list that is a dict": node("ListNode", "dict", content=[]),
    "a dict that is a list": node("DictNode", "list", content={}, key_types=listed()),
    "a dict that is a function": node("DictNode", "breakpoint", content={}, key_types=listed()),
    "a tuple that is a list": node("TupleNode", "list", content=[]),
    "a set that is a list": node("SetNode", "list", content=[]),
    "an object that is a dict": node("ObjectNode", "dict"),
    "an object that is an array": node("ObjectNode", "ndarray", "numpy"),
    "an object that is a function": node("ObjectNode", "print", "builtins"),
    "an object that is a partial": node("ObjectNode", "partial", "functools"),
    "a call of a function": node(
        "ConstructorFromReduceNode", "print", content=node("TupleNode", "tuple", content=[text("x")])
    ),
    "a call of a list": node(
        "ConstructorFromReduceNode", "list", content=node("TupleNode", "tuple", content=[])
    ),
    "a loss that is none": node(
        "LossNode", "Pipeline", "sklearn.pipeline", content=mapping(), __reduce__={"args": listed()}
    ),
    "a generator that is none": node("RandomGeneratorNode", "print", content={}),
    "a name with dots": node("ObjectNode", "a.b", "os"),
    "a module of nothing": node("ObjectNode", "a", ""),
    "a module that is relative": node("ObjectNode", "a", ".os"),
    "a function that is a type": node("FunctionNode", "int"),
    "a type that is a module": node("TypeNode", "path", "os"),
    "a type that is an object": node("TypeNode", "environ", "os"),
    "a partial of an object": node(
        "PartialNode",
        "partial",
        "functools",
        content={"func": mapping(), "args": listed(), "kwds": mapping(), "namespace": mapping()},
    ),
    "keys that are made by a function": node(
        "DictNode", "dict", content={"x": text(1)}, key_types=listed(node("FunctionNode", "print"))
    ),
    "keys that are made by another type": node(
        "DictNode", "dict", content={"x": text(1)}, key_types=listed(type_of("Popen", "subprocess"))
    ),
    "fewer keys than values": node(
        "DictNode", "dict", content={"x": text(1), "y": text(2)}, key_types=listed(type_of("str"))
    ),
    "more keys than values": node("DictNode", "dict", content={}, key_types=listed(type_of("str"))),
    "a plain value that is a list": {**text(1), "content": "[[[]]]"},
    "a plain value that is no text": {**text(1), "content": [1]},
    "a slice of objects": node("SliceNode", "slice", content={"start": {}, "stop": 1, "step": None}),
    "a list that is a text": node("ListNode", "list", content="abc"),
    "a list of texts": node("ListNode", "list", content=["abc"]),
    "an id that is a text": {**text(1), "__id__": "1"},
    "an id that is a truth value": {**text(1), "__id__": True},
    "an id that is a fraction": {**text(1), "__id__": 1.5},
    "an id of nothing": {**text(1), "__id__": 0},
    "an array in another form": node("NdArrayNode", "ndarray", "numpy", type="pickle", file="x.npy"),
    "an array without a member": node("NdArrayNode", "ndarray", "numpy", type="numpy", file="gone.npy"),
    "bytes outside of the archive": node("BytesNode", "bytes", file="../../etc/passwd"),
    "bytes of the schema": node("BytesNode", "bytes", file="schema.json"),
    "bytes of a number": node("BytesNode", "bytes", file=7),
    "no protocol": text(1),
}
NAMED = (
    "os.system",
    "builtins.print",
    "builtins.breakpoint",
    "builtins.dict",
    "builtins.list",
    "numpy.ndarray",
)
ALL = (*NAMED, "functools.partial", "builtins.int", "os.path", "os.environ", "subprocess.Popen", "os.a.b")


@pytest.mark.parametrize("case", DISAGREEING)
def test_a_node_that_skops_does_not_write_is_refused(case: str) -> None:
    """Although every name in it is trusted, and within other nodes as well as alone."""
    inner = DISAGREEING[case]
    protocol: Any = None if case == "no protocol" else 2
    refused(file_of(copy.deepcopy(inner), protocol=protocol), *ALL)
    if case != "no protocol":
        refused(file_of(listed(copy.deepcopy(inner))), *ALL)
        refused(file_of(mapping(a=text(1), b=copy.deepcopy(inner))), *ALL)


@pytest.mark.parametrize("protocol", [True, "2", None, 2.0, [], 99, -1])
def test_a_protocol_that_there_is_not_is_refused(protocol: Any) -> None:
    """It decides which of skops' loaders are used."""
    with pytest.raises(SafeloadError):
        load(file_of(text(1), protocol=protocol))


def test_trusting_a_function_does_not_let_a_file_call_it(tmp_path: Path) -> None:
    """A genuine file holds it as a value; some loaders call what they are given as a class."""
    name = "shutil.rmtree"
    victim = tmp_path / "victim"
    victim.mkdir()
    arguments = node("TupleNode", "tuple", content=[text(str(victim))])
    for bad in (
        node("ConstructorFromReduceNode", "rmtree", "shutil", content=arguments),
        node(
            "DictNode", "dict", content={str(victim): text(1)}, key_types=listed(type_of("rmtree", "shutil"))
        ),
        node(
            "DictNode",
            "dict",
            content={str(victim): text(1)},
            key_types=listed(node("FunctionNode", "rmtree", "shutil")),
        ),
        node("ListNode", "rmtree", "shutil", content=[text(str(victim))]),
    ):
        refused(file_of(bad), name)
    assert victim.exists()


def test_functions_are_on_the_list_or_ufuncs() -> None:
    """skops trusts the ufuncs of numpy and SciPy; all else is named."""
    assert load(skops.io.dumps(np.log1p)) is np.log1p
    assert load(skops.io.dumps(scipy.special.expit)) is scipy.special.expit
    data = skops.io.dumps(np.loadtxt)
    refused(data, error=UntrustedType, match=r"numpy\.loadtxt")
    part = skops.io.dumps(partial(np.loadtxt, delimiter=","))
    refused(part, "functools.partial", error=UntrustedType, match=r"numpy\.loadtxt")
    refused(part, "numpy.loadtxt", error=UntrustedType, match=r"functools\.partial")
    assert load(part, "functools.partial", "numpy.loadtxt").func is np.loadtxt


def test_a_policy_narrows_what_skops_trusts_by_itself() -> None:
    """Plain data always load; types are named, in the policy or by the call."""
    data = skops.io.dumps({"a": [1, (2.0, "x"), {3}], "b": b"x", "c": None, "d": slice(1)})
    model = skops.io.dumps(Ridge().fit([[0.0], [1.0]], [0, 1]))
    narrow = Policy(skops_defaults=frozenset({"numpy.ndarray", "numpy.float64"}))
    assert load(data, policy=narrow)["a"] == [1, (2.0, "x"), {3}]
    assert load(skops.io.dumps(np.arange(3)), policy=narrow).sum() == 3
    assert load(model).alpha == 1.0
    with pytest.raises(UntrustedType) as caught:
        load(model, policy=narrow)
    assert caught.value.types == ("sklearn.linear_model._ridge.Ridge",)
    assert load(model, "sklearn.linear_model._ridge.Ridge", policy=narrow).alpha == 1.0
    assert load(model, policy=Policy(skops_defaults=frozenset({"preset:sklearn"}))).alpha == 1.0
    random = skops.io.dumps(np.random.RandomState(0))
    with pytest.raises(UntrustedType, match="RandomState"):
        load(random, policy=narrow)


# The graph ----------------------------------------------------------------------------------------------


def shared(levels: int) -> Node:
    """Return lists of which each holds the next one twice, the second time by its id only."""
    inner = listed(text(1))
    for _ in range(levels):
        inner = listed(inner, {**listed(), "__id__": inner["__id__"]})
    return inner


def test_a_shared_graph_is_as_large_as_its_text() -> None:
    """Sixty levels take the audit of skops two to the sixtieth steps."""
    refused(file_of(shared(60)), match="two ways")
    # What skops writes itself is written out each time.
    once = [1, 2]
    value = [once, once, {"x": once}]
    assert load(skops.io.dumps(value)) == value


def test_an_object_within_itself_is_refused() -> None:
    """skops cannot write one, and reading it never ends."""
    loop = listed(text(1))
    loop["content"].append({**listed(), "__id__": loop["__id__"]})
    refused(file_of(loop), match="contains itself")


def test_an_id_does_not_stand_for_two_objects() -> None:
    """skops takes the first and never looks at the second."""
    state = with_loader(schemas.schema_of(skops.io.dumps(np.random.RandomState(0))), "RandomStateNode")
    one, other = text(624), text(5)
    other["__id__"] = one["__id__"]
    refused(file_of(listed(one, other)), match="two ways")
    assert load(file_of(listed(one, copy.deepcopy(one)))) == [624, 624]
    assert state


def test_one_member_is_read_by_one_object() -> None:
    """Two hundred references to one member are two hundred times its size."""
    member = bytes(1000)
    nodes = [node("BytesNode", "bytes", file="a.bin") for _ in range(200)]
    refused(file_of(listed(*nodes), {"a.bin": member}), match="two objects")
    for each in nodes:
        del each["__id__"]
    refused(file_of(listed(*nodes), {"a.bin": member}), match="two objects")
    assert load(file_of(listed(copy.deepcopy(nodes[0])), {"a.bin": member})) == [member]


def test_shared_objects_survive() -> None:
    """Of every kind that has a member."""
    array, data = np.arange(5.0), b"xyz"
    forest = RandomForestClassifier(2, random_state=0).fit([[0.0], [1.0]], [0, 1])
    value = [array, array, data, data, {"a": array}, forest, forest]
    loaded = load(skops.io.dumps(value), TREE)
    assert loaded[0] is loaded[1]
    assert loaded[2] == loaded[3] == data
    assert loaded[5] is loaded[6]


def test_a_member_that_nothing_refers_to_is_refused() -> None:
    """It may be there for another reader."""
    refused(archives.archive_of({**archives.members_of([1]), "payload.pkl": b"x"}), match="nothing refers")


# JSON ---------------------------------------------------------------------------------------------------

GOOD = json.dumps({**text(1), "protocol": 2}).encode()
JSON = {
    "a key twice": GOOD[:-1] + b',"__loader__":"ListNode"}',
    "a key twice, escaped": GOOD[:-1] + b',"__loa\\u0064er__":"ListNode"}',
    "a key twice, deep": GOOD[:-1] + b',"x":{"y":1,"y":2}}',
    "bytes after": GOOD + b"{}",
    "a mark before": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "half a character": GOOD[:-1] + b',"x":"\xc3"}',
    "a control character": GOOD[:-1] + b',"x":"\n"}',
    "a comment": GOOD + b"// x",
}


@pytest.mark.parametrize("case", JSON)
def test_a_schema_has_one_reading(case: str) -> None:
    """Whoever else reads it reads the same."""
    assert load(archives.archive_of({"schema.json": GOOD})) == 1
    refused(archives.archive_of({"schema.json": JSON[case]}))


def test_a_schema_within_its_limits_loads_and_beyond_does_not() -> None:
    """Its size, its depth and what parsing costs."""
    value: Any = 1
    for _ in range(60):
        value = [value]
    assert load(skops.io.dumps(value)) == value
    for _ in range(60):
        value = [value]
    refused(skops.io.dumps(value), error=LimitExceeded, match="nested")
    data = skops.io.dumps(list(range(1000)))
    assert len(load(data)) == 1000
    with pytest.raises(LimitExceeded):
        load(data, policy=Policy(limits=Limits(schema_bytes=1000)))
    refused(archives.with_schema(b'{"a":[' + b"[]," * 500_000 + b"[]]}"), error=LimitExceeded, match="values")


def test_a_vocabulary_of_many_words_is_no_bomb() -> None:
    """Fifty thousand entries are five nodes each."""
    words = {f"word{number}": number for number in range(20_000)}
    assert load(skops.io.dumps(words)) == words


# Arrays -------------------------------------------------------------------------------------------------


def array_file(member: bytes) -> bytes:
    """Return the file of one array."""
    return file_of(node("NdArrayNode", "ndarray", "numpy", type="numpy", file="a.npy"), {"a.npy": member})


def npy(array: Any, **header: Any) -> bytes:
    """Return the member of an array, with parts of its header changed."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    if not header:
        return file.getvalue()
    file.seek(0)
    np.lib.format.read_magic(file)
    shape, order, dtype = np.lib.format.read_array_header_1_0(file)
    values = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": order, "shape": shape, **header}
    line = (repr(values) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + file.read()


EIGHT = np.arange(8.0)
ARRAYS = {
    "objects": npy(np.array([1, "a"], object)),
    "objects by the header alone": npy(EIGHT, descr="|O"),
    "objects within": npy(EIGHT, descr=[("a", "<f4"), ("b", "|O")], shape=(4,)),
    "a larger shape": npy(EIGHT, shape=(1 << 40,)),
    "a smaller shape": npy(EIGHT, shape=(7,)),
    "a shape beyond all": npy(EIGHT, shape=(1 << 62, 1 << 62)),
    "a negative shape": npy(EIGHT, shape=(-8,)),
    "two negatives": npy(EIGHT, shape=(-2, -4)),
    "a shape of fractions": npy(EIGHT, shape=(8.0,)),
    "a shape of truth": npy(EIGHT, shape=(True, 8)),
    "a shape that is a list": npy(EIGHT, shape=[8]),
    "many dimensions": npy(EIGHT, shape=(1,) * 100 + (8,)),
    "items of no size": npy(EIGHT[:0], descr="|V0", shape=(1 << 40,)),
    "an order of another type": npy(EIGHT, fortran_order=2),
    "no type": npy(EIGHT, descr="nonsense"),
    "a type that is a call": npy(EIGHT, descr="__import__('os')"),
    "another key": npy(EIGHT, extra=1),
    "a header that nests": b"\x93NUMPY\x01\x00" + (5000).to_bytes(2, "little") + b"(" * 5000,
    "a header without an end": b"\x93NUMPY\x02\x00" + (1 << 31).to_bytes(4, "little") + b"{",
    "a header longer than numpy reads": b"\x93NUMPY\x02\x00" + (20_000).to_bytes(4, "little") + b" " * 20_000,
    "another version": b"\x93NUMPY\x09\x00" + npy(EIGHT)[8:],
    "bytes after": npy(EIGHT) + b"x",
    "cut": npy(EIGHT)[:-1],
    "nothing": b"",
    "only the magic": b"\x93NUMPY",
    "an archive": archives.archive_of({"a.npy": npy(EIGHT)}),
    "a pickle": pickle.dumps(EIGHT),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_an_array_is_what_its_header_says(case: str) -> None:
    """And holds nothing that a pickle would have to make."""
    assert (load(array_file(npy(EIGHT))) == EIGHT).all()
    refused(array_file(ARRAYS[case]))


def test_every_kind_of_array_survives() -> None:
    """Types, orders, shapes and versions of the header."""
    for array in (
        *(np.zeros(3, code) for code in "?bhilqBHILQefdgFDG"),
        *(
            np.array(1.0),
            np.zeros((0, 3)),
            np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            np.array(["ä", ""]),
        ),
        *(
            np.array([b"a"]),
            np.array(["2026-01-01"], "M8[ns]"),
            np.zeros(2, [("a", "i4"), ("ä", "f8", (2,))]),
        ),
        np.zeros(2, [("x" * 70 + str(number), "i1") for number in range(50)]),
    ):
        loaded = load(skops.io.dumps(array))
        assert loaded.dtype == array.dtype
        assert loaded.shape == array.shape
        assert loaded.tobytes() == array.tobytes()


# Sparse matrices ----------------------------------------------------------------------------------------

SPARSE = scipy.sparse.csr_matrix(np.eye(4))


def sparse(**arrays: Any) -> bytes:
    """Return the file of a sparse matrix with arrays replaced."""

    def change(_: Node, members: dict[str, bytes]) -> None:
        (name,) = members
        inner = {"format": np.array(b"csr"), "shape": np.array([4, 4]), "data": SPARSE.data}
        inner |= {"indices": SPARSE.indices, "indptr": SPARSE.indptr, **arrays}
        members[name] = archives.archive_of(
            {f"{key}.npy": npy(value) for key, value in inner.items() if value is not None}
        )

    return changed(SPARSE, change)


SPARSE_CASES = {
    "indices beyond": {"indices": np.array([0, 1, 2, 1 << 30])},
    "negative indices": {"indices": np.array([0, 1, 2, -1])},
    "pointers beyond": {"indptr": np.array([0, 1, 2, 3, 1 << 30])},
    "pointers that fall": {"indptr": np.array([0, 3, 1, 3, 4])},
    "pointers that start late": {"indptr": np.array([1, 1, 2, 3, 4])},
    "fewer pointers": {"indptr": np.array([0, 4])},
    "fewer data": {"data": np.ones(3)},
    "indices that are fractions": {"indices": np.arange(4.0)},
    "another format": {"format": np.array(b"csc")},
    "a format that is no such": {"format": np.array(b"random")},
    "a format that is a number": {"format": np.array(7)},
    "an array and not a matrix": {"_is_array": np.array(True)},
    "no shape": {"shape": None},
    "a shape of one": {"shape": np.array([4, 4, 4])},
    "objects": {"data": np.array([1, 2, 3, "x"], object)},
    "one more": {"other": np.ones(1)},
}


@pytest.mark.parametrize("case", SPARSE_CASES)
def test_a_sparse_matrix_points_into_itself(case: str) -> None:
    """Native code follows its indices."""
    name = "scipy.sparse._csr.csr_matrix"
    assert (load(sparse(), name) != SPARSE).nnz == 0
    refused(sparse(**SPARSE_CASES[case]), name)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("suffix", ["matrix", "array"])
def test_every_sparse_format_survives(kind: str, suffix: str) -> None:
    """Empty and not, square and not."""
    for shape in ((4, 6), (6, 4), (3, 0), (1, 1)):
        value = getattr(scipy.sparse, f"{kind}_{suffix}")(np.arange(np.prod(shape)).reshape(shape) % 3)
        loaded = load(skops.io.dumps(value), f"{type(value).__module__}.{type(value).__name__}")
        assert type(loaded) is type(value)
        assert (loaded.toarray() == value.toarray()).all()


# States that native code trusts -------------------------------------------------------------------------


def set_value(state: Node, key: str, value: Any) -> None:
    """Set a plain value in the first dict of a schema that has the key."""
    for found in schemas.nodes_of(state):
        if found["__loader__"] == "DictNode" and key in found["content"]:
            found["content"][key] = text(value)
            return
    raise AssertionError(key)


GENERATORS: dict[str, tuple[Callable[[], Any], str]] = {
    "RandomState": (lambda: np.random.RandomState(0), "pos"),
    "MT19937": (lambda: np.random.Generator(np.random.MT19937(0)), "pos"),
    "Philox": (lambda: np.random.Generator(np.random.Philox(0)), "buffer_pos"),
}


@pytest.mark.parametrize("kind", GENERATORS)
@pytest.mark.parametrize("value", [625, -1, 1 << 40, 1.5, True, "624", None])
def test_a_position_out_of_range_is_refused(kind: str, value: Any) -> None:
    """numpy indexes its state with it; and skops trusts the type by itself."""
    make, key = GENERATORS[kind]
    refused(changed(make(), lambda state, _: set_value(state, key, value)))


def test_generators_survive_and_their_arrays_are_checked() -> None:
    """Of every kind."""
    for name in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        generator = np.random.Generator(getattr(np.random, name)(5))
        assert load(skops.io.dumps(generator)).random() == generator.random()
    state = np.random.RandomState(7)
    state.rand(3)
    assert load(skops.io.dumps(state)).rand() == state.rand()

    def shorter(_: Node, members: dict[str, bytes]) -> None:
        (name,) = members
        members[name] = npy(np.zeros(3, np.uint32))

    refused(changed(np.random.RandomState(0), shorter))
    refused(changed(np.random.RandomState(0), lambda state, _: set_value(state, "bit_generator", "PCG64")))
    refused(changed(np.random.default_rng(0), lambda state, _: set_value(state, "bit_generator", "seed")))


def forest_with(change: Callable[[Any], None], **values: Any) -> bytes:
    """Return the file of a forest after a change to the nodes of a tree, or to numbers beside them."""
    rng = np.random.default_rng(0)
    model = RandomForestClassifier(1, random_state=0).fit(rng.random((60, 3)), rng.integers(0, 3, 60))

    def apply(state: Node, members: dict[str, bytes]) -> None:
        tree = with_loader(state, "TreeNode")
        file = tree["content"]["content"]["nodes"]["file"]
        nodes = np.load(io.BytesIO(members[file])).copy()
        change(nodes)
        members[file] = npy(nodes)
        for key, value in values.items():
            tree["content"]["content"][key] = text(value)

    return changed(model, apply)


def put(name: str, place: int, value: int) -> Callable[[Any], None]:
    """Return a change of one field of one node."""

    def change(nodes: Any) -> None:
        nodes[name][place] = value

    return change


TREES = {
    "a child beyond": forest_with(put("left_child", 0, 1 << 40)),
    "a child before": forest_with(put("right_child", 1, 0)),
    "a child that is itself": forest_with(put("right_child", 0, 0)),
    "a negative child": forest_with(put("right_child", 0, -5)),
    "a child of two": forest_with(put("right_child", 0, 1)),
    "a feature beyond": forest_with(put("feature", 0, 3)),
    "a negative feature": forest_with(put("feature", 0, -7)),
    "less deep than it is": forest_with(lambda nodes: None, max_depth=1),
    "another number of nodes": forest_with(lambda nodes: None, node_count=5),
    "a number of nodes that is none": forest_with(lambda nodes: None, node_count="5"),
}


@pytest.mark.parametrize("case", TREES)
def test_a_tree_whose_indices_leave_it_is_refused(case: str) -> None:
    """Even when its type is trusted; prediction would follow them."""
    assert load(forest_with(lambda nodes: None), TREE).predict([[0.0, 0.0, 0.0]]).shape == (1,)
    refused(TREES[case], TREE)


PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


@pytest.mark.parametrize(
    ("name", "value"), [("left", 1 << 31), ("right", 0), ("left", 0), ("feature_idx", -1)]
)
def test_a_predictor_whose_indices_leave_it_is_refused(name: str, value: int) -> None:
    """The trees of histogram gradient boosting."""
    rng = np.random.default_rng(0)
    model = HistGradientBoostingClassifier(max_iter=2).fit(rng.random((200, 3)), rng.integers(0, 2, 200))
    data = skops.io.dumps(model)
    needed = [name for name in skops.io.get_untrusted_types(data=data) if "numpy" not in name]
    assert PREDICTOR in needed
    types = skops.io.get_untrusted_types(data=data)
    assert load(data, *types).predict([[0.0, 0.0, 0.0]]).shape == (1,)

    def change(state: Node, members: dict[str, bytes]) -> None:
        predictor = next(found for found in schemas.nodes_of(state) if found["__class__"] == "TreePredictor")
        file = predictor["content"]["content"]["nodes"]["file"]
        nodes = np.load(io.BytesIO(members[file])).copy()
        assert not nodes["is_leaf"][0]
        nodes[name][0] = value
        members[file] = npy(nodes)

    refused(changed(model, change), *types)


def test_a_file_that_is_an_archive_and_a_pickle_is_no_skops_file() -> None:
    """Bytes before, between or after the archive's parts belong to another reader."""
    good = skops.io.dumps([1])
    for data in (pickle.dumps([1]) + good, good + pickle.dumps([1]), good[:-22] + b"N." + good[-22:]):
        with pytest.raises((MalformedError, SignatureMissing)):
            load(data)
