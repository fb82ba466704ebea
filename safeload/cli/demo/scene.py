"""The setting of the demo: a folder, a key, and models trained on scikit-learn's breast cancer data."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import safeload


@dataclass(frozen=True)
class Scene:
    """A temporary folder `root` with models in one place and keys, in the file `keyring`, in another."""

    root: Path
    keyring: Path

    @classmethod
    def set_up(cls, root: Path) -> Scene:
        """Make the folders and a key."""
        (root / "models").mkdir()
        (root / "keys").mkdir()
        path = root / "keys" / "keyring.json"
        safeload.Keyring.of(safeload.HmacKey.generate()).save(path)
        return cls(root, path)

    @property
    def models(self) -> Path:
        """The folder with the models, to which the attacker can write."""
        return self.root / "models"

    @cached_property
    def _data(self) -> Any:
        from sklearn.datasets import load_breast_cancer
        from sklearn.model_selection import train_test_split

        data, target = load_breast_cancer(return_X_y=True)
        return train_test_split(data, target, random_state=0, stratify=target)

    @cached_property
    def pipeline(self) -> Any:
        """The model in production: a pipeline."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        train, _, target, _ = self._data
        return make_pipeline(StandardScaler(), LogisticRegression()).fit(train, target)

    @cached_property
    def forest(self) -> Any:
        """Another model, validly signed under its own name. skops does not trust its tree type by default."""
        from sklearn.ensemble import RandomForestClassifier

        train, _, target, _ = self._data
        return RandomForestClassifier(n_estimators=10, random_state=0).fit(train, target)

    def predictions(self, model: Any) -> Any:
        """Return a model's predictions for the test data."""
        return model.predict(self._data[1])

    def accuracy(self, model: Any) -> float:
        """Return a model's accuracy on the test data."""
        return float(model.score(self._data[1], self._data[3]))

    def copy_of_production(self, folder: str) -> Path:
        """Copy the production model and its sidecar to a new folder, and return the model's path."""
        target = self.root / folder
        target.mkdir()
        for name in ("churn.joblib", "churn.joblib.sig"):
            shutil.copy(self.models / name, target / name)
        return target / "churn.joblib"
