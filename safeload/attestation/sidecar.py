r"""The sidecar: the file beside an artifact that holds its envelope.

Normally one envelope and a line feed. While an artifact is being replaced it holds two, a line each
(the JSON Lines form of an in-toto bundle): the new object's, then the one of the object that may still
be in place (see :mod:`safeload.storage.replacement`). Each was signed by whoever holds the key; the
second line is a copy of the former sidecar, so that whoever can write the folder gains nothing by
making such a file: replaying the former pair of files is possible to them anyway.
"""

from __future__ import annotations

from safeload.attestation import envelope as _envelope
from safeload.attestation.envelope import Envelope
from safeload.errors import MalformedError

SUFFIX = ".sig"
_MAX_ENVELOPES = 2


def encode(envelope: Envelope) -> bytes:
    """Write the sidecar of one envelope."""
    return _envelope.encode(envelope) + b"\n"


def parse(data: bytes, *, limit: int) -> tuple[Envelope, ...]:
    """Read a sidecar: one envelope, or two while an artifact is being replaced.

    Parameters
    ----------
    data
        The sidecar's bytes.
    limit
        The most bytes that each may have.

    Raises
    ------
    MalformedError
        For anything but one or two envelopes in their one spelling of at most `limit` bytes.
    """
    check_size(len(data), _MAX_ENVELOPES * limit)
    *lines, rest = data.split(b"\n", _MAX_ENVELOPES)
    for piece in (*lines, rest):
        check_size(len(piece) + (piece is not rest), limit)
    if rest or not lines:
        raise MalformedError(
            "the sidecar is empty" if not data else "the sidecar is not one envelope on one line",
            hint="Sign the artifact again from a source that you trust.",
        )
    return tuple(_envelope.parse(line) for line in lines)


def check_size(size: int, limit: int) -> None:
    """Raise what an over-long sidecar raises."""
    if size > limit:
        raise MalformedError(f"the sidecar has over {limit} bytes")


def two_envelope_sidecar(new: bytes, former: bytes) -> bytes:
    """Return the sidecar that verifies both the new artifact and the one it replaces.

    Parameters
    ----------
    new, former
        Sidecars of one envelope each.
    """
    if new.count(b"\n") != 1 or former.count(b"\n") != 1:
        raise ValueError("a two-envelope sidecar is made of two plain ones")
    return new + former
