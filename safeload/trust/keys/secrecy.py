"""Keeping secrets out of tracebacks.

A traceback keeps the frames that an exception passed through, and handlers that print variables (rich, cgitb,
monitoring services) print what those frames hold. A function that is handed a secret, or reads one, is
therefore marked with :func:`opaque`: when it fails, its frames are dropped, and so are exceptions of the
libraries underneath, which may quote what they were given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def opaque(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a function's exceptions leave without its frames, and without their causes."""

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            failure = error.with_traceback(None)
        failure.__cause__ = failure.__context__ = None
        # This frame stays in the traceback, without its variables.
        del args, kwargs
        raise failure

    return guarded
