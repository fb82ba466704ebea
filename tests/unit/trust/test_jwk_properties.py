"""Whatever stands in a keyring file, it is a keyring or a refusal of ours."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import json_values, mutations

from safeload import EcdsaP256PrivateKey, Ed25519PrivateKey, Entry, HmacKey, Keyring, SafeloadError
from safeload.trust.keys import jwk

RING = (
    Keyring.of(Ed25519PrivateKey.generate())
    .with_entry(Entry(key=HmacKey(bytes(range(32)))))
    .with_entry(
        Entry(
            key=EcdsaP256PrivateKey.generate().public,
            names=("a*",),
            not_after=datetime(2100, 1, 1, tzinfo=UTC),
        )
    )
)
WRITTEN = jwk.encode(RING.entries)
MEMBERS = [
    "kty",
    "crv",
    "x",
    "y",
    "d",
    "k",
    "kid",
    "use",
    "alg",
    "key_ops",
    "nbf",
    "exp",
    "revoked",
    "safeload_names",
]
USUAL = [
    *(
        "oct",
        "OKP",
        "EC",
        "RSA",
        "Ed25519",
        "X25519",
        "P-256",
        "P-384",
        "P-521",
        "secp256k1",
        "sig",
        "enc",
        "HS256",
    ),
    *("EdDSA", "ES256", "sign", "verify", b64encode(bytes(range(32))).decode().rstrip("="), "AA", ""),
]


def jwk_values() -> st.SearchStrategy[Any]:
    """Return values that stand in keys, and others."""
    usual = st.sampled_from(USUAL)
    return usual | st.lists(usual, max_size=3) | json_values()


@settings(max_examples=200, deadline=None)
@given(st.binary() | mutations(WRITTEN) | json_values().map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_keyring_or_refused(data: bytes) -> None:
    """By an error of ours."""
    try:
        found = Keyring(jwk.parse(data))
    except SafeloadError:
        return
    assert Keyring(jwk.parse(jwk.encode(found.entries))).entries == found.entries


@settings(max_examples=500, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(MEMBERS), jwk_values(), max_size=8), min_size=1, max_size=3))
def test_any_members_are_a_keyring_or_refused(keys: list[dict[str, Any]]) -> None:
    """What looks like keys gets further than bytes."""
    try:
        Keyring(jwk.parse(json.dumps({"keys": keys}).encode()))
    except SafeloadError:
        return


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2), st.dictionaries(st.sampled_from(MEMBERS), jwk_values(), min_size=1, max_size=2))
def test_a_key_with_changed_members_is_read_or_refused(number: int, members: dict[str, Any]) -> None:
    """A member or two from a good key."""
    document = json.loads(WRITTEN)
    document["keys"][number].update(members)
    try:
        Keyring(jwk.parse(json.dumps(document).encode()))
    except SafeloadError:
        return
