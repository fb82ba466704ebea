"""Envelopes: what is read writes back as the same bytes, and nothing but the genuine sidecar verifies."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

from support.forgery import payload_of, sidecar_of

import safeload
from safeload import HmacKey, Keyring, SafeloadError
from safeload.attestation import envelope

_NAME = "churn.joblib"
_ARTIFACT = pickle.dumps(["value"])
_KEY = HmacKey(bytes(range(32)))
_KEYRING = Keyring.of(_KEY)
_OTHER = HmacKey(bytes(range(1, 33)))
_EXPIRES = datetime(2100, 1, 1, tzinfo=UTC)
_PAYLOAD = payload_of(_ARTIFACT, _NAME, expires=_EXPIRES)
GENUINE = sidecar_of(_PAYLOAD, _KEY)

SEEDS = [
    GENUINE,
    GENUINE.rstrip(b"\n"),
    sidecar_of(_PAYLOAD, _OTHER),
    sidecar_of(payload_of(_ARTIFACT, "other", expires=_EXPIRES), _KEY),
    GENUINE + sidecar_of(_PAYLOAD, _OTHER),
    b"",
]


def one(data: bytes) -> None:
    """Hold both properties for any bytes."""
    try:
        read = envelope.parse(data)
    except SafeloadError:
        pass
    else:
        assert envelope.encode(read) == data, "an envelope has a second spelling"
    try:
        safeload.loads(_ARTIFACT, data, name=_NAME, keyring=_KEYRING)
    except SafeloadError:
        return
    # While a file is replaced its sidecar has two lines; one of them is the genuine one, whole.
    assert GENUINE.rstrip(b"\n") in data.split(b"\n"), "an altered envelope verifies"
