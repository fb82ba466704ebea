"""Writing an artifact with its sidecar, and what signing has in common with that."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from safeload import formats
from safeload.attestation import envelope, sidecar, statement
from safeload.attestation.statement import Source, Statement
from safeload.errors import LimitExceeded, StorageError
from safeload.limits import Limits
from safeload.storage.beneath import folder_id
from safeload.storage.reader import read, wrapped
from safeload.storage.replacement import EnvelopeInPlace, replace
from safeload.storage.writer import stage
from safeload.trust import rules as checks
from safeload.trust import signing
from safeload.trust.keys import sources
from safeload.trust.keys.base import SigningKey
from safeload.trust.keys.keyring import Keyring
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import Policy
from safeload.trust.reading import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequest:
    """What a new artifact is signed with; see :func:`safeload.dump`.

    Parameters
    ----------
    name, metadata, expires, signer, keyring, source
        As given by the caller.
    rules
        The policy.
    """

    name: str | None
    metadata: dict[str, Any] | None
    expires: datetime | None
    signer: SigningKey | None
    keyring: KeyringSource | None
    rules: Policy
    source: Source | None = None

    def resolved(self, location: str) -> tuple[str, SigningKey, Keyring | None]:
        """Return the name, the key and the keyring to sign what goes to `location` with.

        Raises
        ------
        InvalidName, NoKeyError, KeyNotAllowed, KeyringError, NotFound, StorageError
            There is none, or they lie where what they sign does.
        """
        file = name_of(location)
        name = statement.check_name(file if self.name is None else self.name)
        key, ring = sources.resolve_signer(name, self.signer, self.keyring)
        refuse_own_folder(os.path.dirname(location), ring, self.rules)
        return name, key, ring


def put(prepared: formats.Prepared, location: str, given: SigningRequest) -> Statement:
    """Write an artifact and its sidecar; errors are those of :func:`safeload.dump`."""
    rules = given.rules
    name, key, _ = given.resolved(location)
    written = formats.Written()

    def produce(file: IO[bytes]) -> None:
        nonlocal written
        written = prepared.write(file)

    staged = stage(location, produce, algorithm=rules.digest_algorithm)
    try:
        signed = signing.describe(
            name=name,
            digest=staged.digest,
            size=staged.size,
            format=prepared.format,
            referred=written.globals,
            metadata=given.metadata,
            expires=given.expires,
            source=given.source,
            remarks=written.remarks,
        )
        replace(
            location,
            staged,
            sidecar_of(signed, key, rules.limits),
            former=envelope_in_place(rules.limits),
            limit=2 * rules.limits.sidecar_bytes,
        )
    except BaseException:
        staged.discard()
        raise
    return signed


def sidecar_of(signed: Statement, key: SigningKey, limits: Limits) -> bytes:
    """Return the plain sidecar of an artifact.

    Raises
    ------
    LimitExceeded
        It would be larger than a loader accepts.
    """
    return signing.seal(statement.encode(signed), key, limits, where=signed.name)


def envelope_in_place(limits: Limits) -> EnvelopeInPlace:
    """Return what reduces a sidecar in place to the envelope of the artifact in place.

    Nothing is verified here and nothing needs to be: the envelope is copied as it is, and counts for a
    reader only if the gate admits it.
    """

    def reduce(present: bytes, path: str) -> bytes | None:
        envelopes = sidecar.parse(present, limit=limits.sidecar_bytes)
        if len(envelopes) == 1:
            return present
        try:
            blob = read(path, limit=limits.artifact_bytes)
        except LimitExceeded as error:
            # Loaders may allow more than this writer; what cannot be looked at is not dropped.
            raise StorageError(error.problem, where=path) from None
        for candidate in envelopes:
            described = statement.parse(candidate.payload)
            if described.digest == blob.digest(described.digest.algorithm):
                return envelope.encode(candidate) + b"\n"
        return None

    return reduce


def refuse_own_folder(folder: str, ring: Keyring | None, rules: Policy) -> None:
    """Refuse to sign with a keyring or policy where the gate would not load it: rule 1.

    Raises
    ------
    KeyringError
        They lie in the folder of the artifact, or below it.
    NotFound, StorageError
        There is no such folder.
    """
    if all(origin is None for origin in (ring.origin if ring else None, rules.origin)):
        return
    try:
        here = folder_id(os.stat(folder or os.curdir))
    except (OSError, ValueError) as error:
        raise wrapped(error, folder) from error
    checks.refuse_own_folder(here, ring, rules)
