"""JWK Sets that are refused: doubled members, other kinds, other purposes, material that is none."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from safeload import EcdsaP256PrivateKey, Ed25519PrivateKey, Keyring, KeyringError
from safeload.trust.keys import jwk

OCT = {"kty": "oct", "k": urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")}
OTHER = {"kty": "oct", "k": urlsafe_b64encode(bytes(range(1, 33))).decode().rstrip("=")}
PAIR = Ed25519PrivateKey.generate()
ELLIPTIC = EcdsaP256PrivateKey.generate()
OKP = json.loads(jwk.encode(Keyring.of(PAIR).entries))["keys"][0]
EC = json.loads(jwk.encode(Keyring.of(ELLIPTIC).entries))["keys"][0]
MATERIAL = {"kty", "crv", "x", "y", "d"}


def text_of(*keys: Any) -> bytes:
    """Return a JWK Set."""
    return json.dumps({"keys": keys}).encode()


def refuse(data: bytes, match: str | None = None) -> None:
    """See that a JWK Set is refused, without a key of it in the message."""
    with pytest.raises(KeyringError, match=match) as caught:
        Keyring(jwk.parse(data))
    assert OCT["k"] not in str(caught.value)
    assert OKP["d"] not in str(caught.value)


def test_what_the_refused_ones_are_made_of_is_read() -> None:
    """The control for every test below."""
    for key in (OCT, OKP, EC):
        assert len(Keyring(jwk.parse(text_of(key))).entries) == 1


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{}", b"[]", b"null", b"7", b'"keys"', b'{"keys":null}', b'{"keys":{}}', b'{"keys":[]}'),
        *(b'{"keys":"oct"}', b"\xff\xfe", b"{", json.dumps(OCT).encode(), b"[" * 100_000, b'{"a":' * 100_000),
    ],
    ids=lambda data: data[:20],
)
def test_what_is_no_jwk_set_is_refused(data: bytes) -> None:
    """No JSON, no object, no list of keys, none in it."""
    refuse(data)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-be"])
def test_a_set_in_another_encoding_is_refused(encoding: str) -> None:
    """JSON between systems is UTF-8 without a byte order mark (RFC 8259, section 8.1)."""
    refuse(text_of(OCT).decode().encode(encoding))


def test_bytes_after_the_set_are_refused() -> None:
    """What is left over at the end is an error."""
    refuse(text_of(OCT) + b"{}")


@pytest.mark.parametrize("key", [None, 7, "oct", [], [OCT], {}], ids=str)
def test_a_key_that_is_no_object_is_refused(key: Any) -> None:
    """Also beside one that is; nothing is skipped."""
    refuse(text_of(key))
    refuse(text_of(OCT, key), "key number 2")


@pytest.mark.parametrize("member", ["kty", "k", "kid", "key_ops", "revoked", "exp"])
def test_a_doubled_member_is_refused(member: str) -> None:
    """Two readers could take either."""
    value = json.dumps({"kty": "oct", "k": OCT["k"]}.get(member, 1))
    inner = json.dumps(OCT)[:-1] + f',"{member}":{value},"{member}":{value}' + "}"
    refuse(f'{{"keys":[{inner}]}}'.encode(), "not a JWK Set")
    refuse(b'{"keys":[],"keys":[%b]}' % json.dumps(OCT).encode(), "not a JWK Set")


@pytest.mark.parametrize(
    "kind", ["RSA", "OKP ", "okp", "Oct", "AKP", "", None, 7, ["oct"], {"oct": 1}], ids=str
)
def test_an_unknown_kind_of_key_is_refused(kind: Any) -> None:
    """Nothing is skipped, since the keyring's maker meant something by it."""
    refuse(text_of({**OCT, "kty": kind}), "kind is not supported")
    refuse(text_of({name: value for name, value in OCT.items() if name != "kty"}), "kind is not supported")


def test_an_rsa_key_is_refused() -> None:
    """Public as well as private, also beside keys of ours."""
    rsa = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
    refuse(text_of(rsa), "kind is not supported")
    refuse(text_of(OCT, rsa), "key number 2: its kind")


