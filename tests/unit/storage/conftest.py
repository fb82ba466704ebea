"""A folder with a signed object, for tests of what may stand in the place of its files."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import PATIENCE
from support.signed_folder import NAME, VALUE

import safeload
from safeload import HmacKey


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    """End a test that hangs in a system call."""

    def hangs(*_: object) -> None:
        raise AssertionError("it hangs")

    # Windows has no alarm; the tests that could hang are those of POSIX.
    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def folder(tmp_path: Path, key: HmacKey) -> Path:
    """Return a folder with a signed object."""
    folder = tmp_path / "models"
    folder.mkdir()
    safeload.dump(VALUE, folder / NAME, signer=key)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, folder: Path) -> Path:
    """Return another folder with the same two files."""
    return Path(shutil.copytree(folder, tmp_path / "elsewhere"))
