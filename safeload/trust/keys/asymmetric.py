"""Ed25519 (RFC 8032) and ECDSA over P-256 and P-384 (FIPS 186-5), with which loaders hold no secret.

Signatures have a fixed length and one encoding: Ed25519's 64 bytes; for ECDSA the numbers r and s, big-endian
and concatenated, as in JOSE (RFC 7518, section 3.4) and in DSSE's test vector. DER, which can encode one
signature in several ways, is not accepted. Anyone can turn an ECDSA signature (r, s) into (r, n - s), where n
is the order of the curve's group, and FIPS 186-5 accepts both. safeload makes and accepts only the one with a
low s (at most n / 2), so that no altered signature verifies. ECDSA signing is deterministic (RFC 6979) if the
installed cryptography supports it.

Examples
--------
>>> key = safeload.Ed25519PrivateKey.generate()
>>> signature = key.sign(b"message")
>>> key.public.verify(b"message", signature)
>>> key.public.verify(b"another message", signature)
Traceback (most recent call last):
...
safeload.errors.SignatureInvalid: the signature does not fit. ...
"""

from __future__ import annotations

import hashlib
from typing import ClassVar, Generic, Self, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from safeload.errors import KeyringError
from safeload.trust.keys.base import Guarded, KeyAlgorithm, KeyId, invalid, opaque

_RawPublic = TypeVar("_RawPublic", ed25519.Ed25519PublicKey, ec.EllipticCurvePublicKey)
_RawPrivate = TypeVar("_RawPrivate", ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey)


