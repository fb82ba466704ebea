"""Advisories of neighbours that could have hit us; those about archives and skops are beside their checks."""

from __future__ import annotations

import gzip
import lzma
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.attacks import marker_pickle
from support.auditing import no_unpickler_runs
from support.commands import run_json

import safeload
from safeload import HmacKey, SignatureMissing, UntrustedType

NAMES = ["model", "model.txt", "config.p", "weights.bin", "data.json", "model.joblib.bak", "x.png", "ckpt.pt"]


@pytest.mark.parametrize("name", NAMES)
def test_a_pickle_is_one_whatever_it_is_called(
    name: str, key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2025-1889 (picklescan): files without a usual suffix were not looked at, and loaded anyway."""
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / name
    path.write_bytes(marker_pickle(tmp_path / "marker"))
    report = safeload.inspect(path, keyring=key).report
    assert report is not None
    assert report.verdict == "dangerous"
    for trusted in (None, [], ["preset:python"]):
        with no_unpickler_runs(), pytest.raises(SignatureMissing):
            safeload.load(path, trusted=trusted, keyring=key)
    monkeypatch.setenv("SAFELOAD_KEY", b64encode(key.export_secret()).decode())
    status, answer = run_json("verify", "--recursive", folder)
    (row,) = answer["files"]
    assert (status, row["path"], row["error"]) == (1, str(path), "SignatureMissing")


class Hostile:
    """Asks for a name that is on no list."""

    def __reduce__(self) -> Any:
        return print, ("x",)


OBJECTS = {
    "alone": Hostile(),
    "in a list": [1, {"a": Hostile()}],
    "in an object array": np.array([Hostile()], dtype=object),
    "in an object array in one": np.array([np.array([Hostile()], dtype=object), 1], dtype=object),
    "after a large array": [np.arange(300_000.0), Hostile()],
    "in an object array after a large one": [np.arange(300_000.0), np.array([Hostile()], dtype=object)],
}


@pytest.mark.parametrize("what", OBJECTS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        *({"protocol": protocol} for protocol in (2, 3, 4, 5)),
        *({"compress": (method, 1)} for method in ("zlib", "gzip", "bz2", "xz", "lzma")),
        {"format": "pickle"},
        {"format": "pickle", "protocol": 0},
    ],
    ids=str,
)
def test_the_restriction_holds_in_every_container(what: str, options: dict[str, Any], key: HmacKey) -> None:
    """CVE-2025-32434 (torch): loading with restrictions had none for files of an older layout."""
    artifact, sidecar = safeload.dumps(OBJECTS[what], signer=key, **options)
    with no_unpickler_runs(), pytest.raises(UntrustedType):
        safeload.loads(artifact, sidecar, keyring=key, allow=["preset:numpy"])


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, lzma.compress], ids=["zlib", "gzip", "xz"])
def test_a_pickle_in_a_compressed_stream_is_looked_into(pack: Any, key: HmacKey, tmp_path: Path) -> None:
    """Whoever packs it."""
    path = tmp_path / "x"
    path.write_bytes(pack(marker_pickle(tmp_path / "marker")))
    report = safeload.inspect(path, keyring=key).report
    assert report is not None
    assert report.verdict == "dangerous"
