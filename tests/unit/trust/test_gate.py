"""The gate's own functions: for whom it opens, and that its two proofs cannot be made elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.forgery import payload_of, sidecar_of

from safeload import (
    DigestMismatch,
    Expired,
    FormatNotAllowed,
    HmacKey,
    InvalidName,
    Keyring,
    LimitExceeded,
    Limits,
    MalformedError,
    NoKeyError,
    Policy,
    SafeloadError,
    SignatureMissing,
    SubjectMismatch,
)
from safeload.attestation import envelope, pointer, statement
from safeload.attestation.digests import digest_of
from safeload.attestation.pointer import Pointer
from safeload.storage.blob import Blob
from safeload.trust import gate, rules, signing
from safeload.trust.gate import Authenticated, LoadRequest, VerifiedArtifact

ARTIFACT = b"\x80\x04N."
NAME = "m"
NOW = datetime(2026, 11, 25, tzinfo=UTC)
POINTER = Pointer(
    name=NAME, tag="1", sequence=3, version=2, digest=digest_of("blake3", ARTIFACT), created=NOW
)


def request(**changes: Any) -> LoadRequest:
    return LoadRequest(**{"location": "a place", "name": NAME, "policy": Policy(), **changes})


def authenticated(key: HmacKey, data: bytes | None = None, **changes: Any) -> Authenticated[Any]:
    data = sidecar_of(payload_of(ARTIFACT, NAME), key) if data is None else data
    return gate.authenticate(data, request(**changes), Keyring.of(key), statement.parse, now=NOW)


@pytest.mark.parametrize("proof", [None, True, object(), Authenticated, VerifiedArtifact])
def test_nothing_but_the_gate_makes_what_it_hands_out(proof: object, key: HmacKey) -> None:
    """A proof is an object that the module keeps to itself."""
    with pytest.raises(RuntimeError, match=r"gate\.authenticate"):
        Authenticated(proof, (), None, request(), Keyring.of(key), NOW)
    with pytest.raises(RuntimeError, match=r"gate\.verify"):
        VerifiedArtifact(
            proof,
            blob=Blob(ARTIFACT, "x"),
            format="pickle",
            statement=None,
            trusted=frozenset(),
            admitted=None,
            allowed=None,
            keys=(),
            skops_defaults=None,
        )


def test_a_sidecar_needs_a_keyring() -> None:
    """It is never passed over for lack of one."""
    with pytest.raises(NoKeyError) as caught:
        gate.authenticate(b"anything", request(), None, statement.parse)
    assert caught.value.where == "a place"


def test_two_envelopes_are_refused_where_one_is_demanded(key: HmacKey) -> None:
    """Both are by the key, and each alone would pass."""
    one = sidecar_of(payload_of(ARTIFACT, NAME), key)
    other = sidecar_of(payload_of(b"other", NAME), key)
    keyring = Keyring.of(key)
    assert len(gate.authenticate(one + other, request(), keyring, statement.parse).statements) == 2
    assert gate.authenticate(one, request(), keyring, statement.parse, single=True).sole()[0].name == NAME
    with pytest.raises(MalformedError, match="more than one envelope"):
        gate.authenticate(one + other, request(), keyring, statement.parse, single=True)


def test_a_payload_is_read_by_the_parser_that_was_asked_for_alone(key: HmacKey) -> None:
    """Neither a pointer nor an artifact's statement stands in for the other, by whichever key."""
    keyring = Keyring.of(key)
    signed = {
        pointer.parse: sidecar_of(pointer.encode(POINTER), key),
        statement.parse: sidecar_of(payload_of(ARTIFACT, NAME), key),
    }
    for parse, data in signed.items():
        assert gate.authenticate(data, request(), keyring, parse).sole()[1] == (key.key_id,)
        for other in signed.keys() - {parse}:
            with pytest.raises(MalformedError):
                gate.authenticate(data, request(), keyring, other)


def test_a_pointer_is_for_one_name(key: HmacKey) -> None:
    """Its tag is what it tells, and is not compared with anything."""
    data = sidecar_of(pointer.encode(POINTER), key)
    keyring = Keyring.of(key)
    signed, _ = gate.authenticate(data, request(), keyring, pointer.parse).sole()
    assert signed == POINTER
    with pytest.raises(SubjectMismatch, match="for the name 'm' and not for 'n'"):
        gate.authenticate(data, request(name="n"), keyring, pointer.parse)


def test_no_more_than_was_signed_or_is_allowed_is_read(key: HmacKey) -> None:
    """The limit is the largest size of several statements."""
    larger = sidecar_of(payload_of(ARTIFACT, NAME), key) + sidecar_of(payload_of(b"x" * 99, NAME), key)
    assert authenticated(key).limit == len(ARTIFACT)
    assert authenticated(key, larger).limit == 99
    with pytest.raises(LimitExceeded, match="99 bytes, 98 are allowed"):
        _ = authenticated(key, larger, policy=Policy(limits=Limits(artifact_bytes=98))).limit


def test_what_is_listed_without_its_bytes_is_refused_when_it_has_expired(key: HmacKey) -> None:
    """On the second, it has not."""
    end = NOW - timedelta(seconds=1)
    data = sidecar_of(payload_of(ARTIFACT, NAME, expires=end), key)
    with pytest.raises(Expired) as caught:
        authenticated(key, data).sole()
    assert caught.value.where == "a place"
    assert gate.authenticate(data, request(), Keyring.of(key), statement.parse, now=end).sole()


