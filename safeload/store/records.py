"""Signed records of a store, read through the gate: the statement of a tag, and the pointer of a name."""

from __future__ import annotations

from dataclasses import dataclass

from safeload.attestation.pointer import Pointer
from safeload.attestation.statement import Statement
from safeload.errors import LimitExceeded, MalformedError, NotFound
from safeload.store.backends.base import Backend, Version
from safeload.store.context import Context, retry_after_rotation
from safeload.store.names import Place
from safeload.trust.expectation import Expectation
from safeload.trust.keys.base import KeyId
from safeload.trust.policy import Policy
from safeload.trust.verified_records import verify_pointer, verify_statement


@dataclass(frozen=True, slots=True)
class Record:
    """A tag's verified statement, with the sidecar that it came from.

    Parameters
    ----------
    statement
        What was signed.
    keys
        The keys that signed it.
    sidecar
        The sidecar's bytes.
    version
        The sidecar's version at the backend.
    path
        Where the artifact lies.
    """

    statement: Statement
    keys: tuple[KeyId, ...]
    sidecar: bytes
    version: Version
    path: str

    @property
    def sequence(self) -> int:
        """The statement's place among the versions of its name."""
        return self.statement.sequence or 0


@dataclass(frozen=True, slots=True)
class PointerRecord:
    """A name's verified pointer, with the keys that signed it, its bytes and their version."""

    pointer: Pointer
    keys: tuple[KeyId, ...]
    sidecar: bytes
    version: Version


def read_statement(context: Context, place: Place, tag: str) -> Record:
    """Read and verify the sidecar of a tag.

    Raises
    ------
    NotFound
        There is no such tag.
    VerificationError, PolicyError, MalformedError, StorageError
        The sidecar does not verify, or cannot be read.
    """
    where = f"{context.backend.location}: {place.name} {tag}"

    def verified(context: Context) -> Record:
        data, version = _read_signed(context.backend, place.sidecar(tag), context.rules)
        expected = Expectation(name=place.name, tag=tag)
        signed, keys = verify_statement(data, expected, context.ring, context.rules, where=where)
        return Record(signed, keys, data, version, place.artifact(tag, signed.file))

    return retry_after_rotation(context, verified)


def read_pointer(context: Context, place: Place) -> PointerRecord:
    """Read and verify the pointer of a name; errors are those of :func:`read_statement`."""
    where = f"{context.backend.location}: {place.name} latest"

    def verified(context: Context) -> PointerRecord:
        data, version = _read_signed(context.backend, place.pointer, context.rules)
        signed, keys = verify_pointer(data, place.name, context.ring, context.rules, where=where)
        return PointerRecord(signed, keys, data, version)

    return retry_after_rotation(context, verified)


def _read_signed(backend: Backend, path: str, policy: Policy) -> tuple[bytes, Version]:
    """Read a sidecar or pointer, within its limit."""
    try:
        return backend.read(path, limit=policy.limits.sidecar_bytes)
    except LimitExceeded as error:
        raise MalformedError(error.problem, where=error.where) from None
    except NotFound:
        raise NotFound("there is no such version", where=f"{backend.location}: {path}") from None
