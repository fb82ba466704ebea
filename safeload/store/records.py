"""Signed records of a store, read through the gate: the statement of a tag, and the pointer of a name."""

from __future__ import annotations

from dataclasses import dataclass

from safeload import verification
from safeload.errors import LimitExceeded, MalformedError, NotFound
from safeload.keys.base import KeyId
from safeload.keys.keyring import Keyring
from safeload.pointer import Pointer
from safeload.policy import Policy
from safeload.statement import Statement
from safeload.store.backend import Backend, Version
from safeload.store.names import Place
from safeload.verification import Expectation


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


def read_statement(backend: Backend, place: Place, tag: str, keyring: Keyring, policy: Policy) -> Record:
    """Read and verify the sidecar of a tag.

    Raises
    ------
    NotFound
        There is no such tag.
    VerificationError, PolicyError, MalformedError, StorageError
        The sidecar does not verify, or cannot be read.
    """
    data, version = _read_signed(backend, place.sidecar(tag), policy)
    where = f"{backend.location}: {place.name} {tag}"
    signed, keys = verification.verify_statement(
        data, Expectation(name=place.name, tag=tag), keyring, policy, where=where
    )
    return Record(signed, keys, data, version, place.artifact(tag, signed.file))


def read_pointer(backend: Backend, place: Place, keyring: Keyring, policy: Policy) -> PointerRecord:
    """Read and verify the pointer of a name; errors are those of :func:`read_statement`."""
    data, version = _read_signed(backend, place.pointer, policy)
    where = f"{backend.location}: {place.name} latest"
    signed, keys = verification.verify_pointer(data, place.name, keyring, policy, where=where)
    return PointerRecord(signed, keys, data, version)


def _read_signed(backend: Backend, path: str, policy: Policy) -> tuple[bytes, Version]:
    """Read a sidecar or pointer, within its limit."""
    try:
        return backend.read(path, limit=policy.limits.sidecar_bytes)
    except LimitExceeded as error:
        raise MalformedError(error.problem, where=error.where) from None
    except NotFound:
        raise NotFound("there is no such version", where=f"{backend.location}: {path}") from None
