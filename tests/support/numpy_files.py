"""Numpy's files written by hand, so that their headers can lie."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any


def npy(
    descr: Any,
    shape: Any,
    body: bytes = b"",
    *,
    order: Any = False,
    version: int = 1,
    header: bytes | None = None,
) -> bytes:
    """Return an ``.npy`` file; `header` takes the place of the dict."""
    fields = {"descr": descr, "fortran_order": order, "shape": shape}
    text = repr(fields).encode() + b"\n" if header is None else header
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + body


def npz(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return an archive of members by their whole names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name) if method == zipfile.ZIP_STORED else name, data)
    return buffer.getvalue()
