"""Making signed statements: what is signed, with which key, and the sidecar that says so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from safeload.attestation import envelope, statement
from safeload.attestation.digests import Digest
from safeload.attestation.envelope import Envelope, EnvelopeSignature
from safeload.attestation.statement import Source, Statement
from safeload.attestation.subjects import File, check_name
from safeload.errors import LimitExceeded, StorageError
from safeload.limits import Limits
from safeload.storage.beneath import folder_id
from safeload.storage.reader import read, wrapped
from safeload.storage.replacement import EnvelopeInPlace
from safeload.trust import environment, rules
from safeload.trust.keys import sources
from safeload.trust.keys.base import SigningKey
from safeload.trust.keys.keyring import Keyring
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequest:
    """What a caller wants to be signed of a new artifact, and with what; see :func:`safeload.dump`."""

    policy: Policy
    name: str | None = None
    metadata: dict[str, Any] | None = None
    expires: datetime | None = None
    signer: SigningKey | None = None
    keyring: KeyringSource | None = None
    source: Source | None = None

    def resolved(self, location: str) -> tuple[str, SigningKey, Keyring | None]:
        """Return the name, the key and the keyring with which to sign what goes to `location`.

        It raises if one of them is missing, or lies beside what it signs.
        """
        file = rules.name_of(location)
        name = check_name(file if self.name is None else self.name)
        key, keyring = sources.resolve_signer(name, self.signer, self.keyring)
        refuse_own_folder(os.path.dirname(location), keyring, self.policy)
        return name, key, keyring


def describe(
    *,
    name: str,
    tag: str | None = None,
    file: str | None = None,
    sequence: int | None = None,
    digest: Digest,
    size: int,
    format: str,
    globals: Iterable[str] | None,
    requires: Iterable[str] | None,
    metadata: dict[str, Any] | None,
    expires: datetime | None,
    files: Iterable[File] = (),
    source: Source | None = None,
    remarks: Iterable[str] = (),
) -> Statement:
    """Return the statement about an object that was just written in this environment.

    `globals` is what the format says that the object refers to, None for bytes that were not looked into.
    `requires` are modules that the format itself needs to read the object back, None if any version reads it
    alike.
    """
    names = None if globals is None else tuple(globals)
    needed = None if names is None or requires is None else (*names, *requires)
    return Statement(
        name=name,
        tag=tag,
        file=file,
        sequence=sequence,
        digest=digest,
        size=size,
        format=format,
        created=now(),
        expires=expiry(expires),
        environment=None if needed is None else environment.capture(needed),
        globals=names,
        metadata=metadata or {},
        files=tuple(sorted(files)),
        source=source,
        remarks=tuple(remarks),
    )


def sidecar_of(signed: Statement, key: SigningKey, limits: Limits) -> bytes:
    """Return the sidecar of an artifact; errors are those of :func:`seal`."""
    return seal(statement.encode(signed), key, limits, where=signed.name)


def seal(payload: bytes, key: SigningKey, limits: Limits, *, where: str) -> bytes:
    """Return the sidecar of a payload; LimitExceeded if it would be larger than a loader accepts."""
    unsigned = Envelope(payload, statement.PAYLOAD_TYPE, ())
    signature = EnvelopeSignature(key.key_id, key.sign(unsigned.signed_bytes()))
    encoded = envelope.encode_sidecar(Envelope(payload, statement.PAYLOAD_TYPE, (signature,)))
    if len(encoded) > limits.sidecar_bytes:
        raise LimitExceeded(
            f"the sidecar would have {len(encoded)} bytes, {limits.sidecar_bytes} are allowed",
            where=where,
            hint="Keep large metadata in a file of its own, or sign fewer files at once. Policies of signers "
            "and loaders may allow more: [limits] sidecar_bytes.",
        )
    return encoded


def envelope_in_place(limits: Limits) -> EnvelopeInPlace:
    """Return what reduces a sidecar in place to the envelope of the artifact in place.

    Nothing is verified here and nothing needs to be: the envelope is copied as it is, and counts for a
    reader only if the gate admits it.
    """

    def reduce(present: bytes, path: str) -> bytes | None:
        envelopes = envelope.parse_sidecar(present, limit=limits.sidecar_bytes)
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


def refuse_own_folder(folder: str, keyring: Keyring | None, policy: Policy) -> None:
    """Refuse to sign with a keyring or policy where the gate would not load it: rule 2.

    KeyringError if they lie in the folder of the artifact or below it; NotFound or StorageError if the folder
    cannot be looked at.
    """
    if all(origin is None for origin in (keyring.origin if keyring else None, policy.origin)):
        return
    try:
        here = folder_id(os.stat(folder or os.curdir))
    except (OSError, ValueError) as error:
        raise wrapped(error, folder) from error
    rules.refuse_own_folder(here, keyring, policy)


def now() -> datetime:
    """Return the present as statements carry it: in UTC, to the second."""
    return statement.utc_seconds(datetime.now(UTC))


def expiry(expires: datetime | None) -> datetime | None:
    """Return an expiry as statements carry it: in UTC, to the second."""
    return None if expires is None else statement.utc_seconds(expires)
