"""Pickles with a right signature over any bytes and any list of names."""

from __future__ import annotations

from typing import Any

import safeload
from safeload import HmacKey
from safeload.attestation import statement
from safeload.attestation.digests import digest_of
from safeload.attestation.statement import Statement
from safeload.limits import Limits
from safeload.trust import signing


def signed(data: bytes, key: HmacKey, names: tuple[str, ...] | None, format: str = "joblib") -> Any:
    """Return an artifact with a right signature over any bytes and any list."""
    described = Statement(
        name="x",
        digest=digest_of("blake3", data),
        size=len(data),
        format=format,
        created=signing.now(),
        globals=names,
    )
    return data, signing.seal(statement.encode(described), key, Limits(), where="x")


def load(pair: Any, key: HmacKey, **options: Any) -> Any:
    """Load what :func:`signed` returned."""
    return safeload.loads(*pair, name="x", keyring=key, **options)
