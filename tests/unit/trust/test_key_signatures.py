"""How keys are derived and named, what they sign, and which signatures they refuse."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from safeload import (
    EcdsaP256PrivateKey,
    EcdsaP256PublicKey,
    EcdsaP384PrivateKey,
    EcdsaP384PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    HmacKey,
    KeyringError,
    SignatureInvalid,
)
from safeload.trust.keys import SigningKey, VerifyingKey, asymmetric
from safeload.trust.keys.base import parse_key_id

SECRET = bytes(range(32))
MESSAGE = b"a message"
PAIRS = [Ed25519PrivateKey, EcdsaP256PrivateKey, EcdsaP384PrivateKey]


def hkdf(secret: bytes, info: bytes, length: int = 32) -> bytes:
    """Compute HKDF-SHA256 without a salt as RFC 5869 writes it."""
    pseudorandom = hmac.digest(bytes(32), secret, "sha256")
    output = block = b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(pseudorandom, block + info + bytes([counter]), "sha256")
        output += block
    return output[:length]


def test_the_computation_by_hand_is_that_of_rfc_5869() -> None:
    """Test case 3 of the RFC, without salt and info."""
    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    assert hkdf(b"\x0b" * 22, b"", 42).hex() == expected


@pytest.mark.parametrize("secret", [SECRET, bytes(range(200)), b"x" * 31 + b"y"], ids=len)
def test_a_mac_is_hmac_sha256_under_a_key_derived_for_that_purpose(secret: bytes) -> None:
    """Anybody can compute it from the secret."""
    derived = hkdf(secret, b"safeload hmac-sha256 dsse v1")
    assert HmacKey(secret).sign(MESSAGE) == hmac.digest(derived, MESSAGE, "sha256")


@pytest.mark.parametrize("secret", [SECRET, bytes(range(200))], ids=len)
def test_an_hmac_key_is_named_under_a_key_derived_for_that_purpose(secret: bytes) -> None:
    """The name tells nothing of the key that signs."""
    derived = hkdf(secret, b"safeload hmac-sha256 key-id v1")
    assert HmacKey(secret).key_id == hmac.digest(derived, b"safeload key id", "sha256").hex()


def test_different_purposes_have_different_keys() -> None:
    """Nothing that is handed out is made with the secret itself or with the other purpose's key."""
    key = HmacKey(SECRET)
    text = b"safeload key id"
    assert key.sign(text).hex() != key.key_id
    assert key.sign(text) != hmac.digest(SECRET, text, "sha256")
    assert key.key_id != hmac.digest(SECRET, text, "sha256").hex()
    assert key.key_id != hashlib.sha256(SECRET).hexdigest()


def test_a_bit_of_the_secret_changes_all_that_is_derived() -> None:
    """Neither the name nor the MAC of one secret is that of another."""
    other = bytes([SECRET[0] ^ 1, *SECRET[1:]])
    assert HmacKey(other).key_id != HmacKey(SECRET).key_id
    assert HmacKey(other).sign(MESSAGE) != HmacKey(SECRET).sign(MESSAGE)


@pytest.mark.parametrize("secret", ["0" * 64, bytearray(SECRET), memoryview(SECRET), None, 32], ids=type)
def test_a_secret_that_is_not_bytes_is_refused(secret: Any) -> None:
    """What could change afterwards, or would have to be guessed at, is no secret."""
    with pytest.raises(KeyringError, match="as bytes"):
        HmacKey(secret)


@pytest.mark.parametrize("byte", [b"\0", b"a", b"\xff"])
def test_a_secret_that_repeats_one_byte_is_refused(byte: bytes) -> None:
    """It was never random."""
    with pytest.raises(KeyringError, match="not random"):
        HmacKey(byte * 40)


@pytest.mark.parametrize("kind", [HmacKey, *PAIRS])
def test_generated_keys_differ(kind: Any) -> None:
    """Each comes from the system's random source."""
    assert len({kind.generate().key_id for _ in range(5)}) == 5


def test_a_generated_secret_has_32_bytes() -> None:
    """As long as the hash's output."""
    assert len(HmacKey.generate().export_secret()) == 32


def test_an_hmac_key_equals_one_of_the_same_secret_only() -> None:
    """Equal keys have equal hashes, and nothing else equals a key."""
    key = HmacKey(SECRET)
    assert key == HmacKey(SECRET)
    assert hash(key) == hash(HmacKey(SECRET))
    assert key != HmacKey(SECRET + b"x")
    assert key != SECRET
    assert key != key.key_id


def test_a_mac_by_another_key_is_refused() -> None:
    """One answer to every signature that does not fit."""
    key = HmacKey(SECRET)
    key.verify(MESSAGE, key.sign(MESSAGE))
    for message, mac in [
        (MESSAGE, HmacKey.generate().sign(MESSAGE)),
        (MESSAGE + b" ", key.sign(MESSAGE)),
        (MESSAGE, hmac.digest(SECRET, MESSAGE, "sha256")),
    ]:
        with pytest.raises(SignatureInvalid):
            key.verify(message, mac)


@pytest.mark.parametrize("length", [0, 1, 16, 31, 33, 64])
def test_a_mac_of_another_length_is_refused(length: int) -> None:
    """It is never truncated, and never followed by anything."""
    key = HmacKey(SECRET)
    with pytest.raises(SignatureInvalid):
        key.verify(MESSAGE, (key.sign(MESSAGE) * 2)[:length])


@pytest.mark.parametrize("kind", PAIRS)
def test_a_public_key_verifies_what_its_private_key_signed(kind: Any) -> None:
    """The private key verifies, too; neither has another opinion."""
    key = kind.generate()
    signature = key.sign(MESSAGE)
    key.public.verify(MESSAGE, signature)
    key.verify(MESSAGE, signature)
    assert len(signature) == {"ed25519": 64, "ecdsa-p256": 64, "ecdsa-p384": 96}[key.algorithm]


