"""Tests beside packages that are too large for the rest; noxfile.py makes an environment for each file."""

from __future__ import annotations

import os

# A session of noxfile.py names itself; without one the packages are not there.
collect_ignore_glob = [] if "SAFELOAD_STACK" in os.environ else ["test_*.py"]
