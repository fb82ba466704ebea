"""Large arrays: loading and dumping, beside plain joblib and the peers, and the cost as they grow."""

from __future__ import annotations

import math
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import joblib

import safeload
from benchmarks import objects, peers
from benchmarks.measure import Row, median_seconds, side_by_side
from safeload import HmacKey, Keyring, Policy
from safeload.attestation.digests import processors

MEBIBYTES = 512


def loading_arrays(folder: Path) -> Iterator[Row]:
    """Compare a verified load of 512 MiB of arrays with plain joblib.load and with the peers."""
    ring, fips = Keyring.of(HmacKey.generate()), Policy(fips=True)
    obj = objects.arrays(MEBIBYTES)
    joblib.dump(obj, folder / "plain")
    safeload.dump(obj, folder / "signed", keyring=ring)
    safeload.dump(obj, folder / "fips", keyring=ring, policy=fips)

    def ours() -> object:
        return safeload.load(folder / "signed", keyring=ring)

    def ours_fips() -> object:
        return safeload.load(folder / "fips", keyring=ring, policy=fips)

    def plain() -> object:
        return joblib.load(folder / "plain")

    what = f"load {MEBIBYTES} MiB of arrays"
    yield side_by_side(ours, plain).row(f"{what} (BLAKE3) / joblib.load", 1.20 if processors() < 4 else 1.0)
    yield side_by_side(ours_fips, plain).row(f"{what} (SHA-256) / joblib.load", 2.0)
    stamped = peers.modelstamp_load(obj, folder)
    yield side_by_side(ours, stamped).row(f"{what} / modelstamp load", 0.35)
    (folder / "stamped.joblib").unlink()
    signed = peers.model_signing_load(obj, folder, "blake3")
    yield side_by_side(ours, signed).row(f"{what} / model-signing (BLAKE3) + joblib.load", 0.60)
    signed = peers.model_signing_load(obj, folder, "sha256")
    yield side_by_side(ours, signed).row(f"{what} / model-signing (SHA-256) + joblib.load", 0.60)


def dumping_arrays(folder: Path) -> Iterator[Row]:
    """Compare dump and sign of 512 MiB of arrays with joblib.dump, in memory and synced to the disk.

    safeload syncs what it writes and joblib does not; so the two are compared where syncing costs nothing,
    and on the disk with a joblib.dump that is synced as well.
    """
    ring = Keyring.of(HmacKey.generate())
    obj = objects.arrays(MEBIBYTES)

    def synced() -> None:
        joblib.dump(obj, folder / "b")
        descriptor = os.open(folder / "b", os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    what = f"dump + sign {MEBIBYTES} MiB of arrays"
    if os.path.isdir("/dev/shm"):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
            in_memory = side_by_side(
                lambda: safeload.dump(obj, os.path.join(memory, "a"), keyring=ring),
                lambda: joblib.dump(obj, os.path.join(memory, "b")),
            )
        yield in_memory.row(f"{what} / joblib.dump, in memory", 1.15)
    on_disk = side_by_side(lambda: safeload.dump(obj, folder / "a", keyring=ring), synced)
    yield on_disk.row(f"{what} / joblib.dump and fsync, on the disk", 1.15)


def growing(folder: Path) -> Iterator[Row]:
    """Time one load as the artifact grows from 1 MiB to 4 GiB."""
    ring = Keyring.of(HmacKey.generate())
    points: dict[str, list[tuple[float, float]]] = {"safeload.load": [], "joblib.load": []}
    for mebibytes in (1, 4, 16, 64, 256, 1024, 4096):
        obj = objects.arrays(mebibytes)
        safeload.dump(obj, folder / "a", keyring=ring)
        joblib.dump(obj, folder / "b")
        del obj
        size = (folder / "a").stat().st_size
        points["safeload.load"].append(
            (size, median_seconds(lambda: safeload.load(folder / "a", keyring=ring)))
        )
        points["joblib.load"].append((size, median_seconds(lambda: joblib.load(folder / "b"))))
    slopes = {
        name: statistics.linear_regression(
            [math.log(size) for size, _ in found[2:]], [math.log(seconds) for _, seconds in found[2:]]
        ).slope
        for name, found in points.items()
    }
    ours, theirs = slopes["safeload.load"], slopes["joblib.load"]
    yield Row(
        "load from 16 MiB to 4 GiB: time grows as size to the power of",
        f"{ours:.2f} (joblib.load {theirs:.2f})",
        "no more than linear",
        ours <= 1.1,
        points,
    )
