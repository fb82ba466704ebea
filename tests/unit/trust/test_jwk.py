"""Keyrings as JWK Sets: what is written, what others wrote, and what is refused."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey
from support.ecdsa import with_low_s

from safeload import (
    EcdsaP256PrivateKey,
    EcdsaP256PublicKey,
    EcdsaP384PrivateKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    Entry,
    HmacKey,
    KeyNotAllowed,
    Keyring,
    KeyringError,
    SignatureInvalid,
)
from safeload.trust.keys import jwk

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
HMAC = HmacKey(bytes(range(32)))
KINDS = {
    "hmac": HMAC,
    "ed25519": Ed25519PrivateKey.generate(),
    "p256": EcdsaP256PrivateKey.generate(),
    "p384": EcdsaP384PrivateKey.generate(),
}
# RFC 7515, appendix A.1 (also RFC 7517, A.3) and A.3; RFC 8037, appendix A.1.
RFC_OCT = {
    "kty": "oct",
    "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
}
RFC_EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
}
RFC_OKP = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
}
# RFC 7517, appendix A.1.
RFC_SET = {
    "keys": [
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "use": "enc",
            "kid": "1",
        }
    ]
}


def decoded(text: str) -> bytes:
    """Return the bytes of unpadded base64url."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def public_of(members: dict[str, Any]) -> dict[str, Any]:
    """Return a JWK without its private member."""
    return {name: value for name, value in members.items() if name != "d"}


def read(*keys: Any) -> Keyring:
    """Parse a JWK Set of keys."""
    return Keyring(jwk.parse(json.dumps({"keys": keys}).encode()))


def refuse(data: bytes, match: str | None = None) -> None:
    """See that a JWK Set is refused."""
    with pytest.raises(KeyringError, match=match):
        Keyring(jwk.parse(data))


def test_the_keys_of_the_rfcs_are_read() -> None:
    """By their published values."""
    oct_key = read(RFC_OCT).signer
    assert oct_key == HmacKey(decoded(RFC_OCT["k"]))
    edwards = read(RFC_OKP).signer
    assert isinstance(edwards, Ed25519PrivateKey)
    assert edwards.export_raw().private_bytes_raw() == decoded(RFC_OKP["d"])
    elliptic = read(RFC_EC).signer
    assert isinstance(elliptic, EcdsaP256PrivateKey)
    numbers = elliptic.export_raw().private_numbers()
    assert numbers.private_value == int.from_bytes(decoded(RFC_EC["d"]), "big")
    assert numbers.public_numbers.x == int.from_bytes(decoded(RFC_EC["x"]), "big")


def test_the_public_keys_of_the_rfcs_are_read() -> None:
    """Without their private member they verify and do not sign."""
    ring = read(public_of(RFC_OKP), public_of(RFC_EC))
    assert not ring.has_secrets
    assert [type(entry.key) for entry in ring.entries] == [Ed25519PublicKey, EcdsaP256PublicKey]
    assert [entry.state for entry in ring.entries] == ["verify-only", "verify-only"]


def test_the_published_signature_of_rfc_8037_verifies() -> None:
    """Appendix A.4, through a JWK that was read."""
    signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    read(public_of(RFC_OKP)).entries[0].key.verify(signed, decoded(signature))


def test_a_set_that_joserfc_made_is_read() -> None:
    """With the members that it adds by itself; the public keys beside the one that signs."""
    signer = OKPKey.generate_key("Ed25519")
    others = [ECKey.generate_key("P-256"), ECKey.generate_key("P-384")]
    document = {
        "keys": [
            signer.as_dict(private=True),
            *(key.as_dict(private=False) for key in others),
            OctKey.generate_key(256).as_dict(private=True) | {"key_ops": ["verify"]},
        ]
    }
    ring = Keyring(jwk.parse(json.dumps(document).encode()))
    assert [entry.key.algorithm for entry in ring.entries] == [
        "ed25519",
        "ecdsa-p256",
        "ecdsa-p384",
        "hmac-sha256",
    ]
    ring.entries[0].key.verify(b"message", signer.private_key.sign(b"message"))  # type: ignore[union-attr]
    assert [entry.state for entry in ring.entries] == ["active", *["verify-only"] * 3]
    whole = KeySet([signer]).as_dict(private=True)
    assert Keyring(jwk.parse(json.dumps(whole).encode())).signer == ring.signer


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize(
    ("kind", "algorithm"), [("ed25519", "Ed25519"), ("p256", "ES256"), ("p384", "ES384")]
)
def test_joserfc_reads_what_is_written(kind: str, algorithm: str, private: bool) -> None:
    """A signature made through its key verifies with ours, and one of ours with its key."""
    key: Any = KINDS[kind]
    written = json.loads(jwk.encode(Keyring.of(key if private else key.public).entries))
    (theirs,) = KeySet.import_key_set(written).keys
    assert theirs.kid == key.key_id
    assert theirs.as_dict(private=private)["alg"] == algorithm
    token = jws.serialize_compact(
        {"alg": algorithm},
        b"message",
        KeySet.import_key_set(json.loads(jwk.encode(Keyring.of(key).entries))).keys[0],
        algorithms=[algorithm],
    )
    message, _, encoded = token.rpartition(".")
    # joserfc's ECDSA signatures have a low or a high s.
    signature = decoded(encoded) if kind == "ed25519" else with_low_s(key, decoded(encoded))
    key.public.verify(message.encode(), signature)
    own = urlsafe_b64encode(key.sign(message.encode())).decode().rstrip("=")
    assert jws.deserialize_compact(f"{message}.{own}", theirs, algorithms=[algorithm]).payload == b"message"


