"""A secret appears in no text, log, pickle, copy or traceback of safeload's own."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import os
import pickle
import pprint
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.pretty import pretty_repr
from rich.traceback import Traceback

import safeload
from safeload import Ed25519PrivateKey, Entry, HmacKey, Keyring, SignatureInvalid
from safeload.trust.keys import load_private_pem, sources

PACKAGE = os.path.dirname(safeload.__file__) + os.sep
# Printable, so that it is found in base64, in hexadecimal, and as it is.
SECRET = b"q7Zw!this-secret-is-for-tests-only!Xk3v"
SHORT = SECRET[:31]
PASSWORD = b"correct horse battery staple 4711"


def spellings(secret: bytes) -> set[str]:
    """Return the beginning of every text that would give a secret away, long enough to be no accident."""
    whole = {
        secret.decode("latin-1"),
        repr(secret)[2:-1],
        secret.hex(),
        secret.hex().upper(),
        b64encode(secret).decode(),
        urlsafe_b64encode(secret).decode(),
        repr(list(secret))[1:-1],
    }
    return {text[:16] for text in whole}


def assert_absent(secret: bytes, text: str) -> None:
    """See that no spelling of a secret stands in a text."""
    found = [spelling for spelling in spellings(secret) if spelling in text]
    assert not found


def test_the_search_finds_what_it_looks_for() -> None:
    """The control for every test below."""
    for text in (repr(SECRET), SECRET.hex(), b64encode(SECRET).decode(), SECRET.decode(), str(list(SECRET))):
        with pytest.raises(AssertionError):
            assert_absent(SECRET, f"before {text} after")


def ways_to_print(thing: Any) -> Iterator[str]:
    """Return the texts of an object."""
    yield from (str(thing), repr(thing), ascii(thing), f"{thing}", f"{thing!r}", f"{thing=}")
    yield from (pprint.pformat(thing), pretty_repr(thing), pretty_repr({"key": [thing]}))
    stream = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(logging.StreamHandler(stream))
    logger.error("%s %r %s", thing, thing, [thing], extra={"thing": thing})
    yield stream.getvalue()


def test_a_key_prints_as_its_kind_and_the_beginning_of_its_id() -> None:
    """So that a log says which key it was."""
    key = HmacKey(SECRET)
    assert repr(key) == str(key) == f"<HmacKey {key.key_id[:12]}…>"


@pytest.mark.parametrize("kind", [HmacKey, Ed25519PrivateKey, safeload.Ed25519PublicKey])
def test_a_key_whose_constructor_refused_prints_too(kind: Any) -> None:
    """A traceback with variables prints ``self``; it must not fail over it and hide the refusal."""
    assert kind.__name__ in repr(kind.__new__(kind))


def test_a_secret_is_in_no_text_of_a_key_or_keyring() -> None:
    """However it is printed or logged."""
    key = HmacKey(SECRET)
    derived = key._mac_key
    for thing in (key, Keyring.of(key), Entry(key=key, state="active"), [key], {"key": key}):
        for text in ways_to_print(thing):
            assert_absent(SECRET, text)
            assert_absent(derived, text)


def test_a_private_key_is_in_no_text() -> None:
    """Nor is that of a pair."""
    key = Ed25519PrivateKey.generate()
    seed = key.export_raw().private_bytes_raw()
    for thing in (key, Keyring.of(key), key.export_raw()):
        for text in ways_to_print(thing):
            assert_absent(seed, text)


@pytest.mark.parametrize("wrap", [lambda key: key, Keyring.of, lambda key: Entry(key=key), lambda key: [key]])
@pytest.mark.parametrize("kind", [HmacKey, Ed25519PrivateKey, safeload.EcdsaP256PrivateKey])
def test_a_key_is_neither_pickled_nor_copied(kind: Any, wrap: Callable[[Any], Any]) -> None:
    """By itself, in an entry, in a keyring, in anything."""
    key = kind.generate()
    thing = wrap(key)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(thing, protocol)
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(thing)
    with pytest.raises(TypeError):
        copy.copy(key)


def test_a_key_has_no_variables_to_show() -> None:
    """``vars`` and ``dataclasses.asdict`` are how errors are decorated."""
    key = HmacKey(SECRET)
    with pytest.raises(TypeError):
        vars(key)
    with pytest.raises(TypeError):
        key.__getstate__()
    with pytest.raises(TypeError):
        dataclasses.asdict(Keyring.of(key))
    with pytest.raises(TypeError):
        json.dumps(key)


@pytest.mark.parametrize("format", ["joblib", "pickle", "skops"])
def test_a_key_cannot_be_stored_as_an_object(format: str, tmp_path: Path) -> None:
    """A model that holds its key would publish it."""
    key = HmacKey(SECRET)
    with pytest.raises(safeload.SerializationError) as caught:
        safeload.dump({"key": key}, tmp_path / "x", format=format, signer=key)
    assert_absent(SECRET, str(caught.value))
    assert list(tmp_path.iterdir()) == []


def chain(error: BaseException) -> Iterator[BaseException]:
    """Return an exception with all that led to it, also what ``from None`` hides from sight."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            yield current
            pending += [current.__cause__, current.__context__]


