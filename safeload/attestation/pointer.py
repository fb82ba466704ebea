"""The signed pointer: which tag of a name is the latest, with a sequence number that only grows.

Rules:

1. The pointer is an in-toto Statement of its own predicate type, so that neither a pointer nor an artifact's
   statement can stand in for the other. It has one canonical encoding.
2. ``sequence`` belongs to the pointer and grows by one with each move. ``version`` and the digest are those
   of the artifact's statement, so that an older statement, signed for the same tag before it was overwritten,
   does not fit.
3. A writer takes the highest sequence that it knows (from the pointer or from its memory) and adds one. Only
   the holder of a key can sign a number, and later writers continue from the highest, so that a jump does not
   lock them out. Only a number near the end, 2**53 - 1, would; so loaders and writers refuse a number over
   :data:`MAX_SEQUENCE` as if it were not signed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from safeload.attestation import envelope
from safeload.attestation.digests import Digest
from safeload.attestation.statement import STATEMENT_TYPE, InTotoStatement, Subject, encode_in_toto
from safeload.errors import MalformedError

PREDICATE_TYPE = "urn:safeload:latest:1"
MAX_SEQUENCE = 2**53 - 1 - 2**32

_Sequence = Annotated[int, msgspec.Meta(ge=1, le=MAX_SEQUENCE)]


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """What a signer says about the latest tag of a name.

    `version` and `digest` are the sequence and the digest in the artifact's statement; `created` is in UTC to
    the second.
    """

    name: str
    tag: str
    sequence: int
    version: int
    digest: Digest
    created: datetime


class _Predicate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    tag: str
    sequence: _Sequence
    version: _Sequence
    created: Annotated[datetime, msgspec.Meta(tz=True)]


_decoder = msgspec.json.Decoder(InTotoStatement[_Predicate])


def encode(pointer: Pointer) -> bytes:
    """Write a pointer in its canonical encoding."""
    subject = Subject(pointer.name, pointer.digest.to_set())
    return encode_in_toto((subject,), PREDICATE_TYPE, _Predicate, pointer)


def parse(payload: bytes) -> Pointer:
    """Read a pointer; the inverse of :func:`encode`. Call it on verified bytes only.

    Raises
    ------
    MalformedError
        `payload` is not the canonical encoding of a pointer.
    """
    wire = envelope.decode_canonical(_decoder, payload, what="pointer")
    if wire.type_ != STATEMENT_TYPE or wire.predicateType != PREDICATE_TYPE:
        raise MalformedError("what was signed is not a pointer")
    if len(wire.subject) != 1 or wire.subject[0].annotations is not None:
        raise MalformedError("the pointer does not have exactly one subject, without a size")
    if wire.subject[0].name != wire.predicate.name:
        raise MalformedError("the pointer gives its subject two names")
    digest = Digest.from_set(wire.subject[0].digest)
    return Pointer(digest=digest, **msgspec.structs.asdict(wire.predicate))
