"""An entry of a keyring: a key, and what it is accepted for."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from safeload.errors import KeyNotAllowed, KeyringError
from safeload.trust.keys.base import SigningKey, VerifyingKey

State = Literal["active", "verify-only", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key and what it is accepted for.

    Parameters
    ----------
    key : VerifyingKey
        The key.
    state : {"active", "verify-only", "revoked"}
        An active key signs and verifies, a revoked key does neither.
    reason : str, optional
        Why the key was revoked.
    not_before, not_after : datetime.datetime, optional
        The validity window, both ends included; None leaves an end open.
    names : tuple of str, optional
        Patterns of the names that the key is for; None means every name.

    Raises
    ------
    KeyringError
        The values contradict each other: an active key cannot sign, the window ends before it starts, or the
        list of patterns is empty.

    Examples
    --------
    >>> from safeload import Entry, HmacKey
    >>> Entry(key=HmacKey.generate(), state="active", names=("prod/*",)).state
    'active'
    """

    key: VerifyingKey
    state: State = "verify-only"
    reason: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        # A class has the attributes of the protocol, too.
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
        """Raise KeyNotAllowed if the key is revoked, outside its window at `now`, or not for `name`."""
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
