"""The signed folder that most tests of folders start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.model_folders import signed

from safeload import HmacKey


@pytest.fixture
def model(request: pytest.FixtureRequest, tmp_path: Path, key: HmacKey) -> Path:
    """Return a signed folder with the module's `FILES`."""
    return signed(tmp_path / "model", request.module.FILES, key)
