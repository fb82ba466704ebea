"""Asks safeload to load files that nobody signed, and says what came of it.

``python -m corpus.refuse`` reads a JSON list of paths and prints for each the error's name, or ``loaded``.
"""

from __future__ import annotations

import json
import sys

import safeload
from safeload import HmacKey, Keyring


def outcome(path: str, keyring: Keyring) -> str:
    """Load a file as somebody does who has a key and trusts no type."""
    try:
        safeload.load(path, keyring=keyring)
    except safeload.SafeloadError as error:
        return error.code
    except Exception as error:
        return f"{type(error).__name__}, which is no SafeloadError"
    return "loaded"


def main() -> None:
    """See the module."""
    keyring = Keyring.of(HmacKey.generate())
    print(json.dumps({path: outcome(path, keyring) for path in json.load(sys.stdin)}))


if __name__ == "__main__":
    main()
