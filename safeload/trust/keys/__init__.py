"""Signing and verifying keys, and the keyring that says what each is accepted for."""

from safeload.trust.keys.asymmetric import (
    EcdsaP256PrivateKey,
    EcdsaP256PublicKey,
    EcdsaP384PrivateKey,
    EcdsaP384PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    load_private_pem,
    load_public_pem,
)
from safeload.trust.keys.base import KeyId, SigningKey, VerifyingKey
from safeload.trust.keys.entry import Entry
from safeload.trust.keys.hmac_key import HmacKey
from safeload.trust.keys.keyring import Keyring

__all__ = [
    "EcdsaP256PrivateKey",
    "EcdsaP256PublicKey",
    "EcdsaP384PrivateKey",
    "EcdsaP384PublicKey",
    "Ed25519PrivateKey",
    "Ed25519PublicKey",
    "Entry",
    "HmacKey",
    "KeyId",
    "Keyring",
    "SigningKey",
    "VerifyingKey",
    "load_private_pem",
    "load_public_pem",
]
