"""Asks safeload to load files, and says what came of it.

``python -m corpus.outcomes refuse`` or ``admit`` reads a JSON list of paths and prints for each the error's
name, or ``loaded``.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable

import safeload
from safeload import HmacKey, Keyring, namelists

ALLOW = [f"preset:{name}" for name in namelists.names()]
POLICY = safeload.Policy(allow=ALLOW, trusted=ALLOW, environment="ignore")


def refuse(path: str, keyring: Keyring) -> None:
    """Load a file that nobody signed, as somebody does who has a key and trusts no type."""
    safeload.load(path, keyring=keyring)


def admit(path: str, keyring: Keyring) -> None:
    """Sign and load a file as somebody does who was deceived about it, but names what it may refer to."""
    # A format that cannot be told is what the name says, or joblib's.
    chosen = None if path.endswith(".skops") else "pickle" if path.endswith(".pkl") else "joblib"
    with contextlib.suppress(safeload.AlreadyExists):
        safeload.sign(path, keyring=keyring, format=chosen)
    safeload.load(path, keyring=keyring, policy=POLICY)


def outcome(attempt: Callable[[str, Keyring], None], path: str, keyring: Keyring) -> str:
    """Return what comes of an attempt; an error that is not safeload's starts with a small letter."""
    try:
        attempt(path, keyring)
    except safeload.SafeloadError as error:
        return error.code
    except Exception as error:
        return f"no SafeloadError: {type(error).__name__}"
    return "loaded"


def main() -> None:
    """See the module."""
    attempt = {"refuse": refuse, "admit": admit}[sys.argv[1]]
    keyring = Keyring.of(HmacKey.generate())
    print(json.dumps({path: outcome(attempt, path, keyring) for path in json.load(sys.stdin)}))


if __name__ == "__main__":
    main()
