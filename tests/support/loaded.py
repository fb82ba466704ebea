"""What the C and the Python unpickler make of harmless pickles.

``python -m support.loaded`` takes the pickles as JSON, in hexadecimal, from standard input. No
name is looked up. Prints, for each, both results as text, or None where one refused.
"""

from __future__ import annotations

import io
import json
import pickle
import sys
from typing import Any


class _Python(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError("no names here")


class _C(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError("no names here")


def _by(kind: Any, data: bytes) -> str | None:
    file = io.BytesIO(data)
    try:
        value = kind(file).load()
    except Exception:
        return None
    return f"{value!r} {file.tell()}"


if __name__ == "__main__":
    pickles = [bytes.fromhex(text) for text in json.load(sys.stdin)]
    print(json.dumps([[_by(_C, data), _by(_Python, data)] for data in pickles]))
