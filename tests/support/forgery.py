"""Sidecars made by hand: what an attacker, or a signer with other software, could write."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import safeload
from safeload import Limits, Policy
from safeload.attestation import envelope, statement
from safeload.attestation.digests import digest_of
from safeload.attestation.envelope import Envelope, EnvelopeSignature
from safeload.attestation.statement import PAYLOAD_TYPE, Statement
from safeload.trust.keys import SigningKey


def payload_of(artifact: bytes, name: str, **changes: Any) -> bytes:
    """Return the payload that describes `artifact`, with fields of the statement changed."""
    fields: dict[str, Any] = {
        "name": name,
        "digest": digest_of("blake3", artifact),
        "size": len(artifact),
        "format": "joblib",
        "created": datetime(2026, 11, 23, 9, tzinfo=UTC),
    }
    return statement.encode(Statement(**{**fields, **changes}))


def loaded(
    artifact: bytes, format: str, key: SigningKey, limits: Limits | None = None, **options: Any
) -> Any:
    """Load a file that a signer signed without looking at it."""
    signed = sidecar_of(payload_of(artifact, "x", format=format), key)
    policy = Policy(limits=limits or Limits())
    return safeload.loads(artifact, signed, name="x", keyring=key, policy=policy, **options)


def signature_of(
    payload: bytes, key: SigningKey, *, keyid: str | None = None, payload_type: str = PAYLOAD_TYPE
) -> EnvelopeSignature:
    """Return a signature by `key`, under the id of another key if one is given."""
    message = envelope.pae(payload_type.encode(), payload)
    return EnvelopeSignature(key.key_id if keyid is None else keyid, key.sign(message))


def sidecar_of(
    payload: bytes, *signers: SigningKey | EnvelopeSignature, payload_type: str = PAYLOAD_TYPE
) -> bytes:
    """Return the sidecar of a payload, signed by keys or carrying signatures as they are."""
    signatures = tuple(
        signer
        if isinstance(signer, EnvelopeSignature)
        else signature_of(payload, signer, payload_type=payload_type)
        for signer in signers
    )
    return envelope.encode_sidecar(Envelope(payload, payload_type, signatures))


def parsed(signature: bytes) -> Envelope:
    """Return the only envelope of a sidecar."""
    (found,) = envelope.parse_sidecar(signature, limit=1 << 20)
    return found


def fields_of(signature: bytes) -> dict[str, Any]:
    """Return a sidecar's JSON, to be changed and written again with :func:`written`."""
    loaded: dict[str, Any] = json.loads(signature)
    return loaded


def written(fields: Any) -> bytes:
    """Write JSON as envelopes and statements are written, with the line feed of a sidecar."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
