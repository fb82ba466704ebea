"""Where the checkout and its tests lie, for tests that read files or start processes."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment for one that imports from the tests' folder, with more variables."""
    search = filter(None, (str(TESTS), os.environ.get("PYTHONPATH")))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(search), **more}
