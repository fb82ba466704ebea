"""Keyring files: read only when nobody else could have, written with mode 0600."""

from __future__ import annotations

import os
import stat

from safeload.errors import AlreadyExists, KeyringError
from safeload.storage.blob import Blob
from safeload.storage.reader import read
from safeload.storage.writer import write_bytes
from safeload.trust.keys.keyring import Keyring, Origin

LIMIT_BYTES = 1 << 20


def load(path: str | os.PathLike[str]) -> Keyring:
    """Read a keyring file.

    Raises
    ------
    NotFound
        There is none.
    KeyringError
        Others can change it; it holds secrets and others can read it; or it is not a keyring.
    """
    location = os.path.abspath(path)
    return parse(read(location, limit=LIMIT_BYTES))


def parse(blob: Blob) -> Keyring:
    """Make a keyring of a file that was read; see :func:`load`."""
    from safeload.trust.keys import jwk

    refuse_changeable(blob)
    keyring = jwk.parse(blob.data, Origin.of(blob))
    if keyring.has_secrets and _bits(blob) & (stat.S_IRGRP | stat.S_IROTH):
        raise KeyringError(
            "the keyring holds secrets, and its group or others can read it",
            where=blob.location,
            hint="Make new keys if others may have read it; then `chmod 600` the file.",
        )
    return keyring


def refuse_changeable(blob: Blob) -> None:
    """Refuse a keyring or policy file that somebody else could have written.

    Raises
    ------
    KeyringError
        Its group or others can write it, or it belongs neither to this user nor to root.
    """
    if _bits(blob) & (stat.S_IWGRP | stat.S_IWOTH):
        raise KeyringError(
            "group or others can write this file",
            where=blob.location,
            hint="Check what is in it; then `chmod go-w` the file.",
        )
    if hasattr(os, "geteuid") and blob.owner not in (0, os.geteuid()):
        raise KeyringError(
            "this file belongs to another user", where=blob.location, hint="Use a copy of your own."
        )


def save(keyring: Keyring, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a keyring file, mode 0600.

    Raises
    ------
    AlreadyExists
        There is a file already and `overwrite` is false.
    StorageError
        The operating system refused.
    """
    from safeload.trust.keys import jwk

    location = os.path.abspath(path)
    if not overwrite and os.path.lexists(location):
        raise AlreadyExists("there is a file already", where=location)
    write_bytes(location, jwk.encode(keyring), mode=0o600)


def _bits(blob: Blob) -> int:
    # Windows has no such bits; its access lists are the administrator's matter.
    return blob.mode if blob.mode is not None and os.name != "nt" else 0
