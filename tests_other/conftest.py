"""Tests beside packages that are too large for the rest; noxfile.py makes an environment for each file."""

from __future__ import annotations

import pytest

from safeload import HmacKey, Keyring


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Run without keys, policies and configuration of the machine."""
    for name in ("SAFELOAD_KEY", "SAFELOAD_KEYRING", "SAFELOAD_POLICY", "SAFELOAD_STATE"):
        monkeypatch.delenv(name, raising=False)
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
