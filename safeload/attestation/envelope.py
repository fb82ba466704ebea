"""The DSSE envelope: what a signature covers, and how it is encoded.

Rules (DSSE 1.0.2, https://github.com/secure-systems-lab/dsse, narrowed where it leaves a choice):

1. A signature covers the pre-authentication encoding (PAE) of the payload type and the payload, both
   as bytes; lengths count bytes.
2. An envelope is in its canonical encoding (:mod:`safeload.attestation.canonical`): compact JSON, the fields
   in the order of :class:`Envelope`, standard base64 with padding.
3. The payload is passed on as bytes. This module does not parse it.
4. A key id is a hint for finding the key. It appears once in an envelope, so that a key counts once.
"""

from __future__ import annotations

import msgspec

from safeload.attestation import canonical
from safeload.errors import MalformedError

# Each signature costs a verification.
MAX_SIGNATURES = 16


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
    return canonical.encode(envelope)


def parse(data: bytes) -> Envelope:
    """Read an envelope; the inverse of :func:`encode`.

    Raises
    ------
    MalformedError
        `data` is not the canonical encoding of an envelope with 1 to 16 signatures by different keys.
    """
    envelope = canonical.decode(_decoder, data, what="envelope")
    if not 1 <= len(envelope.signatures) <= MAX_SIGNATURES:
        raise MalformedError(
            f"the envelope has {len(envelope.signatures)} signatures; 1 to {MAX_SIGNATURES} are accepted"
        )
    if len({signature.keyid for signature in envelope.signatures}) != len(envelope.signatures):
        raise MalformedError("the envelope names a key twice")
    return envelope
