"""Signs files, whatever they are, and loads them with every preset on the allowlist; says what came of it.

``python -m corpus.admit`` reads a JSON list of paths and prints for each the error's name, or ``loaded``.
"""

from __future__ import annotations

import contextlib
import json
import sys

import safeload
from safeload import HmacKey, Keyring, presets

ALLOW = [f"preset:{name}" for name in presets.names()]
POLICY = safeload.Policy(allow=ALLOW, trusted=ALLOW, environment="ignore")


def outcome(path: str, keyring: Keyring) -> str:
    """Sign and load a file as somebody does who was deceived about it, but names what it may refer to."""
    try:
        # A format that cannot be told is what the name says, or joblib's.
        chosen = None if path.endswith(".skops") else "pickle" if path.endswith(".pkl") else "joblib"
        with contextlib.suppress(safeload.AlreadyExists):
            safeload.sign(path, keyring=keyring, format=chosen)
        safeload.load(path, keyring=keyring, policy=POLICY)
    except safeload.SafeloadError as error:
        return error.code
    except Exception as error:
        return f"no SafeloadError: {type(error).__name__}"
    return "loaded"


def main() -> None:
    """See the module."""
    keyring = Keyring.of(HmacKey.generate())
    print(json.dumps({path: outcome(path, keyring) for path in json.load(sys.stdin)}))


if __name__ == "__main__":
    main()
