"""Safetensors files written by hand."""

from __future__ import annotations

import json
import struct
from typing import Any


def file_of(header: Any, body: bytes = b"") -> bytes:
    """Return a file; a header that is no bytes is written as JSON."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor(start: int, stop: int, dtype: str = "F32", shape: tuple[Any, ...] = (2,)) -> dict[str, Any]:
    """Return what a header says of a tensor."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}
