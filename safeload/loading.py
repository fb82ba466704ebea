"""Whether this thread or task is inside a verified load, for whoever refuses all other unpickling."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_verified: ContextVar[bool] = ContextVar("safeload_verified_load", default=False)


def is_verified() -> bool:
    """Tell whether what is being deserialized here was verified."""
    return _verified.get()


@contextlib.contextmanager
def verified() -> Iterator[None]:
    """Mark a verified load; threads and tasks that are started elsewhere take no part in it."""
    token = _verified.set(True)
    try:
        yield
    finally:
        _verified.reset(token)
