"""One verified artifact for several processes."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import safeload
from safeload import DigestMismatch, HmacKey, NotFound, SharedArtifact, SignatureMissing, StorageError
from safeload.storage.sealed import AVAILABLE, Address, SealedMemory

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="this system has no sealed memory files")

OBJECT = {"large": np.arange(1_000_000.0), "text": "x"}


@pytest.fixture
def path(key: HmacKey, tmp_path: Path) -> Path:
    """Return a signed artifact with a large array."""
    safeload.dump(OBJECT, tmp_path / "x", signer=key)
    return tmp_path / "x"


def look(shared: SharedArtifact, number: int) -> tuple[int, float, bool, str]:
    """Load in a worker that has no key, and try to write."""
    assert not any(name.startswith("SAFELOAD") for name in os.environ)
    large = shared.load()["large"]
    try:
        large[0] = -1
    except ValueError:
        refused = True
    else:
        refused = False
    own = shared.load(mmap_mode="c")["large"]
    own[:] = number
    return number, float(large.sum()), refused, shared.statement.name if shared.statement else ""


@pytest.mark.parametrize("start", ["spawn", "fork", "loky"])
def test_workers_load_what_was_verified_once(start: str, path: Path, key: HmacKey) -> None:
    """Without a key, after the file is gone, and none of them alters it."""
    with safeload.share(path, keyring=key) as shared:
        path.unlink()
        expected = [(n, float(OBJECT["large"].sum()), True, "x") for n in range(4)]  # type: ignore[union-attr]
        if start == "loky":
            calls = (joblib.delayed(look)(shared, number) for number in range(4))
            assert joblib.Parallel(2)(calls) == expected
        else:
            with multiprocessing.get_context(start).Pool(2) as pool:
                assert pool.starmap(look, [(shared, number) for number in range(4)]) == expected
        assert np.array_equal(shared.load()["large"], OBJECT["large"])


def test_what_does_not_verify_is_not_shared(path: Path, key: HmacKey) -> None:
    """As with load."""
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"\1\2\3")
    with pytest.raises(DigestMismatch):
        safeload.share(path, keyring=key)
    path.with_name("x.sig").unlink()
    with pytest.raises(SignatureMissing):
        safeload.share(path, keyring=key)


def test_what_is_not_there_any_more_is_not_found(path: Path, key: HmacKey) -> None:
    """The descriptor's number may stand for another file by then; it is not taken for ours."""
    shared = safeload.share(path, keyring=key)
    sent = pickle.dumps(shared)
    assert np.array_equal(pickle.loads(sent).load()["large"], OBJECT["large"])
    kept = pickle.loads(sent).load()
    shared.close()
    with pytest.raises(NotFound, match="no longer exists"):
        pickle.loads(sent)
    assert np.array_equal(kept["large"], OBJECT["large"])
    others = []
    for _ in range(20):
        other = SealedMemory((1 << 20) * 8)
        other.seal()
        others.append(other)
    with pytest.raises(NotFound, match="no longer exists"):
        pickle.loads(sent)
    with pytest.raises(NotFound):
        pickle.dumps(shared)


def test_a_file_that_is_not_sealed_is_not_taken(tmp_path: Path) -> None:
    """Neither a plain one nor a memory file that can still be written to."""
    (tmp_path / "x").write_bytes(b"hello")
    open_ = SealedMemory(5)
    descriptor = os.open(tmp_path / "x", os.O_RDONLY)
    try:
        status = os.fstat(descriptor)
        plain = Address(os.getpid(), descriptor, status.st_dev, status.st_ino, 5)
        for address in (plain, open_.address):
            with pytest.raises(NotFound):
                SealedMemory.at(address)
    finally:
        os.close(descriptor)


def test_it_is_not_copied_within_a_process(path: Path, key: HmacKey) -> None:
    """A copy maps the same memory."""
    with safeload.share(path, keyring=key) as shared:
        again = copy.copy(shared)
        assert np.array_equal(again.load()["large"], OBJECT["large"])
        again.close()


def test_a_shared_small_artifact_of_another_format(key: HmacKey, tmp_path: Path) -> None:
    """Formats without large arrays are read from the same memory."""
    for format in ("pickle", "skops", "joblib"):
        safeload.dump([1, 2], tmp_path / "x", format=format, signer=key)
        with safeload.share(tmp_path / "x", keyring=key) as shared:
            assert pickle.loads(pickle.dumps(shared)).load() == [1, 2]


def test_systems_without_sealed_memory_say_so(path: Path, key: HmacKey, monkeypatch: Any) -> None:
    """With what to do instead."""
    monkeypatch.setattr("safeload.api.sharing.AVAILABLE", False)
    with pytest.raises(StorageError, match="each process"):
        safeload.share(path, keyring=key)
