"""Statements: reading ends in a statement or a refusal, and what is read writes back as the same bytes."""

from __future__ import annotations

from datetime import UTC, datetime

from support.forgery import payload_of

from safeload import SafeloadError
from safeload.attestation import statement

_EXPIRES = datetime(2100, 1, 1, tzinfo=UTC)

SEEDS = [
    payload_of(b"x", "churn", expires=_EXPIRES),
    payload_of(b"x", "churn", expires=_EXPIRES, metadata={"a": [1, "é", None, {"b": 1.5}]}),
    b"{}",
]


def one(data: bytes) -> None:
    """Hold the property for any bytes."""
    try:
        read = statement.parse(data)
    except SafeloadError:
        return
    assert statement.encode(read) == data, "a statement has a second spelling"