def shown(error: BaseException) -> str:
    """Return what handlers that print variables would print of safeload's own frames."""
    lines = []
    frames = 0
    for link in chain(error):
        lines.append(str(link))
        for frame in traceback.TracebackException.from_exception(link, capture_locals=True).stack:
            if frame.filename.startswith(PACKAGE):
                frames += 1
                lines += [f"{frame.name}: {name} = {value}" for name, value in (frame.locals or {}).items()]
        trace = Traceback.extract(
            type(link),
            link,
            link.__traceback__,
            show_locals=True,
            locals_max_length=None,
            locals_max_string=None,
        )
        for stack in trace.stacks:
            for rich_frame in stack.frames:
                if rich_frame.filename.startswith(PACKAGE):
                    lines += [f"{name} = {node}" for name, node in (rich_frame.locals or {}).items()]
    assert frames, "no frame of safeload was looked at"
    return "\n".join(lines)


def refused(call: Callable[[], Any]) -> BaseException:
    """Return the exception of a call."""
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("it was not refused")


def test_variables_of_the_package_are_looked_at() -> None:
    """The control: an argument that is no secret is found."""
    assert "a/b/c" in shown(refused(lambda: sources.resolve("a/b/c")))


@pytest.mark.parametrize(
    "secret", [SHORT, bytearray(SECRET), b"-----BEGIN " + SECRET], ids=["short", "type", "pem"]
)
def test_a_refused_secret_is_in_no_traceback(secret: Any) -> None:
    """Whatever the reason."""
    assert_absent(SHORT, shown(refused(lambda: HmacKey(secret))))


CALLS: dict[str, Callable[[Path], Any]] = {
    "resolve": lambda folder: sources.resolve(),
    "load": lambda folder: safeload.load(folder / "churn.joblib"),
    "verify": lambda folder: safeload.verify(folder / "churn.joblib"),
    "dump": lambda folder: safeload.dump([1], folder / "new.joblib"),
    "sign": lambda folder: safeload.sign(folder / "churn.joblib", overwrite=True),
    "loads": lambda folder: safeload.loads(b"", b""),
}


