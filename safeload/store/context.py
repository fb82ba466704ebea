"""What one call on a store works with: the place, the policy, the keys, and the loader's memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from safeload.errors import KeyringError, UnknownKey
from safeload.store.backends.base import Backend
from safeload.store.rollback import State
from safeload.trust.keys.keyring import Keyring
from safeload.trust.policy import Policy

_Result = TypeVar("_Result")

# How often the keys are looked up anew in one call, each time because they had changed.
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Context:
    """See the module.

    Parameters
    ----------
    backend, rules, ring, state
        The place, the policy, the keys, and the memory.
    keys
        Looks up the keys anew.

    Raises
    ------
    KeyringError
        Keyring, policy or memory lie inside the store, where whoever can write the store can change them.
    """

    backend: Backend
    rules: Policy
    ring: Keyring
    state: State
    keys: Callable[[], Keyring]

    def __post_init__(self) -> None:
        root = getattr(self.backend, "root", None)
        if root is None:
            return
        for what, path in (
            ("keyring", self.ring.origin.path if self.ring.origin else None),
            ("policy", self.rules.origin.path if self.rules.origin else None),
            ("memory of sequence numbers", self.state.base),
        ):
            if path is not None and inside(root, path):
                raise KeyringError(
                    f"the {what} lies inside the store, where whoever can write the store can change it",
                    where=path,
                    hint="Move it out of the store.",
                )


def retry_after_rotation(context: Context, work: Callable[[Context], _Result]) -> _Result:
    """Do something; anew if it met an unknown key and the keyring has changed since the call began.

    While a key is rotated, others sign with the new one as soon as it is in the keyring, which may be after a
    call looked that up. What counts is the keyring as it is, whole: a key that it revokes is refused.

    Raises
    ------
    UnknownKey
        The key is not in the keyring of now either.
    """
    for _ in range(_ATTEMPTS):
        try:
            return work(context)
        except UnknownKey:
            ring = context.keys()
            if ring == context.ring:
                raise
            context = replace(context, ring=ring)
    return work(context)


def inside(root: str, path: str) -> bool:
    """Tell whether `path`, links followed, lies in the folder `root`."""
    root, real = os.path.realpath(root), os.path.realpath(path)
    try:
        return os.path.commonpath([root, real]) == root
    except ValueError:  # on different drives
        return False
