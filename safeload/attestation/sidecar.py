"""The sidecar: the file beside an artifact that holds its envelope.

It holds one envelope and a line feed. While an artifact is being replaced it holds two, one a line (the JSON
Lines form of an in-toto bundle): that of the new artifact, then that of the old one, which may still be in
place (see ``storage/replacement.py``). Both were signed, and the second is a copy of the old sidecar. An
attacker gains nothing by making such a file: who can write the folder can also replay the old pair of files.
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
    data : bytes
        Content of the sidecar.
    limit : int
        Maximum size of each envelope with its line feed, in bytes.

    Returns
    -------
    tuple of Envelope
        One or two envelopes.

    Raises
    ------
    MalformedError
        `data` is not one or two lines, each of at most `limit` bytes with an envelope in its canonical
        encoding.
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
    """Raise MalformedError if a sidecar is larger than its limit."""
    if size > limit:
        raise MalformedError(f"the sidecar has over {limit} bytes")


def two_envelope_sidecar(new: bytes, old: bytes) -> bytes:
    """Join the sidecars, of one envelope each, of a new artifact and of the one that it replaces."""
    if new.count(b"\n") != 1 or old.count(b"\n") != 1:
        raise ValueError("a two-envelope sidecar is made of two sidecars of one envelope")
    return new + old
