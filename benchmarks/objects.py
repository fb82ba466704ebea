"""What is stored and loaded in the measurements."""

from __future__ import annotations

from typing import Any

import numpy as np

MEBIBYTE = 1 << 20


def arrays(mebibytes: int) -> dict[int, Any]:
    """Return a dict of eight arrays of random numbers, so many MiB in all."""
    items = mebibytes * MEBIBYTE // 8 // 8
    return {index: np.random.default_rng(index).random(items) for index in range(8)}


def small_pipeline() -> Any:
    """Return a fitted pipeline of about 2 KB."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression()).fit(*_data())


def forest() -> Any:
    """Return a random forest of 100 trees."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(100, random_state=0).fit(*_data())


def boosting() -> Any:
    """Return a histogram gradient boosting classifier."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=0).fit(*_data())


def _data() -> Any:
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer(return_X_y=True)
