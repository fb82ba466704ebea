"""Indices of decision trees are checked before an allowlisted pickle makes anything."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier
from support.auditing import no_unpickler_runs
from support.signed_pickles import load, signed

import safeload
from safeload import HmacKey, MalformedError

SKLEARN = ["preset:sklearn"]
_RANDOM = np.random.default_rng(0)
X = _RANDOM.random((200, 4))
CLASSES = _RANDOM.integers(0, 3, 200)

# How an object is written, and the format it is signed as.
WRITTEN: dict[str, tuple[str, Callable[[Any], bytes]]] = {
    **{f"pickle {n}": ("pickle", lambda obj, n=n: pickle.dumps(obj, n)) for n in range(6)},
    **{f"joblib {n}": ("joblib", lambda obj, n=n: _joblib(obj, protocol=n)) for n in range(2, 6)},
    "joblib zlib": ("joblib", lambda obj: _joblib(obj, compress=3)),
    "joblib lzma": ("joblib", lambda obj: _joblib(obj, compress=("lzma", 1))),
    "plain in joblib": ("joblib", lambda obj: pickle.dumps(obj, 5)),
}


def _joblib(obj: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(obj, file, **options)
    return file.getvalue()


class Crafted:
    """Pickles as a call with any arguments and any state."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


def tree(change: Callable[[Any], None] | None = None, arguments: Any = None, **fields: Any) -> Any:
    """Return what pickles as a decision tree, with changed nodes, arguments or fields of the state."""
    genuine = DecisionTreeClassifier(random_state=0, max_depth=4).fit(X, CLASSES).tree_
    kind, given, state = genuine.__reduce__()
    state = {**state, "nodes": state["nodes"].copy(), **fields}
    if change is not None:
        change(state["nodes"])
    return Crafted(kind, arguments or given, state)


def predictor(change: Callable[[Any], None] | None = None, **fields: Any) -> Any:
    """Return one tree of histogram gradient boosting, on a categorical feature, with changed nodes."""
    data = np.column_stack([_RANDOM.integers(0, 5, 200), X])
    model = HistGradientBoostingClassifier(max_iter=1, categorical_features=[0]).fit(data, data[:, 0] > 2)
    found = model._predictors[0][0]
    assert found.nodes["is_categorical"][0]
    if change is not None:
        change(found.nodes)
    vars(found).update(fields)
    return found


def put(name: str, value: int, place: int = 0) -> Callable[[Any], None]:
    def change(nodes: Any) -> None:
        nodes[name][place] = value

    return change


def with_wide_flag(name: str) -> Any:
    """Return nodes in which a flag is wider than a byte, and 256, which scikit-learn would make 0."""
    nodes = predictor().nodes
    wide = nodes.astype([(key, "u2" if key == name else nodes.dtype[key]) for key in nodes.dtype.names])
    wide[name][0] = 256
    return wide


_CLASSES = np.array([3])
FORGED: dict[str, Callable[[], Any]] = {
    "a child beyond": lambda: tree(put("left_child", 1 << 40)),
    "a child just beyond": lambda: tree(lambda nodes: put("right_child", len(nodes))(nodes)),
    "a child before its parent": lambda: tree(put("right_child", 0, 1)),
    "a child that is its parent": lambda: tree(put("left_child", 0)),
    "a negative child": lambda: tree(put("right_child", -5)),
    "a child of two parents": lambda: tree(put("right_child", 2, 1)),
    "a feature beyond": lambda: tree(put("feature", 4)),
    "a negative feature": lambda: tree(put("feature", -7)),
    "less deep than it is": lambda: tree(max_depth=1),
    "so deep that buffers overflow": lambda: tree(max_depth=(1 << 63) - 1),
    "more nodes than it has": lambda: tree(node_count=1 << 20),
    "no number of nodes": lambda: tree(node_count=None),
    "nodes of bytes": lambda: tree(nodes=b"\0" * 640),
    "nodes of another type": lambda: tree(nodes=np.zeros(5)),
    "fewer values": lambda: tree(values=np.zeros((1, 1, 3))),
    "values of another shape": lambda: tree(values=np.zeros((1 << 4, 2, 3))),
    "more outputs than classes": lambda: tree(arguments=(4, _CLASSES, 9)),
    "an output without classes": lambda: tree(arguments=(4, np.array([0]), 1)),
    "fewer features": lambda: tree(arguments=(1, _CLASSES, 1)),
    "features that are no number": lambda: tree(arguments=(None, _CLASSES, 1)),
    "no state": lambda: Crafted(*tree().reduced[:2]),
    "a predictor's child beyond": lambda: predictor(put("left", 1 << 31)),
    "a predictor's child before its parent": lambda: predictor(put("right", 0)),
    "a predictor's negative feature": lambda: predictor(put("feature_idx", -1)),
    "a predictor's categories beyond": lambda: predictor(put("bitset_idx", 1 << 20)),
    "a predictor's leaf in two bytes": lambda: predictor(nodes=with_wide_flag("is_leaf")),
    "a predictor's categories in two bytes": lambda: predictor(nodes=with_wide_flag("is_categorical")),
    "a predictor's table of another form": lambda: predictor(raw_left_cat_bitsets=np.zeros(1, "u4")),
    "a predictor without nodes": lambda: predictor(nodes=None),
}


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("what", FORGED)
def test_a_tree_that_leads_outside_of_itself_is_refused(what: str, how: str, key: HmacKey) -> None:
    """Its native code would follow the index; a signature without a look at it is no excuse."""
    format, written = WRITTEN[how]
    pair = signed(written(FORGED[what]()), key, None, format)
    with no_unpickler_runs(), pytest.raises(MalformedError):
        load(pair, key, allow=SKLEARN)


