"""Keys from and to PEM files, the form that OpenSSL and key management systems hand out."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from safeload.errors import KeyringError
from safeload.trust.keys.asymmetric import (
    EcdsaP256PrivateKey,
    EcdsaP256PublicKey,
    EcdsaP384PrivateKey,
    EcdsaP384PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from safeload.trust.keys.secrecy import opaque

AnyPrivateKey = Ed25519PrivateKey | EcdsaP256PrivateKey | EcdsaP384PrivateKey
AnyPublicKey = Ed25519PublicKey | EcdsaP256PublicKey | EcdsaP384PublicKey

_PRIVATE_TYPES: dict[str, type[EcdsaP256PrivateKey] | type[EcdsaP384PrivateKey]] = {
    "secp256r1": EcdsaP256PrivateKey,
    "secp384r1": EcdsaP384PrivateKey,
}


def private_key(raw: object) -> AnyPrivateKey:
    """Return the key that holds a private key of the cryptography library, or raise KeyringError."""
    if isinstance(raw, ed25519.Ed25519PrivateKey):
        return Ed25519PrivateKey(raw)
    if isinstance(raw, ec.EllipticCurvePrivateKey) and raw.curve.name in _PRIVATE_TYPES:
        return _PRIVATE_TYPES[raw.curve.name](raw)
    raise _unsupported()


def public_key(raw: object) -> AnyPublicKey:
    """Return the key that holds a public key of the cryptography library, or raise KeyringError."""
    if isinstance(raw, ed25519.Ed25519PublicKey):
        return Ed25519PublicKey(raw)
    if isinstance(raw, ec.EllipticCurvePublicKey) and raw.curve.name in _PRIVATE_TYPES:
        return _PRIVATE_TYPES[raw.curve.name].public_type(raw)
    raise _unsupported()


@opaque
def load_private_pem(data: bytes, password: bytes | None = None) -> AnyPrivateKey:
    """Read a private key from PEM.

    Raises
    ------
    KeyringError
        It is no PEM, of another kind than Ed25519, P-256 or P-384, or the password does not open it.
    """
    try:
        raw = load_pem_private_key(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyringError(
            "the private key cannot be read",
            hint="Check that it is PEM and that the password is right (and only given if there is one).",
        ) from None
    return private_key(raw)


def load_public_pem(data: bytes) -> AnyPublicKey:
    """Read a public key from PEM, or raise KeyringError as :func:`load_private_pem` does."""
    try:
        raw = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyringError("the public key cannot be read", hint="Check that it is PEM.") from None
    return public_key(raw)


def _unsupported() -> KeyringError:
    return KeyringError("this kind of key is not supported", hint="Use Ed25519, or ECDSA on P-256 or P-384.")
