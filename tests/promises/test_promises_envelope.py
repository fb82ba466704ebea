"""Envelopes and statements that were altered, exchanged, or signed by somebody who writes them otherwise."""

from __future__ import annotations

import json
import pickle
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.auditing import no_unpickler_runs
from support.forgery import fields_of, parsed, payload_of, sidecar_of, signature_of, written

import safeload
from safeload import (
    DigestMismatch,
    Ed25519PrivateKey,
    Entry,
    Expired,
    FormatNotAllowed,
    HmacKey,
    Keyring,
    MalformedError,
    Policy,
    SafeloadError,
    SignatureInvalid,
    SubjectMismatch,
    UnknownKey,
)
from safeload.attestation.digests import digest_of

NAME = "churn.joblib"
ARTIFACT = pickle.dumps(["value"])


def load(sidecar: bytes, keyring: Keyring, **options: Any) -> Any:
    """Load the artifact with a sidecar."""
    return safeload.loads(ARTIFACT, sidecar, name=NAME, keyring=keyring, **options)


def refuse(sidecar: bytes, keyring: Keyring, *errors: type[SafeloadError], **options: Any) -> None:
    """See that a sidecar is refused with exactly one of `errors`."""
    with no_unpickler_runs(), pytest.raises(errors) as caught:
        load(sidecar, keyring, **options)
    assert type(caught.value) in errors


@pytest.fixture
def honest(key: HmacKey, keyring: Keyring) -> bytes:
    """Return a sidecar that loads, whose base64 has characters that are spelled otherwise elsewhere."""
    for length in range(200):
        sidecar = sidecar_of(payload_of(ARTIFACT, NAME, metadata={"m": "~~~???>>>" + "x" * length}), key)
        fields = fields_of(sidecar)
        text, signature = fields["payload"], fields["signatures"][0]["sig"]
        if text.endswith("==") and "+" in text and "/" in text and ("+" in signature or "/" in signature):
            assert load(sidecar, keyring) == ["value"]
            return sidecar
    raise AssertionError("no such payload")


def test_two_validly_signed_files_swapped_are_refused(key: HmacKey, keyring: Keyring, tmp_path: Path) -> None:
    """Neither the artifacts alone, nor the sidecars alone, nor both, can take each other's place."""
    names = ["a.joblib", "b.joblib"]
    for name in names:
        safeload.dump(name, tmp_path / name, signer=key)

    def swap(suffix: str) -> None:
        first, second = (tmp_path / f"{name}{suffix}" for name in names)
        first.rename(tmp_path / "spare")
        second.rename(first)
        (tmp_path / "spare").rename(second)

    def refused() -> set[type[Exception]]:
        kinds = set()
        for name in names:
            with pytest.raises(SafeloadError) as caught:
                safeload.load(tmp_path / name, keyring=keyring)
            kinds.add(caught.type)
        return kinds

    swap("")
    assert refused() == {DigestMismatch}
    swap(".sig")
    assert refused() == {SubjectMismatch}
    swap("")
    assert refused() == {SubjectMismatch}
    swap(".sig")
    assert [safeload.load(tmp_path / name, keyring=keyring) for name in names] == names


def test_a_sidecar_moved_to_another_file_is_refused(key: HmacKey, keyring: Keyring, tmp_path: Path) -> None:
    """A sidecar vouches for the name that it was signed for; moving both to another folder is no change."""
    safeload.dump("old", tmp_path / "old.joblib", signer=key)
    for suffix in ("", ".sig"):
        (tmp_path / f"new.joblib{suffix}").write_bytes((tmp_path / f"old.joblib{suffix}").read_bytes())
    with pytest.raises(SubjectMismatch):
        safeload.load(tmp_path / "new.joblib", keyring=keyring)
    assert safeload.load(tmp_path / "new.joblib", name="old.joblib", keyring=keyring) == "old"
    (tmp_path / "below").mkdir()
    for suffix in ("", ".sig"):
        (tmp_path / f"old.joblib{suffix}").rename(tmp_path / "below" / f"old.joblib{suffix}")
    assert safeload.load(tmp_path / "below" / "old.joblib", keyring=keyring) == "old"


