"""The properties of the fuzzing harnesses hold for their seeds, for what was found before, and near both."""

from __future__ import annotations

import pytest
from fuzz import NAMES, REGRESSIONS, harness, regressions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.strategies import mutations


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_regressions_hold(name: str) -> None:
    """Each seed, each crasher of old, and each of their beginnings of up to two hundred bytes."""
    module = harness(name)
    for data in (*module.SEEDS, *regressions(name).values()):
        module.one(data)
        for length in range(min(200, len(data))):
            module.one(data[:length])


@pytest.mark.parametrize("name", NAMES)
def test_mutations_hold(name: str) -> None:
    """A fixed number of seeds with a few places changed, the same in every run."""
    module = harness(name)
    inputs = [*module.SEEDS, *regressions(name).values()]

    @settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(inputs).flatmap(mutations))
    def hold(data: bytes) -> None:
        module.one(data)

    hold()


def test_every_regression_belongs_to_a_harness() -> None:
    """A file in a folder that no harness reads would be replayed by none."""
    assert {path.parent.name for path in REGRESSIONS.rglob("*.hex")} <= set(NAMES)
