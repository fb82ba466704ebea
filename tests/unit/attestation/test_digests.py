"""Digests: the number of processors that hashing may use."""

from __future__ import annotations

import os

import pytest

from safeload.attestation import digests


@pytest.mark.parametrize(("counted", "used"), [(3, 3), (None, 1)])
def test_without_affinity_all_processors_count(
    counted: int | None, used: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS and Windows do not say which processors a process may use; some systems do not count them."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert digests.processors() == used
