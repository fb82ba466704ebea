"""Replacements for ``dump_obj`` and ``load_obj`` of a hetida runtime, installed by :func:`harden`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from safeload.errors import SafeloadError
from safeload.integrations.hetida import runtime
from safeload.integrations.hetida.errors import UnknownRuntime, mark
from safeload.store import model_repo

# The folder with the two text components, ready to be imported into hetida designer.
COMPONENTS = Path(__file__).parent / "components"

_MODULE = "hetdesrun.serialization"
_CONFIG = "hetdesrun.webservice.config"
_PARAMETERS = {"dump_obj": ("obj", "name", "tag"), "load_obj": ("name", "tag")}


def dump_obj(obj: Any, name: str, tag: str) -> None:
    """Sign and store an object like :func:`safeload.dump_obj`, with errors that hetida reports in full."""
    with _reported(name, tag):
        model_repo.dump_obj(obj, name, tag)


def load_obj(name: str, tag: str) -> Any:
    """Verify and load an object like :func:`safeload.load_obj`, with errors that hetida reports in full."""
    with _reported(name, tag):
        return model_repo.load_obj(name, tag)


def harden() -> None:
    """Make the runtime's ``Store Object`` and ``Load Object`` sign and verify, in every workflow.

    Call it from ``hetdesrun_config.py``, in each process of the runtime. A second call changes nothing.

    Raises
    ------
    UnknownRuntime
        This is not a hetida runtime; its functions are not the known ones; it is configured for another
        folder than ``MODEL_REPO_PATH``; or a module has already imported the functions and would go on
        calling them. Nothing is changed then, and the runtime should not start.
    """
    try:
        # The runtime's modules import each other in a circle. While it starts, only this order works.
        import hetdesrun.adapters  # noqa: F401
        import hetdesrun.serialization as module
    except ImportError as error:
        raise runtime.not_importable(_MODULE, "harden", error) from error
    _refuse_other_folder()
    replacements = {"dump_obj": dump_obj, "load_obj": load_obj}
    originals = {name: runtime.function_of(module, name, _PARAMETERS[name]) for name in replacements}
    for name, original in originals.items():
        if original is not replacements[name]:
            _refuse_holders(module, name, original)
    for name, function in replacements.items():
        setattr(module, name, function)


def _refuse_other_folder() -> None:
    """Refuse if the runtime's settings name another folder than the environment."""
    try:
        from hetdesrun.webservice.config import get_config

        path = get_config().model_repo_path
        same = os.path.realpath(path) == os.path.realpath(model_repo.folder())
    except (ImportError, AttributeError, TypeError) as error:
        raise UnknownRuntime(
            f"{_CONFIG} does not provide the repository's folder: {type(error).__name__}",
            hint=runtime.OTHER_VERSION,
        ) from error
    if not same:
        raise UnknownRuntime(
            f"the runtime is configured for another folder than {model_repo.folder()}",
            where=str(path),
            hint=f"Set {model_repo.FOLDER_VARIABLE} in the environment of the runtime.",
        )


def _refuse_holders(module: ModuleType, name: str, original: object) -> None:
    """Refuse if another module of the runtime has imported the function by name."""
    for other, loaded in list(sys.modules.items()):
        if loaded is module or not other.startswith("hetdesrun"):
            continue
        if any(value is original for value in list(vars(loaded).values())):
            raise UnknownRuntime(
                f"{other} has already imported {_MODULE}.{name} and would go on calling it",
                hint="Call harden() at the beginning of hetdesrun_config.py.",
            )


@contextlib.contextmanager
def _reported(name: object, tag: object) -> Iterator[None]:
    try:
        yield
    except SafeloadError as error:
        mark(error, name=name, tag=tag)
        raise
