"""Every test runs without keys, policies and configuration of the machine it runs on."""

from __future__ import annotations

import pytest

from safeload import HmacKey, Keyring


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in ("SAFELOAD_KEY", "SAFELOAD_KEYRING", "SAFELOAD_POLICY"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))


@pytest.fixture(scope="session")
def key() -> HmacKey:
    """Return an HMAC key."""
    return HmacKey.generate()


@pytest.fixture(scope="session")
def keyring(key: HmacKey) -> Keyring:
    """Return a keyring with that key."""
    return Keyring.of(key)
