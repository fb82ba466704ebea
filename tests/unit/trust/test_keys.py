"""Keys: what they accept, what they sign, and that they never show themselves."""

from __future__ import annotations

import base64
import copy
import hmac
import logging
import pickle
import traceback
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

import safeload
from safeload import HmacKey, KeyringError, SignatureInvalid
from safeload.trust.keys import (
    EcdsaP256PrivateKey,
    EcdsaP384PrivateKey,
    Ed25519PrivateKey,
    load_private_pem,
    load_public_pem,
)

SECRET = bytes(range(100, 132))
PRIVATE_KINDS = [Ed25519PrivateKey, EcdsaP256PrivateKey, EcdsaP384PrivateKey]
KINDS = [HmacKey, *PRIVATE_KINDS]
LENGTHS = {"hmac-sha256": 32, "ed25519": 64, "ecdsa-p256": 64, "ecdsa-p384": 96}


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_verifies_what_it_signed_and_nothing_else(kind) -> None:
    """A signature of the right length verifies; any other message, key, length or bit is refused."""
    key, other = kind.generate(), kind.generate()
    signature = key.sign(b"message")
    assert len(signature) == LENGTHS[key.algorithm]
    key.verify(b"message", signature)
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    for message, wrong in [
        (b"messagE", signature),
        (b"message", flipped),
        (b"message", signature[:-1]),
        (b"message", signature + b"\0"),
        (b"message", b""),
        (b"message", other.sign(b"message")),
        (b"message", bytes(len(signature))),
        (b"message", b"\xff" * len(signature)),
    ]:
        with pytest.raises(SignatureInvalid):
            key.verify(message, wrong)


def test_a_der_signature_is_refused() -> None:
    """ECDSA signatures have one encoding; the DER form of a right one is not it."""
    key = EcdsaP256PrivateKey.generate()
    signature = key.sign(b"m")
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    with pytest.raises(SignatureInvalid):
        key.verify(b"m", der)


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_a_short_secret_is_refused(length: int) -> None:
    """An HMAC secret has at least 32 bytes."""
    with pytest.raises(KeyringError, match="at least 32"):
        HmacKey(SECRET[:length])