@pytest.mark.parametrize("kind", PAIRS)
def test_a_key_is_named_by_the_sha256_of_its_subject_public_key_info(kind: Any) -> None:
    """The private and the public half have one name."""
    key = kind.generate()
    spki = key.public.raw.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.key_id == key.public.key_id == hashlib.sha256(spki).hexdigest()


@pytest.mark.parametrize("kind", PAIRS)
def test_a_signature_over_another_message_or_by_another_key_is_refused(kind: Any) -> None:
    """Each byte of the message counts."""
    key = kind.generate()
    signature = key.sign(MESSAGE)
    for message, candidate in [
        (MESSAGE[:-1], signature),
        (b"", signature),
        (MESSAGE, kind.generate().sign(MESSAGE)),
    ]:
        with pytest.raises(SignatureInvalid):
            key.public.verify(message, candidate)


@pytest.mark.parametrize("kind", PAIRS)
def test_a_signature_of_another_length_is_refused(kind: Any) -> None:
    """Cut, lengthened on either side, doubled, or empty."""
    key = kind.generate()
    signature = key.sign(MESSAGE)
    for candidate in (
        *(signature[:length] for length in range(len(signature))),
        signature + b"\0",
        b"\0" + signature,
        signature * 2,
    ):
        with pytest.raises(SignatureInvalid):
            key.public.verify(MESSAGE, candidate)


@pytest.mark.parametrize("kind", PAIRS)
def test_asymmetric_keys_are_equal_by_what_they_are(kind: Any) -> None:
    """The same key read twice is one; its public half is another thing."""
    key, other = kind.generate(), kind.generate()
    again = kind(key.export_raw())
    assert key == again
    assert hash(key) == hash(again)
    assert key.public == again.public
    assert hash(key.public) == hash(again.public)
    assert key != other
    assert key.public != other.public
    assert key != key.public
    assert key.public != key
    assert key != key.key_id


def test_a_key_is_not_made_of_another_kind_of_key() -> None:
    """The constructor refuses what the class does not stand for."""
    raws: dict[Any, Any] = {
        Ed25519PrivateKey: ed25519.Ed25519PrivateKey.generate(),
        EcdsaP256PrivateKey: ec.generate_private_key(ec.SECP256R1()),
        EcdsaP384PrivateKey: ec.generate_private_key(ec.SECP384R1()),
        None: ec.generate_private_key(ec.SECP256K1()),
    }
    publics = {
        Ed25519PrivateKey: Ed25519PublicKey,
        EcdsaP256PrivateKey: EcdsaP256PublicKey,
        EcdsaP384PrivateKey: EcdsaP384PublicKey,
    }
    for kind, public in publics.items():
        for owner, raw in raws.items():
            if owner is not kind:
                for make, half in [(kind, raw), (public, raw.public_key())]:
                    with pytest.raises(KeyringError):
                        make(half)
        for make, half in [
            (kind, raws[kind].public_key()),
            (public, raws[kind]),
            (kind, None),
            (kind, b"x" * 32),
        ]:
            with pytest.raises(KeyringError):
                make(half)


def test_only_keys_that_can_sign_are_signing_keys() -> None:
    """A public key is told apart by what it lacks."""
    for kind in (HmacKey, *PAIRS):
        assert isinstance(kind.generate(), SigningKey)
        assert isinstance(kind.generate(), VerifyingKey)
    for kind in PAIRS:
        assert isinstance(kind.generate().public, VerifyingKey)
        assert not isinstance(kind.generate().public, SigningKey)


KEYS = {
    "HmacKey": lambda: HmacKey(SECRET),
    **{kind.__name__: kind.generate for kind in PAIRS},
    **{f"public {kind.__name__}": lambda kind=kind: kind.generate().public for kind in PAIRS},
}
PARTS = ("key_id", "algorithm", "verify", "sign", "raw", "public", "_raw", "_secret", "_mac_key", "new")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", KEYS)
def test_a_key_does_not_change(kind: str, part: str) -> None:
    """Neither what it has nor what it lacks can be assigned."""
    key = KEYS[kind]()
    before = key.key_id
    with pytest.raises(AttributeError):
        setattr(key, part, "0" * 64)
    assert key.key_id == before


@pytest.mark.parametrize("kind", KEYS)
def test_nothing_of_a_key_can_be_deleted_and_set_anew(kind: str) -> None:
    """Deleting would make room for another value."""
    key = KEYS[kind]()
    with pytest.raises(AttributeError):
        del key.key_id


@pytest.mark.parametrize(
    "text", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, " " + "0" * 63, "0" * 64 + "\n", "\u0660" * 64]
)
def test_a_key_id_in_another_spelling_is_refused(text: str) -> None:
    """64 lower-case hexadecimal characters, and nothing around them."""
    assert parse_key_id("0123456789abcdef" * 4) == "0123456789abcdef" * 4
    with pytest.raises(KeyringError):
        parse_key_id(text)


def test_where_signatures_cannot_be_deterministic_they_are_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with cryptography 42, which does not know the argument, or an OpenSSL before 3.2."""
    genuine = ec.ECDSA
    key = EcdsaP256PrivateKey.generate()

    def older(algorithm: hashes.HashAlgorithm, **named: bool) -> ec.ECDSA:
        if named:
            raise TypeError("unexpected keyword argument")
        return genuine(algorithm)

    monkeypatch.setattr(asymmetric.ec, "ECDSA", older)
    one, other = key.sign(b"message"), key.sign(b"message")
    assert one != other
    key.public.verify(b"message", one)
    key.public.verify(b"message", other)