def test_of_two_statements_the_one_that_fits_the_bytes_counts(key: HmacKey) -> None:
    """In whichever order they stand; bytes that fit neither are refused."""
    one, other = (sidecar_of(payload_of(data, NAME), key) for data in (b"one", b"other"))
    for data in (one + other, other + one):
        found = authenticated(key, data)
        assert gate.admit(Blob(b"one", "x"), found).statement.size == 3
        assert gate.admit(Blob(b"other", "x"), found).statement.size == 5
        with pytest.raises(DigestMismatch):
            gate.admit(Blob(b"neither", "x"), found)


def test_the_refusal_of_the_other_statement_is_told_where_none_fits(key: HmacKey) -> None:
    """A key that is not accepted is a better reason than bytes that differ."""
    foreign = sidecar_of(payload_of(b"new", NAME), HmacKey.generate())
    found = authenticated(key, foreign + sidecar_of(payload_of(ARTIFACT, NAME), key))
    with pytest.raises(SafeloadError, match="not in the keyring"):
        gate.admit(Blob(b"new", "x"), found)
    assert gate.admit(Blob(ARTIFACT, "x"), found).keys == (key.key_id,)


@pytest.mark.parametrize(
    ("by_policy", "by_call", "allowed"),
    [
        (None, None, None),
        ({"a.B"}, None, {"a.B"}),
        (None, {"c.D"}, {"c.D"}),
        ({"a.B"}, {"c.D"}, {"a.B", "c.D"}),
        (set(), {"c.D"}, {"c.D"}),
        ({"a.B"}, set(), {"a.B"}),
        (set(), set(), set()),
    ],
)
def test_the_lists_of_the_policy_and_of_the_call_are_admitted_together(
    by_policy: set[str] | None, by_call: set[str] | None, allowed: set[str] | None, key: HmacKey
) -> None:
    """An empty list admits nothing, unlike no list; a signed name that is on none of them is not trusted."""
    signed = sidecar_of(payload_of(ARTIFACT, NAME, globals=("a.B", "c.D", "e.F")), key)
    call = None if by_call is None else frozenset(by_call)
    admitted = gate.admit(
        Blob(ARTIFACT, "x"), authenticated(key, signed, policy=Policy(allow=by_policy), allow=call)
    )
    assert admitted.allowed == allowed
    assert admitted.trusted == ({"a.B", "c.D", "e.F"} if allowed is None else allowed)
    assert admitted.admitted == {"a.B", "c.D", "e.F"}


@pytest.mark.parametrize("location", ["", "/", "models/", ".", "..", "models/.", "models/.."])
def test_a_path_without_the_name_of_a_file_has_no_default_name(location: str) -> None:
    """A name that is given takes its place."""
    with pytest.raises(InvalidName, match="not the path of a file") as caught:
        rules.name_of(location)
    assert caught.value.where == location
    with pytest.raises(InvalidName):
        LoadRequest.of(location, name=None, keyring=None, policy=Policy())


@pytest.mark.parametrize("location", ["m", "models/m", "/models/m", "../m", "models//m"])
def test_the_default_name_is_that_of_the_file(location: str) -> None:
    """The folder is no part of it, so that a pair of files can be moved."""
    assert rules.name_of(location) == "m"


def test_only_sealed_bytes_of_one_file_are_handed_over(key: HmacKey) -> None:
    """Others could be altered on the way."""
    with pytest.raises(RuntimeError, match="sealed"):
        gate.to_handle(gate.admit(Blob(ARTIFACT, "x"), authenticated(key)))


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, SignatureMissing),
        ({"trusted": frozenset({"a.B"}), "signed": True}, SignatureMissing),
        ({"trusted": frozenset(), "format": "onnx"}, FormatNotAllowed),
        ({"trusted": frozenset(), "policy": Policy(formats={"joblib"})}, FormatNotAllowed),
        ({"trusted": frozenset(), "policy": Policy(unsigned_formats=())}, SignatureMissing),
    ],
)
def test_an_unsigned_archive_is_admitted_on_every_ground_or_not_at_all(
    changes: dict[str, Any], refusal: type[SafeloadError]
) -> None:
    """An allowlist, a policy that lists the format, and no demand for a signature or another format."""
    archive = b"PK\x03\x04" + b"\0" * 20
    assert rules.require_admissible(archive, request(trusted=frozenset())) == "skops"
    with pytest.raises(refusal):
        rules.require_admissible(archive, request(**changes))


@pytest.mark.parametrize("data", [b"", b"\n", b"{}\n", b"{}\n{}\n{}\n", b"x" * 300])
def test_what_is_no_sidecar_is_refused_before_any_key_is_looked_up(data: bytes, key: HmacKey) -> None:
    """And its location is told."""
    with pytest.raises(MalformedError) as caught:
        authenticated(key, data)
    assert caught.value.where == "a place"


def test_a_sidecar_is_as_large_as_loaders_accept(key: HmacKey) -> None:
    """The signer learns that it would be too large, and not every loader."""
    payload = payload_of(ARTIFACT, NAME)
    size = len(signing.seal(payload, key, Limits(), where=NAME))
    exact, short = (Policy(limits=Limits(sidecar_bytes=bound)) for bound in (size, size - 1))
    data = signing.seal(payload, key, exact.limits, where=NAME)
    assert len(envelope.parse_sidecar(data, limit=size)) == 1
    assert authenticated(key, data, policy=exact).sole()
    with pytest.raises(LimitExceeded):
        signing.seal(payload, key, short.limits, where=NAME)
    with pytest.raises(MalformedError):
        authenticated(key, data, policy=short)
