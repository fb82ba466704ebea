"""The adapter's half in the runtime: source and sink functions over a store, and their registration.

The functions are coroutines that do their work in a thread, so that a large object does not stop the other
executions of the process. All wirings of a call are looked at before the first object is stored.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from safeload.errors import PolicyError
from safeload.integrations.hetida import ids
from safeload.integrations.hetida import policy as _policy
from safeload.integrations.hetida.catalogue import NAME_FILTER, NEW, TAG_FILTER, TYPE
from safeload.integrations.hetida.errors import (
    ObjectRefused,
    StoreUnavailable,
    UnknownRuntime,
    WiringError,
    WiringInvalid,
    failure,
)
from safeload.integrations.hetida.ids import Name, Namespace, Root, Sink, Source
from safeload.integrations.hetida.policy import PolicySource
from safeload.store import Store
from safeload.store.names import check as check_name
from safeload.store.names import check_tag

_ADAPTERS = "hetdesrun.adapters"


class Reference(Protocol):
    """hetida's ``FilteredSource`` and ``FilteredSink``."""

    ref_id: str | None
    ref_id_type: str | None
    ref_key: str | None
    type: str | None
    filters: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where a value goes."""

    value: Any
    name: str
    tag: str | None
    format: str


class Exchange:
    """Loads and stores what wirings refer to.

    Parameters
    ----------
    store
        The store.
    source
        The adapter's policy; see :func:`safeload.integrations.hetida.policy.resolve`.
    """

    def __init__(self, store: Store, source: PolicySource | None = None) -> None:
        self._store = store
        self._source = source

    def load(self, references: Mapping[str, Reference]) -> dict[str, Any]:
        """Return the objects by the names of the inputs, each verified for the name and tag referred to.

        Raises
        ------
        SafeloadError
            See :meth:`safeload.Store.load`; a :class:`WiringError` for what is no reference to a source; a
            PolicyError for a namespace that offers none.
        """
        allowed = _policy.resolve(self._source, self._store.location)
        wanted = {key: _source_of(reference) for key, reference in references.items()}
        for source in wanted.values():
            _refuse_unless(allowed.of_name(source.name).loadable, "loaded from", source.name)
        return {
            key: allowed.of_name(source.name).reading(self._store).load(source.name, source.tag)
            for key, source in wanted.items()
        }

    def send(
        self,
        references: Mapping[str, Reference],
        values: Mapping[str, Any],
        *,
        adapter_key: str,
        job_id: str | None,
    ) -> None:
        """Store the values, each as a version of its own.

        Raises
        ------
        SafeloadError
            See :meth:`safeload.Store.dump`, and :meth:`load`.
        """
        allowed = _policy.resolve(self._source, self._store.location)
        pending = []
        for key, reference in references.items():
            name, tag = _target_of(reference)
            rules = allowed.of_name(name)
            _refuse_unless(rules.storable, "stored to", name)
            if key not in values:
                raise WiringError(f"there is no value for the output {key!r}")
            pending.append(_Stored(values[key], name, tag, rules.stored_format))
        provenance = {"adapter": adapter_key} | ({"job_id": job_id} if job_id is not None else {})
        for one in pending:
            self._store.dump(
                one.value,
                one.name,
                one.tag if one.tag is not None else new_tag(job_id),
                format=one.format,
                metadata={"hetida": provenance},
            )


def register(store: Store, adapter_key: str = "safeload", *, policy: PolicySource | None = None) -> None:
    """Register the adapter in this process's hetida runtime; to be called from ``hetdesrun_config.py``.

    Parameters
    ----------
    store
        The store. Keyring and policy that it was not given are looked up at each call.
    adapter_key
        The id of the adapter's web service in ``HETIDA_DESIGNER_ADAPTERS``.
    policy
        What is allowed in which namespace: an :class:`AdapterPolicy` or the path of its file, which is read
        at each call. Without it the file in ``SAFELOAD_HETIDA_POLICY`` counts, and without that all is
        allowed.

    Raises
    ------
    UnknownRuntime
        There is no hetida runtime here, or not one whose registration this knows.
    TypeError, ValueError
        What was given is no store or no id.
    """
    if not isinstance(store, Store):
        raise TypeError(f"register() takes a Store, not a {type(store).__name__}")
    if not isinstance(adapter_key, str):
        raise TypeError("adapter_key is text")
    if not adapter_key or set(adapter_key) & set("|,"):
        raise ValueError("adapter_key is not empty and has neither | nor , in it")
    sources = _registration("register_source_adapter", "load_func")
    sinks = _registration("register_sink_adapter", "send_func")
    exchange = Exchange(store, policy)

    # Named as the runtime passes them: mappings by position, the key by keyword.
    async def load_func(references: Mapping[str, Reference], adapter_key: str) -> dict[str, Any]:
        loaded: dict[str, Any] = await _in_a_thread(lambda: exchange.load(references), storing=False)
        return loaded

    async def send_func(
        references: Mapping[str, Reference], values: Mapping[str, Any], adapter_key: str
    ) -> dict[str, Any]:
        job_id = current_job()
        await _in_a_thread(
            lambda: exchange.send(references, values, adapter_key=adapter_key, job_id=job_id), storing=True
        )
        return {}

    classes: dict[str, Any] = {
        "connection_error_class": StoreUnavailable,
        "output_data_error_class": ObjectRefused,
        "client_wiring_invalid_error_class": WiringInvalid,
    }
    sources(adapter_key, load_func, **classes)
    sinks(adapter_key, send_func, **classes)


def new_tag(job_id: str | None) -> str:
    """Return a tag for a version that was given none: the time in UTC, and the job or a random number."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{job_id or secrets.token_hex(8)}"


