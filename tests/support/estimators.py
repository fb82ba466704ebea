"""Every estimator of scikit-learn that fits on tiny data, fitted."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(0)
X = RANDOM.random((40, 4)) + 0.1
CLASSES = np.repeat([0, 1], 20)
NUMBERS = X @ np.array([1.0, 2.0, -1.0, 0.5]) + 0.1
MANY = np.column_stack([NUMBERS, NUMBERS * 2])
LABELS = np.column_stack([CLASSES, 1 - CLASSES])
TEXTS = ["one two three", "two three four", "three four five", "one five"] * 10
DICTS = [{"a": 1.0, "b": float(i)} for i in range(40)]


def _candidates(name: str, cls: Any) -> list[Any]:
    """Return instances to try, the class's own defaults first."""
    from sklearn.decomposition import PCA
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    tree, ridge, logistic = RandomForestClassifier(3, random_state=0), Ridge(), LogisticRegression()
    made = []
    arguments: list[dict[str, Any]] = [
        {},
        {"estimator": logistic},
        {"estimator": ridge},
        {"estimators": [("a", logistic), ("b", tree)]},
        {"estimators": [("a", ridge), ("b", RandomForestRegressor(3, random_state=0))]},
        {"estimator": logistic, "param_grid": {"C": [0.1, 1.0]}, "cv": 2},
        {"estimator": logistic, "param_distributions": {"C": [0.1, 1.0]}, "n_iter": 2, "cv": 2},
        {"steps": [("scale", StandardScaler()), ("model", logistic)]},
        {"transformer_list": [("scale", StandardScaler()), ("pca", PCA(2))]},
        {"transformers": [("scale", StandardScaler(), [0, 1])]},
        {"dictionary": np.eye(4)},
        {"n_components": 2},
        {"random_state": 0, "n_components": 2},
        {"base_estimator": logistic},
        {"order": [0, 1], "estimator": logistic},
    ]
    for keywords in arguments:
        try:
            made.append(cls(**keywords))
        except Exception:
            continue
    return made


def _fit(instance: Any) -> Any | None:
    """Return the instance fitted on the first data that it takes, with that data."""
    from sklearn.base import clone

    for data, target in (
        (X, CLASSES),
        (X, NUMBERS),
        (X, None),
        (X, MANY),
        (X, LABELS),
        (X[:, :1], NUMBERS),
        (NUMBERS, None),
        (CLASSES, None),
        (TEXTS, None),
        (DICTS, None),
        ([["a", "b"], ["b"]] * 20, None),
        (X @ X.T, CLASSES),
    ):
        try:
            trial = clone(instance)
            fitted = trial.fit(data) if target is None else trial.fit(data, target)
            output_of(fitted, data)
        except Exception:
            continue
        return fitted, data
    return None


def output_of(model: Any, data: Any) -> Any:
    """Return what a fitted model makes of data, by whatever method it offers."""
    for method in ("predict", "transform"):
        if hasattr(model, method):
            result = getattr(model, method)(data)
            return result.toarray() if hasattr(result, "toarray") else result
    for attribute in ("labels_", "embedding_", "covariance_", "row_labels_"):
        if hasattr(model, attribute):
            return getattr(model, attribute)
    return model.get_params(deep=False).keys()


@lru_cache(maxsize=1)
def fitted() -> dict[str, tuple[Any, Any]]:
    """Return the fitted estimators by name, each with the data it was fitted on."""
    from sklearn.utils import all_estimators

    found: dict[str, tuple[Any, Any]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, cls in all_estimators():
            for instance in _candidates(name, cls):
                done = _fit(instance)
                if done is not None:
                    found[name] = done
                    break
    return found


def total() -> int:
    """Return how many estimators there are."""
    from sklearn.utils import all_estimators

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return len(all_estimators())
