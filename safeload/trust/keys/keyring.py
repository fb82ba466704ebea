"""The keyring: which keys a loader accepts, for which names, and which key signs.

Rules:

1. At most one key is ``active``; it signs.
2. A ``revoked`` key verifies nothing, whatever its other fields say.
3. Outside its validity window a key neither verifies nor signs. The window is compared with the loader's
   clock and not with the time in the statement, which the thief of an old key would choose.
4. A key with name patterns verifies and signs only names that match one of them. ``*`` matches any
   characters, including ``/``; ``?`` one character; ``[...]`` one of a set. Case counts.
5. A keyring is immutable. Adding, rotating and revoking keys make a new one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType

from safeload.errors import AlreadyExists, KeyringError, NoKeyError
from safeload.storage.blob import Blob
from safeload.storage.reader import read
from safeload.storage.trusted_file import LIMIT_BYTES, Origin, refuse_changeable, refuse_readable
from safeload.storage.writer import write_bytes
from safeload.trust.keys.asymmetric import PrivateKey
from safeload.trust.keys.base import KeyId, SigningKey, VerifyingKey, opaque
from safeload.trust.keys.entry import Entry, State


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by their ids.

    Parameters
    ----------
    entries : iterable of Entry
        The keys, in any order.
    origin : Origin, optional
        The file that they were read from.

    Raises
    ------
    KeyringError
        A key occurs twice, or several keys are active.

    Examples
    --------
    >>> from safeload.trust.keys import Entry, HmacKey, Keyring
    >>> keyring = Keyring([Entry(key=HmacKey.generate(), state="active")])
    >>> keyring.signer == keyring.entries[0].key
    True
    """

    entries: tuple[Entry, ...]
    origin: Origin | None = None
    by_id: Mapping[KeyId, Entry] = field(init=False, repr=False, compare=False)

    def __init__(self, entries: Iterable[Entry], origin: Origin | None = None) -> None:
        ordered = tuple(entries)
        by_id = {entry.key.key_id: entry for entry in ordered}
        if len(by_id) != len(ordered):
            raise KeyringError("the keyring holds a key twice", where=origin.path if origin else None)
        if sum(entry.state == "active" for entry in ordered) > 1:
            raise KeyringError(
                "the keyring has more than one key that signs",
                where=origin.path if origin else None,
                hint='Leave "sign" in "key_ops" of one key only.',
            )
        object.__setattr__(self, "entries", ordered)
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "by_id", MappingProxyType(by_id))

    @classmethod
    def of(cls, key: VerifyingKey) -> Keyring:
        """Return a keyring of one key, which signs if it can."""
        return cls([Entry(key=key, state="active" if isinstance(key, SigningKey) else "verify-only")])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Keyring:
        """Read a keyring file.

        Raises
        ------
        NotFound
            The file does not exist.
        KeyringError
            Others can write it; it holds secrets and others can read it; or it is not a keyring.
        """
        return cls.parse(read(os.path.abspath(path), limit=LIMIT_BYTES))

    @classmethod
    @opaque
    def parse(cls, blob: Blob) -> Keyring:
        """Make a keyring from a file that was read; errors are those of :meth:`load`."""
        from safeload.trust.keys import jwk

        refuse_changeable(blob)
        origin = Origin.of(blob)
        keyring = cls(jwk.parse(blob.data, where=origin.path), origin)
        if keyring.has_secrets:
            refuse_readable(blob)
        return keyring

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write a keyring file with mode 0600.

        Parameters
        ----------
        path : str or os.PathLike
            The file.
        overwrite : bool
            Replace a file that is there.

        Raises
        ------
        AlreadyExists
            The file exists, and `overwrite` is false.
        NotFound, StorageError
            The operating system refused.
        """
        from safeload.trust.keys import jwk

        location = os.path.abspath(path)
        if not overwrite and os.path.lexists(location):
            raise AlreadyExists("the file exists already", where=location)
        write_bytes(location, jwk.encode(self.entries), mode=0o600)

    def find(self, key_id: str) -> Entry | None:
        """Return the entry of a key, or None."""
        return self.by_id.get(KeyId(key_id))

    @property
    def active(self) -> Entry | None:
        """The entry of the key that signs, or None."""
        return next((entry for entry in self.entries if entry.state == "active"), None)

    @property
    def signer(self) -> SigningKey:
        """The key that signs.

        Raises
        ------
        NoKeyError
            No key is active.
        """
        entry = self.active
        if entry is None or not isinstance(entry.key, SigningKey):
            raise NoKeyError(
                "the keyring has no key that signs",
                where=self.origin.path if self.origin else None,
                hint="It can only verify. Run `safeload keygen` to make a key that signs.",
            )
        return entry.key

    def signer_for(self, name: str, now: datetime | None = None) -> SigningKey:
        """Return the key that signs, if it may vouch for `name` at `now`.

        Raises
        ------
        NoKeyError
            No key is active.
        KeyNotAllowed
            The key's window or patterns exclude it.
        """
        key = self.signer
        entry = self.find(key.key_id)
        assert entry is not None  # noqa: S101  it is the active one
        entry.admit(name, now or datetime.now(UTC))
        return key

    def with_entry(self, entry: Entry) -> Keyring:
        """Return a keyring with `entry` added. If it is active, the key that signed before only verifies."""
        entries = self.entries
        if entry.state == "active":
            entries = tuple(
                replace(old, state="verify-only") if old.state == "active" else old for old in entries
            )
        return Keyring((*entries, entry))

    def revoked(self, key_id: str, reason: str) -> Keyring:
        """Return a keyring in which a key is revoked.

        Raises
        ------
        KeyringError
            The key is not in the keyring.
        """
        if self.find(key_id) is None:
            raise KeyringError(f"there is no key {key_id[:12]}… in the keyring")
        return Keyring(
            replace(entry, state="revoked", reason=reason) if entry.key.key_id == key_id else entry
            for entry in self.entries
        )

    def public(self) -> Keyring:
        """Return a keyring for loaders, with the public halves only.

        Raises
        ------
        KeyringError
            The keyring has an HMAC key, which has no public half.
        """
        entries = []
        for entry in self.entries:
            key = entry.key.public if isinstance(entry.key, PrivateKey) else entry.key
            if isinstance(key, SigningKey):
                raise KeyringError(
                    "an HMAC key has no public half",
                    hint="Make an Ed25519 key (`safeload keygen --algorithm ed25519`).",
                )
            state: State = "verify-only" if entry.state == "active" else entry.state
            entries.append(replace(entry, key=key, state=state))
        return Keyring(entries)

    @property
    def has_secrets(self) -> bool:
        """Whether any key can sign."""
        return any(isinstance(entry.key, SigningKey) for entry in self.entries)