def test_an_envelope_that_names_another_key_of_the_keyring_is_refused(key: HmacKey, honest: bytes) -> None:
    """The key that is named must have made the signature."""
    for other in (HmacKey.generate(), Ed25519PrivateKey.generate().public):
        ring = Keyring([Entry(key=key, state="active"), Entry(key=other)])
        assert load(honest, ring) == ["value"]
        refuse(honest.replace(key.key_id.encode(), other.key_id.encode()), ring, SignatureInvalid)


@pytest.mark.parametrize(
    "keyid", ["0" * 64, "", "none", "\u0130", "../../etc/passwd", str.upper, lambda text: text[:-1] + "\0"]
)
def test_an_envelope_that_names_an_unknown_key_is_refused(
    keyid: str | Callable[[str], str], key: HmacKey, keyring: Keyring, honest: bytes
) -> None:
    """A key id is found as it is written or not at all."""
    fields = fields_of(honest)
    fields["signatures"][0]["keyid"] = keyid if isinstance(keyid, str) else keyid(key.key_id)
    refuse(written(fields), keyring, UnknownKey)


@pytest.mark.parametrize("value", ["none", "HS256", "hmac-sha256", None, 0, ""])
@pytest.mark.parametrize("name", ["alg", "algorithm", "typ", "kid", "x5c", "jwk"])
def test_an_envelope_with_an_alg_field_is_refused(
    name: str, value: Any, keyring: Keyring, honest: bytes
) -> None:
    """There is no field by which an envelope could say how it is to be verified."""
    outer, inner = fields_of(honest), fields_of(honest)
    outer[name] = value
    inner["signatures"][0][name] = value
    for fields in (outer, inner, {name: value, **fields_of(honest)}):
        refuse(written(fields), keyring, MalformedError)


@pytest.mark.parametrize("field", ["payload", "sig"])
def test_base64_with_changed_spare_bits_is_refused(field: str, keyring: Keyring, honest: bytes) -> None:
    """The bits of the last character that decode to nothing have one value."""
    text = fields_of(honest)["payload"] if field == "payload" else fields_of(honest)["signatures"][0]["sig"]
    bare = text.rstrip("=")
    spare = {1: 4, 2: 16}[len(text) - len(bare)]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    base = alphabet.index(bare[-1])
    assert base % spare == 0
    for bits in range(1, spare):
        altered = bare[:-1] + alphabet[base + bits] + text[len(bare) :]
        refuse(honest.replace(text.encode(), altered.encode()), keyring, MalformedError)


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda data: urlsafe_b64encode(data).decode(), id="urlsafe"),
        pytest.param(lambda data: b64encode(data).decode().rstrip("="), id="no padding"),
        pytest.param(lambda data: b64encode(data).decode() + "=", id="too much padding"),
        pytest.param(lambda data: b64encode(data).decode() + "====", id="more padding"),
        pytest.param(
            lambda data: b64encode(data).decode()[:8] + "\n" + b64encode(data).decode()[8:], id="line"
        ),
        pytest.param(lambda data: b64encode(data).decode() + " ", id="space"),
        pytest.param(lambda data: data.hex(), id="hexadecimal"),
        pytest.param(lambda data: data.decode("latin-1"), id="no base64"),
    ],
)
@pytest.mark.parametrize("field", ["payload", "sig"])
def test_another_spelling_of_base64_is_refused(
    spell: Callable[[bytes], str], field: str, keyring: Keyring, honest: bytes
) -> None:
    """Payload and signature have one spelling, so that no second sidecar means the same."""
    fields, envelope = fields_of(honest), parsed(honest)
    if field == "payload":
        fields["payload"] = spell(envelope.payload)
    else:
        fields["signatures"][0]["sig"] = spell(envelope.signatures[0].sig)
    assert fields != fields_of(honest)
    # Hexadecimal of 32 bytes is base64 of other bytes.
    refuse(written(fields), keyring, MalformedError, SignatureInvalid)


