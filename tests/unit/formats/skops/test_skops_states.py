"""States of skops files that native code trusts."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from support import skops_schemas as schemas
from support.skops_loading import load, npy, refused
from support.skops_schemas import Node, changed, text, with_loader

from safeload import MalformedError, SignatureMissing

TREE = "sklearn.tree._tree.Tree"


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
