"""A stand-in for the runtime of hetida designer: registration, two call shapes, what becomes of errors.

It has the modules that a ``hetdesrun_config.py`` meets, and executes one component between sources and sinks
as the real one does by the facts of its contract. Its own ``dump_obj`` and ``load_obj`` must never run.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import types
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from safeload import HmacKey

Component = Callable[..., Any]


@dataclass
class Filtered:
    """What the runtime makes of a wiring, for sources and sinks alike."""

    ref_id: str | None = None
    ref_id_type: str | None = "THINGNODE"
    ref_key: str | None = None
    type: str | None = "metadata(any)"
    filters: dict[str, str] = field(default_factory=dict)


class AdapterHandlingException(Exception):
    """Only this one's subclasses are a clean failure."""


class AdapterConnectionError(AdapterHandlingException):
    """For the first of the three classes."""


class AdapterOutputDataError(AdapterHandlingException):
    """For the second."""


class AdapterClientWiringInvalidError(AdapterHandlingException):
    """For the third."""


_KINDS = (AdapterConnectionError, AdapterOutputDataError, AdapterClientWiringInvalidError)


class Runtime:
    """One process of the runtime.

    Parameters
    ----------
    folder
        What its settings say is the folder of the repository.
    """

    def __init__(self, folder: str) -> None:
        self.sources: dict[str, tuple[Component, tuple[type[Exception] | None, ...]]] = {}
        self.sinks: dict[str, tuple[Component, tuple[type[Exception] | None, ...]]] = {}
        self._folder = folder
        self._job: ContextVar[str | None] = ContextVar("job", default=None)

    def modules(self) -> dict[str, types.ModuleType]:
        """Return its modules by their names."""

        def register_source_adapter(
            adapter_key: int | str,
            load_func: Component,
            connection_error_class: type[Exception] | None = None,
            output_data_error_class: type[Exception] | None = None,
            client_wiring_invalid_error_class: type[Exception] | None = None,
        ) -> None:
            classes = (connection_error_class, output_data_error_class, client_wiring_invalid_error_class)
            self.sources[str(adapter_key)] = (load_func, classes)

        def register_sink_adapter(
            adapter_key: int | str,
            send_func: Component,
            connection_error_class: type[Exception] | None = None,
            output_data_error_class: type[Exception] | None = None,
            client_wiring_invalid_error_class: type[Exception] | None = None,
        ) -> None:
            classes = (connection_error_class, output_data_error_class, client_wiring_invalid_error_class)
            self.sinks[str(adapter_key)] = (send_func, classes)

        def dump_obj(obj: Any, name: str, tag: str) -> None:
            raise AssertionError("the runtime's own function ran")

        def load_obj(name: str, tag: str) -> Any:
            raise AssertionError("the runtime's own function ran")

        settings = types.SimpleNamespace(model_repo_path=self._folder)
        context = types.SimpleNamespace(
            get_value=lambda key: self._job.get() if key == "currently_executed_job_id" else None
        )
        contents: dict[str, dict[str, Any]] = {
            "hetdesrun": {},
            "hetdesrun.adapters": {
                "register_source_adapter": register_source_adapter,
                "register_sink_adapter": register_sink_adapter,
            },
            "hetdesrun.serialization": {"dump_obj": dump_obj, "load_obj": load_obj},
            "hetdesrun.webservice": {},
            "hetdesrun.webservice.config": {"get_config": lambda: settings},
            "hetdesrun.runtime": {},
            "hetdesrun.runtime.logging": {"job_id_context_filter": context},
            "hdutils": {"parse_default_value": None},
        }
        made = {}
        for name, content in contents.items():
            made[name] = types.ModuleType(name)
            vars(made[name]).update(content)
        return made

    def install(self) -> Runtime:
        """Let this process have the modules."""
        sys.modules.update(self.modules())
        return self

    async def execute(
        self,
        component: Component,
        *,
        values: Mapping[str, Any] | None = None,
        sources: Mapping[str, Filtered] | None = None,
        sinks: Mapping[str, Filtered] | None = None,
        adapter_key: str = "safeload",
        job_id: str | None = None,
    ) -> dict[str, Any]:
        """Return the API's JSON; what the real runtime answers with a bare HTTP 500 is raised here.

        Parameters
        ----------
        component
            What is executed.
        values, sources
            Its inputs: given as they are, or wired to the adapter.
        sinks
            Where its outputs go; the others are in the answer.
        """
        self._job.set(job_id)
        try:
            inputs = dict(values or {})
            if sources:
                function, classes = self.sources[adapter_key]
                inputs |= await _call(function, classes, dict(sources), adapter_key=adapter_key)
        except AdapterHandlingException as error:
            return _failure(error)
        try:
            outputs = component(**inputs) or {}
        except Exception as error:
            return _failure(error)
        sent = {name: outputs[name] for name in sinks or {}}
        try:
            if sinks:
                function, classes = self.sinks[adapter_key]
                await _call(function, classes, dict(sinks), sent, adapter_key=adapter_key)
        except AdapterHandlingException as error:
            return _failure(error)
        returned = {name: value for name, value in outputs.items() if name not in sent}
        return {"result": "ok", "error": None, "output_results_by_output_name": returned}

    def run(self, component: Component, **given: Any) -> dict[str, Any]:
        """Execute in a loop of its own."""
        return asyncio.run(self.execute(component, **given))