@pytest.fixture
def folder(tmp_path: Path, key: HmacKey) -> Path:
    """Return a folder with a signed artifact."""
    (tmp_path / "models").mkdir()
    safeload.dump([1], tmp_path / "models" / "churn.joblib", signer=key)
    return tmp_path / "models"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "text",
    [b64encode(SHORT).decode(), b64encode(SECRET).decode() + "\n", SECRET.decode(), SECRET.hex() + "!"],
    ids=["short", "line feed", "as it is", "hexadecimal"],
)
def test_a_refused_safeload_key_is_in_no_traceback(
    text: str, call: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is mistyped, and the error goes to a monitoring service with its variables."""
    monkeypatch.setenv("SAFELOAD_KEY", text)
    error = refused(lambda: CALLS[call](folder))
    assert isinstance(error, safeload.KeyringError)
    assert_absent(SECRET, shown(error))
    assert_absent(SHORT, shown(error))


def jwk_text(*keys: dict[str, Any]) -> str:
    """Return a JWK Set."""
    return json.dumps({"keys": keys})


def oct_key(secret: bytes = SECRET, **members: Any) -> dict[str, Any]:
    """Return a JWK of a secret."""
    return {"kty": "oct", "k": urlsafe_b64encode(secret).decode().rstrip("="), **members}


KEYRINGS = {
    "a short secret": jwk_text(oct_key(SHORT)),
    "loose base64": jwk_text({"kty": "oct", "k": b64encode(SECRET).decode() + "!"}),
    "another algorithm": jwk_text(oct_key(alg="RS256")),
    "another key's id": jwk_text(oct_key(kid="0" * 64)),
    "a bad window": jwk_text(oct_key(exp="soon")),
    "a window that ends before it starts": jwk_text(oct_key(nbf=2, exp=1)),
    "a bad key beside it": jwk_text(oct_key(), {"kty": "RSA"}),
    "the key twice": jwk_text(oct_key(), oct_key(key_ops=["verify"])),
    "two that sign": jwk_text(oct_key(), oct_key(SECRET[::-1])),
    "no JSON": jwk_text(oct_key())[:-1],
    "a doubled member": jwk_text(oct_key())[:-3] + ',"kty":"oct"}]}',
    "no list": json.dumps(oct_key()),
}


@pytest.mark.parametrize("case", KEYRINGS)
def test_a_secret_in_a_refused_keyring_is_in_no_traceback(case: str, tmp_path: Path) -> None:
    """A keyring file that cannot be used is reported without what it holds."""
    path = tmp_path / "keyring.json"
    path.write_text(KEYRINGS[case])
    path.chmod(0o600)
    for call in (lambda: Keyring.load(path), lambda: safeload.dumps([1], keyring=path)):
        error = refused(call)
        assert isinstance(error, safeload.KeyringError)
        assert_absent(SECRET, shown(error))


def test_a_secret_in_a_readable_keyring_is_in_no_traceback(tmp_path: Path) -> None:
    """Refused by its mode, after it was parsed."""
    Keyring.of(HmacKey(SECRET)).save(tmp_path / "keyring.json")
    (tmp_path / "keyring.json").chmod(0o644)
    assert_absent(SECRET, shown(refused(lambda: Keyring.load(tmp_path / "keyring.json"))))


def test_a_password_and_the_key_that_it_does_not_open_are_in_no_traceback() -> None:
    """Wrong, of another type, or for a key that has none."""
    key = Ed25519PrivateKey.generate()
    plain, encrypted = key.to_pem(), key.to_pem(password=b"another password")
    seed = key.export_raw().private_bytes_raw()
    for text, password in [
        (encrypted, PASSWORD),
        (encrypted, PASSWORD.decode()),
        (plain, PASSWORD),
        (plain[:90], None),
    ]:
        error = shown(refused(lambda text=text, password=password: load_private_pem(text, password)))  # type: ignore[misc]
        assert_absent(PASSWORD, error)
        assert_absent(seed, error)
        assert text.decode().splitlines()[1][:16] not in error


def test_a_private_key_of_another_kind_is_in_no_traceback() -> None:
    """It is read before it is refused."""
    text = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    error = shown(refused(lambda: load_private_pem(text)))
    assert not [line for line in text.decode().splitlines()[1:-1] if line[:40] in error]


@pytest.mark.parametrize("password", [PASSWORD * 40, PASSWORD.decode()], ids=["too long", "text"])
def test_a_password_that_cannot_be_used_for_writing_is_in_no_traceback(password: Any) -> None:
    """The library underneath refuses it with a ValueError or TypeError."""
    error = refused(lambda: Ed25519PrivateKey.generate().to_pem(password))
    assert isinstance(error, ValueError | TypeError)
    assert_absent(PASSWORD, shown(error))


def test_a_secret_is_in_no_traceback_of_a_verification_that_fails() -> None:
    """The frames of the key that refuses are among those printed."""
    key = HmacKey(SECRET)
    artifact, sidecar = safeload.dumps([1], signer=HmacKey.generate())
    for call in (
        lambda: key.verify(b"message", b"mac"),
        lambda: key.verify(b"message", None),  # type: ignore[arg-type]
        lambda: safeload.loads(artifact, sidecar, keyring=key),
    ):
        error = shown(refused(call))
        assert_absent(SECRET, error)
        assert_absent(key._mac_key, error)
        assert_absent(key.sign(b"message"), error)
    assert isinstance(refused(lambda: key.verify(b"message", b"mac")), SignatureInvalid)
