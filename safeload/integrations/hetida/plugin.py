"""The adapter's half in the runtime: source and sink functions for a store, and their registration.

The functions are coroutines that work in a thread, so that a large object does not block the other executions
of the process. All wirings of a call are checked before the first object is stored.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from safeload.errors import PolicyError
from safeload.integrations.hetida import ids, runtime
from safeload.integrations.hetida import policy as _policy
from safeload.integrations.hetida.catalogue import NAME_FILTER, NEW, TAG_FILTER, TYPE
from safeload.integrations.hetida.errors import (
    ObjectRefused,
    StoreUnavailable,
    WiringError,
    WiringInvalid,
    failure,
)
from safeload.integrations.hetida.ids import Name, Namespace, Root, Sink, Source
from safeload.integrations.hetida.policy import PolicySource
from safeload.store import Store
from safeload.store.names import check as check_name
from safeload.store.names import check_tag

_CLASSES: dict[str, Any] = {
    "connection_error_class": StoreUnavailable,
    "output_data_error_class": ObjectRefused,
    "client_wiring_invalid_error_class": WiringInvalid,
}


class Reference(Protocol):
    """hetida's ``FilteredSource`` and ``FilteredSink``."""

    ref_id: str | None
    ref_id_type: str | None
    ref_key: str | None
    type: str | None
    filters: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Stored:
    """A value to store, and where it goes."""

    value: Any
    name: str
    tag: str | None
    format: str


