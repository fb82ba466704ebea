"""Keys that are not accepted, or not for this: revoked, out of time, for other names, of another kind."""

from __future__ import annotations

import hmac
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.auditing import no_unpickler_runs
from support.forgery import payload_of, sidecar_of, signature_of

import safeload
from safeload import (
    EcdsaP256PrivateKey,
    EcdsaP384PrivateKey,
    Ed25519PrivateKey,
    Entry,
    HmacKey,
    KeyNotAllowed,
    Keyring,
    KeyringError,
    NoKeyError,
    Policy,
    SignatureInvalid,
    UnknownKey,
)
from safeload.attestation.envelope import EnvelopeSignature

NAME = "churn.joblib"
ARTIFACT = pickle.dumps("value")
DAY = timedelta(days=1)
PAIRS = [Ed25519PrivateKey, EcdsaP256PrivateKey, EcdsaP384PrivateKey]


def load(sidecar: bytes, keyring: Keyring, **options: Any) -> Any:
    """Load the artifact with a sidecar."""
    return safeload.loads(ARTIFACT, sidecar, name=NAME, keyring=keyring, **options)


def now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


NOT_ALLOWED = {
    "revoked": lambda: {"state": "revoked", "reason": "stolen"},
    "expired": lambda: {"not_after": now() - DAY},
    "not yet valid": lambda: {"not_before": now() + DAY},
    "for another name": lambda: {"names": ("fraud*", "churn", "*.pkl", "CHURN.joblib")},
}


@pytest.mark.parametrize("reason", NOT_ALLOWED)
def test_a_key_that_is_not_allowed_verifies_nothing(reason: str, key: HmacKey) -> None:
    """A revoked key, one outside its window, and one for other names are refused as what they are."""
    sidecar = sidecar_of(payload_of(ARTIFACT, NAME), key)
    ring = Keyring([Entry(key=key, **NOT_ALLOWED[reason]())])
    with no_unpickler_runs(), pytest.raises(KeyNotAllowed):
        load(sidecar, ring)


@pytest.mark.parametrize("reason", NOT_ALLOWED)
def test_a_key_that_is_not_allowed_does_not_count_as_a_second_one(reason: str, key: HmacKey) -> None:
    """Beside a good key it neither helps nor, once it is known to be out of use, harms."""
    good = HmacKey.generate()
    payload = payload_of(ARTIFACT, NAME)
    ring = Keyring([Entry(key=key, **NOT_ALLOWED[reason]()), Entry(key=good)])
    sidecar = sidecar_of(payload, key, good)
    assert load(sidecar, ring) == "value"
    with pytest.raises(KeyNotAllowed):
        load(sidecar, ring, policy=Policy(signatures=2))


@pytest.mark.parametrize("reason", ["expired", "not yet valid", "for another name"])
def test_a_key_that_is_not_allowed_signs_nothing(reason: str, key: HmacKey, tmp_path: Path) -> None:
    """What no loader would accept is not written."""
    ring = Keyring([Entry(key=key, state="active", **NOT_ALLOWED[reason]())])
    with pytest.raises(KeyNotAllowed):
        safeload.dump("value", tmp_path / NAME, keyring=ring)
    assert list(tmp_path.iterdir()) == []


def test_a_revoked_key_signs_nothing(key: HmacKey, keyring: Keyring, tmp_path: Path) -> None:
    """Revoking the key that signs leaves a keyring that signs nothing."""
    with pytest.raises(NoKeyError):
        safeload.dump("value", tmp_path / NAME, keyring=keyring.revoked(key.key_id, "stolen"))


def test_the_time_in_a_statement_does_not_revive_a_key(key: HmacKey) -> None:
    """Whoever stole an old key writes any time into a statement; the loader's clock counts."""
    ring = Keyring([Entry(key=key, not_before=now() - 3 * DAY, not_after=now() - DAY)])
    created = (now() - 2 * DAY).replace(microsecond=0)
    with pytest.raises(KeyNotAllowed):
        load(sidecar_of(payload_of(ARTIFACT, NAME, created=created), key), ring)


