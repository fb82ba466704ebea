"""The functions of hetida's runtime that safeload calls or replaces, checked to be the known ones."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

from safeload.errors import brief
from safeload.integrations.hetida.errors import UnknownRuntime

OTHER_VERSION = "This is another version of hetida designer than the one safeload knows (0.9.8)."


def function_of(module: ModuleType, name: str, parameters: tuple[str, ...]) -> Any:
    """Return a function of the runtime; UnknownRuntime if it is missing or takes other parameters."""
    function = getattr(module, name, None)
    try:
        found = tuple(inspect.signature(function).parameters)  # type: ignore[arg-type]  # may be anything
    except (TypeError, ValueError):
        found = ()
    if found != parameters:
        raise UnknownRuntime(
            f"{module.__name__}.{name} is not a function of ({', '.join(parameters)})",
            where=getattr(module, "__file__", None),
            hint=OTHER_VERSION,
        )
    return function


def not_importable(module: str, caller: str, error: ImportError) -> UnknownRuntime:
    """Return the error for a module of the runtime that cannot be imported."""
    return UnknownRuntime(
        f"{module} cannot be imported: {brief(error)}",
        hint=f"Call {caller}() from the hetdesrun_config.py of a hetida designer runtime.",
    )
