"""What a caller asked for, which the signed statement must be about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the caller asked for.

    Parameters
    ----------
    name, tag
        Under which the artifact must have been signed.
    format
        The format it must be in, or None for any that the policy admits.
    trusted
        The allowlist for a data-only file without a signature; None refuses every file without one.
    signed
        Whether only a signature will do, whatever the policy admits without one.
    allow
        What a signed pickle may refer to, in addition to the policy's list; None for no list of the call's.
    """

    name: str
    tag: str | None = None
    format: str | None = None
    trusted: frozenset[str] | None = None
    allow: frozenset[str] | None = None
    signed: bool = False
