"""``mmap_mode``: arrays that look into a copy of the file which was sealed while it was verified."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import safeload
from safeload import DigestMismatch, HmacKey
from safeload.formats.equality import difference
from safeload.storage.sealed import AVAILABLE, SealedMemory

OBJECT = {"large": np.arange(3_000_000.0), "small": np.arange(3)}


@pytest.fixture
def path(key: HmacKey, tmp_path: Path) -> Path:
    """Return a signed artifact with a large array."""
    safeload.dump(OBJECT, tmp_path / "x", signer=key)
    return tmp_path / "x"


@pytest.fixture(params=["sealed", "private"])
def _memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With sealed memory files, and as on systems without."""
    if request.param == "private":
        monkeypatch.setattr("safeload.api.artifacts.SEALING", False)
    elif not AVAILABLE:
        pytest.skip("sealed memory files are Linux's (memfd_create); the other parameter runs everywhere")


@pytest.mark.usefixtures("_memory")
def test_read_only_arrays_cannot_be_written_to(path: Path, key: HmacKey) -> None:
    """Nor made writable."""
    back = safeload.load(path, mmap_mode="r", keyring=key)
    assert difference(back, OBJECT) is None
    assert not back["large"].flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        back["large"].flags.writeable = True


@pytest.mark.usefixtures("_memory")
def test_copy_on_write_is_this_loads_own(path: Path, key: HmacKey) -> None:
    """What is written reaches neither the file nor another load."""
    first = safeload.load(path, mmap_mode="c", keyring=key)
    first["large"][:] = -1
    assert difference(safeload.load(path, mmap_mode="c", keyring=key), OBJECT) is None
    assert difference(safeload.load(path, keyring=key), OBJECT) is None


@pytest.mark.usefixtures("_memory")
@pytest.mark.parametrize("mode", ["r", "c"])
def test_what_becomes_of_the_file_afterwards_is_no_matter(mode: str, path: Path, key: HmacKey) -> None:
    """Rewritten in place, cut, and removed."""
    back = safeload.load(path, mmap_mode=mode, keyring=key)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert np.array_equal(back["large"], OBJECT["large"])
    os.truncate(path, 0)
    path.unlink()
    assert np.array_equal(back["large"], OBJECT["large"])


@pytest.mark.usefixtures("_memory")
def test_an_altered_file_is_refused(path: Path, key: HmacKey) -> None:
    """As without."""
    with path.open("r+b") as file:
        file.seek(10_000_000)
        file.write(b"\1")
    with pytest.raises(DigestMismatch):
        safeload.load(path, mmap_mode="r", keyring=key)


@pytest.mark.parametrize("mode", ["r+", "w+"])
def test_modes_that_would_write_to_the_artifact_are_refused(mode: Any, path: Path, key: HmacKey) -> None:
    """With the reason."""
    with pytest.raises(ValueError, match="no longer what was signed"):
        safeload.load(path, mmap_mode=mode, keyring=key)


@pytest.mark.parametrize("mode", ["", "R", "w", 1])
def test_an_unknown_mode_is_a_mistake(mode: Any, path: Path, key: HmacKey) -> None:
    """Of the caller's."""
    with pytest.raises(ValueError, match="mmap_mode is one of"):
        safeload.load(path, mmap_mode=mode, keyring=key)


@pytest.mark.parametrize("format", ["pickle", "skops"])
def test_other_formats_have_no_such_option(format: str, key: HmacKey, tmp_path: Path) -> None:
    """Rather than passing it over."""
    safeload.dump([1, 2], tmp_path / "x", format=format, signer=key)
    with pytest.raises(TypeError, match="mmap_mode"):
        safeload.load(tmp_path / "x", mmap_mode="r", keyring=key)


def test_a_compressed_artifact_is_unfolded_into_memory(key: HmacKey, tmp_path: Path) -> None:
    """Where the arrays are as the mode says."""
    safeload.dump(OBJECT, tmp_path / "x", compress=1, signer=key)
    back = safeload.load(tmp_path / "x", mmap_mode="r", keyring=key)
    assert difference(back, OBJECT) is None
    assert not back["large"].flags.writeable
    assert safeload.load(tmp_path / "x", mmap_mode="c", keyring=key)["large"].flags.writeable


@pytest.mark.skipif(not AVAILABLE, reason="this system has no sealed memory files")
def test_sealed_memory_cannot_be_altered_by_who_made_it() -> None:
    """By none of the ways there are to a file."""
    memory = SealedMemory(5)
    memory.write(memoryview(b"hello"), 0)
    memory.seal()
    where = f"/proc/self/fd/{memory.address.descriptor}"
    again = os.open(where, os.O_RDWR)
    try:
        for attempt in (
            lambda: os.pwrite(again, b"x", 0),
            lambda: os.ftruncate(again, 0),
            lambda: os.ftruncate(again, 9),
            lambda: mmap.mmap(again, 5, access=mmap.ACCESS_WRITE),
            lambda: memory.write(memoryview(b"x"), 0),
        ):
            with pytest.raises(PermissionError):
                attempt()
    finally:
        os.close(again)
    assert bytes(memory.view) == b"hello"
