"""The keyring of a call.

The first of these sources that exists is used. A source that exists but cannot be used is an error and never
skipped:

1. the argument ``keyring=``,
2. the file named by ``SAFELOAD_KEYRING``,
3. the base64 secret in ``SAFELOAD_KEY``,
4. ``keyring.json`` in the user's configuration folder.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import os

from safeload.errors import KeyringError, NoKeyError, NotFound
from safeload.storage.reader import read
from safeload.storage.trusted_file import LIMIT_BYTES, configured_path, refuse_changeable_folder
from safeload.trust.keys.base import SigningKey, VerifyingKey, opaque
from safeload.trust.keys.hmac_key import HmacKey
from safeload.trust.keys.keyring import Keyring

KEYRING_VARIABLE = "SAFELOAD_KEYRING"
KEY_VARIABLE = "SAFELOAD_KEY"

KeyringSource = Keyring | VerifyingKey | str | os.PathLike[str]

# The parsed keyring of each file, with all of the file that its acceptance depends on.
_parsed: dict[str, tuple[object, Keyring]] = {}


def resolve(keyring: KeyringSource | None = None) -> Keyring:
    """Return the keyring that a call uses: the argument, or the configured keyring.

    Raises
    ------
    NoKeyError
        No key is configured.
    KeyringError, NotFound
        The keyring cannot be used, or its file does not exist.
    TypeError
        `keyring` has another type.
    """
    if isinstance(keyring, Keyring):
        return keyring
    if isinstance(keyring, str | os.PathLike):
        return _from_file(os.fspath(keyring))
    if keyring is not None:
        if isinstance(keyring, VerifyingKey):
            return Keyring.of(keyring)
        raise TypeError(f"a keyring is a Keyring, a key or a path, not a {type(keyring).__name__}")
    if path := os.environ.get(KEYRING_VARIABLE):
        return _from_file(configured_path(KEYRING_VARIABLE, path))
    if os.environ.get(KEY_VARIABLE):
        return _from_variable()
    try:
        return _from_file(default_path())
    except NotFound:
        raise NoKeyError(
            "no key is configured",
            hint=f"Run `safeload keygen` once to make one, or set {KEYRING_VARIABLE} or {KEY_VARIABLE}.",
        ) from None


def resolve_signer(
    name: str, signer: SigningKey | None, keyring: KeyringSource | None
) -> tuple[SigningKey, Keyring | None]:
    """Return the key that signs `name`, and the keyring that it came from, if any.

    A `signer` is used as it is, and TypeError says that it cannot sign. Other errors are those of
    :func:`resolve` and :meth:`Keyring.signer_for`.
    """
    if signer is not None:
        if not isinstance(signer, SigningKey):
            raise TypeError("a signer is a key that can sign")
        return signer, None
    resolved = resolve(keyring)
    return resolved.signer_for(name), resolved


def default_path() -> str:
    """Return the path of the keyring in the user's configuration folder."""
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("safeload", appauthor=False), "keyring.json")


def _from_file(path: str) -> Keyring:
    """Read the file each time, and parse it only if it has changed."""
    location = os.path.abspath(path)
    blob = read(location, limit=LIMIT_BYTES)
    fingerprint = (hashlib.sha256(blob.data).digest(), blob.mode, blob.owner, blob.folder)
    known = _parsed.get(location)
    if known is not None and known[0] == fingerprint:
        # The folders above the file may have changed since it was parsed.
        refuse_changeable_folder(location)
        return known[1]
    keyring = Keyring.parse(blob)
    _parsed[location] = (fingerprint, keyring)
    return keyring


@opaque
def _from_variable() -> Keyring:
    return _from_text(os.environ[KEY_VARIABLE])


@functools.lru_cache(maxsize=4)
def _from_text(text: str) -> Keyring:
    try:
        secret = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    # Only the canonical encoding, so that a truncated or mistyped secret is more likely to be noticed.
    if not secret or base64.b64encode(secret).decode() != text:
        raise KeyringError(
            f"{KEY_VARIABLE} is not base64",
            hint="Run `safeload keygen --env` to make a value for it.",
        )
    return Keyring.of(HmacKey(secret))
