"""Watches audit events: what was looked up by an unpickler, which files were opened.

An audit hook stays for the life of the process, so there is one, and it does nothing unless it is asked to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Events = list[tuple[Any, ...]]

_wanted: str | None = None
_seen: Events = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == _wanted:
        _seen.append(arguments)


sys.addaudithook(_hook)


@contextmanager
def watching(event: str) -> Iterator[Events]:
    """Collect the arguments of every `event` in a list."""
    global _wanted, _seen
    if _wanted is not None:
        raise RuntimeError("one event is watched at a time")
    _wanted, _seen = event, []
    try:
        yield _seen
    finally:
        _wanted = None


@contextmanager
def no_unpickler_runs() -> Iterator[None]:
    """Fail if an unpickler looks up anything within the block."""
    with watching("pickle.find_class") as lookups:
        yield
    assert lookups == []
