"""Reading a version: from the pointer to the sidecar to the artifact, each through the gate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from safeload.attestation.pointer import Pointer
from safeload.errors import NotFound, RollbackDetected, StorageError
from safeload.storage.blob import Blob
from safeload.store import names
from safeload.store.backends.base import Backend
from safeload.store.context import Context, retry_after_rotation
from safeload.store.names import LATEST, Place
from safeload.store.records import Record, read_pointer, read_statement
from safeload.trust import gate
from safeload.trust.gate import Expectation, VerifiedArtifact
from safeload.trust.policy import Policy
from safeload.trust.reading import read_as_signed

# How often references are followed anew while writers replace what they lead to.
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a loader without a memory demands of the pointer; see :meth:`safeload.Store.load`."""

    min_sequence: int | None = None
    max_age: timedelta | None = None

    @property
    def demanded(self) -> bool:
        """Whether anything is."""
        return self.min_sequence is not None or self.max_age is not None


ANY = Freshness()


def pointer(context: Context, place: Place, fresh: Freshness = ANY) -> Pointer:
    """Return a name's pointer, if it is no older than what is known or asked for.

    Raises
    ------
    NotFound, VerificationError, RollbackDetected, MalformedError, StorageError
    """
    # Before the pointer is read: what is remembered meanwhile, by others who share the memory, may be newer.
    floor = max(context.state.seen(place.name), fresh.min_sequence or 0)
    found = read_pointer(context, place).pointer
    where = f"{context.backend.location}: {place.name}"
    if found.sequence < floor:
        raise RollbackDetected(
            f"latest has the sequence number {found.sequence}, and {floor} was there before",
            where=where,
            hint="The store, or a part of it, was put back to an older state. Find out by whom.",
        )
    if fresh.max_age is not None and datetime.now(UTC) - found.created > fresh.max_age:
        raise RollbackDetected(
            f"latest was signed at {found.created:%Y-%m-%d %H:%M:%S %Z}, longer ago than allowed",
            where=where,
            hint="Store a new version, or allow a higher age.",
        )
    return found


def latest(context: Context, place: Place, fresh: Freshness = ANY) -> Pointer:
    """Return a name's pointer as :func:`pointer` does, and remember its number.

    Raises
    ------
    StorageError
        The number cannot be remembered, and `fresh` demands nothing instead.
    """
    found = pointer(context, place, fresh)
    try:
        context.state.record(place.name, found.sequence)
    except StorageError as error:
        if not fresh.demanded:
            raise StorageError(
                f"the sequence number cannot be remembered ({error.problem})",
                where=context.state.base,
                hint="Name a folder that can be written in SAFELOAD_STATE, or pass min_sequence= or "
                "max_age=.",
            ) from error
    return found


def verified(context: Context, place: Place, tag: str, fresh: Freshness = ANY) -> VerifiedArtifact:
    """Follow pointer, sidecar and artifact, anew if a writer replaces one on the way.

    Raises
    ------
    SafeloadError
        See :meth:`safeload.Store.load`.
    """
    return retry_after_rotation(context, lambda context: _verified(context, place, tag, fresh))


def _verified(context: Context, place: Place, tag: str, fresh: Freshness) -> VerifiedArtifact:
    backend, ring, rules = context.backend, context.ring, context.rules
    before: tuple[object, ...] | None = None
    for attempt in range(_ATTEMPTS):
        found = latest(context, place, fresh) if tag.casefold() == LATEST else None
        wanted = found.tag if found is not None else names.check(tag, what="tag")
        record: Record | None = None
        try:
            record = read_statement(context, place, wanted)
            if found is not None:
                compare(found, record, f"{backend.location}: {place.name} {wanted}")
            blob = _artifact(backend, record, rules)
            expected = Expectation(name=place.name, tag=wanted)
            return gate.verify(blob, record.sidecar, expected, ring, rules)
        except (NotFound, RollbackDetected):
            seen = (found, record.sidecar if record is not None else None)
            if seen == before or attempt == _ATTEMPTS - 1:
                raise
            before = seen
    raise AssertionError("unreachable: the last attempt returns or raises")


def _artifact(backend: Backend, record: Record, rules: Policy) -> Blob:
    """Read the artifact that a statement names, and no more bytes than were signed."""
    signed = record.statement
    return read_as_signed(
        lambda limit: backend.read_artifact(record.path, limit=limit, algorithm=signed.digest.algorithm),
        signed.size,
        rules.limits,
        where=f"{backend.location}: {record.path}",
    )


def compare(found: Pointer, record: Record, where: str) -> None:
    """Refuse a tag's statement that is older than the one the pointer was made for.

    Raises
    ------
    RollbackDetected
    """
    if record.sequence > found.version:
        return  # Overwritten since; the pointer follows.
    if record.sequence < found.version or record.statement.digest != found.digest:
        raise RollbackDetected(
            "the tag that latest names was put back to an older version of itself",
            where=where,
            hint="Find out who can write the store; then store the object anew.",
        )