@pytest.mark.parametrize(
    "rewrite",
    [
        pytest.param(lambda text: json.dumps(json.loads(text)).encode() + b"\n", id="spaces"),
        pytest.param(lambda text: json.dumps(json.loads(text), indent=1).encode() + b"\n", id="lines"),
        pytest.param(lambda text: written(dict(reversed(json.loads(text).items()))), id="order"),
        pytest.param(lambda text: b"\xef\xbb\xbf" + text, id="byte order mark"),
        pytest.param(lambda text: text.replace(b"/", b"\\/"), id="escaped slashes"),
        pytest.param(lambda text: text.replace(b'"sig"', b'"si\\u0067"'), id="escaped key"),
        pytest.param(lambda text: text.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(
            lambda text: text.replace(b'{"payload', b'{"payload":"","payload'), id="doubled payload"
        ),
        pytest.param(lambda text: text.replace(b'"keyid"', b'"keyid":"x","keyid"'), id="doubled keyid"),
        pytest.param(lambda text: text.replace(b"\n", b"\r\n"), id="carriage return"),
        pytest.param(lambda text: text.rstrip(b"\n"), id="no line feed"),
        pytest.param(lambda text: text + b"\n", id="two line feeds"),
        pytest.param(lambda text: text + b"\0", id="NUL"),
        pytest.param(lambda text: text * 3, id="three envelopes"),
        pytest.param(lambda text: b"[" + text.rstrip() + b"]\n", id="list"),
        pytest.param(lambda text: b"", id="nothing"),
        pytest.param(lambda text: b"null\n", id="null"),
    ],
)
def test_another_spelling_of_the_envelope_is_refused(
    rewrite: Callable[[bytes], bytes], keyring: Keyring, honest: bytes
) -> None:
    """JSON that means the same to a lenient reader is not the sidecar."""
    assert rewrite(honest) != honest
    refuse(rewrite(honest), keyring, MalformedError)


def test_a_sidecar_without_a_byte_is_refused(key: HmacKey, keyring: Keyring, tmp_path: Path) -> None:
    """An empty sidecar is a broken one and not a missing one."""
    safeload.dump("value", tmp_path / NAME, signer=key)
    (tmp_path / f"{NAME}.sig").write_bytes(b"")
    with pytest.raises(MalformedError, match="empty"):
        safeload.load(tmp_path / NAME, keyring=keyring)


def test_a_sidecar_over_one_mebibyte_is_refused(key: HmacKey, keyring: Keyring, tmp_path: Path) -> None:
    """One byte more than the limit is refused, whatever it holds."""
    path = tmp_path / NAME
    safeload.dump("value", path, signer=key)
    sidecar = path.with_name(f"{NAME}.sig")
    honest = sidecar.read_bytes()
    sidecar.write_bytes(honest.rstrip(b"\n") + b" " * ((1 << 20) + 1 - len(honest)) + b"\n")
    assert sidecar.stat().st_size == (1 << 20) + 1
    with pytest.raises(MalformedError, match="over 1048576 bytes"):
        safeload.load(path, keyring=keyring)


def test_the_same_key_signing_twice_counts_once(key: HmacKey, honest: bytes) -> None:
    """A second signature by the same key adds nothing, under no spelling of its id."""
    ring, two = Keyring.of(key), Policy(signatures=2)
    payload = parsed(honest).payload
    refuse(honest, ring, UnknownKey, policy=two)
    refuse(sidecar_of(payload, key, key), ring, MalformedError)
    refuse(sidecar_of(payload, key, key), ring, MalformedError, policy=two)
    shouted = signature_of(payload, key, keyid=key.key_id.upper())
    refuse(sidecar_of(payload, key, shouted), ring, UnknownKey, policy=two)


def test_two_different_keys_count_as_two(key: HmacKey, honest: bytes) -> None:
    """A demand for two signatures is met by two keys of the keyring, and not by one and a stranger."""
    payload, other, stranger = parsed(honest).payload, Ed25519PrivateKey.generate(), HmacKey.generate()
    ring, two = Keyring([Entry(key=key), Entry(key=other.public)]), Policy(signatures=2)
    assert load(sidecar_of(payload, key, other), ring, policy=two) == ["value"]
    assert load(sidecar_of(payload, other, stranger, key), ring, policy=two) == ["value"]
    refuse(sidecar_of(payload, key, stranger), ring, UnknownKey, policy=two)
    refuse(sidecar_of(payload, key, other), ring, UnknownKey, policy=Policy(signatures=3))
    forged = signature_of(payload, stranger, keyid=other.key_id)
    refuse(sidecar_of(payload, key, forged), ring, SignatureInvalid, policy=two)


def test_of_several_signatures_one_by_a_known_key_is_enough(
    key: HmacKey, keyring: Keyring, honest: bytes
) -> None:
    """Signatures by strangers neither help nor harm; a wrong one by a known key refuses all."""
    payload, strangers = parsed(honest).payload, [HmacKey.generate() for _ in range(15)]
    for place in (0, 7, 15):
        signers = [*strangers[:place], key, *strangers[place:]]
        assert load(sidecar_of(payload, *signers), keyring) == ["value"]
    refuse(sidecar_of(payload, *strangers), keyring, UnknownKey)
    refuse(sidecar_of(payload, *strangers, key, HmacKey.generate()), keyring, MalformedError)
    refuse(sidecar_of(payload), keyring, MalformedError)
    other = HmacKey.generate()
    both = Keyring([Entry(key=key), Entry(key=other)])
    wrong = signature_of(payload, key, keyid=other.key_id)
    refuse(sidecar_of(payload, key, wrong), both, SignatureInvalid)
    refuse(sidecar_of(payload, wrong, key), both, SignatureInvalid)


def test_a_validly_signed_statement_about_something_else_is_refused(key: HmacKey, keyring: Keyring) -> None:
    """What the key signed must be about these bytes, this name, no tag, and now."""
    wrong: list[tuple[dict[str, Any], type[SafeloadError]]] = [
        ({"size": len(ARTIFACT) - 1}, DigestMismatch),
        ({"size": 0}, DigestMismatch),
        ({"digest": digest_of("blake3", b"")}, DigestMismatch),
        ({"digest": digest_of("sha256", b"")}, DigestMismatch),
        ({"expires": datetime(2020, 1, 1, tzinfo=UTC)}, Expired),
        ({"tag": "v1"}, SubjectMismatch),
        ({"name": NAME.upper()}, SubjectMismatch),
        ({"name": NAME + " "}, SubjectMismatch),
        ({"name": f"./{NAME}"}, SubjectMismatch),
        ({"format": "no such format"}, FormatNotAllowed),
    ]
    for changes, error in wrong:
        refuse(sidecar_of(payload_of(ARTIFACT, **{"name": NAME, **changes}), key), keyring, error)


def test_a_name_that_only_looks_the_same_is_another_name(key: HmacKey, keyring: Keyring) -> None:
    """Names are compared as they are; two spellings of an accented letter are two names."""
    composed, decomposed = "caf\u00e9.joblib", "cafe\u0301.joblib"
    sidecar = sidecar_of(payload_of(ARTIFACT, composed), key)
    assert safeload.loads(ARTIFACT, sidecar, name=composed, keyring=keyring) == ["value"]
    with pytest.raises(SubjectMismatch):
        safeload.loads(ARTIFACT, sidecar, name=decomposed, keyring=keyring)


def test_a_format_that_the_policy_does_not_admit_is_refused(key: HmacKey, keyring: Keyring) -> None:
    """The format of the signed statement is held against the policy."""
    sidecar = sidecar_of(payload_of(ARTIFACT, NAME, format="pickle"), key)
    for formats in ([], ["skops"], ["joblib", "skops"]):
        refuse(sidecar, keyring, FormatNotAllowed, policy=Policy(formats=frozenset(formats)))
    assert load(sidecar, keyring, policy=Policy(formats=frozenset({"pickle"}))) == ["value"]


def test_a_fips_policy_refuses_blake3(key: HmacKey, keyring: Keyring) -> None:
    """It accepts SHA-256 only, and its own dumps use it."""
    fips = Policy(fips=True)
    refuse(sidecar_of(payload_of(ARTIFACT, NAME), key), keyring, FormatNotAllowed, policy=fips)
    sha256 = sidecar_of(payload_of(ARTIFACT, NAME, digest=digest_of("sha256", ARTIFACT)), key)
    assert load(sha256, keyring, policy=fips) == ["value"]
    artifact, sidecar = safeload.dumps("value", signer=key, policy=fips)
    assert safeload.loads(artifact, sidecar, keyring=keyring, policy=fips) == "value"
