"""The pointer: what encodes comes back, and no other statement passes for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from safeload import MalformedError
from safeload.attestation import pointer, statement
from safeload.attestation.digests import Digest
from safeload.attestation.pointer import Pointer

POINTER = Pointer(
    name="churn",
    tag="2026-11",
    sequence=3,
    version=2,
    digest=Digest("blake3", "0f" * 32),
    created=datetime(2026, 11, 23, 9, tzinfo=UTC),
)
PAYLOAD = pointer.encode(POINTER)


def test_a_pointer_comes_back() -> None:
    """The control, and the encoding itself."""
    encoded = pointer.encode(POINTER)
    assert pointer.parse(encoded) == POINTER
    assert encoded == (
        b'{"_type":"https://in-toto.io/Statement/v1",'
        b'"subject":[{"name":"churn","digest":{"blake3":"' + b"0f" * 32 + b'"}}],'
        b'"predicateType":"urn:safeload:latest:1","predicate":{"name":"churn","tag":"2026-11",'
        b'"sequence":3,"version":2,"created":"2026-11-23T09:00:00Z"}}'
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"}}],', b'"},"annotations":{"size":1}}],'),
        (b'"}}],', b'"},"annotations":null}],'),
        (b'"}}],', b'","sha256":"' + b"0f" * 32 + b'"}}],'),
        (b'"}}],', b'"}},{"name":"churn","digest":{"blake3":"' + b"0f" * 32 + b'"}}],'),
        (b'"subject":[{"name":"churn"', b'"subject":[{"name":"other"'),
        (b"urn:safeload:latest:1", b"urn:safeload:artifact:1"),
        (b'"sequence":3', b'"sequence":0'),
        (b'"sequence":3', b'"sequence":%d' % (pointer.MAX_SEQUENCE + 1)),
        (b'"version":2', b'"version":2.0'),
    ],
)
def test_another_statement_is_no_pointer(old: bytes, new: bytes) -> None:
    """Each differs from a good one in a single place."""
    encoded = pointer.encode(POINTER)
    assert encoded.count(old) == 1
    with pytest.raises(MalformedError):
        pointer.parse(encoded.replace(old, new))


def test_a_pointer_and_an_artifacts_statement_do_not_pass_for_each_other() -> None:
    """Both are in-toto statements; the type of the predicate tells them apart."""
    with pytest.raises(MalformedError):
        statement.parse(pointer.encode(POINTER))
    artifact = statement.Statement(
        name="churn", digest=POINTER.digest, size=1, format="joblib", created=POINTER.created
    )
    with pytest.raises(MalformedError):
        pointer.parse(statement.encode(artifact))


def test_the_two_predicates_have_the_fields_of_what_they_are_made_of() -> None:
    """They are copied by name."""
    assert set(pointer._Predicate.__struct_fields__) == {*Pointer.__struct_fields__} - {"digest"}
    own = {*statement.Statement.__struct_fields__} - {"digest", "file", "files"}
    assert set(statement._Predicate.__struct_fields__) == own


def altered(change: Callable[[Any], object]) -> bytes:
    """Return the payload with a change, encoded as the original is."""
    document = json.loads(PAYLOAD)
    change(document)
    return json.dumps(document, separators=(",", ":")).encode()


CHANGES: dict[str, Callable[[Any], object]] = {
    "another statement type": lambda d: d.update(_type="https://in-toto.io/Statement/v0.1"),
    "no subject": lambda d: d.update(subject=[]),
    "no digest": lambda d: d["subject"][0].update(digest={}),
    "an unknown algorithm": lambda d: d["subject"][0].update(digest={"md5": "0f" * 32}),
    "a short digest": lambda d: d["subject"][0].update(digest={"blake3": "0f" * 31}),
    "an unknown member": lambda d: d["predicate"].update(more=1),
    "a missing member": lambda d: d["predicate"].pop("version"),
    "a number as text": lambda d: d["predicate"].update(version="2"),
    "a time without a zone": lambda d: d["predicate"].update(created="2026-11-23T09:00:00"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_altered_pointer_is_refused(change: Callable[[Any], object]) -> None:
    """Even where a key with the right to sign vouches for it."""
    assert altered(lambda document: None) == PAYLOAD
    with pytest.raises(MalformedError):
        pointer.parse(altered(change))


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"{", b"null", b"[]", b"\xff", b"[" * 100_000, PAYLOAD + b" ", b" " + PAYLOAD, PAYLOAD * 2),
        json.dumps(json.loads(PAYLOAD)).encode(),
        PAYLOAD.replace(b'"tag":', b'"tag":"0","tag":'),
        PAYLOAD.replace(b"churn", b"\\u0063hurn"),
    ],
    ids=lambda payload: payload[:12],
)
def test_another_encoding_of_a_pointer_is_refused(payload: bytes) -> None:
    """White space, doubled members and escapes would give one pointer two encodings."""
    with pytest.raises(MalformedError):
        pointer.parse(payload)
