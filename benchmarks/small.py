"""Small objects: loading, dumping, verifying many, and importing."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import skops.io

import safeload
from benchmarks import objects
from benchmarks.measure import Row, import_user_seconds, side_by_side
from safeload import EcdsaP256PrivateKey, Ed25519PrivateKey, HmacKey, Keyring

MANY = 10_000


def loading_a_small_object(folder: Path) -> Iterator[Row]:
    """Compare a verified load of a 2 KB pipeline with plain joblib.load, by where the key comes from."""
    secret = HmacKey.generate()
    # Neither may lie in the folder of the other.
    keys, models = folder / "keys", folder / "models"
    keys.mkdir()
    models.mkdir()
    Keyring.of(secret).save(keys / "ring.json")
    model = objects.small_pipeline()
    joblib.dump(model, folder / "plain.joblib")

    def compare(what: str, signer: Any, keyring: Any) -> Row:
        path = models / "small.joblib"
        safeload.dump(model, path, signer=signer)
        pair = side_by_side(
            lambda: safeload.load(path, keyring=keyring), lambda: joblib.load(folder / "plain.joblib"), 300
        )
        return pair.more_row(f"load 2 KB pipeline - joblib.load, {what}", 0.150)

    yield compare("HMAC keyring given", secret, Keyring.of(secret))
    os.environ["SAFELOAD_KEY"] = base64.b64encode(secret.export_secret()).decode()
    yield compare("key in SAFELOAD_KEY", secret, None)
    os.environ["SAFELOAD_KEYRING"] = str(keys / "ring.json")
    yield compare("file in SAFELOAD_KEYRING", secret, None)
    del os.environ["SAFELOAD_KEY"], os.environ["SAFELOAD_KEYRING"]
    for kind in (Ed25519PrivateKey, EcdsaP256PrivateKey):
        private = kind.generate()
        yield compare(f"{private.algorithm} public keyring", private, Keyring.of(private).public())


def loading_and_dumping_estimators(folder: Path) -> Iterator[Row]:
    """Compare load, and dump with signature, of models of many small parts with plain joblib's."""
    ring = Keyring.of(HmacKey.generate())
    for what, model in (
        ("RandomForest(100)", objects.forest()),
        ("HistGradientBoosting", objects.boosting()),
    ):
        joblib.dump(model, folder / "plain")
        safeload.dump(model, folder / "signed", keyring=ring)
        load = side_by_side(
            lambda: safeload.load(folder / "signed", keyring=ring), lambda: joblib.load(folder / "plain"), 10
        )
        yield load.row(f"load {what} / joblib.load", 0.30)
        dump = side_by_side(
            lambda model=model: safeload.dump(model, folder / "a", keyring=ring),
            lambda model=model: joblib.dump(model, folder / "b"),
            5,
        )
        yield dump.row(f"dump + sign {what} / joblib.dump", 0.50 if "Forest" in what else None)
        skops.io.dump(model, folder / "skops")
        types = skops.io.get_untrusted_types(file=folder / "skops")
        by_skops = side_by_side(
            lambda: safeload.load(folder / "signed", keyring=ring),
            lambda types=types: skops.io.load(folder / "skops", trusted=types),
            2,
        )
        yield by_skops.row(f"load {what} / skops.io.load")


def loading_with_an_allowlist(folder: Path) -> Iterator[Row]:
    """Compare loads that are held against an allowlist with loads that are not, and under the guard."""
    ring, policy = Keyring.of(HmacKey.generate()), safeload.Policy(allow=["preset:sklearn"])
    path = folder / "x"
    for what, model, calls in (
        ("2 KB pipeline", objects.small_pipeline(), 200),
        ("RandomForest(100)", objects.forest(), 20),
        ("HistGradientBoosting", objects.boosting(), 20),
        ("64 MiB of arrays", objects.arrays(64), 2),
    ):
        safeload.dump(model, path, keyring=ring)
        pair = side_by_side(
            lambda: safeload.load(path, keyring=ring, policy=policy),
            lambda: safeload.load(path, keyring=ring),
            calls,
        )
        yield pair.row(f"load {what} with allow= / without", 1.50)
    safeload.dump(objects.small_pipeline(), path, keyring=ring)

    def guarded() -> object:
        with safeload.guard():
            return safeload.load(path, keyring=ring)

    pair = side_by_side(guarded, lambda: safeload.load(path, keyring=ring), 200)
    yield pair.row("load 2 KB pipeline under guard() / not")


def dumping_a_small_object(folder: Path) -> Iterator[Row]:
    """Compare dump and sign with joblib.dump, which syncs nothing to the disk."""
    ring, model = Keyring.of(HmacKey.generate()), objects.small_pipeline()
    pair = side_by_side(
        lambda: safeload.dump(model, folder / "a.joblib", keyring=ring),
        lambda: joblib.dump(model, folder / "b.joblib"),
        30,
    )
    yield pair.row("dump + sign 2 KB pipeline, synced / joblib.dump, not synced")


def verifying_many(folder: Path) -> Iterator[Row]:
    """Run `safeload verify` over 10,000 artifacts, the start of the program included."""
    keys, models = folder / "keys", folder / "models"
    keys.mkdir()
    models.mkdir()
    ring = Keyring.of(HmacKey.generate())
    ring.save(keys / "ring.json")
    model = objects.small_pipeline()
    for number in range(MANY):
        artifact, sidecar = safeload.dumps(model, name=f"{number}.joblib", keyring=ring)
        (models / f"{number}.joblib").write_bytes(artifact)
        (models / f"{number}.joblib.sig").write_bytes(sidecar)
    best = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "safeload", "verify", "--recursive", str(models)],
            env={**os.environ, "SAFELOAD_KEYRING": str(keys / "ring.json")},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        best.append(time.perf_counter() - start)
    rate = MANY / sorted(best)[len(best) // 2]
    yield Row(
        f"safeload verify of {MANY:,} small artifacts",
        f"{rate:,.0f} a second",
        ">= 10,000 a second",
        rate >= 10_000,
    )


def importing(folder: Path) -> Iterator[Row]:
    """Compare the user time of `import safeload` with that of an empty program."""
    ours, bare = import_user_seconds("import safeload")
    more = (ours - bare) * 1000
    yield Row("import safeload - bare Python", f"{more:+.1f} ms user", "<= +60 ms", more <= 60)