def test_an_unknown_key_is_refused(keyring: Keyring) -> None:
    """Anybody can sign with a key of their own."""
    with pytest.raises(UnknownKey):
        load(sidecar_of(payload_of(ARTIFACT, NAME), HmacKey.generate()), keyring)
    with pytest.raises(UnknownKey):
        load(sidecar_of(payload_of(ARTIFACT, NAME), HmacKey.generate()), Keyring([]))


SPELLINGS: dict[str, Callable[[Any], bytes]] = {
    "raw": lambda public: (
        public.raw.public_bytes(Encoding.Raw, PublicFormat.Raw)
        if public.algorithm == "ed25519"
        else public.raw.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    ),
    "PEM": lambda public: public.to_pem(),
    "PEM without its first dash": lambda public: public.to_pem()[1:],
    "DER": lambda public: public.raw.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "key id": lambda public: public.key_id.encode(),
}


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_hmac_key_made_of_a_public_key_is_refused(spelling: str, kind: Any) -> None:
    """The algorithm belongs to the key, so a MAC under a public key's bytes is no signature by that key."""
    public = kind.generate().public
    secret = SPELLINGS[spelling](public)
    payload = payload_of(ARTIFACT, NAME)
    forger: Any = _Forger(secret)
    with no_unpickler_runs(), pytest.raises(SignatureInvalid):
        load(sidecar_of(payload, signature_of(payload, forger, keyid=public.key_id)), Keyring.of(public))
    if spelling == "PEM":
        return
    # With the library's own derivation, too.
    forger = HmacKey(secret)
    with no_unpickler_runs(), pytest.raises(SignatureInvalid):
        load(sidecar_of(payload, signature_of(payload, forger, keyid=public.key_id)), Keyring.of(public))
    with pytest.raises(UnknownKey):
        load(sidecar_of(payload, forger), Keyring.of(public))


class _Forger:
    """Signs as HS256 does: with the bytes as they are."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self.secret, message, "sha256")


@pytest.mark.parametrize("kind", PAIRS)
def test_the_text_of_a_key_is_no_hmac_secret(kind: Any) -> None:
    """Public keys and certificates are no secrets, and private keys have another use."""
    private = kind.generate()
    ssh = private.public.raw.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    for text in (private.public.to_pem(), private.to_pem(), ssh, b"\n " + private.public.to_pem()):
        with pytest.raises(KeyringError):
            HmacKey(text)


@pytest.mark.parametrize("kind", PAIRS)
def test_a_signature_by_another_kind_of_key_is_refused(kind: Any) -> None:
    """Each kind of key refuses the signatures of the others, and none that is cut, long, empty or zero."""
    payload = payload_of(ARTIFACT, NAME)
    signer = kind.generate()
    ring = Keyring.of(signer.public)
    assert load(sidecar_of(payload, signer), ring) == "value"
    own = signature_of(payload, signer)
    others = [signature_of(payload, other.generate(), keyid=signer.key_id) for other in (*PAIRS, HmacKey)]
    size = len(own.sig)
    raw = [
        *(own.sig[:length] for length in (0, 1, 31, 32, size // 2, size - 1)),
        own.sig + b"\0",
        b"\0" + own.sig,
        own.sig * 2,
        bytes(size),
        b"\xff" * size,
        bytes(size - 1) + b"\1",
        own.sig[: size // 2] + bytes(size // 2),
        bytes(size // 2) + own.sig[size // 2 :],
    ]
    for signature in (*others, *(EnvelopeSignature(signer.key_id, sig) for sig in raw)):
        with no_unpickler_runs(), pytest.raises(SignatureInvalid):
            load(sidecar_of(payload, signature), ring)


def test_a_truncated_or_lengthened_mac_is_refused(key: HmacKey, keyring: Keyring) -> None:
    """Every length but the whole one."""
    payload = payload_of(ARTIFACT, NAME)
    mac = signature_of(payload, key).sig
    for sig in (*(mac[:length] for length in range(32)), mac + b"\0", mac + mac):
        with pytest.raises(SignatureInvalid):
            load(sidecar_of(payload, EnvelopeSignature(key.key_id, sig)), keyring)


@pytest.fixture
def beside(tmp_path: Path, key: HmacKey) -> Path:
    """Return a signed artifact."""
    folder = tmp_path / "models"
    folder.mkdir()
    safeload.dump("value", folder / NAME, signer=key)
    return folder / NAME


def test_a_keyring_beside_the_artifact_is_refused(
    beside: Path, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can replace the artifact could replace the keyring, however the folder is spelled."""
    keyring.save(tmp_path / "keyring.json")
    assert safeload.load(beside, keyring=tmp_path / "keyring.json") == "value"
    inside = beside.with_name("keyring.json")
    keyring.save(inside)
    (tmp_path / "link").symlink_to(beside.parent)
    spellings = [inside, tmp_path / "link" / inside.name, f"{beside.parent}/../models/{inside.name}"]
    for spelling in spellings:
        for call in (safeload.load, safeload.verify):
            with no_unpickler_runs(), pytest.raises(KeyringError):
                call(beside, keyring=spelling)
        with pytest.raises(KeyringError):
            safeload.dump("new", beside, keyring=spelling)
    monkeypatch.setenv("SAFELOAD_KEYRING", str(inside))
    with pytest.raises(KeyringError):
        safeload.load(beside)
    monkeypatch.chdir(beside.parent)
    with pytest.raises(KeyringError):
        safeload.load(NAME)


