"""Where the checkout and its tests lie, for tests that read files or start processes."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent
