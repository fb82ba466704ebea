"""Large artifacts: read and hashed in parallel, and arrays that look into the memory that was verified."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blake3
import joblib
import numpy as np
import pytest
from support.auditing import no_unpickler_runs
from support.processes import PATIENCE

import safeload
from safeload import DigestMismatch, HmacKey, LimitExceeded, MalformedError, Policy
from safeload.formats.equality import difference
from safeload.storage import reader
from safeload.storage.reader import read
from safeload.storage.sealed import PrivateMemory

# More than the size from which the reader works in parallel, and no whole number of pieces.
ITEMS = 3_000_001


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pieces of a file that is quickly made, and several threads whatever the machine."""
    monkeypatch.setattr(reader, "_PIECE_BYTES", 1 << 20)
    monkeypatch.setattr(reader, "processors", lambda: 6)


@pytest.fixture
def obj() -> dict[str, Any]:
    """Return arrays in both orders, small ones, and one that is there twice."""
    large = np.random.default_rng(0).random(ITEMS)
    return {
        "large": large,
        "again": large,
        "columns": np.asfortranarray(large[:200_000].reshape(400, 500)),
        "small": np.arange(5),
        "strided": large[:400_000:2],
        "records": np.zeros(50_000, [("a", "i4"), ("b", "f8")]),
        "text": "x",
    }


def base_of(array: Any) -> Any:
    """Return the memory that an array looks into."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


def test_a_large_artifact_comes_back(obj: dict[str, Any], key: HmacKey, tmp_path: Path) -> None:
    """By safeload and by joblib, with the digest that b3sum prints."""
    signed = safeload.dump(obj, tmp_path / "x", signer=key)
    data = (tmp_path / "x").read_bytes()
    assert signed.digest.hex == blake3.blake3(data).hexdigest()
    assert signed.size == len(data)
    assert difference(safeload.load(tmp_path / "x", keyring=key), obj) is None
    assert difference(joblib.load(tmp_path / "x"), obj) is None


def test_sha256_takes_the_same_way(obj: dict[str, Any], key: HmacKey, tmp_path: Path) -> None:
    """For policies that demand FIPS algorithms."""
    fips = Policy(fips=True)
    signed = safeload.dump(obj, tmp_path / "x", signer=key, policy=fips)
    assert signed.digest.hex == hashlib.sha256((tmp_path / "x").read_bytes()).hexdigest()
    assert difference(safeload.load(tmp_path / "x", keyring=key, policy=fips), obj) is None


def test_arrays_are_writable_views_of_one_memory(obj: dict[str, Any], key: HmacKey, tmp_path: Path) -> None:
    """Nothing is copied; what was one array is one array; small ones have memory of their own."""
    safeload.dump(obj, tmp_path / "x", signer=key)
    back = safeload.load(tmp_path / "x", keyring=key)
    memories = {id(base_of(back[name])) for name in ("large", "columns", "strided", "records")}
    assert len(memories) == 1
    assert id(base_of(back["small"])) not in memories
    assert back["again"] is back["large"]
    for name in ("large", "columns", "strided", "records", "small"):
        assert back[name].flags.writeable
        assert back[name].flags.aligned
    back["large"][:] = 0
    assert back["columns"][0, 0] == obj["columns"][0, 0]
    assert joblib.load(tmp_path / "x")["large"][1] == obj["large"][1]


def test_a_copy_lets_go_of_the_memory(obj: dict[str, Any], key: HmacKey, tmp_path: Path) -> None:
    """``copy=True``: each array in memory of its own."""
    safeload.dump(obj, tmp_path / "x", signer=key)
    back = safeload.load(tmp_path / "x", keyring=key, copy=True)
    assert difference(back, obj) is None
    assert len({id(base_of(back[name])) for name in ("large", "columns", "strided")}) <= 3
    assert all(base_of(back[name]) is None for name in ("large", "strided"))


def test_the_memory_is_the_artifacts_once(key: HmacKey, tmp_path: Path) -> None:
    """Loading takes no more than a tenth above the artifact's size."""
    safeload.dump({i: np.random.default_rng(i).random(1 << 21) for i in range(8)}, tmp_path / "x", signer=key)
    code = (
        "import sys, resource, numpy, msgspec, blake3, concurrent.futures, safeload\n"
        "key = safeload.HmacKey(bytes.fromhex(sys.argv[2]))\n"
        "safeload.loads(*safeload.dumps([1], signer=key), keyring=key)\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak()\n"
        "kept = safeload.load(sys.argv[1], keyring=key)\n"
        "print(peak() - before)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x"), key.export_secret().hex()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(ran.stdout) <= 1.1 * (tmp_path / "x").stat().st_size