def current_job() -> str | None:
    """Return the id of the job that the runtime executes in this context, or None where there is none."""
    try:
        from hetdesrun.runtime.logging import job_id_context_filter

        found = job_id_context_filter.get_value("currently_executed_job_id")
    except (ImportError, AttributeError):
        return None  # No runtime, or another one: there is no job to name.
    return None if found is None else str(found)


async def _in_a_thread(work: Callable[[], Any], *, storing: bool) -> Any:
    try:
        return await asyncio.to_thread(work)
    except Exception as error:
        # Anything else would be a bare HTTP 500. It stays a failure; only its class is hetida's.
        raise failure(error, storing=storing) from error


def _registration(name: str, function: str) -> Callable[..., None]:
    try:
        import hetdesrun.adapters as adapters

        found: Callable[..., None] = getattr(adapters, name)
        parameters = tuple(inspect.signature(found).parameters)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UnknownRuntime(
            f"{_ADAPTERS}.{name} is not there: {type(error).__name__}",
            hint="Call register() from the hetdesrun_config.py of a hetida designer runtime.",
        ) from error
    expected = (
        "adapter_key",
        function,
        "connection_error_class",
        "output_data_error_class",
        "client_wiring_invalid_error_class",
    )
    if parameters != expected:
        raise UnknownRuntime(
            f"{_ADAPTERS}.{name} takes other arguments than {', '.join(expected)}",
            hint="This is another version of hetida designer than safeload knows (0.9.8).",
        )
    return found


def _source_of(reference: Reference) -> Source:
    """Return the source that a wiring refers to: by node and key, or by its own id and key."""
    _check_type(reference)
    if reference.filters:
        raise WiringError("sources have no filters")
    entry = ids.decode(reference.ref_id)
    if reference.ref_id_type == "THINGNODE" and isinstance(entry, Name):
        return Source(entry.text, ids.check_tag(_key_of(reference)))
    if reference.ref_id_type == "SOURCE" and isinstance(entry, Source) and _key_of(reference) == entry.tag:
        return entry
    raise _unknown(reference, "source")


def _target_of(reference: Reference) -> tuple[str, str | None]:
    """Return the name and the tag under which a value is to be stored; no tag for one of its own."""
    _check_type(reference)
    entry = ids.decode(reference.ref_id)
    if reference.ref_id_type == "SINK" and isinstance(entry, Sink):
        entry = entry.node
    elif reference.ref_id_type != "THINGNODE":
        raise _unknown(reference, "sink")
    if not isinstance(entry, Root | Namespace | Name) or _key_of(reference) != NEW:
        raise _unknown(reference, "sink")
    filters = dict(reference.filters)
    # An empty text filter arrives as "".
    tag = filters.pop(TAG_FILTER, "")
    name = filters.pop(NAME_FILTER, "") if not isinstance(entry, Name) else entry.text
    if filters:
        raise WiringError(f"this sink has no filter {sorted(filters)[0]!r}")
    if not name:
        raise WiringError("the filter name is empty", hint="It is the name of the new object.")
    if isinstance(entry, Namespace):
        name = f"{entry.text}/{name}"
    return check_name(name, what="name"), check_tag(tag) if tag else None


def _check_type(reference: Reference) -> None:
    if reference.type != TYPE:
        raise WiringError(f"the type of all entries is {TYPE}")


def _key_of(reference: Reference) -> str:
    if not isinstance(reference.ref_key, str):
        raise WiringError("ref_key is missing; it is the metadataKey of an entry")
    return reference.ref_key


def _unknown(reference: Reference, what: str) -> WiringError:
    return WiringError(
        f"there is no {what} {reference.ref_key!r} at the {reference.ref_id_type} {reference.ref_id!r}",
        hint="Choose it anew in the wiring dialog.",
    )


def _refuse_unless(allowed: bool, what: str, name: str) -> None:
    if not allowed:
        raise PolicyError(
            f"the adapter's policy does not let this be {what}",
            where=name,
            hint="Who keeps the adapter's policy file can allow its namespace.",
        )
