"""The attacks and races of ``test_every_format*.py``, beside the packages of further formats."""

from __future__ import annotations

import pytest
from promises.test_every_format import *  # noqa: F403  the very same tests, over the kinds that can be used here
from promises.test_every_format_race import (  # noqa: F401
    _turns,
    test_a_thread_that_exchanges_the_files_gets_nothing_unsigned_loaded,
)
from support.every_format import KINDS

# TensorFlow's own, of numpy's next version.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_there_is_a_format_that_is_not_tested_elsewhere() -> None:
    """Otherwise this environment lacks what it was made for."""
    if not {kind.format for kind in KINDS} & {"torch", "keras"}:
        pytest.fail("neither torch nor keras can be imported")
