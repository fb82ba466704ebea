"""A model folder of many files: signing and verifying it, beside model-signing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import safeload
from benchmarks import peers
from benchmarks.measure import Row, side_by_side
from safeload import EcdsaP256PrivateKey, Keyring

FILES = 1_000
FILE_BYTES = 1_000_000


def signing_and_verifying_a_folder(folder: Path) -> Iterator[Row]:
    """Compare signing and verifying 1,000 files of 1 MB with model-signing.

    Both have an ECDSA P-256 key and BLAKE3 digests. model-signing maps the files and reads its key anew each
    time; its hashing is configured before. safeload puts its sidecar there by an atomic replacement that is
    synced.
    """
    model = folder / "model"
    generator = np.random.default_rng(0)
    for number in range(FILES):
        below = model / f"layer-{number // 100}"
        below.mkdir(parents=True, exist_ok=True)
        (below / f"{number}.bin").write_bytes(generator.bytes(FILE_BYTES))
    key = EcdsaP256PrivateKey.generate()
    ring = Keyring.of(key).public()
    their_sign, their_verify = peers.model_signing_folder(model, folder, "blake3")

    what = f"a folder of {FILES:,} files of {FILE_BYTES // 1_000_000} MB / model-signing (BLAKE3)"
    signing = side_by_side(lambda: safeload.sign(model, signer=key, overwrite=True), their_sign)
    yield signing.row(f"sign {what}", 0.80)
    verifying = side_by_side(lambda: safeload.verify(model, keyring=ring), their_verify)
    yield verifying.row(f"verify {what}", 0.80)