async def _call(
    function: Component, classes: tuple[type[Exception] | None, ...], *arguments: Any, adapter_key: str
) -> Any:
    try:
        if inspect.iscoroutinefunction(function):
            return await function(*arguments, adapter_key=adapter_key)
        return function(*arguments, adapter_key=adapter_key)
    except Exception as error:
        for kind, own in zip(_KINDS, classes, strict=True):
            if isinstance(error, kind):
                raise
            if own is not None and isinstance(error, own):
                raise kind(f"wrapped:\n{error}") from error
        raise


def _failure(error: Exception) -> dict[str, Any]:
    told = getattr(error, "__is_hetida_designer_exception__", False) is True and hasattr(error, "error_code")
    document = {
        "result": "failure",
        "error": {
            "type": type(error).__name__,
            "error_code": error.error_code if told else None,  # type: ignore[attr-defined]
            "message": str(error),
            "extra_information": getattr(error, "extra_information", None) if told else None,
        },
        "output_results_by_output_name": {},
    }
    # As the real one encodes its answer.
    json.dumps(document, ensure_ascii=False).encode("utf-8")
    return document


def store_object(*, name: str, tag: str, obj: Any) -> dict[str, Any]:
    """Do what the released component Store Object does: call the function by its module's attribute."""
    sys.modules["hetdesrun.serialization"].dump_obj(obj, name, tag)
    return {}


def load_object(*, name: str, tag: str) -> dict[str, Any]:
    """Do what the released component Load Object does."""
    return {"obj": sys.modules["hetdesrun.serialization"].load_obj(name, tag)}


def component_of(path: Path) -> tuple[Component, dict[str, Any]]:
    """Return the entry point of a component code file, and its COMPONENT_INFO."""
    module = types.ModuleType(f"hetdesrun_loaded_components.{path.stem}")
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(module))
    return module.main, module.COMPONENT_INFO


def hand_on(**values: Any) -> dict[str, Any]:
    """Return the inputs as outputs."""
    return values


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path | str = "/nowhere") -> Runtime:
    """Return a runtime as whose part this process acts."""
    made = Runtime(str(folder))
    for name, module in made.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return made


def configure(monkeypatch: pytest.MonkeyPatch, key: HmacKey, folder: Path) -> None:
    """Name repository, memory and key in the environment, as in a container."""
    monkeypatch.setenv("MODEL_REPO_PATH", str(folder))
    monkeypatch.setenv("SAFELOAD_STATE", str(folder.parent / "state"))
    monkeypatch.setenv("SAFELOAD_KEY", b64encode(key.export_secret()).decode())