def test_a_secret_that_is_none_is_refused() -> None:
    """Text, a repeated byte, and the text of a public key are no secrets."""
    public = Ed25519PrivateKey.generate().public.to_pem()
    for bad in ("x" * 40, bytes(64), b"\n" + public, b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA" * 2):
        with pytest.raises(KeyringError):
            HmacKey(bad)  # type: ignore[arg-type]


def test_the_mac_key_is_hkdf_of_the_secret() -> None:
    """The key that signs is HKDF-SHA256 (RFC 5869) of the secret, with an info that names the purpose."""
    extracted = hmac.digest(bytes(32), SECRET, "sha256")
    mac_key = hmac.digest(extracted, b"safeload hmac-sha256 dsse v1\x01", "sha256")
    id_key = hmac.digest(extracted, b"safeload hmac-sha256 key-id v1\x01", "sha256")
    key = HmacKey(SECRET)
    assert key.sign(b"m") == hmac.digest(mac_key, b"m", "sha256")
    assert key.key_id == hmac.digest(id_key, b"safeload key id", "sha256").hex()
    assert key.sign(b"m") != hmac.digest(SECRET, b"m", "sha256")


def forms(secret: bytes) -> list[str]:
    return [
        repr(secret)[2:-1],
        secret.hex(),
        base64.b64encode(secret).decode().rstrip("="),
        str(list(secret)),
    ]


def assert_hidden(text: str, secret: bytes) -> None:
    for form in forms(secret):
        assert form not in text


def test_a_key_never_shows_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Neither repr, str, formatting, logging nor dir of a key holds its secret."""
    key = HmacKey(SECRET)
    logging.getLogger("t").warning("%s %r", key, key)
    shown = f"{key} {key!r} {key:} {[key]} {safeload.Keyring.of(key)!r} {caplog.text} {dir(key)}"
    assert_hidden(shown, SECRET)
    assert "HmacKey" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_not_pickled_or_copied(kind) -> None:
    """Whatever walks over an object and would carry the key away is refused."""
    key = kind.generate()
    for carry in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            carry(key)
    with pytest.raises(TypeError):
        vars(key)
    with pytest.raises(AttributeError):
        key.key_id = "0" * 64


def variables_in_tracebacks(error: BaseException) -> str:
    """Return the variables of every frame of safeload's in an exception's tracebacks, and its messages."""
    package = str(Path(safeload.__file__).parent)
    shown = []
    captured: traceback.TracebackException | None = traceback.TracebackException.from_exception(
        error, capture_locals=True
    )
    while captured is not None:
        shown.append("".join(captured.format_exception_only()))
        shown += [str(frame.locals) for frame in captured.stack if frame.filename.startswith(package)]
        captured = captured.__cause__ or captured.__context__
    return "\n".join(shown)


def test_a_traceback_shows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracebacks with variables, as some handlers print them, hold no secret in any frame of safeload's."""
    short = SECRET[:31]
    with pytest.raises(KeyringError) as caught:
        HmacKey(short)
    assert_hidden(variables_in_tracebacks(caught.value), short)

    monkeypatch.setenv("SAFELOAD_KEY", base64.b64encode(SECRET).decode() + "!")
    with pytest.raises(KeyringError) as caught:
        safeload.dump(1, tmp_path / "x.joblib")
    assert_hidden(variables_in_tracebacks(caught.value), SECRET)

    monkeypatch.setenv("SAFELOAD_KEY", base64.b64encode(short).decode())
    with pytest.raises(KeyringError) as caught:
        safeload.dump(1, tmp_path / "x.joblib")
    assert_hidden(variables_in_tracebacks(caught.value), short)

    with pytest.raises(KeyringError) as caught:
        load_private_pem(Ed25519PrivateKey.generate().to_pem(b"right"), SECRET)
    assert_hidden(variables_in_tracebacks(caught.value), SECRET)

    artifact, sidecar = safeload.dumps(1, keyring=HmacKey(SECRET))
    with pytest.raises(safeload.DigestMismatch) as refused:
        safeload.loads(artifact + b"x", sidecar, keyring=HmacKey(SECRET))
    assert_hidden(variables_in_tracebacks(refused.value), SECRET)


@pytest.mark.parametrize("kind", PRIVATE_KINDS)
@pytest.mark.parametrize("password", [None, b"correct horse"])
def test_keys_survive_pem(kind, password: bytes | None) -> None:
    """A private and a public key come back from PEM, encrypted or not, as the same key."""
    key = kind.generate()
    back = load_private_pem(key.to_pem(password), password)
    assert back == key
    assert hash(back) == hash(key)
    assert type(back) is kind
    public = load_public_pem(key.public.to_pem())
    assert public == key.public
    assert public != key
    public.verify(b"m", key.sign(b"m"))
    assert not hasattr(public, "sign")


def test_unsuitable_pem_is_refused() -> None:
    """A wrong or missing password, other kinds of keys and rubbish are refused as a KeyringError."""
    encrypted = Ed25519PrivateKey.generate().to_pem(b"right")
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    foreign = [
        rsa.generate_private_key(65537, 2048),
        x25519.X25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256K1()),
    ]
    for data, password in [
        (encrypted, b"wrong"),
        (encrypted, None),
        (Ed25519PrivateKey.generate().to_pem(), b"not encrypted"),
        (b"-----BEGIN PRIVATE KEY-----\nxx\n-----END PRIVATE KEY-----", None),
        (b"", None),
        *((key.private_bytes(serialization.Encoding.PEM, *plain), None) for key in foreign),
    ]:
        with pytest.raises(KeyringError):
            load_private_pem(data, password)
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    for key in foreign:
        with pytest.raises(KeyringError):
            load_public_pem(key.public_key().public_bytes(serialization.Encoding.PEM, spki))


def test_a_key_class_takes_its_own_kind_only() -> None:
    """An Ed25519 class does not take an EC key, and P-256 not one on P-384."""
    p384 = ec.generate_private_key(ec.SECP384R1())
    edwards = ed25519.Ed25519PrivateKey.generate()
    for make in (
        lambda: Ed25519PrivateKey(p384),
        lambda: EcdsaP256PrivateKey(p384),
        lambda: EcdsaP384PrivateKey(edwards),
        lambda: safeload.Ed25519PublicKey(p384.public_key()),
        lambda: safeload.EcdsaP256PublicKey(p384.public_key()),
    ):
        with pytest.raises(KeyringError):
            make()