def alterations(data: bytes) -> Iterator[bytes]:
    """Yield a large artifact altered at the ends and within each piece."""
    for position in (0, 1, len(data) // 2, len(data) - 1, *range(1 << 20, len(data), 1 << 20)):
        yield data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
    yield data[:-1]
    yield data + b"\0"
    yield data[: 1 << 20]
    yield data[1 << 20 :] + data[: 1 << 20]


@pytest.mark.slow
def test_every_piece_is_verified(obj: dict[str, Any], key: HmacKey, tmp_path: Path) -> None:
    """A bit in any of them, pieces in another order, and other lengths; before anything is unpickled."""
    safeload.dump(obj, tmp_path / "x", signer=key)
    count = 0
    with no_unpickler_runs():
        for altered in alterations((tmp_path / "x").read_bytes()):
            (tmp_path / "x").write_bytes(altered)
            with pytest.raises(DigestMismatch):
                safeload.load(tmp_path / "x", keyring=key)
            count += 1
    assert count > 20


def test_the_limit_is_looked_at_before_memory_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No memory is made for a file that is too large, and its lack is a LimitExceeded."""
    with (tmp_path / "x").open("wb") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr("safeload.storage.reader.PrivateMemory", None)
    with pytest.raises(LimitExceeded):
        read(tmp_path / "x", limit=1 << 39)
    monkeypatch.undo()

    def none_left(size: int) -> PrivateMemory:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("safeload.storage.reader.PrivateMemory", none_left)
    with pytest.raises(LimitExceeded, match="memory"):
        read(tmp_path / "x", limit=1 << 41)


@pytest.mark.parametrize("change", [-1, -(3 << 20), 1, 1 << 20])
def test_a_file_that_changes_its_size_meanwhile_is_malformed(
    change: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shorter or longer than it was when it was opened."""
    path = tmp_path / "x"
    path.write_bytes(bytes(8 << 20))

    def changed(size: int) -> PrivateMemory:
        os.truncate(path, size + change)
        return PrivateMemory(size)

    monkeypatch.setattr("safeload.storage.reader.PrivateMemory", changed)
    with pytest.raises(MalformedError, match="while it was read"):
        read(path, limit=1 << 30)


def test_a_read_error_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it happens in a thread."""
    path = tmp_path / "x"
    path.write_bytes(bytes(8 << 20))

    def fails(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", fails)
    with pytest.raises(safeload.StorageError, match="Input/output"):
        read(path, limit=1 << 30)


def test_a_forked_process_loads_large_artifacts_too(key: HmacKey, tmp_path: Path) -> None:
    """Threads of the parent are gone in a forked child, and nothing waits for them."""
    safeload.dump(np.zeros(2 << 20), tmp_path / "x", signer=key)
    code = (
        "import os, sys, safeload\n"
        "key = safeload.HmacKey(bytes.fromhex(sys.argv[2]))\n"
        "safeload.load(sys.argv[1], keyring=key)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    safeload.load(sys.argv[1], keyring=key)\n"
        "    safeload.dump(safeload.load(sys.argv[1], keyring=key), sys.argv[1], signer=key)\n"
        "    os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "x"), key.export_secret().hex()],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert ran.stdout == "7\n"
