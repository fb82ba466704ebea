"""Vectors that stay as they are: those of the specifications, and our own for other implementations."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support.ecdsa import with_low_s
from vectors import regenerate

import safeload
from safeload import EcdsaP256PrivateKey, Ed25519PrivateKey, Keyring, SignatureInvalid
from safeload.attestation import envelope, statement
from safeload.attestation.envelope import pae
from safeload.storage.blob import Blob
from safeload.trust import gate
from safeload.trust.gate import LoadRequest
from safeload.trust.keys import jwk

KEYS: dict[str, Any] = dict(regenerate.keys())
DETERMINISTIC = regenerate.deterministic()
ONLY_DETERMINISTIC = pytest.mark.skipif(
    not DETERMINISTIC, reason="this cryptography signs with random numbers; see the tests that verify"
)


@pytest.fixture(params=KEYS)
def vector(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return a vector."""
    text = (regenerate.FOLDER / f"{request.param}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    """Return the vector of the DSSE specification."""
    text = (regenerate.FOLDER / "dsse-ecdsa-p256.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@pytest.fixture(scope="module")
def published_key(published: dict[str, Any]) -> EcdsaP256PrivateKey:
    """Return its key."""
    raw = ec.derive_private_key(int(published["d"]), ec.SECP256R1())
    return EcdsaP256PrivateKey(raw)


def test_the_published_key_is_whole(published: dict[str, Any], published_key: EcdsaP256PrivateKey) -> None:
    """The point that it names is that of its number."""
    numbers = published_key.public.raw.public_numbers()
    assert (numbers.x, numbers.y) == (int(published["x"]), int(published["y"]))


def test_the_published_encoding_is_ours(published: dict[str, Any]) -> None:
    """PAE of the DSSE specification."""
    assert pae(published["payload_type"].encode(), published["payload"].encode()) == published["pae"].encode()


def test_the_published_signature_verifies(
    published: dict[str, Any], published_key: EcdsaP256PrivateKey
) -> None:
    """And over nothing else."""
    signature = b64decode(published["signature"])
    published_key.public.verify(published["pae"].encode(), signature)
    with pytest.raises(SignatureInvalid):
        published_key.public.verify(published["pae"].encode() + b" ", signature)


@ONLY_DETERMINISTIC
def test_the_published_signature_is_what_we_make(
    published: dict[str, Any], published_key: EcdsaP256PrivateKey
) -> None:
    """RFC 6979 leaves nothing to chance."""
    assert published_key.sign(published["pae"].encode()) == b64decode(published["signature"])


@pytest.mark.parametrize(
    ("payload_type", "expected"),
    [
        ("", b"DSSEv1 0  4 \xff\0 \n"),
        ("größe", b"DSSEv1 7 gr\xc3\xb6\xc3\x9fe 4 \xff\0 \n"),
        ("✓", b"DSSEv1 3 \xe2\x9c\x93 4 \xff\0 \n"),
        ("😀", b"DSSEv1 4 \xf0\x9f\x98\x80 4 \xff\0 \n"),
    ],
)
def test_lengths_count_bytes(payload_type: str, expected: bytes) -> None:
    """Of the type as of the payload, whatever the characters."""
    payload = b"\xff\0 \n"
    assert pae(payload_type.encode(), payload) == expected
    assert envelope.Envelope(payload, payload_type, ()).signed_bytes() == expected


def test_the_parts_of_an_encoding_cannot_be_shifted() -> None:
    """Two different pairs never have one encoding."""
    pairs = [(b"a", b"b 1 c"), (b"a 1 b", b"c"), (b"", b"a b"), (b"a", b" b"), (b"a ", b"b"), (b"a b", b"")]
    assert len({pae(*pair) for pair in pairs}) == len(pairs)


RFC_6979 = {
    "ecdsa-p256": "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    "ecdsa-p384": "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C"
    "81A648152E44ACF96E36DD1E80FABE4699EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94F"
    "A329C145786E679E7B82C71A38628AC8",
}


@pytest.mark.parametrize("algorithm", RFC_6979)
def test_the_signatures_of_rfc_6979_verify_with_a_low_s(algorithm: str) -> None:
    """A.2.5 and A.2.6, message "sample", with the hash that belongs to the curve. The RFC's have a high s."""
    key, signature = KEYS[algorithm], bytes.fromhex(RFC_6979[algorithm])
    key.public.verify(b"sample", with_low_s(key, signature))
    with pytest.raises(SignatureInvalid):
        key.public.verify(b"sample", signature)


@ONLY_DETERMINISTIC
@pytest.mark.parametrize("algorithm", RFC_6979)
def test_the_signatures_of_rfc_6979_with_a_low_s_are_what_we_make(algorithm: str) -> None:
    """The same every time."""
    key = KEYS[algorithm]
    assert key.sign(b"sample") == with_low_s(key, bytes.fromhex(RFC_6979[algorithm]))


def test_the_signature_of_rfc_8032_is_what_we_make() -> None:
    """7.1, test 1, the empty message."""
    key: Ed25519PrivateKey = KEYS["ed25519"]
    assert key.public.raw.public_bytes_raw().hex() == (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    )
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
        "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


def test_our_vectors_are_made_anew_to_the_same_bytes() -> None:
    """One file for each algorithm and no other; ECDSA only where it is deterministic."""
    made = dict(regenerate.texts())
    own = set(regenerate.FOLDER.glob("*.json")) - {regenerate.FOLDER / "dsse-ecdsa-p256.json"}
    assert set(made) == own
    for path, text in made.items():
        if DETERMINISTIC or "ecdsa" not in path.name:
            assert path.read_bytes() == text.encode()


def test_our_vector_holds_together(vector: dict[str, Any]) -> None:
    """Key, name, payload, encoding and envelope, read from the file alone."""
    (entry,) = jwk.parse(json.dumps({"keys": [vector["key"]]}).encode())
    payload = vector["payload"].encode()
    assert entry.key.key_id == vector["key_id"] == vector["key"]["kid"]
    assert entry.key.algorithm == vector["algorithm"]
    assert b64decode(vector["pae"]) == b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (
        len(payload),
        payload,
    )
    parsed = envelope.parse(vector["envelope"].encode())
    assert (parsed.payload, parsed.payloadType) == (payload, vector["payload_type"])
    (signature,) = parsed.signatures
    assert signature.keyid == vector["key_id"]
    entry.key.verify(b64decode(vector["pae"]), signature.sig)


def test_our_vector_passes_the_gate(vector: dict[str, Any]) -> None:
    """As an artifact with its sidecar, and without the private half where there is one."""
    ring = Keyring(jwk.parse(json.dumps({"keys": [vector["key"]]}).encode()))
    if vector["algorithm"] != "hmac-sha256":
        ring = ring.public()
    verified = gate.verify(
        Blob(b64decode(vector["artifact"]), "artifact"),
        envelope.encode_sidecar(envelope.parse(vector["envelope"].encode())),
        LoadRequest(location="artifact", name="größe.joblib", tag="2026-11-23", policy=safeload.Policy()),
        ring,
        now=datetime(2026, 12, 1, tzinfo=UTC),
    )
    assert verified.statement == regenerate.described()
    assert verified.keys == (vector["key_id"],)


def test_our_payload_is_the_statement(vector: dict[str, Any]) -> None:
    """In the one spelling, both ways."""
    assert statement.parse(vector["payload"].encode()) == regenerate.described()
    assert statement.encode(regenerate.described()) == vector["payload"].encode()


def test_no_vector_verifies_with_the_key_of_another(vector: dict[str, Any]) -> None:
    """Each key has its own algorithm."""
    signature = envelope.parse(vector["envelope"].encode()).signatures[0].sig
    for algorithm, key in KEYS.items():
        if algorithm != vector["algorithm"]:
            with pytest.raises(SignatureInvalid):
                key.verify(b64decode(vector["pae"]), signature)
