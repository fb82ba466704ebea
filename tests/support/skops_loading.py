"""Loading skops files that nobody signed, and arrays as they stand in them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import safeload
from safeload import MalformedError, Policy, SafeloadError


def load(data: bytes, *trusted: str, policy: Policy | None = None) -> Any:
    """Load an unsigned file."""
    return safeload.loads(data, None, trusted=trusted, policy=policy)


def refused(
    data: bytes, *trusted: str, error: type[SafeloadError] = MalformedError, match: str = "."
) -> None:
    """See that an unsigned file is refused, whatever is trusted."""
    with pytest.raises(error, match=match):
        load(data, *trusted)


def npy(array: Any, **header: Any) -> bytes:
    """Return the member of an array, with parts of its header changed."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    if not header:
        return file.getvalue()
    file.seek(0)
    np.lib.format.read_magic(file)
    shape, order, dtype = np.lib.format.read_array_header_1_0(file)
    values = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": order, "shape": shape, **header}
    line = (repr(values) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + file.read()
