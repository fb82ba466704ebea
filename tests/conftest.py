"""Every test runs without keys, policies and configuration of the machine it runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from safeload import HmacKey, Keyring

if TYPE_CHECKING:
    from support.places import Place

# An example may take as long as it does on a busy machine.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in ("SAFELOAD_KEY", "SAFELOAD_KEYRING", "SAFELOAD_POLICY", "SAFELOAD_STATE", "MODEL_REPO_PATH"):
        monkeypatch.delenv(name, raising=False)
    # By this rich breaks lines; the commands' output is that of a pipe.
    monkeypatch.delenv("COLUMNS", raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))


@pytest.fixture(scope="session")
def key() -> HmacKey:
    """Return an HMAC key."""
    return HmacKey.generate()


@pytest.fixture(scope="session")
def keyring(key: HmacKey) -> Keyring:
    """Return a keyring with that key."""
    return Keyring.of(key)


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configure a keyring file."""
    path = tmp_path / "keys" / "ring.json"
    path.parent.mkdir()
    Keyring.of(HmacKey.generate()).save(path)
    monkeypatch.setenv("SAFELOAD_KEYRING", str(path))
    return path


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Run an S3 server for this session, and return its address."""
    from support import places

    with places.s3_server() as endpoint:
        yield endpoint


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, keyring: Keyring, tmp_path: Path) -> Place:
    """Return an empty place for a store, of each kind in turn."""
    from support import places

    if request.param == "folder":
        return places.FolderPlace(keyring, tmp_path / "state", tmp_path / "store")
    if request.param == "memory":
        return places.memory_place(keyring, tmp_path / "state")
    return places.s3_place(keyring, tmp_path / "state", request.getfixturevalue("s3_endpoint"))
