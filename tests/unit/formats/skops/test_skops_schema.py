"""The schema of a skops file is what skops writes, or the file is refused before skops sees it."""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from support import archives
from support import skops_schemas as schemas
from support.skops_loading import load, refused
from support.skops_schemas import Node, file_of, listed, mapping, node, text, type_of, with_loader

from safeload import LimitExceeded, Limits, Policy, SafeloadError, UntrustedType

TREE = "sklearn.tree._tree.Tree"


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
