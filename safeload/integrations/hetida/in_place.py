"""``dump_obj`` and ``load_obj`` in a hetida runtime, put in the place of its own by :func:`harden`."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from safeload.errors import SafeloadError, brief
from safeload.integrations.hetida.errors import UnknownRuntime, mark
from safeload.store import model_repo

# The two text components, ready to be imported into hetida designer.
COMPONENTS = Path(__file__).parent / "components"

_MODULE = "hetdesrun.serialization"
_CONFIG = "hetdesrun.webservice.config"
_PARAMETERS = {"dump_obj": ("obj", "name", "tag"), "load_obj": ("name", "tag")}


def dump_obj(obj: Any, name: str, tag: str) -> None:
    """Store and sign an object; as :func:`safeload.dump_obj`, with errors that hetida tells whole."""
    with _told(name, tag):
        model_repo.dump_obj(obj, name, tag)


def load_obj(name: str, tag: str) -> Any:
    """Verify and load an object; as :func:`safeload.load_obj`, with errors that hetida tells whole."""
    with _told(name, tag):
        return model_repo.load_obj(name, tag)


def harden() -> None:
    """Let the runtime's ``Store Object`` and ``Load Object`` sign and verify, in every workflow.

    To be called from ``hetdesrun_config.py``, in each process of the runtime. A second call changes nothing.

    Raises
    ------
    UnknownRuntime
        There is no hetida runtime here; its functions are not the ones that this knows; it is configured for
        another folder than the one that ``MODEL_REPO_PATH`` names; or something holds the functions already
        under a name of its own and would go on calling them. Nothing is changed then, and the runtime had
        better not start.
    """
    try:
        # The runtime's modules import each other in a circle, which can be entered here while it starts.
        import hetdesrun.adapters  # noqa: F401
        import hetdesrun.serialization as module
    except ImportError as error:
        raise UnknownRuntime(
            f"{_MODULE} cannot be imported: {brief(error)}",
            hint="Call harden() from the hetdesrun_config.py of a hetida designer runtime.",
        ) from error
    _refuse_other_folder()
    replacements = {"dump_obj": dump_obj, "load_obj": load_obj}
    originals = {name: _original(module, name) for name in replacements}
    for name, original in originals.items():
        if original is not replacements[name]:
            _refuse_holders(module, name, original)
    for name, function in replacements.items():
        setattr(module, name, function)


def _original(module: ModuleType, name: str) -> Any:
    function = getattr(module, name, None)
    try:
        parameters = tuple(inspect.signature(function).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        parameters = ()
    if parameters != _PARAMETERS[name]:
        raise UnknownRuntime(
            f"{_MODULE}.{name} is not a function of ({', '.join(_PARAMETERS[name])})",
            where=getattr(module, "__file__", None),
            hint="This is another version of hetida designer than safeload knows (0.9.8).",
        )
    return function


def _refuse_other_folder() -> None:
    """Refuse if the runtime, by its settings, works on another folder than the environment says."""
    try:
        from hetdesrun.webservice.config import get_config

        path = get_config().model_repo_path
        same = os.path.realpath(path) == os.path.realpath(model_repo.folder())
    except (ImportError, AttributeError, TypeError) as error:
        raise UnknownRuntime(
            f"{_CONFIG} does not tell the folder of the repository: {type(error).__name__}",
            hint="This is another version of hetida designer than safeload knows (0.9.8).",
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
                f"{other} holds {_MODULE}.{name} already and would go on calling it",
                hint="Call harden() at the beginning of hetdesrun_config.py.",
            )


@contextlib.contextmanager
def _told(name: object, tag: object) -> Iterator[None]:
    try:
        yield
    except SafeloadError as error:
        mark(error, name=name, tag=tag)
        raise
