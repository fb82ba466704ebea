"""Signed records of a store, held against the gate's rules without the bytes of an artifact.

For listings, and to learn where an artifact lies. Nothing can be deserialized on these grounds.
"""

from __future__ import annotations

from datetime import UTC, datetime

from safeload.attestation import pointer, statement
from safeload.attestation.pointer import Pointer
from safeload.attestation.statement import Statement
from safeload.errors import SafeloadError, SubjectMismatch
from safeload.trust import rules
from safeload.trust.expectation import Expectation
from safeload.trust.keys.base import KeyId
from safeload.trust.keys.keyring import Keyring
from safeload.trust.policy import Policy


def verify_statement(
    sidecar_bytes: bytes,
    expected: Expectation,
    keyring: Keyring,
    policy: Policy,
    *,
    where: str,
    now: datetime | None = None,
) -> tuple[Statement, tuple[KeyId, ...]]:
    """Return what was signed and by which keys, without the bytes that it is about: rules 2 to 6 and 8.

    For listings, and to learn where an artifact lies. Nothing can be deserialized on these grounds.

    Raises
    ------
    VerificationError, PolicyError, MalformedError
    """
    try:
        (envelope,) = rules.parse_plain(sidecar_bytes, policy)
        moment = now or datetime.now(UTC)
        keys = rules.verify_signatures(envelope, expected, keyring, policy, moment)
        signed = statement.parse(envelope.payload)
        rules.compare_subject(signed, expected)
        rules.check_policy(signed, policy)
        rules.check_expiry(signed, moment)
    except SafeloadError as error:
        error.where = error.where or where
        raise
    return signed, keys


def verify_pointer(
    pointer_bytes: bytes,
    name: str,
    keyring: Keyring,
    policy: Policy,
    *,
    where: str,
    now: datetime | None = None,
) -> tuple[Pointer, tuple[KeyId, ...]]:
    """Return the signed pointer to the latest tag of `name`, and who signed it: rules 2 to 5.

    Raises
    ------
    VerificationError, MalformedError
    """
    try:
        (envelope,) = rules.parse_plain(pointer_bytes, policy)
        keys = rules.verify_signatures(
            envelope, Expectation(name=name), keyring, policy, now or datetime.now(UTC)
        )
        signed = pointer.parse(envelope.payload)
        if signed.name != name:
            raise SubjectMismatch(f"it was signed for the name {signed.name!r} and not for {name!r}")
    except SafeloadError as error:
        error.where = error.where or where
        raise
    return signed, keys
