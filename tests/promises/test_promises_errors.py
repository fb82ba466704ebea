"""Every refusal of the core is one typed error: for each type a case that raises exactly it.

``RollbackDetected`` and ``TagExists`` are the store's and are tested with it.
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.forgery import payload_of, sidecar_of

import safeload
from safeload import Entry, Environment, HmacKey, Keyring, Limits, Policy, errors

NAME = "churn.joblib"
BASES = {"SafeloadError", "VerificationError", "StoreError"}
OF_THE_STORE = {"RollbackDetected", "TagExists"}

Case = Callable[[Path, HmacKey], object]


def gone_at_reading() -> Any:
    """Stand for a function that the reader of a pickle does not find."""


def load(artifact: bytes, key: HmacKey, signer: HmacKey | None = None, /, **changes: Any) -> object:
    """Load an artifact whose statement, and signer, may be others than they should."""
    options = {name: changes.pop(name) for name in ("policy", "keyring") if name in changes}
    sidecar = sidecar_of(payload_of(artifact, **{"name": NAME, **changes}), signer or key)
    return safeload.loads(artifact, sidecar, name=NAME, **{"keyring": key, **options})


def signature_missing(folder: Path, key: HmacKey) -> object:
    """Load a file without a sidecar."""
    (folder / NAME).write_bytes(pickle.dumps(1))
    return safeload.load(folder / NAME, keyring=key)


def signature_invalid(folder: Path, key: HmacKey) -> object:
    """Load with a signature by another key under this one's id."""
    stranger = HmacKey.generate()
    sidecar = sidecar_of(payload_of(b"x", NAME), stranger)
    forged = sidecar.replace(stranger.key_id.encode(), key.key_id.encode())
    return safeload.loads(b"x", forged, name=NAME, keyring=key)


def unknown_key(folder: Path, key: HmacKey) -> object:
    """Load what a stranger signed."""
    return load(b"x", key, HmacKey.generate())


def key_not_allowed(folder: Path, key: HmacKey) -> object:
    """Load with a revoked key."""
    return load(b"x", key, keyring=Keyring([Entry(key=key, state="revoked")]))


def expired(folder: Path, key: HmacKey) -> object:
    """Load after the signed expiry."""
    return load(b"x", key, expires=datetime(2020, 1, 1, tzinfo=UTC))


def digest_mismatch(folder: Path, key: HmacKey) -> object:
    """Load altered bytes."""
    return safeload.loads(b"y", sidecar_of(payload_of(b"x", NAME), key), name=NAME, keyring=key)


def subject_mismatch(folder: Path, key: HmacKey) -> object:
    """Load under another name."""
    return load(b"x", key, name="other")


def policy_error(folder: Path, key: HmacKey) -> object:
    """Make an allowlist with a wildcard."""
    return safeload.loads(b"x", None, trusted=["sklearn.*"])


def untrusted_type(folder: Path, key: HmacKey) -> object:
    """Load an unsigned skops file with a type that is not on the allowlist."""
    import skops.io

    return safeload.loads(skops.io.dumps(inspect.Signature), None, trusted=[])


def format_not_allowed(folder: Path, key: HmacKey) -> object:
    """Load a format that the policy does not list."""
    return load(b"x", key, policy=Policy(formats=frozenset({"skops"})))


def limit_exceeded(folder: Path, key: HmacKey) -> object:
    """Load more bytes than the policy allows."""
    return load(b"xx", key, policy=Policy(limits=Limits(artifact_bytes=1)))


def environment_mismatch(folder: Path, key: HmacKey) -> object:
    """Load what was stored with another version, under a policy that refuses that."""
    signed = Environment(python="2.7.18", packages={"joblib": "0.1"})
    return load(pickle.dumps(1), key, environment=signed, policy=Policy(environment="refuse"))


def not_found(folder: Path, key: HmacKey) -> object:
    """Load what is not there."""
    return safeload.load(folder / "missing", keyring=key)


def sidecar_exists(folder: Path, key: HmacKey) -> object:
    """Sign what is signed."""
    safeload.dump(1, folder / NAME, signer=key)
    return safeload.sign(folder / NAME, signer=key)


