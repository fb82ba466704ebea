"""Reading a store through the gate: from the pointer to the sidecar to the artifact.

What a sidecar said when it was read is handed on with it, so that no signature is verified twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Generic

from safeload.attestation import pointer as _pointer
from safeload.attestation import statement as _statement
from safeload.attestation.pointer import Pointer
from safeload.attestation.statement import Statement
from safeload.errors import (
    LimitExceeded,
    MalformedError,
    NotFound,
    RollbackDetected,
    StorageError,
    UnknownKey,
)
from safeload.store import names
from safeload.store.backends.base import Version
from safeload.store.context import Context
from safeload.store.names import LATEST, Place
from safeload.trust import gate, rules
from safeload.trust.gate import Authenticated, Signed, VerifiedArtifact
from safeload.trust.keys.base import KeyId
from safeload.trust.rules import LoadRequest

# How often references are followed anew while writers replace what they lead to, and how often the keys are
# looked up anew in one call, each time because they had changed.
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Record(Generic[Signed]):
    """A sidecar of a store that verified: of a tag, or the pointer of a name.

    `version` is the sidecar's version at the backend; `authenticated` what the gate said of it; `path` where
    the artifact lies or, of a pointer, where the pointer lies.
    """

    signed: Signed
    keys: tuple[KeyId, ...]
    sidecar: bytes
    version: Version
    authenticated: Authenticated[Signed]
    path: str

    @property
    def sequence(self) -> int:
        """Its place among the versions of its name."""
        return self.signed.sequence or 0


def read_statement(context: Context, place: Place, tag: str) -> Record[Statement]:
    """Read and verify the sidecar of a tag; NotFound if there is no such tag."""
    where = f"{context.backend.location}: {place.name} {tag}"
    request = LoadRequest(location=where, name=place.name, tag=tag, policy=context.policy)
    found = _read(context, place, tag, request, _statement.parse)
    return Record(*found, place.artifact(tag, found[0].file))


def read_pointer(context: Context, place: Place) -> Record[Pointer]:
    """Read and verify the pointer of a name; errors are those of :func:`read_statement`."""
    where = f"{context.backend.location}: {place.name} latest"
    request = LoadRequest(location=where, name=place.name, policy=context.policy)
    return Record(*_read(context, place, None, request, _pointer.parse), place.pointer)


def _read(
    context: Context, place: Place, tag: str | None, request: LoadRequest, parse: Callable[[bytes], Signed]
) -> tuple[Signed, tuple[KeyId, ...], bytes, Version, Authenticated[Signed]]:
    """Read a sidecar and pass it through the gate; anew if it is by a key that the keyring has since got.

    While a key is rotated, others sign with the new one as soon as it is in the keyring, which may be after a
    call looked that up. What counts is the keyring as it is, whole: a key that it revokes is refused.
    """
    backend, limits = context.backend, context.policy.limits
    path = place.pointer if tag is None else place.sidecar(tag)
    for attempt in range(_ATTEMPTS):
        try:
            data, version = backend.read(path, limit=limits.sidecar_bytes)
        except LimitExceeded as error:
            raise MalformedError(error.problem, where=error.where) from None
        except NotFound:
            raise NotFound("there is no such version", where=f"{backend.location}: {path}") from None
        try:
            authenticated = gate.authenticate(data, request, context.keyring, parse, single=True)
        except UnknownKey:
            before = context.keyring
            # A new context, which refuses a keyring that lies inside the store.
            context = replace(context, keyring=context.look_up())
            if context.keyring == before or attempt == _ATTEMPTS - 1:
                raise
            continue
        signed, keys = authenticated.sole()
        return signed, keys, data, version, authenticated
    raise AssertionError("unreachable: the last attempt returns or raises")


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

    RollbackDetected if it is older; other errors say that it cannot be read or does not verify.
    """
    return _pointer_and_seen(context, place, fresh)[0]


def _pointer_and_seen(context: Context, place: Place, fresh: Freshness) -> tuple[Pointer, int]:
    """Return a name's pointer, and the highest number that was remembered before it was read."""
    # Before: what is remembered meanwhile, by others who share the memory, may be newer.
    seen = context.state.seen(place)
    floor = max(seen, fresh.min_sequence or 0)
    found = read_pointer(context, place).signed
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
    return found, seen


def latest(context: Context, place: Place, fresh: Freshness = ANY) -> Pointer:
    """Return a name's pointer as :func:`pointer` does, and remember its number.

    StorageError if the number cannot be remembered and `fresh` demands nothing instead.
    """
    found, seen = _pointer_and_seen(context, place, fresh)
    try:
        if found.sequence > seen:
            context.state.record(place, found.sequence)
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

    Errors are those of :meth:`safeload.Store.load`.
    """
    backend = context.backend
    before: tuple[object, ...] | None = None
    for attempt in range(_ATTEMPTS):
        found = latest(context, place, fresh) if tag.casefold() == LATEST else None
        wanted = found.tag if found is not None else names.check(tag, what="tag")
        record: Record[Statement] | None = None
        try:
            record = read_statement(context, place, wanted)
            signed = record.signed
            if found is not None and (signed.sequence, signed.digest) != (found.version, found.digest):
                compare(found, record, record.authenticated.request.location)
            where = f"{backend.location}: {record.path}"
            limit = record.authenticated.limit
            try:
                blob = backend.read_artifact(record.path, limit=limit, algorithm=signed.digest.algorithm)
            except LimitExceeded as error:
                raise rules.altered(f"{error.problem}, as signed", where) from None
            return gate.admit(blob, record.authenticated)
        except (NotFound, RollbackDetected):
            seen = (found, record.sidecar if record is not None else None)
            if seen == before or attempt == _ATTEMPTS - 1:
                raise
            before = seen
    raise AssertionError("unreachable: the last attempt returns or raises")


def compare(found: Pointer, record: Record[Statement], where: str) -> None:
    """RollbackDetected for a tag's statement that is older than the one the pointer was made for."""
    if record.sequence > found.version:
        return  # Overwritten since; the pointer follows.
    if record.sequence < found.version or record.signed.digest != found.digest:
        raise RollbackDetected(
            "the tag that latest names was put back to an older version of itself",
            where=where,
            hint="Find out who can write the store; then store the object anew.",
        )
