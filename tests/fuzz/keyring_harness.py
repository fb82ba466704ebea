"""Keyrings: reading ends in a keyring or a refusal, and what is written of a keyring reads back the same.

A window is written in whole seconds, and may become narrower by less than one.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from safeload import HmacKey, Keyring, SafeloadError
from safeload.trust.keys import jwk
from safeload.trust.keys.entry import Entry

_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_SECOND = 1.0
_HMAC = HmacKey(bytes(range(32)))

SEEDS = [
    jwk.encode(Keyring.of(_HMAC).entries),
    # The examples of RFC 8037 (A.1) and RFC 7515 (A.3).
    b'{"keys":[{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",'
    b'"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}',
    b'{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",'
    b'"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",'
    b'"key_ops":["sign","verify"]}]}',
    jwk.encode(
        Keyring(
            [Entry(key=_HMAC, not_before=_MOMENT, not_after=_MOMENT.replace(year=2027), names=("a*",))]
        ).entries
    ),
    jwk.encode(Keyring.of(_HMAC).revoked(_HMAC.key_id, "lost").entries),
    b'{"keys":[{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}',
    b'{"keys":[]}',
]


def one(data: bytes) -> None:
    """Hold the property for any bytes."""
    try:
        read = Keyring(jwk.parse(data))
    except SafeloadError:
        return
    written = jwk.encode(read.entries)
    again = Keyring(jwk.parse(written))
    assert len(again.entries) == len(read.entries)
    for former, entry in zip(read.entries, again.entries, strict=True):
        assert _parts(former) == _parts(entry)
        assert _first(former) <= _first(entry) <= _first(former) + _SECOND, "a key is good for longer"
        assert _last(former) - _SECOND <= _last(entry) <= _last(former), "a key is good for longer"
    assert jwk.encode(again.entries) == written


def _first(entry: Entry) -> float:
    return entry.not_before.timestamp() if entry.not_before else -math.inf


def _last(entry: Entry) -> float:
    return entry.not_after.timestamp() if entry.not_after else math.inf


def _parts(entry: Entry) -> tuple[object, ...]:
    return (
        entry.key.key_id,
        entry.key.algorithm,
        entry.state,
        entry.names,
        entry.reason,
    )