def test_a_policy_beside_the_artifact_is_refused(
    beside: Path, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can replace the artifact could replace the policy."""
    text = 'environment = "ignore"\n'
    (tmp_path / "policy.toml").write_text(text)
    (tmp_path / "policy.toml").chmod(0o600)
    assert safeload.load(beside, keyring=keyring, policy=tmp_path / "policy.toml") == "value"
    inside = beside.with_name("policy.toml")
    inside.write_text(text)
    inside.chmod(0o600)
    with no_unpickler_runs(), pytest.raises(KeyringError):
        safeload.load(beside, keyring=keyring, policy=inside)
    safeload.dump([1], beside.with_name("x.skops"), format="skops", keyring=keyring)
    monkeypatch.setenv("SAFELOAD_POLICY", str(inside))
    with pytest.raises(KeyringError):
        safeload.load(beside, keyring=keyring)
    with pytest.raises(KeyringError):
        safeload.dump([1], beside.with_name("y.skops"), format="skops", keyring=keyring)
    # An unsigned file that its own policy admits.
    beside.with_name("x.skops.sig").unlink()
    inside.write_text('trusted = ["a.B"]\n')
    with pytest.raises(KeyringError):
        safeload.load(beside.with_name("x.skops"), keyring=keyring)


def test_a_keyring_or_policy_below_the_artifacts_folder_is_refused(
    beside: Path, keyring: Keyring, tmp_path: Path
) -> None:
    """Whoever can write a folder can exchange the folders in it."""
    below = beside.parent / "deep" / "keys"
    below.mkdir(parents=True)
    keyring.save(below / "ring.json")
    (below / "policy.toml").write_text('environment = "ignore"\n')
    for given in ({"keyring": below / "ring.json"}, {"keyring": keyring, "policy": below / "policy.toml"}):
        with no_unpickler_runs(), pytest.raises(KeyringError):
            safeload.load(beside, **given)
        with pytest.raises(KeyringError):
            safeload.dump("new", beside, **given)


def test_a_link_to_a_keyring_beside_the_artifact_is_seen_through(
    beside: Path, keyring: Keyring, tmp_path: Path
) -> None:
    """Neither a link to the file, nor one to its folder, makes it lie elsewhere."""
    keyring.save(beside.with_name("ring.json"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "folder").symlink_to(beside.parent)
    with no_unpickler_runs(), pytest.raises(KeyringError):
        safeload.load(beside, keyring=elsewhere / "folder" / "ring.json")
    (elsewhere / "ring.json").symlink_to(beside.with_name("ring.json"))
    with no_unpickler_runs(), pytest.raises(safeload.SafeloadError):
        safeload.load(beside, keyring=elsewhere / "ring.json")


def test_a_keyring_in_the_configuration_folder_is_no_matter_for_files_in_the_home_folder(
    keyring: Keyring,
) -> None:
    """Whoever can write somebody's home can do anything in their name anyway."""
    home = Path.home()
    ring = home / "config" / "safeload" / "keyring.json"
    ring.parent.mkdir(parents=True)
    keyring.save(ring)
    safeload.dump("value", home / NAME)
    assert safeload.load(home / NAME) == "value"
