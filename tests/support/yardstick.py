"""How long this machine takes, so that a cost is compared with it and not with a clock."""

from __future__ import annotations

import pickletools
import time
from collections.abc import Callable

_MILLION_OPCODES = b"\x80\x04](" + b"K\x01" * 10**6 + b"e."


def computing(work: Callable[[], object]) -> float:
    """Return the seconds of computing, not of waiting, that some work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def yardstick() -> float:
    """Return the seconds of computing in which the standard library lists a million opcodes of a pickle."""
    return computing(lambda: sum(1 for _ in pickletools.genops(_MILLION_OPCODES)))
