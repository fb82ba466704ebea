"""Paths from environment variables, which mean the same wherever a program is started."""

from __future__ import annotations

import os

from safeload.errors import KeyringError


def configured_path(variable: str) -> str | None:
    """Return the absolute path that an environment variable holds, None if it is unset or empty.

    Raises
    ------
    KeyringError
        The path is relative: it would lead into whatever folder a program is started in.
    """
    path = os.environ.get(variable)
    if not path:
        return None
    if not os.path.isabs(path):
        raise KeyringError(
            f"{variable} is a relative path, which means another place in another folder",
            where=path,
            hint="Give the absolute path.",
        )
    return path