def invalid_name(folder: Path, key: HmacKey) -> object:
    """Store under a name with a control character."""
    return safeload.dump(1, folder / NAME, name="a\nb", signer=key)


def no_key_error(folder: Path, key: HmacKey) -> object:
    """Store where no key is configured."""
    return safeload.dump(1, folder / NAME)


def keyring_error(folder: Path, key: HmacKey) -> object:
    """Load with a keyring file that others can write."""
    Keyring.of(key).save(folder / "keyring.json")
    (folder / "keyring.json").chmod(0o622)
    return safeload.loads(b"x", b"", keyring=folder / "keyring.json")


def malformed_error(folder: Path, key: HmacKey) -> object:
    """Load with a sidecar that is none."""
    return safeload.loads(b"x", b"{}\n", keyring=key)


def storage_error(folder: Path, key: HmacKey) -> object:
    """Load by a name that the operating system does not take."""
    return safeload.load(folder / ("x" * 300), keyring=key)


def serialization_error(folder: Path, key: HmacKey) -> object:
    """Store what cannot be pickled."""
    return safeload.dump(lambda: 1, folder / NAME, signer=key)


def deserialization_error(folder: Path, key: HmacKey) -> object:
    """Load a signed pickle that refers to what is not there."""
    pickled = pickle.dumps(gone_at_reading).replace(b"gone_at_reading", b"gone_at_Reading")
    return load(pickled, key)


CASES: dict[str, Case] = {
    "SignatureMissing": signature_missing,
    "SignatureInvalid": signature_invalid,
    "UnknownKey": unknown_key,
    "KeyNotAllowed": key_not_allowed,
    "Expired": expired,
    "DigestMismatch": digest_mismatch,
    "SubjectMismatch": subject_mismatch,
    "PolicyError": policy_error,
    "UntrustedType": untrusted_type,
    "FormatNotAllowed": format_not_allowed,
    "LimitExceeded": limit_exceeded,
    "EnvironmentMismatch": environment_mismatch,
    "NotFound": not_found,
    "AlreadyExists": sidecar_exists,
    "InvalidName": invalid_name,
    "NoKeyError": no_key_error,
    "KeyringError": keyring_error,
    "MalformedError": malformed_error,
    "StorageError": storage_error,
    "SerializationError": serialization_error,
    "DeserializationError": deserialization_error,
}


def test_every_error_of_the_core_has_a_case() -> None:
    """The table above leaves none out but bases, which are not raised, and those of store and guard."""
    tree = {
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.SafeloadError)
    }
    assert set(CASES) == tree - BASES - OF_THE_STORE - {"UnguardedOperation"}


@pytest.mark.parametrize("name", CASES)
def test_each_error_is_raised_as_what_it_is(name: str, key: HmacKey, tmp_path: Path) -> None:
    """Exactly this type, with what failed and where, and nothing of a key or a payload."""
    with pytest.raises(errors.SafeloadError) as caught:
        CASES[name](tmp_path, key)
    error = caught.value
    assert type(error) is getattr(errors, name)
    assert error.code == name
    assert error.problem
    assert not error.problem.endswith(".")
    assert str(error).isprintable()
    assert error.where is None or str(error).startswith(f"{errors.printable(error.where)}: ")
    for secret in (key.export_secret().hex(), repr(key.export_secret())):
        assert secret not in repr(error) + str(error)


@pytest.mark.parametrize(
    "name", sorted(set(CASES) - {"PolicyError", "NoKeyError", "InvalidName", "UntrustedType"})
)
def test_each_error_about_a_file_names_it(name: str, key: HmacKey, tmp_path: Path) -> None:
    """Who reads the log knows which file it was."""
    with pytest.raises(errors.SafeloadError) as caught:
        CASES[name](tmp_path, key)
    assert caught.value.where


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("NotFound", FileNotFoundError),
        ("AlreadyExists", FileExistsError),
        ("InvalidName", ValueError),
        ("StorageError", OSError),
    ],
)
def test_an_error_that_has_a_second_base_is_caught_by_it(
    name: str, second: type[Exception], key: HmacKey, tmp_path: Path
) -> None:
    """So that code that was written for the plain functions goes on working."""
    with pytest.raises(second):
        CASES[name](tmp_path, key)