def test_joserfc_reads_a_secret_that_is_written() -> None:
    """The secret itself, from which anybody can derive what signs."""
    written = json.loads(jwk.encode(Keyring.of(HMAC).entries))
    (theirs,) = KeySet.import_key_set(written).keys
    assert theirs.raw_value == HMAC.export_secret()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "members",
    [
        {"state": "active"},
        {"state": "verify-only"},
        {"state": "revoked", "reason": "it was in a log"},
        {"state": "revoked", "reason": None},
        {"state": "active", "not_before": NOW, "not_after": datetime(2027, 1, 1, tzinfo=UTC)},
        {"state": "active", "names": ("churn*", "größe/[0-9]?")},
    ],
    ids=str,
)
def test_an_entry_comes_back_as_it_was(kind: str, members: dict[str, Any]) -> None:
    """State, reason, window and patterns."""
    ring = Keyring([Entry(key=KINDS[kind], **members)])
    assert Keyring(jwk.parse(jwk.encode(ring.entries))) == ring


def test_a_keyring_of_all_kinds_comes_back_as_it_was() -> None:
    """Order and all."""
    entries = [Entry(key=key) for key in KINDS.values()]
    entries += [Entry(key=Ed25519PrivateKey.generate(), state="active")]
    entries += [Entry(key=key.generate().public) for key in (Ed25519PrivateKey, EcdsaP384PrivateKey)]
    ring = Keyring(entries)
    assert Keyring(jwk.parse(jwk.encode(ring.entries))) == ring


def test_a_public_keyring_is_written_without_secrets() -> None:
    """No private member is in the text."""
    ring = Keyring([Entry(key=key) for name, key in KINDS.items() if name != "hmac"]).public()
    written = json.loads(jwk.encode(ring.entries))["keys"]
    assert all({"d", "k"}.isdisjoint(key) for key in written)
    assert all(key["key_ops"] == ["verify"] and key["use"] == "sig" for key in written)


def test_what_is_written_says_what_it_is() -> None:
    """The members, as other tools look for them."""
    entry = Entry(key=KINDS["p384"], state="active", not_before=NOW, not_after=NOW, names=("a*",))
    (written,) = json.loads(jwk.encode(Keyring([entry]).entries))["keys"]
    assert written["kid"] == KINDS["p384"].key_id
    assert (written["kty"], written["crv"], written["alg"], written["use"]) == ("EC", "P-384", "ES384", "sig")
    assert written["key_ops"] == ["sign", "verify"]
    assert written["nbf"] == written["exp"] == int(NOW.timestamp())
    assert written["safeload_names"] == ["a*"]


@pytest.mark.parametrize(
    "revoked",
    [None, False, True, 0, 1, "", "no", [], {}, {"revoked_at": 4102444800}, {"reason": None}, {"reason": 7}],
    ids=str,
)
def test_revoked_in_any_form_means_revoked(revoked: Any) -> None:
    """A member that cannot be understood must not make the key valid again."""
    for members in (RFC_OCT, RFC_OKP, public_of(RFC_EC)):
        (entry,) = read({**members, "key_ops": ["sign", "verify"], "revoked": revoked}).entries
        assert (entry.state, entry.reason) == ("revoked", None)
        with pytest.raises(KeyNotAllowed):
            entry.admit("any", NOW)


def test_the_reason_of_a_revocation_is_read() -> None:
    """In the form of OpenID Federation."""
    (entry,) = read({**RFC_OKP, "revoked": {"revoked_at": 1, "reason": "superseded"}}).entries
    assert entry.reason == "superseded"


def test_a_window_in_fractions_of_a_second_is_read() -> None:
    """A NumericDate may have them (RFC 7519)."""
    (entry,) = read({**RFC_OKP, "nbf": 0.5, "exp": 2}).entries
    assert entry.not_before == datetime.fromtimestamp(0.5, UTC)
    assert entry.not_after == datetime.fromtimestamp(2, UTC)


@pytest.mark.parametrize("member", ["nbf", "exp"])
@pytest.mark.parametrize(
    "value",
    [
        *(
            '"1"',
            "null",
            "true",
            "false",
            "[]",
            "{}",
            '"2026-11-23T09:00:00Z"',
            "NaN",
            "Infinity",
            "-Infinity",
        ),
        *("1e30", "-1e30", "1e999", "9" * 30, "9" * 5000),
    ],
    ids=lambda value: value[:20],
)
def test_a_window_that_is_no_number_of_seconds_is_refused(member: str, value: str) -> None:
    """An end that cannot be understood is not an open one."""
    text = json.dumps({"keys": [{**RFC_OKP, member: "HERE"}]})
    refuse(text.replace('"HERE"', value).encode())


@pytest.mark.parametrize("names", [None, "churn", [], [""], ["a", 7], {"a": 1}, True], ids=str)
def test_patterns_that_are_no_list_of_text_are_refused(names: Any) -> None:
    """A restriction that cannot be understood is not none."""
    refuse(json.dumps({"keys": [{**RFC_OKP, "safeload_names": names}]}).encode())


def test_a_key_of_a_foreign_class_is_not_written() -> None:
    """A key that lives elsewhere verifies in memory, and has no material to put into a file."""

    class Elsewhere:
        key_id, algorithm = Ed25519PrivateKey.generate().key_id, "ed25519"

        def verify(self, message: bytes, signature: bytes) -> None:
            raise SignatureInvalid("no signature verifies")

    with pytest.raises(KeyringError, match="Elsewhere cannot be written"):
        jwk.encode([Entry(key=Elsewhere())])  # type: ignore[arg-type]
