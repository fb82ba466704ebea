"""What one call on a store works with: the place, the policy, the keys, and the loader's memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from safeload.errors import KeyringError
from safeload.store.backends.base import Backend
from safeload.store.rollback import State
from safeload.trust.keys.keyring import Keyring
from safeload.trust.policy import Policy


@dataclass(frozen=True, slots=True)
class Context:
    """What one call works with: `keyring` as it was when the call began; `look_up` looks it up anew.

    Raises
    ------
    KeyringError
        Keyring, policy or memory lie inside the store, where anyone who can write the store can change them.
    """

    backend: Backend
    policy: Policy
    keyring: Keyring
    state: State
    look_up: Callable[[], Keyring]

    def __post_init__(self) -> None:
        root = getattr(self.backend, "root", None)
        if root is None:
            return
        for what, path in (
            ("keyring", self.keyring.origin.path if self.keyring.origin else None),
            ("policy", self.policy.origin.path if self.policy.origin else None),
            ("memory of sequence numbers", self.state.base),
        ):
            if path is not None and inside(root, path):
                raise KeyringError(
                    f"the {what} lies inside the store, where anyone who can write the store can change it",
                    where=path,
                    hint="Move it out of the store.",
                )


def inside(root: str, path: str) -> bool:
    """Tell whether `path`, links followed, lies in the folder `root`."""
    root, real = os.path.realpath(root), os.path.realpath(path)
    try:
        return os.path.commonpath([root, real]) == root
    except ValueError:  # on different drives
        return False
