"""HMAC-SHA256 keys (RFC 2104, FIPS 198-1) derived from one secret by HKDF-SHA256 (RFC 5869).

The secret itself signs nothing. The signing key and the key id are derived from it, with an ``info`` that
names the purpose and version. So the same secret in another program, or for another purpose, gives other
keys. A MAC is compared in constant time and never truncated.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from safeload.errors import KeyringError
from safeload.trust.keys.base import Guarded, KeyAlgorithm, KeyId, invalid, opaque

MIN_SECRET_BYTES: Final = 32
_SIGN_INFO: Final = b"safeload hmac-sha256 dsse v1"
_KEY_ID_INFO: Final = b"safeload hmac-sha256 key-id v1"
_KEY_ID_TEXT: Final = b"safeload key id"
# Public text that could be mistaken for a secret: public keys and certificates.
_PUBLIC_PREFIXES: Final = (b"-----BEGIN", b"ssh-", b"ecdsa-sha2-")


class HmacKey(Guarded):
    """A shared secret that signs and verifies.

    Everyone who can verify with it can also sign. If loaders must not be able to sign, use
    :class:`~safeload.trust.keys.Ed25519PrivateKey`.

    Parameters
    ----------
    secret : bytes
        At least 32 random bytes.

    Raises
    ------
    KeyringError
        The secret is shorter, is the text of a public key, or repeats one byte.

    Examples
    --------
    >>> from safeload import HmacKey
    >>> key = HmacKey.generate()
    >>> key.verify(b"message", key.sign(b"message"))
    """

    __slots__ = ("_mac_key", "_secret", "key_id")

    algorithm: KeyAlgorithm = "hmac-sha256"

    @opaque
    def __init__(self, secret: bytes) -> None:
        problem = _problem(secret)
        if problem is not None:
            raise KeyringError(problem, hint="Run `safeload keygen` to make a good one.")
        self._secret = bytes(secret)
        self._mac_key = _derive(self._secret, _SIGN_INFO)
        self.key_id = KeyId(hmac.digest(_derive(self._secret, _KEY_ID_INFO), _KEY_ID_TEXT, "sha256").hex())

    @classmethod
    def generate(cls) -> HmacKey:
        """Return a new key from the system's random source."""
        return cls(secrets.token_bytes(MIN_SECRET_BYTES))

    def sign(self, message: bytes) -> bytes:
        """Return the 32-byte MAC of `message`."""
        return hmac.digest(self._mac_key, message, "sha256")

    def verify(self, message: bytes, signature: bytes) -> None:
        """Verify that `signature` is the MAC of `message`, or raise SignatureInvalid."""
        if not hmac.compare_digest(self.sign(message), signature):
            raise invalid()

    def export_secret(self) -> bytes:
        """Return the secret, for writing a keyring."""
        return self._secret

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HmacKey):
            return NotImplemented
        return hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self.key_id)


def _problem(secret: bytes) -> str | None:
    if not isinstance(secret, bytes):
        return "an HMAC secret is given as bytes"
    if len(secret) < MIN_SECRET_BYTES:
        return f"an HMAC secret has at least {MIN_SECRET_BYTES} bytes, this one {len(secret)}"
    if secret.lstrip().startswith(_PUBLIC_PREFIXES):
        return "this is the text of a key file, not a secret"
    if len(set(secret)) == 1:
        return "an HMAC secret that repeats one byte is not random"
    return None


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)
