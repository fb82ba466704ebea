"""Properties that hold for all inputs that a search comes up with."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support.forgery import payload_of, sidecar_of
from support.strategies import json_values, mutations, names, read_back, text

import safeload
from safeload import (
    EcdsaP256PrivateKey,
    Ed25519PrivateKey,
    Environment,
    HmacKey,
    MalformedError,
    SafeloadError,
    Statement,
    formats,
)
from safeload.attestation import envelope, statement
from safeload.attestation.digests import Digest
from safeload.attestation.envelope import Envelope, EnvelopeSignature
from safeload.formats.equality import difference
from safeload.limits import Limits
from safeload.parsers import magic
from safeload.parsers.compression import decompress
from safeload.parsers.format_facts import COMPRESSORS

MANY = settings(max_examples=200, deadline=None)
LIMIT = 1 << 20

KEYS = {
    "hmac": HmacKey(bytes(range(32))),
    "ed25519": Ed25519PrivateKey.generate(),
    "p256": EcdsaP256PrivateKey.generate(),
}
NAME = "churn.joblib"
ARTIFACT = pickle.dumps(["value"])
PAYLOAD = payload_of(ARTIFACT, NAME, expires=datetime(2100, 1, 1, tzinfo=UTC), metadata={"a": [1, "é"]})
SIDECARS = {name: sidecar_of(PAYLOAD, key) for name, key in KEYS.items()}


moments = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0))
counts = st.integers(0, 2**63 - 1)
statements = st.builds(
    Statement,
    name=names(),
    tag=st.none() | names(),
    digest=st.builds(
        Digest, st.sampled_from(["blake3", "sha256"]), st.binary(min_size=32, max_size=32).map(bytes.hex)
    ),
    size=counts,
    format=text(max_size=20),
    created=moments,
    expires=st.none() | moments,
    sequence=st.none() | counts,
    environment=st.none()
    | st.builds(Environment, text(max_size=10), st.dictionaries(text(), text(), max_size=3)),
    globals=st.none() | st.lists(text(max_size=20), max_size=4).map(tuple),
    metadata=st.dictionaries(text(max_size=8), json_values(), max_size=4),
)
envelopes = st.builds(
    Envelope,
    st.binary(max_size=200),
    text(max_size=40),
    st.lists(
        st.builds(EnvelopeSignature, text(max_size=70), st.binary(max_size=100)),
        min_size=1,
        max_size=16,
        unique_by=lambda signature: signature.keyid,
    ).map(tuple),
)


@MANY
@given(statements)
def test_a_statement_comes_back_as_it_was(made: Statement) -> None:
    """``parse(encode(x)) == x``, and the bytes too."""
    payload = statement.encode(made)
    assert statement.parse(payload) == made
    assert statement.encode(statement.parse(payload)) == payload


@MANY
@given(
    st.dictionaries(st.text() | st.integers(), st.none() | st.floats() | st.text() | st.binary(), max_size=3)
)
def test_metadata_come_back_as_they_were_or_are_not_written(metadata: dict[Any, Any]) -> None:
    """What is signed is what was given."""
    made = Statement(
        name=NAME,
        digest=Digest("blake3", "0" * 64),
        size=1,
        format="joblib",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        metadata=metadata,
    )
    try:
        payload = statement.encode(made)
    except (TypeError, ValueError):
        return
    assert statement.parse(payload).metadata == metadata


@MANY
@given(envelopes)
def test_an_envelope_comes_back_as_it_was(made: Envelope) -> None:
    """``parse(encode(x)) == x``, by itself and as a sidecar."""
    assert envelope.parse(envelope.encode(made)) == made
    assert envelope.parse_sidecar(envelope.encode_sidecar(made), limit=LIMIT) == (made,)


@MANY
@given(envelopes, envelopes)
def test_two_envelopes_come_back_in_their_order(new: Envelope, former: Envelope) -> None:
    """During a replacement."""
    both = envelope.two_envelope_sidecar(envelope.encode_sidecar(new), envelope.encode_sidecar(former))
    assert envelope.parse_sidecar(both, limit=LIMIT) == (new, former)


@MANY
@given(st.binary(), st.binary(), st.binary(), st.binary())
def test_no_two_pairs_have_one_encoding(
    type_: bytes, payload: bytes, other_type: bytes, other: bytes
) -> None:
    """PAE can be read in one way only."""
    assume((type_, payload) != (other_type, other))
    assert envelope.pae(type_, payload) != envelope.pae(other_type, other)


@pytest.mark.parametrize("kind", KEYS)
@MANY
@given(data=st.data())
def test_a_mutated_sidecar_never_verifies(kind: str, data: st.DataObject) -> None:
    """Whichever of its bytes was changed."""
    honest = SIDECARS[kind]
    changed = data.draw(mutations(honest))
    assume(changed != honest)
    assert safeload.loads(ARTIFACT, honest, name=NAME, keyring=KEYS[kind]) == ["value"]
    with pytest.raises(SafeloadError):
        safeload.loads(ARTIFACT, changed, name=NAME, keyring=KEYS[kind])


@pytest.mark.parametrize("kind", KEYS)
@MANY
@given(data=st.data())
def test_a_mutated_payload_or_signature_never_verifies(kind: str, data: st.DataObject) -> None:
    """Also when the envelope around it is in its one spelling again."""
    (made,) = envelope.parse_sidecar(SIDECARS[kind], limit=LIMIT)
    (signature,) = made.signatures
    place = data.draw(st.sampled_from(["payload", "type", "keyid", "sig"]))
    payload, type_, keyid, sig = made.payload, made.payloadType, signature.keyid, signature.sig
    if place == "payload":
        payload = data.draw(mutations(payload))
    elif place == "type":
        type_ = data.draw(text(max_size=40))
    elif place == "keyid":
        keyid = data.draw(text(max_size=70) | st.sampled_from([key.key_id for key in KEYS.values()]))
    else:
        sig = data.draw(mutations(sig) | st.binary(max_size=100))
    changed = envelope.encode_sidecar(Envelope(payload, type_, (EnvelopeSignature(keyid, sig),)))
    assume(changed != SIDECARS[kind])
    with pytest.raises(SafeloadError):
        safeload.loads(ARTIFACT, changed, name=NAME, keyring=KEYS[kind])


@MANY
@given(changed=mutations(ARTIFACT))
def test_a_mutated_artifact_never_verifies(changed: bytes) -> None:
    """Nor does another one."""
    assume(changed != ARTIFACT)
    with pytest.raises(SafeloadError):
        safeload.loads(changed, SIDECARS["hmac"], name=NAME, keyring=KEYS["hmac"])


@MANY
@given(st.binary() | mutations(SIDECARS["hmac"]) | mutations(SIDECARS["hmac"] * 2))
def test_any_bytes_are_a_sidecar_or_malformed(data: bytes) -> None:
    """And what is one is written the same way."""
    try:
        found = envelope.parse_sidecar(data, limit=LIMIT)
    except MalformedError:
        return
    assert b"".join(map(envelope.encode_sidecar, found)) == data


@MANY
@given(st.binary() | mutations(PAYLOAD) | json_values().map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_statement_or_malformed(data: bytes) -> None:
    """And what is one is written the same way: ``parse`` is the inverse of ``encode`` and no more."""
    read_back(data, statement.parse, statement.encode, MalformedError)


@MANY
@given(st.binary() | mutations(ARTIFACT))
@example(b"")
@example(b"\x80")
@example(b"PK\x03\x04")
@example(b"\x08\x07\x12")
@example(b"\x93NUMPY")
@example(b"PAR1")
@example(b"ARROW1\0\0")
@example(b"\2\0\0\0\0\0\0\0{}")
def test_any_bytes_are_in_a_known_format_or_in_none(data: bytes) -> None:
    """No first byte is too much."""
    assert magic.identify(data) in {None, *formats.names()}
    assert magic.compressor(data) in (None, *(name for name, _ in COMPRESSORS))


@MANY
@given(st.sampled_from([name for name, _ in COMPRESSORS if name != "lz4"]), st.binary())
def test_any_bytes_unfold_or_are_refused(name: str, data: bytes) -> None:
    """By an error of ours, whatever the header says."""
    prefix = dict(COMPRESSORS)[name]
    try:
        decompress(prefix + data, name, Limits(decompressed_bytes=LIMIT, decompressor_bytes=LIMIT))
    except SafeloadError:
        return


@MANY
@given(json_values(), json_values())
def test_equality_is_that_of_pickles(left: Any, right: Any) -> None:
    """Two values are the same just when one spelling is."""
    same = repr(left) == repr(right)
    assert (difference(left, right) is None) == same
    assert difference(left, pickle.loads(pickle.dumps(left))) is None
