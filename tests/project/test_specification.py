"""docs/specification.md suffices to verify what safeload signs, with nothing of safeload."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64decode, b64encode, urlsafe_b64decode
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from support.paths import ROOT, TESTS

PAGE = (ROOT / "docs" / "specification.md").read_text(encoding="utf-8")
VECTORS = sorted((TESTS / "vectors").glob("[!d]*.json"))
TYPE = b"application/vnd.in-toto+json"
# Of each curve the length of a number in bytes and the order of its group (SEC 2).
CURVES = {
    "P-256": (32, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "P-384": (48, 2**384 - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D),
}


def block(kind: str) -> str:
    """Return the only block of the page with this kind, without the line feed at its end."""
    (found,) = re.findall(rf"^```{kind}\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a line of the page."""
    table = PAGE[PAGE.index(heading) :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]]


def derived(secret: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869), with an empty salt, for 32 bytes."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def pae(payload: bytes) -> bytes:
    """Encode as the page says."""
    return b" ".join((b"DSSEv1", b"%d" % len(TYPE), TYPE, b"%d" % len(payload), payload))


def canonical(data: bytes) -> bool:
    """Return whether JSON is as the page says, for documents without unusual numbers."""
    text = data.decode()
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False) == text


def number(value: float) -> str:
    """Write a double as the page says."""
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0") or "0"
    power = len(digits) + int(exponent) - 1 if any(digits) else 0
    if not -5 <= power <= 15:
        written = f"{text[0]}.{text[1:]}".rstrip(".") + f"e{power}"
    elif power < 0:
        written = f"0.{'0' * (-power - 1)}{text}"
    else:
        written = f"{text[: power + 1].ljust(power + 1, '0')}.{text[power + 1 :] or '0'}"
    return "-" * sign + written


@pytest.fixture(scope="module")
def secret() -> bytes:
    """Return the secret of the example."""
    (jwk,) = json.loads(block("json keyring"))["keys"]
    return urlsafe_b64decode(jwk["k"] + "=")


def test_the_keys_of_the_example_are_derived_as_the_page_says(secret: bytes) -> None:
    """Both keys and the key id."""
    info = {row[0]: row[1].strip("`").encode() for row in rows("| Key | `info` |")}
    given = dict(re.split(r" {2,}", line) for line in block("text keys").splitlines())
    assert derived(secret, info["signing key"]).hex() == given["signing key"]
    assert derived(secret, info["id key"]).hex() == given["id key"]
    text = hmac.digest(bytes.fromhex(given["id key"]), b"safeload key id", "sha256")
    assert text.hex() == given["key id"] == json.loads(block("json sidecar"))["signatures"][0]["keyid"]


def test_the_sidecar_of_the_example_verifies_without_safeload(secret: bytes) -> None:
    """Step by step: envelope, encoding, signature, statement, artifact."""
    line, payload = block("json sidecar").encode(), block("json payload").encode()
    envelope = json.loads(line)
    assert list(envelope) == ["payload", "payloadType", "signatures"]
    assert list(envelope["signatures"][0]) == ["keyid", "sig"]
    assert canonical(line)
    assert canonical(payload)
    assert b64encode(payload).decode() == envelope["payload"]
    assert envelope["payloadType"].encode() == TYPE
    message = pae(payload)
    assert message.startswith(block("text pae").encode())
    mac = hmac.digest(derived(secret, b"safeload hmac-sha256 dsse v1"), message, "sha256")
    assert mac.hex() == block("text signature")
    assert mac == b64decode(envelope["signatures"][0]["sig"], validate=True)
    artifact = block("text artifact").encode()
    statement = json.loads(payload)
    assert statement["subject"][0]["digest"] == {"blake3": blake3(artifact).hexdigest()}
    assert statement["predicate"]["size"] == len(artifact)


def test_safeload_verifies_the_same_bytes(tmp_path: Path) -> None:
    """Given as files, a keyring file among them; the example's name, tag and format are its own."""
    from safeload import Keyring, Policy, SignatureInvalid
    from safeload.storage.blob import Blob
    from safeload.trust import gate
    from safeload.trust.gate import LoadRequest

    path = tmp_path / "keyring.json"
    path.write_text(block("json keyring"), encoding="utf-8")
    path.chmod(0o600)
    keyring = Keyring.load(path)
    request = LoadRequest(
        location="artifact", name="größe.joblib", tag="2026-11-23", format="joblib", policy=Policy()
    )
    sidecar = block("json sidecar").encode() + b"\n"
    now = datetime(2026, 12, 1, tzinfo=UTC)
    artifact = Blob(block("text artifact").encode(), "artifact")
    verified = gate.verify(artifact, sidecar, request, keyring, now=now)
    assert verified.keys == (keyring.entries[0].key.key_id,)
    forged = sidecar.replace(b'"sig":"X', b'"sig":"Y')
    assert forged != sidecar
    with pytest.raises(SignatureInvalid):
        gate.verify(artifact, forged, request, keyring, now=now)