@pytest.mark.parametrize("how", WRITTEN)
def test_genuine_trees_are_admitted(how: str, key: HmacKey) -> None:
    """In each way in which they are written."""
    format, written = WRITTEN[how]
    for model in (
        DecisionTreeClassifier(random_state=0),
        DecisionTreeRegressor(max_leaf_nodes=5, random_state=0),
        DecisionTreeClassifier(ccp_alpha=0.02, random_state=0),
        ExtraTreeClassifier(random_state=0),
        RandomForestClassifier(3, random_state=0),
        ExtraTreesRegressor(3, random_state=0),
        GradientBoostingClassifier(n_estimators=3, random_state=0),
        HistGradientBoostingClassifier(max_iter=3, random_state=0),
        IsolationForest(n_estimators=3, random_state=0),
    ):
        data = np.column_stack([CLASSES, X])
        model.fit(data, CLASSES)
        back = load(signed(written(model), key, None, format), key, allow=SKLEARN)
        assert np.array_equal(back.predict(data), model.predict(data))
    categorical = predictor()
    back = load(signed(written([categorical]), key, None, format), key, allow=SKLEARN)
    assert np.array_equal(back[0].nodes, categorical.nodes)


@pytest.mark.parametrize("options", [{}, {"compress": 3}], ids=str)
def test_a_model_of_safeloads_own_dump_is_admitted(options: dict[str, Any], key: HmacKey) -> None:
    """With trees large enough to stand on their own in the file, and a single leaf."""
    data = _RANDOM.random((30_000, 3))
    large = DecisionTreeRegressor(random_state=0).fit(data, data[:, 0])
    assert large.tree_.__getstate__()["nodes"].nbytes > 1 << 20
    leaf = DecisionTreeRegressor().fit(X, np.zeros(200))
    back = load(safeload.dumps([large, leaf], name="x", signer=key, **options), key, allow=SKLEARN)
    assert np.array_equal(back[0].predict(data), large.predict(data))
    assert back[1].tree_.node_count == 1


def _memo_of_nodes(data: bytes, name: str) -> int:
    """Return the number in the memo of the array that follows the text ``nodes``."""
    number, seen = -1, False
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "MEMOIZE":
            number += 1
        seen |= argument == "nodes"
        if seen and opcode.name == name:
            return number + 1
    raise AssertionError("no array is made")


def _get(number: int) -> bytes:
    return b"j" + number.to_bytes(4, "little")


MUTATIONS = {
    "an item of the array": (4, "REDUCE", b"K\x00Ns"),
    "a state of the array": (4, "REDUCE", b"Nb"),
    "an item of its bytes": (5, "BYTEARRAY8", b"K\x00K\x07s"),
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_nodes_are_not_altered_after_they_were_checked(what: str, key: HmacKey) -> None:
    """A predictor looks into the very array, which a pickle can write to later."""
    protocol, opcode, steps = MUTATIONS[what]
    found = predictor()
    nodes = _memo_of_nodes(pickle.dumps([found], protocol)[11:], opcode)
    data = pickle.dumps([found], protocol)
    # Without frames, whose lengths the steps would not be in.
    data = data[:2] + data[11:]
    assert data.endswith(b"a.")
    genuine = data
    forged = data[:-2] + _get(nodes) + steps + b"0a."
    assert load(signed(genuine, key, None, "pickle"), key, allow=SKLEARN)
    with no_unpickler_runs(), pytest.raises(MalformedError):
        load(signed(forged, key, None, "pickle"), key, allow=SKLEARN)


@pytest.mark.parametrize("form", ["slots", "two dicts", "a list"])
def test_the_state_of_a_predictor_has_one_form(form: str, key: HmacKey) -> None:
    """Others would set its attributes past the check."""
    forged = predictor(put("left", 1 << 31))
    attributes = vars(forged)
    states = {"slots": (None, attributes), "two dicts": (attributes, attributes), "a list": [attributes]}
    name = f"c{type(forged).__module__}\n{type(forged).__name__}\n".encode()
    data = b"\x80\x02" + name + b")\x81" + pickle.dumps(states[form], 2)[2:-1] + b"b."
    with no_unpickler_runs(), pytest.raises(MalformedError):
        load(signed(data, key, None, "pickle"), key, allow=SKLEARN)
