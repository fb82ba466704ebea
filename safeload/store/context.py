"""What one call on a store works with: the place, the policy, the keys, and the loader's memory."""

from __future__ import annotations

import os
from dataclasses import dataclass

from safeload.errors import KeyringError
from safeload.keys.keyring import Keyring
from safeload.policy import Policy
from safeload.store.backend import Backend
from safeload.store.state import State


@dataclass(frozen=True, slots=True)
class Context:
    """See the module.

    Raises
    ------
    KeyringError
        Keyring, policy or memory lie inside the store, where whoever can write the store can change them.
    """

    backend: Backend
    rules: Policy
    ring: Keyring
    state: State

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


def inside(root: str, path: str) -> bool:
    """Tell whether `path`, links followed, lies in the folder `root`."""
    root, real = os.path.realpath(root), os.path.realpath(path)
    try:
        return os.path.commonpath([root, real]) == root
    except ValueError:  # on different drives
        return False
