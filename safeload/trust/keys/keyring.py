"""The keyring: which keys a loader accepts, for which names, and with which one it signs.

Rules:

1. At most one key is ``active``; it is the one that signs.
2. A key that is ``revoked`` verifies nothing, whatever else is said of it.
3. Outside its validity window a key neither verifies nor signs. The window is compared with the clock of
   the loader and not with the time in the statement, which whoever stole an old key would choose.
4. A key with name patterns verifies and signs only names that match one of them. ``*`` matches any
   characters, ``/`` included; ``?`` one character; ``[...]`` one of a set. Case counts.
5. A keyring does not change. Adding, rotating and revoking make another one.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from safeload.errors import KeyNotAllowed, KeyringError, NoKeyError
from safeload.storage.beneath import folder_id
from safeload.storage.blob import Blob, FolderId
from safeload.storage.reader import wrapped
from safeload.trust.keys.asymmetric import PrivateKey
from safeload.trust.keys.base import KeyId, SigningKey, VerifyingKey

State = Literal["active", "verify-only", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key and what it is accepted for.

    Parameters
    ----------
    key
        The key.
    state
        ``active`` signs and verifies, ``verify-only`` verifies, ``revoked`` does neither.
    reason
        Why it was revoked.
    not_before, not_after
        The validity window, both ends included; None leaves an end open.
    names
        Patterns of the names it is for; None means every name.

    Raises
    ------
    KeyringError
        For a contradiction: an active key that cannot sign, a window that ends before it starts, no name.
    """

    key: VerifyingKey
    state: State = "verify-only"
    reason: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        # A class has the attributes that the protocol asks for, too.
        if isinstance(self.key, type) or not isinstance(self.key, VerifyingKey):
            raise TypeError("an entry is made of a key")
        if self.state not in ("active", "verify-only", "revoked"):
            raise KeyringError(f"{self.state!r} is not a state of a key")
        if self.state == "active" and not isinstance(self.key, SigningKey):
            raise KeyringError("a public key cannot be the active one, since it cannot sign")
        for moment in (self.not_before, self.not_after):
            if moment is not None and moment.tzinfo is None:
                raise KeyringError("a validity window needs a time zone")
        if self.not_before and self.not_after and self.not_before > self.not_after:
            raise KeyringError("a validity window ends before it starts")
        if self.names is not None and (isinstance(self.names, str) or not self.names or not all(self.names)):
            raise KeyringError("name patterns are a list of at least one pattern that is not empty")

    def admit(self, name: str, now: datetime) -> None:
        """Return if the key may vouch for `name` at `now`.

        Raises
        ------
        KeyNotAllowed
            With the reason.
        """
        key = f"the key {self.key.key_id[:12]}…"
        if self.state == "revoked":
            raise KeyNotAllowed(
                f"{key} was revoked ({self.reason or 'no reason given'})",
                hint="Get a version that is signed with a key in use.",
            )
        if self.not_before is not None and now < self.not_before:
            raise KeyNotAllowed(f"{key} is not valid before {self.not_before:%Y-%m-%d %H:%M:%S %Z}")
        if self.not_after is not None and now > self.not_after:
            raise KeyNotAllowed(
                f"{key} is not valid after {self.not_after:%Y-%m-%d %H:%M:%S %Z}",
                hint="Sign again with a key in use.",
            )
        if self.names is not None and not any(fnmatch.fnmatchcase(name, pattern) for pattern in self.names):
            raise KeyNotAllowed(f"{key} is for the names {', '.join(self.names)} and not for {name!r}")


@dataclass(frozen=True, slots=True)
class Origin:
    """The file that a keyring or policy came from.

    Parameters
    ----------
    path
        As it was named.
    folders
        Its folder, and every folder above it up to the user's home or the root, which are not counted:
        whoever can write one of these could replace the file.
    """

    path: str
    folders: frozenset[FolderId]

    @classmethod
    def of(cls, blob: Blob) -> Origin:
        """Return the origin of a file that was read."""
        found = set() if blob.folder is None else {blob.folder}
        home = os.path.realpath(os.path.expanduser("~"))
        folder = os.path.dirname(os.path.realpath(blob.location))
        # Each of the file itself, where the path was a link, and of those above it.
        first = True
        while first or (folder != os.path.dirname(folder) and not f"{home}/".startswith(f"{folder}/")):
            try:
                found.add(folder_id(os.stat(folder)))
            except OSError as error:
                raise wrapped(error, folder) from error
            first = False
            folder = os.path.dirname(folder)
        return cls(blob.location, frozenset(found))


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by their ids.

    Parameters
    ----------
    entries
        The keys, in no particular order.
    origin
        The file that they were read from, if any.

    Raises
    ------
    KeyringError
        A key stands in it twice, or more than one is active.

    Examples
    --------
    >>> from safeload.trust.keys import Entry, HmacKey, Keyring
    >>> keyring = Keyring([Entry(key=HmacKey.generate(), state="active")])
    >>> keyring.signer == keyring.entries[0].key
    True
    """

    entries: tuple[Entry, ...]
    origin: Origin | None = None
    _by_id: dict[KeyId, Entry] = field(init=False, repr=False, compare=False)

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
        object.__setattr__(self, "_by_id", by_id)

    @classmethod
    def of(cls, key: VerifyingKey) -> Keyring:
        """Return a keyring of one key, which signs if it can."""
        return cls([Entry(key=key, state="active" if isinstance(key, SigningKey) else "verify-only")])

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Keyring:
        """Read a keyring file; see :func:`safeload.trust.keys.files.load`."""
        from safeload.trust.keys import files

        return files.load(path)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write a keyring file with mode 0600; see :func:`safeload.trust.keys.files.save`."""
        from safeload.trust.keys import files

        files.save(self, path, overwrite=overwrite)

    def find(self, key_id: str) -> Entry | None:
        """Return the entry of a key, or None."""
        return self._by_id.get(KeyId(key_id))

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
            There is none.
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
        """Return the key that signs, if it may vouch for `name`.

        Raises
        ------
        NoKeyError
            There is none.
        KeyNotAllowed
            Its window or its patterns exclude this.
        """
        key = self.signer
        entry = self.find(key.key_id)
        assert entry is not None  # noqa: S101  it is the active one
        entry.admit(name, now or datetime.now(UTC))
        return key

    def with_entry(self, entry: Entry) -> Keyring:
        """Return a keyring with `entry` added. If it is active, the key that signed so far verifies only."""
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
            There is no such key.
        """
        if self.find(key_id) is None:
            raise KeyringError(f"there is no key {key_id[:12]}… in the keyring")
        return Keyring(
            replace(entry, state="revoked", reason=reason) if entry.key.key_id == key_id else entry
            for entry in self.entries
        )

    def public(self) -> Keyring:
        """Return a keyring for loaders: public halves only.

        Raises
        ------
        KeyringError
            An HMAC key is in it, which has no public half.
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
        """Whether any key could sign."""
        return any(isinstance(entry.key, SigningKey) for entry in self.entries)