def test_the_example_is_the_committed_vector() -> None:
    """The page shows the vector of HMAC."""
    vector = json.loads((TESTS / "vectors" / "hmac-sha256.json").read_text(encoding="utf-8"))
    assert json.loads(block("json keyring")) == {"keys": [vector["key"]]}
    assert block("text artifact").encode() == b64decode(vector["artifact"])
    assert block("json payload") == vector["payload"]
    assert block("json sidecar") == vector["envelope"]


def test_the_tables_list_the_fields_of_the_payload_in_their_order() -> None:
    """No field of the example is missing on the page, and none stands elsewhere."""
    statement = json.loads(block("json payload"))
    fields, predicate = re.findall(r"^\| Field, in this order .*?\n\n", PAGE, re.DOTALL | re.MULTILINE)[1:4:2]
    listed = [re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) for table in (fields, predicate)]
    assert listed[0] == list(statement)
    assert listed[1] == [*statement["predicate"], "source", "remarks"]


def public_key(jwk: dict[str, str]) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey:
    """Make a public key of the members of a JWK."""
    x, y = (urlsafe_b64decode(jwk.get(member, "") + "==") for member in "xy")
    if jwk["kty"] == "OKP":
        return ed25519.Ed25519PublicKey.from_public_bytes(x)
    curve = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}[jwk["crv"]]
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + x + y)


def check(jwk: dict[str, str], message: bytes, signature: bytes) -> None:
    """Verify one signature as the table of algorithms says."""
    if jwk["kty"] == "oct":
        key = derived(urlsafe_b64decode(jwk["k"] + "=="), b"safeload hmac-sha256 dsse v1")
        if not hmac.compare_digest(hmac.digest(key, message, "sha256"), signature):
            raise InvalidSignature
        return
    raw = public_key(jwk)
    spki = raw.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(spki).hexdigest() == jwk["kid"]
    if isinstance(raw, ed25519.Ed25519PublicKey):
        raw.verify(signature, message)
        return
    half, order = CURVES[jwk["crv"]]
    assert len(signature) == 2 * half
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    assert 1 <= s <= order // 2
    raw.verify(
        encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256() if half == 32 else hashes.SHA384())
    )


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_every_vector_verifies_without_safeload(path: Path) -> None:
    """And its signature verifies nothing else."""
    vector: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    (signature,) = json.loads(vector["envelope"])["signatures"]
    message = pae(vector["payload"].encode())
    assert message == b64decode(vector["pae"])
    check(vector["key"], message, b64decode(signature["sig"]))
    with pytest.raises(InvalidSignature):
        check(vector["key"], message + b" ", b64decode(signature["sig"]))


def test_the_digest_of_a_folder_is_that_of_its_lines() -> None:
    """With the files that the page names, and by safeload."""
    from safeload.attestation.digests import digest_of
    from safeload.attestation.subjects import File, digest_of_files

    text = block("text folder") + "\n"
    contents = {"a.txt": b"1", "b/c.txt": b""}
    assert text == "".join(f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in contents.items())
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    assert f"`{digest}`" in PAGE
    files = [File(path, digest_of("sha256", data), len(data)) for path, data in contents.items()]
    assert str(digest_of_files(files)) == digest


def test_values_are_encoded_as_the_page_shows() -> None:
    """Texts and numbers, by the encoder of statements."""
    values = ["a/b\n\x1fé", 1.0, 1e15, 1e16, 123456789012345680000.0, 0.00001, 0.0000015]
    shown = [row[1].strip("`") for row in rows("| Value | Encoding |")]
    assert [msgspec.json.encode(value).decode() for value in values] == shown


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-17, 23).map(lambda power: 10.0**power))
def test_numbers_are_written_as_the_page_says(value: float) -> None:
    """Every double."""
    assert msgspec.json.encode(value).decode() == number(value)


def test_names_are_encoded_as_the_page_shows() -> None:
    """In the paths of a store."""
    from safeload.store import names as store_names

    for name, encoded in rows("| Name or tag | Encoding |"):
        assert store_names.encode(name.strip("`")) == encoded.strip("`")


def test_the_constants_are_those_of_the_code(tmp_path: Path) -> None:
    """Types, limits, and the names of algorithms."""
    from safeload import Keyring, LimitExceeded, Limits
    from safeload.attestation import envelope, pointer, statement

    for text in (statement.PAYLOAD_TYPE, statement.STATEMENT_TYPE, statement.PREDICATE_TYPE):
        assert f"`{text}`" in PAGE
    assert f"`{pointer.PREDICATE_TYPE}`" in PAGE
    assert envelope.MAX_SIGNATURES == 16
    assert pointer.MAX_SEQUENCE == 2**53 - 1 - 2**32
    assert Limits().sidecar_bytes == 1 << 20
    assert (Limits().members, Limits().nesting, Limits().artifact_bytes) == (100_000, 200, 64 << 30)
    (tmp_path / "keyring.json").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(LimitExceeded):
        Keyring.load(tmp_path / "keyring.json")