class PublicKey(Guarded, Generic[_RawPublic]):
    """Base of the public keys. The key id is the SHA-256 of the SubjectPublicKeyInfo."""

    __slots__ = ("key_id", "raw")
    raw: _RawPublic

    def __init__(self, raw: _RawPublic) -> None:
        self._check(raw)
        self.raw = raw
        self.key_id = KeyId(
            hashlib.sha256(raw.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
        )

    def _check(self, raw: _RawPublic) -> None:
        raise NotImplementedError

    def to_pem(self) -> bytes:
        """Return the key as PEM (SubjectPublicKeyInfo)."""
        return self.raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Ed25519PublicKey(PublicKey[ed25519.Ed25519PublicKey]):
    """Verifies Ed25519 signatures."""

    __slots__ = ()
    algorithm: KeyAlgorithm = "ed25519"

    def _check(self, raw: ed25519.Ed25519PublicKey) -> None:
        if not isinstance(raw, ed25519.Ed25519PublicKey):
            raise KeyringError("this is not an Ed25519 public key")

    def verify(self, message: bytes, signature: bytes) -> None:
        """Verify a signature of 64 bytes over `message`, or raise SignatureInvalid."""
        try:
            self.raw.verify(signature, message)
        except InvalidSignature:
            raise invalid() from None


class _EcdsaPublicKey(PublicKey[ec.EllipticCurvePublicKey]):
    """Verifies ECDSA signatures over one curve with that curve's hash."""

    __slots__ = ()
    curve: ClassVar[type[ec.EllipticCurve]]
    hash: ClassVar[type[hashes.HashAlgorithm]]
    number_bytes: ClassVar[int]
    # The order n of the curve's group (SEC 2).
    order: ClassVar[int]

    def _check(self, raw: ec.EllipticCurvePublicKey) -> None:
        if not isinstance(raw, ec.EllipticCurvePublicKey) or not isinstance(raw.curve, self.curve):
            raise KeyringError(f"this is not a public key on the curve {self.curve.name}")

    def verify(self, message: bytes, signature: bytes) -> None:
        """Verify a signature (r and a low s) over `message`, or raise SignatureInvalid."""
        if len(signature) != 2 * self.number_bytes:
            raise invalid()
        r = int.from_bytes(signature[: self.number_bytes], "big")
        s = int.from_bytes(signature[self.number_bytes :], "big")
        if not (0 < r < self.order and 0 < s <= self.order // 2):
            raise invalid()
        try:
            self.raw.verify(encode_dss_signature(r, s), message, ec.ECDSA(self.hash()))
        except InvalidSignature:
            raise invalid() from None


class EcdsaP256PublicKey(_EcdsaPublicKey):
    """Verifies ECDSA signatures over P-256 with SHA-256."""

    __slots__ = ()
    algorithm: KeyAlgorithm = "ecdsa-p256"
    curve, hash, number_bytes = ec.SECP256R1, hashes.SHA256, 32
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class EcdsaP384PublicKey(_EcdsaPublicKey):
    """Verifies ECDSA signatures over P-384 with SHA-384."""

    __slots__ = ()
    algorithm: KeyAlgorithm = "ecdsa-p384"
    curve, hash, number_bytes = ec.SECP384R1, hashes.SHA384, 48
    order = 2**384 - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D


class PrivateKey(Guarded, Generic[_RawPrivate]):
    """Base of the private keys, which verify with their public half."""

    __slots__ = ("_raw", "key_id", "public")
    _raw: _RawPrivate
    public: Ed25519PublicKey | EcdsaP256PublicKey | EcdsaP384PublicKey

    def __init__(self, raw: _RawPrivate) -> None:
        self._check(raw)
        self._raw = raw
        self.public = self._public_of(raw)
        self.key_id = self.public.key_id

    def _check(self, raw: _RawPrivate) -> None:
        raise NotImplementedError

    def _public_of(self, raw: _RawPrivate) -> Ed25519PublicKey | EcdsaP256PublicKey | EcdsaP384PublicKey:
        raise NotImplementedError

    def verify(self, message: bytes, signature: bytes) -> None:
        """Verify a signature over `message`, or raise SignatureInvalid."""
        self.public.verify(message, signature)

    @opaque
    def to_pem(self, password: bytes | None = None) -> bytes:
        """Return the private key as PEM (PKCS #8), encrypted if a `password` is given."""
        protection: KeySerializationEncryption = (
            BestAvailableEncryption(password) if password is not None else NoEncryption()
        )
        return self._raw.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)

    def export_raw(self) -> _RawPrivate:
        """Return the key of the cryptography library, for writing a keyring."""
        return self._raw


class Ed25519PrivateKey(PrivateKey[ed25519.Ed25519PrivateKey]):
    """Signs with Ed25519."""

    __slots__ = ()
    algorithm: KeyAlgorithm = "ed25519"
    public: Ed25519PublicKey

    def _check(self, raw: ed25519.Ed25519PrivateKey) -> None:
        if not isinstance(raw, ed25519.Ed25519PrivateKey):
            raise KeyringError("this is not an Ed25519 private key")

    def _public_of(self, raw: ed25519.Ed25519PrivateKey) -> Ed25519PublicKey:
        return Ed25519PublicKey(raw.public_key())

    @classmethod
    def generate(cls) -> Self:
        """Return a new key from the system's random source."""
        return cls(ed25519.Ed25519PrivateKey.generate())

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature over `message`."""
        return self._raw.sign(message)


class _EcdsaPrivateKey(PrivateKey[ec.EllipticCurvePrivateKey]):
    __slots__ = ()
    public_type: ClassVar[type[EcdsaP256PublicKey] | type[EcdsaP384PublicKey]]

    def _check(self, raw: ec.EllipticCurvePrivateKey) -> None:
        curve = self.public_type.curve
        if not isinstance(raw, ec.EllipticCurvePrivateKey) or not isinstance(raw.curve, curve):
            raise KeyringError(f"this is not a private key on the curve {curve.name}")

    def _public_of(self, raw: ec.EllipticCurvePrivateKey) -> EcdsaP256PublicKey | EcdsaP384PublicKey:
        return self.public_type(raw.public_key())

    @classmethod
    def generate(cls) -> Self:
        """Return a new key from the system's random source."""
        return cls(ec.generate_private_key(cls.public_type.curve()))

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`: r and a low s, concatenated."""
        signature = self._raw.sign(message, _signing_scheme(self.public_type.hash()))
        r, s = decode_dss_signature(signature)
        size, order = self.public_type.number_bytes, self.public_type.order
        s = min(s, order - s)
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


class EcdsaP256PrivateKey(_EcdsaPrivateKey):
    """Signs with ECDSA over P-256 and SHA-256."""

    __slots__ = ()
    algorithm: KeyAlgorithm = "ecdsa-p256"
    public_type = EcdsaP256PublicKey


class EcdsaP384PrivateKey(_EcdsaPrivateKey):
    """Signs with ECDSA over P-384 and SHA-384."""

    __slots__ = ()
    algorithm: KeyAlgorithm = "ecdsa-p384"
    public_type = EcdsaP384PublicKey


def _signing_scheme(algorithm: hashes.HashAlgorithm) -> ec.ECDSA:
    try:
        return ec.ECDSA(algorithm, deterministic_signing=True)
    except (TypeError, UnsupportedAlgorithm):  # cryptography 42, or an OpenSSL before 3.2
        return ec.ECDSA(algorithm)


AnyPrivateKey = Ed25519PrivateKey | EcdsaP256PrivateKey | EcdsaP384PrivateKey
AnyPublicKey = Ed25519PublicKey | EcdsaP256PublicKey | EcdsaP384PublicKey

_PRIVATE_TYPES: dict[str, type[EcdsaP256PrivateKey] | type[EcdsaP384PrivateKey]] = {
    "secp256r1": EcdsaP256PrivateKey,
    "secp384r1": EcdsaP384PrivateKey,
}


def private_key(raw: object) -> AnyPrivateKey:
    """Wrap a private key of the cryptography library, or raise KeyringError."""
    if isinstance(raw, ed25519.Ed25519PrivateKey):
        return Ed25519PrivateKey(raw)
    if isinstance(raw, ec.EllipticCurvePrivateKey) and raw.curve.name in _PRIVATE_TYPES:
        return _PRIVATE_TYPES[raw.curve.name](raw)
    raise _unsupported()


def public_key(raw: object) -> AnyPublicKey:
    """Wrap a public key of the cryptography library, or raise KeyringError."""
    if isinstance(raw, ed25519.Ed25519PublicKey):
        return Ed25519PublicKey(raw)
    if isinstance(raw, ec.EllipticCurvePublicKey) and raw.curve.name in _PRIVATE_TYPES:
        return _PRIVATE_TYPES[raw.curve.name].public_type(raw)
    raise _unsupported()


@opaque
def load_private_pem(data: bytes, password: bytes | None = None) -> AnyPrivateKey:
    """Read a private key from PEM, the form that OpenSSL and key management systems use.

    Parameters
    ----------
    data : bytes
        The PEM file's content.
    password : bytes, optional
        Password of an encrypted key.

    Returns
    -------
    Ed25519PrivateKey, EcdsaP256PrivateKey or EcdsaP384PrivateKey
        The key.

    Raises
    ------
    KeyringError
        `data` is not PEM, the key is not Ed25519, P-256 or P-384, or the password is wrong.

    Examples
    --------
    >>> from safeload import Ed25519PrivateKey, load_private_pem
    >>> key = Ed25519PrivateKey.generate()
    >>> load_private_pem(key.to_pem(b"password"), b"password") == key
    True
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
    """Read a public key from PEM.

    Parameters
    ----------
    data : bytes
        The PEM file's content.

    Returns
    -------
    Ed25519PublicKey, EcdsaP256PublicKey or EcdsaP384PublicKey
        The key.

    Raises
    ------
    KeyringError
        `data` is not PEM, or the key is not Ed25519, P-256 or P-384.

    Examples
    --------
    >>> from safeload import Ed25519PrivateKey, load_public_pem
    >>> key = Ed25519PrivateKey.generate()
    >>> load_public_pem(key.public.to_pem()) == key.public
    True
    """
    try:
        raw = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyringError("the public key cannot be read", hint="Check that it is PEM.") from None
    return public_key(raw)


def _unsupported() -> KeyringError:
    return KeyringError("this kind of key is not supported", hint="Use Ed25519, or ECDSA on P-256 or P-384.")