@pytest.mark.parametrize("curve", ["nonsense", "P-999", "ed25519", "p-256", "", "P-256\0"])
@pytest.mark.parametrize("key", [OKP, EC], ids=["OKP", "EC"])
def test_a_key_on_an_unknown_curve_is_refused(key: dict[str, Any], curve: str) -> None:
    """As every other refusal, by a KeyringError."""
    refuse(text_of({**key, "crv": curve}))


@pytest.mark.parametrize(
    ("kty", "curve", "size"),
    [
        ("OKP", "X25519", 32),
        ("OKP", "Ed448", 57),
        ("OKP", "X448", 56),
        ("EC", "P-521", 66),
        ("EC", "secp256k1", 32),
    ],
)
def test_a_key_on_an_unsupported_curve_is_refused(kty: str, curve: str, size: int) -> None:
    """Also where the library underneath knows it."""
    from joserfc.jwk import ECKey, OKPKey

    made: Any = OKPKey.generate_key(curve) if kty == "OKP" else ECKey.generate_key(curve)
    for private in (True, False):
        refuse(text_of(made.as_dict(private=private)), "not supported")


@pytest.mark.parametrize(
    "algorithm", ["HS512", "EdDSA", "ES256", "none", "", "hs256", None, 7, ["HS256"], {}], ids=str
)
def test_another_algorithm_than_the_key_has_is_refused(algorithm: Any) -> None:
    """A key has one algorithm."""
    refuse(text_of({**OCT, "alg": algorithm}), "algorithm does not fit")


@pytest.mark.parametrize(("key", "fitting"), [(OCT, ["HS256"]), (OKP, ["Ed25519", "EdDSA"]), (EC, ["ES256"])])
def test_the_algorithms_own_names_are_read(key: dict[str, Any], fitting: list[str]) -> None:
    """Those of RFC 7518, RFC 8037 and RFC 9864, each for its kind only."""
    for name in ("HS256", "Ed25519", "EdDSA", "ES256", "ES384"):
        if name in fitting:
            Keyring(jwk.parse(text_of({**key, "alg": name})))
        else:
            refuse(text_of({**key, "alg": name}), "algorithm does not fit")


@pytest.mark.parametrize("kid", ["0" * 64, PAIR.key_id], ids=["zeros", "of another"])
def test_the_id_of_another_key_is_refused(kid: str) -> None:
    """What looks like one of our ids must be right."""
    refuse(text_of({**OCT, "kid": kid}), "that of another key")


@pytest.mark.parametrize("kid", [None, 7, [], {}, True], ids=str)
def test_an_id_that_is_no_text_is_refused(kid: Any) -> None:
    """Whatever the key."""
    refuse(text_of({**OCT, "kid": kid}), "not text")


@pytest.mark.parametrize("kid", ["", "my key", "0" * 63, "A" * 64])
def test_an_id_of_another_tools_making_is_not_used(kid: str) -> None:
    """The key keeps the name that envelopes use."""
    (entry,) = Keyring(jwk.parse(text_of({**OCT, "kid": kid}))).entries
    assert entry.key.key_id == Keyring(jwk.parse(text_of(OCT))).entries[0].key.key_id


@pytest.mark.parametrize("use", ["enc", "", "SIG", None, 7, ["sig"]], ids=str)
def test_a_key_for_another_use_is_refused(use: Any) -> None:
    """One key, one purpose."""
    refuse(text_of({**OCT, "use": use}), "not for signatures")


@pytest.mark.parametrize(
    "operations",
    [
        "sign",
        [],
        {},
        {"sign": True},
        7,
        True,
        ["encrypt"],
        ["sign", "encrypt"],
        ["sign", 7],
        [None],
        [["sign"]],
        ["Sign"],
    ],
    ids=str,
)
def test_odd_operations_are_refused(operations: Any) -> None:
    """A list of sign and verify, or no such member."""
    refuse(text_of({**OCT, "key_ops": operations}), "key_ops")


