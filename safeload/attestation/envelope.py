"""The envelope: how everything that is signed is encoded, what a signature covers, and the sidecar.

Rules (DSSE 1.0.2, https://github.com/secure-systems-lab/dsse, narrowed where it leaves a choice):

1. Everything that is signed has one canonical encoding: compact JSON with the fields in the order of their
   type, as msgspec writes it, with standard base64. What decodes but does not encode back to the same bytes
   is refused. This one comparison covers white space, escapes, other forms of a number, doubled, reordered
   and unknown fields, loose base64 and trailing bytes. So no altered text means the same as the original. It
   holds for envelopes here, and for their payloads where those are parsed.
2. A signature covers the pre-authentication encoding (PAE) of the payload type and the payload, both as
   bytes; lengths count bytes.
3. The payload is passed on as bytes. This module does not parse it.
4. A key id is a hint for finding the key. It appears once in an envelope, so that a key counts once.
5. A sidecar, the file beside an artifact, is one envelope and a line feed. While an artifact is being
   replaced it holds two, one a line (the JSON Lines form of an in-toto bundle): that of the new artifact,
   then that of the old one, which may still be in place (see ``storage/replacement.py``). Both were signed,
   and the second is a copy of the old sidecar. An attacker gains nothing by making such a file: anyone who
   can write the folder can also replay the old pair of files.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from safeload.errors import MalformedError

SIDECAR_SUFFIX = ".sig"
_MAX_ENVELOPES = 2
# Each signature costs a verification.
MAX_SIGNATURES = 16

_T = TypeVar("_T")

encode_canonical = msgspec.json.Encoder().encode


def decode_canonical(decoder: msgspec.json.Decoder[_T], data: bytes, *, what: str) -> _T:
    """Read a value from its canonical encoding; `what` names it in messages.

    Raises
    ------
    MalformedError
        `data` is not what :func:`encode_canonical` writes for any value of the decoder's type.
    """
    try:
        value = decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # The library's message may quote the data.
        raise MalformedError(f"the {what} cannot be read ({type(error).__name__})") from None
    if encode_canonical(value) != data:
        raise MalformedError(
            f"the {what} is not in its canonical encoding (white space, a doubled field, "
            "loose base64 or bytes that do not belong)"
        )
    return value


class EnvelopeSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signature, and the id of its key."""

    keyid: str
    sig: bytes


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A payload as bytes, its type, and the signatures over both."""

    payload: bytes
    payloadType: str
    signatures: tuple[EnvelopeSignature, ...]

    def signed_bytes(self) -> bytes:
        """Return the bytes that every signature of the envelope covers."""
        return pae(self.payloadType.encode("utf-8"), self.payload)


_decoder = msgspec.json.Decoder(Envelope)


def pae(payload_type: bytes, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding of a payload and its type."""
    return b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type, len(payload), payload)


def encode(envelope: Envelope) -> bytes:
    """Write an envelope in its canonical encoding."""
    return encode_canonical(envelope)


def parse(data: bytes) -> Envelope:
    """Read an envelope; the inverse of :func:`encode`.

    Raises
    ------
    MalformedError
        `data` is not the canonical encoding of an envelope with 1 to 16 signatures by different keys.
    """
    envelope = decode_canonical(_decoder, data, what="envelope")
    if not 1 <= len(envelope.signatures) <= MAX_SIGNATURES:
        raise MalformedError(
            f"the envelope has {len(envelope.signatures)} signatures; 1 to {MAX_SIGNATURES} are accepted"
        )
    if len({signature.keyid for signature in envelope.signatures}) != len(envelope.signatures):
        raise MalformedError("the envelope names a key twice")
    return envelope


def encode_sidecar(envelope: Envelope) -> bytes:
    """Write the sidecar of one envelope."""
    return encode(envelope) + b"\n"


def parse_sidecar(data: bytes, *, limit: int) -> tuple[Envelope, ...]:
    """Read a sidecar: one envelope, or two while an artifact is being replaced.

    Raises
    ------
    MalformedError
        `data` is not one or two lines, each of at most `limit` bytes with an envelope in its canonical
        encoding.
    """
    check_sidecar_size(len(data), _MAX_ENVELOPES * limit)
    *lines, rest = data.split(b"\n", _MAX_ENVELOPES)
    for piece in (*lines, rest):
        check_sidecar_size(len(piece) + (piece is not rest), limit)
    if rest or not lines:
        raise MalformedError(
            "the sidecar is empty" if not data else "the sidecar is not one envelope on one line",
            hint="Sign the artifact again from a source that you trust.",
        )
    return tuple([parse(line) for line in lines])


def check_sidecar_size(size: int, limit: int) -> None:
    """Raise MalformedError if a sidecar is larger than its limit."""
    if size > limit:
        raise MalformedError(f"the sidecar has over {limit} bytes")


def two_envelope_sidecar(new: bytes, old: bytes) -> bytes:
    """Join the sidecars, of one envelope each, of a new artifact and of the one that it replaces."""
    if new.count(b"\n") != 1 or old.count(b"\n") != 1:
        raise ValueError("a two-envelope sidecar is made of two sidecars of one envelope")
    return new + old
