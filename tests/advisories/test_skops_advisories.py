"""Advisories of skops, and types that run what stands in their state."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.sparse
import scipy.stats
import sklearn
import skops.io
from sklearn.linear_model import Ridge
from sklearn.model_selection import RandomizedSearchCV
from sklearn.preprocessing import FunctionTransformer
from support.skops_loading import load, refused
from support.skops_schemas import file_of, mapping, node, text

import safeload
from safeload import HmacKey, PolicyError, UntrustedType

TREE = "sklearn.tree._tree.Tree"


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
