"""The two numbers of an ECDSA signature, r and s."""

from __future__ import annotations

from typing import Any


def numbers_of(key: Any, signature: bytes) -> tuple[int, int]:
    """Return r and s of a signature by a key, private or public."""
    size = _number_bytes(key)
    return int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")


def raw_signature(key: Any, r: int, s: int) -> bytes:
    """Write r and s as a signature by a key."""
    size = _number_bytes(key)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def with_low_s(key: Any, signature: bytes) -> bytes:
    """Return the signature itself, or the other one with the same r, whichever has the lower s."""
    r, s = numbers_of(key, signature)
    return raw_signature(key, r, min(s, key.public.order - s))


def _number_bytes(key: Any) -> int:
    number_bytes: int = getattr(key, "public", key).number_bytes
    return number_bytes
