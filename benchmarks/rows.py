"""What is measured. Each function returns rows: what, the figure, and the target, if there is one."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np

import safeload
from benchmarks import stores
from benchmarks.measure import Row, import_user_seconds, side_by_side
from safeload import EcdsaP256PrivateKey, Ed25519PrivateKey, HmacKey, Keyring


def small_pipeline() -> Any:
    """Return a fitted pipeline of about 2 KB."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data, target = load_breast_cancer(return_X_y=True)
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(data, target)


def loading_a_small_object(folder: Path) -> Iterator[Row]:
    """Compare a verified load of a 2 KB pipeline with plain joblib.load, by where the key comes from."""
    secret = HmacKey.generate()
    # Neither may lie in the folder of the other.
    keys, models = folder / "keys", folder / "models"
    keys.mkdir()
    models.mkdir()
    Keyring.of(secret).save(keys / "ring.json")
    model = small_pipeline()

    def compare(what: str, signer: Any, keyring: Any) -> Row:
        path = models / "small.joblib"
        safeload.dump(model, path, signer=signer)
        pair = side_by_side(lambda: safeload.load(path, keyring=keyring), lambda: joblib.load(path), 300)
        more = (pair.ours - pair.theirs) * 1000
        return (f"load 2 KB pipeline, {what}", f"{more:+.3f} ms, x {pair.ratio:.2f}", "<= +0.150 ms")

    yield compare("HMAC keyring given", secret, Keyring.of(secret))
    os.environ["SAFELOAD_KEY"] = base64.b64encode(secret.export_secret()).decode()
    yield compare("key in SAFELOAD_KEY", secret, None)
    os.environ["SAFELOAD_KEYRING"] = str(keys / "ring.json")
    yield compare("file in SAFELOAD_KEYRING", secret, None)
    for kind in (Ed25519PrivateKey, EcdsaP256PrivateKey):
        private = kind.generate()
        yield compare(f"{private.algorithm} public keyring", private, Keyring.of(private).public())


def dumping_a_small_object(folder: Path) -> Iterator[Row]:
    """Compare dump and sign with joblib.dump, which syncs nothing to the disk."""
    ring, model = Keyring.of(HmacKey.generate()), small_pipeline()
    pair = side_by_side(
        lambda: safeload.dump(model, folder / "a.joblib", keyring=ring),
        lambda: joblib.dump(model, folder / "b.joblib"),
        30,
    )
    yield ("dump 2 KB pipeline, synced", f"{pair.ours * 1000:.2f} ms, x {pair.ratio:.1f}", "")


def loading_arrays(folder: Path) -> Iterator[Row]:
    """Compare a verified load of 64 MB of arrays with plain joblib.load."""
    ring = Keyring.of(HmacKey.generate())
    path = folder / "arrays.joblib"
    obj = {index: np.random.default_rng(index).random(1 << 20) for index in range(8)}
    safeload.dump(obj, path, keyring=ring)
    pair = side_by_side(lambda: safeload.load(path, keyring=ring), lambda: joblib.load(path), 2)
    yield ("load 64 MB of arrays", f"{pair.ours * 1000:.0f} ms, x {pair.ratio:.2f}", "")


def importing(folder: Path) -> Iterator[Row]:
    """Compare the user time of `import safeload` with that of an empty program."""
    ours, bare = import_user_seconds("import safeload")
    yield ("import safeload, over bare Python", f"{(ours - bare) * 1000:+.1f} ms user", "<= +60 ms")


ROWS: tuple[Callable[[Path], Iterator[Row]], ...] = (
    loading_a_small_object,
    dumping_a_small_object,
    loading_arrays,
    importing,
    stores.latest_among_many_tags,
    stores.rotating,
)
