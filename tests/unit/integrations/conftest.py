"""The stores that the tests of the hetida integration work on."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.hetida_standin import configure
from support.hetida_web import stored
from support.places import FolderPlace

from safeload import HmacKey, Keyring


@pytest.fixture
def repo(key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configure a repository and a key in the environment, as in a container."""
    folder = tmp_path / "repo"
    configure(monkeypatch, key, folder)
    return folder


@pytest.fixture
def place(keyring: Keyring, tmp_path: Path) -> FolderPlace:
    """Return a store with a few names, in a folder."""
    return stored(keyring, tmp_path)