@pytest.mark.parametrize("key", [OCT, OKP, EC], ids=["oct", "OKP", "EC"])
def test_the_operations_say_which_key_signs(key: dict[str, Any]) -> None:
    """Without them, or with sign among them, a secret signs."""
    bare = {name: value for name, value in key.items() if name != "key_ops"}
    for members, state in [
        ({}, "active"),
        ({"key_ops": ["sign"]}, "active"),
        ({"key_ops": ["verify", "sign"]}, "active"),
        ({"key_ops": ["verify"]}, "verify-only"),
    ]:
        assert Keyring(jwk.parse(text_of({**bare, **members}))).entries[0].state == state


def test_several_secrets_that_do_not_say_which_one_signs_are_refused() -> None:
    """Guessing would sign with a key that was meant to be the former one."""
    signing, verifying = {"key_ops": ["sign", "verify"]}, {"key_ops": ["verify"]}
    refuse(text_of(OCT, OTHER), "does not say which one")
    refuse(text_of({**OCT, **signing}, OTHER), "does not say which one")
    refuse(text_of({**OCT, **signing}, {**OTHER, **signing}), "more than one key")
    for first, second in [(signing, verifying), (verifying, signing), (verifying, {}), ({"revoked": {}}, {})]:
        assert Keyring(jwk.parse(text_of({**OCT, **first}, {**OTHER, **second}))).active is not None


def test_a_key_that_stands_twice_is_refused() -> None:
    """Also as its two halves."""
    public = {name: value for name, value in OKP.items() if name != "d"}
    refuse(text_of({**OCT, "key_ops": ["verify"]}, {**OCT, "key_ops": ["verify"]}), "twice")
    refuse(text_of(OKP, public), "twice")


@pytest.mark.parametrize(
    "value", [None, 7, 1.5, True, [], {}, "", "!", "ü" * 43, "A" * 42, " " * 43], ids=str
)
@pytest.mark.parametrize(
    ("key", "member"), [(OCT, "k"), (OKP, "x"), (OKP, "d"), (EC, "x"), (EC, "y"), (EC, "d")]
)
@pytest.mark.filterwarnings("default")
def test_key_material_that_is_none_is_refused(key: dict[str, Any], member: str, value: Any) -> None:
    """Of another type, empty, no base64, or of another length."""
    refuse(text_of({**key, member: value}))


@pytest.mark.parametrize(("key", "member"), [(OCT, "k"), (OKP, "x"), (EC, "x"), (EC, "y")])
def test_a_key_without_a_member_is_refused(key: dict[str, Any], member: str) -> None:
    """The rest is no key."""
    refuse(text_of({name: value for name, value in key.items() if name != member}))


def test_a_point_off_the_curve_is_refused() -> None:
    """Accepting one gives keys away in other protocols, and verifies nonsense in this one."""
    refuse(text_of({**EC, "x": EC["y"], "y": EC["x"]}))
    refuse(text_of({name: EC[name] for name in ("kty", "crv", "y")} | {"x": EC["y"]}))


@pytest.mark.parametrize("kind", [Ed25519PrivateKey, EcdsaP256PrivateKey])
def test_the_halves_of_two_keys_are_refused(kind: Any) -> None:
    """Whoever reads the public member must see the key that signs."""
    one, other = (json.loads(jwk.encode(Keyring.of(kind.generate()).entries))["keys"][0] for _ in range(2))
    mixed = {name: one[name] for name in MATERIAL & one.keys()} | {"d": other["d"]}
    refuse(text_of(mixed))


@pytest.mark.parametrize(
    "secret", [b"abc", b"x" * 31, b"", b"-----BEGIN PUBLIC KEY-----" + bytes(20)], ids=len
)
def test_a_secret_that_is_none_is_refused_without_a_warning(secret: bytes) -> None:
    """By one error of ours; the library underneath would warn, too."""
    refuse(text_of({"kty": "oct", "k": urlsafe_b64encode(secret).decode().rstrip("=")}))


@pytest.mark.parametrize(
    "spelling", [lambda k: k + "=", lambda k: k[:-1] + "9", lambda k: k + "\n", lambda k: " " + k]
)
def test_loose_base64_is_refused(spelling: Any) -> None:
    """One accepted spelling: no padding, no spare bits, no white space (RFC 7515, section 2)."""
    assert OCT["k"][-1] == "8"
    refuse(text_of({**OCT, "k": spelling(OCT["k"])}))