class Exchange:
    """Loads and stores the objects that wirings refer to; see :class:`.catalogue.Catalogue` for arguments."""

    def __init__(self, store: Store, source: PolicySource | None = None) -> None:
        self._store = store
        self._source = source

    def load(self, references: Mapping[str, Reference]) -> dict[str, Any]:
        """Load an object for each input, verified for the name and tag that its wiring refers to.

        Returns
        -------
        dict
            The objects by input.

        Raises
        ------
        SafeloadError
            See :meth:`safeload.Store.load`; a WiringError if a wiring does not refer to a source, and a
            PolicyError if its namespace may not be loaded from.
        """
        policy = _policy.resolve(self._source, self._store.location)
        wanted = {key: _source_of(reference) for key, reference in references.items()}
        for source in wanted.values():
            _refuse_unless(policy.of_name(source.name).loadable, "loaded from", source.name)
        return {
            key: policy.of_name(source.name).reading(self._store).load(source.name, source.tag)
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
        """Store each value as a new version.

        Raises
        ------
        SafeloadError
            See :meth:`safeload.Store.dump`, and :meth:`load`.
        """
        policy = _policy.resolve(self._source, self._store.location)
        pending = []
        for key, reference in references.items():
            name, tag = _target_of(reference)
            allowed = policy.of_name(name)
            _refuse_unless(allowed.storable, "stored in", name)
            if key not in values:
                raise WiringError(f"the output {key!r} has no value")
            pending.append(_Stored(values[key], name, tag, allowed.stored_format))
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
    """Register the adapter with the hetida runtime of this process. Call it from ``hetdesrun_config.py``.

    Parameters
    ----------
    store : Store
        The store. If it was made without a keyring or a policy, they are looked up at each call.
    adapter_key : str
        The id of the adapter's web service in ``HETIDA_DESIGNER_ADAPTERS``.
    policy : AdapterPolicy, str, os.PathLike or None
        What is allowed in which namespace, or the path of a file that says so and is read at each call. By
        default the file is the one in ``SAFELOAD_HETIDA_POLICY``; without that, everything is allowed.

    Raises
    ------
    UnknownRuntime
        This is not a hetida runtime, or not a version whose registration is known.
    TypeError, ValueError
        An argument is not a store or not an id.
    """
    if not isinstance(store, Store):
        raise TypeError(f"register() takes a Store, not a {type(store).__name__}")
    if not isinstance(adapter_key, str):
        raise TypeError(f"adapter_key is a str, not a {type(adapter_key).__name__}")
    if not adapter_key or set(adapter_key) & set("|,"):
        raise ValueError("adapter_key must not be empty and must not contain | or ,")
    try:
        import hetdesrun.adapters as adapters
    except ImportError as error:
        raise runtime.not_importable("hetdesrun.adapters", "register", error) from error
    sources = runtime.function_of(
        adapters, "register_source_adapter", ("adapter_key", "load_func", *_CLASSES)
    )
    sinks = runtime.function_of(adapters, "register_sink_adapter", ("adapter_key", "send_func", *_CLASSES))
    exchange = Exchange(store, policy)

    # The runtime passes the mappings by position and adapter_key by keyword.
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

    sources(adapter_key, load_func, **_CLASSES)
    sinks(adapter_key, send_func, **_CLASSES)


def new_tag(job_id: str | None) -> str:
    """Return a tag for a version without one: the time in UTC, and the job's id or a random number."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{job_id or secrets.token_hex(8)}"


def current_job() -> str | None:
    """Return the id of the job that the runtime executes in this context, or None."""
    try:
        from hetdesrun.runtime.logging import job_id_context_filter

        found = job_id_context_filter.get_value("currently_executed_job_id")
    except (ImportError, AttributeError):
        return None  # Not a runtime, or another version: the job is unknown.
    return None if found is None else str(found)


async def _in_a_thread(work: Callable[[], Any], *, storing: bool) -> Any:
    try:
        return await asyncio.to_thread(work)
    except Exception as error:
        # The runtime answers any other exception with a bare HTTP 500. This is still a failure.
        raise failure(error, storing=storing) from error


def _source_of(reference: Reference) -> Source:
    """Return the source that a wiring refers to, by node and key or by id and key."""
    _check_type(reference)
    if reference.filters:
        raise WiringError("a source takes no filters")
    entry = ids.decode(reference.ref_id)
    if reference.ref_id_type == "THINGNODE" and isinstance(entry, Name):
        return Source(entry.text, ids.check_tag(_key_of(reference)))
    if reference.ref_id_type == "SOURCE" and isinstance(entry, Source) and _key_of(reference) == entry.tag:
        return entry
    raise _unknown(reference, "source")


def _target_of(reference: Reference) -> tuple[str, str | None]:
    """Return the name and tag to store a value under; the tag is None if the wiring does not name one."""
    _check_type(reference)
    entry = ids.decode(reference.ref_id)
    if reference.ref_id_type == "SINK" and isinstance(entry, Sink):
        entry = entry.node
    elif reference.ref_id_type != "THINGNODE":
        raise _unknown(reference, "sink")
    if not isinstance(entry, Root | Namespace | Name) or _key_of(reference) != NEW:
        raise _unknown(reference, "sink")
    filters = dict(reference.filters)
    # hetida passes an empty text filter as "".
    tag = filters.pop(TAG_FILTER, "")
    name = filters.pop(NAME_FILTER, "") if not isinstance(entry, Name) else entry.text
    if filters:
        raise WiringError(f"this sink has no filter {sorted(filters)[0]!r}")
    if not name:
        raise WiringError("the filter name is empty", hint="Set it to the name of the new object.")
    if isinstance(entry, Namespace):
        name = f"{entry.text}/{name}"
    return check_name(name, what="name"), check_tag(tag) if tag else None


def _check_type(reference: Reference) -> None:
    if reference.type != TYPE:
        raise WiringError(f"the type of the wiring is not {TYPE}")


def _key_of(reference: Reference) -> str:
    if not isinstance(reference.ref_key, str):
        raise WiringError("ref_key is missing", hint="It is the metadataKey of an entry.")
    return reference.ref_key


def _unknown(reference: Reference, what: str) -> WiringError:
    return WiringError(
        f"there is no {what} {reference.ref_key!r} at the {reference.ref_id_type} {reference.ref_id!r}",
        hint="Select it again in the wiring dialog.",
    )


def _refuse_unless(allowed: bool, what: str, name: str) -> None:
    if not allowed:
        raise PolicyError(
            f"the adapter's policy does not allow this to be {what}",
            where=name,
            hint="An administrator can allow its namespace in the adapter's policy file.",
        )
