"""Keys to and from PEM: what is read, with which password, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from safeload import (
    EcdsaP256PrivateKey,
    EcdsaP384PrivateKey,
    Ed25519PrivateKey,
    KeyringError,
    load_private_pem,
    load_public_pem,
)

PAIRS = [Ed25519PrivateKey, EcdsaP256PrivateKey, EcdsaP384PrivateKey]


@pytest.mark.parametrize("kind", PAIRS)
def test_a_key_comes_back_from_pem(kind: Any) -> None:
    """Both halves are what they were, and can do what they could."""
    key = kind.generate()
    private, public = load_private_pem(key.to_pem()), load_public_pem(key.public.to_pem())
    assert type(private) is kind
    assert private == key
    assert type(public) is type(key.public)
    assert public == key.public
    public.verify(b"message", private.sign(b"message"))


@pytest.mark.parametrize("kind", PAIRS)
def test_a_key_comes_back_from_encrypted_pem(kind: Any) -> None:
    """The text is encrypted, and the password opens it."""
    key = kind.generate()
    text = key.to_pem(password=b"a password")
    assert text.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert load_private_pem(text, b"a password") == key


@pytest.mark.parametrize("kind", PAIRS)
def test_encrypted_pem_without_the_right_password_is_refused(kind: Any) -> None:
    """Wrong, missing, empty, or of another type."""
    text = kind.generate().to_pem(password=b"a password")
    for password in (b"another password", b"a passwor", b"", None, "a password"):
        with pytest.raises(KeyringError, match="cannot be read"):
            load_private_pem(text, password)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", PAIRS)
def test_a_password_for_a_key_that_has_none_is_refused(kind: Any) -> None:
    """Somebody believes the key to be protected."""
    with pytest.raises(KeyringError):
        load_private_pem(kind.generate().to_pem(), b"a password")


OTHERS = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "X25519": x25519.X25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_kind_of_key_is_refused(kind: str) -> None:
    """The private half as well as the public one."""
    key: Any = OTHERS[kind]()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(KeyringError, match="not supported"):
        load_private_pem(private)
    with pytest.raises(KeyringError, match="not supported"):
        load_public_pem(public)


@pytest.mark.parametrize("kind", PAIRS)
def test_what_is_no_pem_of_the_half_asked_for_is_refused(kind: Any) -> None:
    """Garbage, half a text, DER, and the other half."""
    key = kind.generate()
    private, public = key.to_pem(), key.public.to_pem()
    der = key.public.raw.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    altered = private[:40] + (b"A" if private[40:41] != b"A" else b"B") + private[41:]
    for text in (b"", b"garbage", b"\xff" * 100, private[: len(private) // 2], public, der, altered):
        with pytest.raises(KeyringError):
            load_private_pem(text)
    for text in (b"", b"garbage", b"\xff" * 100, public[: len(public) // 2], private, der):
        with pytest.raises(KeyringError):
            load_public_pem(text)
