"""The promises of the threat model, a test each, named after them.

The promise that ``latest`` does not go back belongs to the store and is tested with it. Each promise has
further tests of its own: ``test_promises_*.py``, ``test_exhaustive.py``, ``test_race.py``, ``test_crash.py``,
``test_sidecar_files.py`` and ``test_dump_targets.py``.
"""

from __future__ import annotations

import bz2
import copy
import dataclasses
import lzma
import os
import pickle
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.auditing import no_unpickler_runs, watching
from support.forgery import payload_of, sidecar_of, written
from support.objects import pipeline

import safeload
from safeload import (
    DigestMismatch,
    HmacKey,
    Keyring,
    LimitExceeded,
    Limits,
    MalformedError,
    NotFound,
    Policy,
    SafeloadError,
    SerializationError,
    SignatureInvalid,
    SignatureMissing,
    SubjectMismatch,
    formats,
)
from safeload.storage.blob import Blob
from safeload.trust import gate as verification
from safeload.trust import reading
from safeload.trust.gate import LoadRequest, VerifiedArtifact

NAME = "churn.joblib"


def test_no_unauthenticated_byte_reaches_an_unpickler(
    key: HmacKey, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is opened once, and what is unpickled is what was verified, whatever happens to the file."""
    path = tmp_path / NAME
    safeload.dump(pipeline(), path, signer=key)
    honest = path.read_bytes()
    real_read, real_verify = reading.read, verification.verify

    def read_then_exchange(location: str, **named: Any) -> Blob:
        blob = real_read(location, **named)
        if location == str(path):
            path.write_bytes(b"hostile")
        return blob

    def verify_then_exchange(*arguments: Any) -> VerifiedArtifact:
        verified = real_verify(*arguments)
        assert path.read_bytes() == b"hostile"
        return verified

    monkeypatch.setattr(reading, "read", read_then_exchange)
    monkeypatch.setattr(verification, "verify", verify_then_exchange)
    with watching("open") as opened:
        loaded = safeload.load(path, keyring=keyring)
    assert (loaded[-1].coef_ == pipeline()[-1].coef_).all()
    reads = [args[2] for args in opened if os.path.basename(str(args[0])) == NAME and args[1] is None]
    assert len(reads) == 1
    monkeypatch.undo()
    with no_unpickler_runs():
        with pytest.raises(DigestMismatch):
            safeload.load(path, keyring=keyring)
        path.write_bytes(honest + b"\0")
        with pytest.raises(DigestMismatch):
            safeload.load(path, keyring=keyring)


def test_you_get_what_was_signed_under_that_name_and_tag(
    key: HmacKey, keyring: Keyring, tmp_path: Path
) -> None:
    """Name, tag, format and size are signed and compared with what is asked for."""
    artifact, _ = safeload.dumps("value", name=NAME, signer=key)
    blob = Blob(artifact, NAME)

    def gate(expected: LoadRequest, **changes: Any) -> VerifiedArtifact:
        sidecar = sidecar_of(payload_of(artifact, **{"name": NAME, "tag": "v1", **changes}), key)
        return verification.verify(blob, sidecar, expected, keyring)

    asked = LoadRequest(location=NAME, name=NAME, tag="v1", format="joblib", policy=Policy())
    verified = gate(asked)
    assert verified.statement is not None
    assert (verified.statement.name, verified.statement.tag) == (NAME, "v1")
    assert formats.deserialize(verified, Policy()) == "value"
    for changes in ({"name": "other"}, {"tag": "v2"}, {"tag": None}, {"format": "pickle"}):
        with pytest.raises(SubjectMismatch):
            gate(asked, **changes)
    with pytest.raises(DigestMismatch):
        gate(asked, size=len(artifact) + 1)


def test_no_downgrade(key: HmacKey, keyring: Keyring, tmp_path: Path) -> None:
    """A sidecar that is there must verify, and the format is the signed one whatever the file is called."""
    path = tmp_path / "model.skops"
    safeload.dump({"a": [1, 2]}, path, format="skops", signer=key)
    sidecar = path.with_name("model.skops.sig")
    honest = sidecar.read_bytes()
    for broken in (b"", b"\n", b"{}\n", honest[:-1], honest.replace(b'"sig":"', b'"sig":"AAAA')):
        sidecar.write_bytes(broken)
        with pytest.raises((MalformedError, SignatureInvalid)):
            safeload.load(path, trusted=[], keyring=keyring)
    sidecar.unlink()
    assert safeload.load(path, trusted=[], keyring=keyring) == {"a": [1, 2]}
    # A pickle under a data-only format's name is a pickle, and a signed one is read as what was signed.
    path.write_bytes(pickle.dumps("value"))
    with pytest.raises(SignatureMissing):
        safeload.load(path, trusted=[], keyring=keyring)
    safeload.dump("value", path, format="pickle", signer=key)
    assert safeload.load(path, trusted=[], keyring=keyring) == "value"


def _lzma_bomb() -> bytes:
    return lzma.compress(bytes(1 << 26), preset=0)


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(lambda: zlib.compress(bytes(1 << 26)), id="zlib"),
        pytest.param(lambda: bz2.compress(bytes(1 << 26)), id="bz2"),
        pytest.param(_lzma_bomb, id="xz"),
    ],
)
def test_bad_input_is_bounded(bomb: Any, key: HmacKey, keyring: Keyring) -> None:
    """Even signed, what unfolds a thousandfold is refused; what is too long or too deep is malformed."""
    data = bomb()
    with pytest.raises(LimitExceeded):
        safeload.loads(data, sidecar_of(payload_of(data, NAME), key), name=NAME, keyring=keyring)
    deep = written({"payload": 0, "payloadType": "x", "signatures": []}).replace(b"0", b"[" * 100_000)
    for sidecar in (b"[" * 500_000, deep, bytes(1 << 20), b'"' * (1 << 20), b"\n" * (1 << 20)):
        with pytest.raises(MalformedError):
            safeload.loads(b"", sidecar, name=NAME, keyring=keyring)
    with pytest.raises(MalformedError, match="over 1048576 bytes"):
        safeload.loads(b"", bytes((1 << 20) + 1), name=NAME, keyring=keyring)
    deep_metadata = b'"metadata":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000
    nested = sidecar_of(payload_of(b"", NAME).replace(b'"metadata":{}', deep_metadata), key)
    with pytest.raises(MalformedError):
        safeload.loads(b"", nested, name=NAME, keyring=keyring)


def test_an_artifact_over_the_limit_is_refused_before_it_is_read(
    key: HmacKey, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is looked at, the signed one and that of the file, and not one byte of it."""
    path = tmp_path / NAME
    safeload.dump(bytes(100_000), path, signer=key)
    real = os.read

    def read(descriptor: int, size: int) -> bytes:
        assert size < 5_000, "more is read than the sidecar"
        return real(descriptor, size)

    small = Policy(limits=Limits(artifact_bytes=99_999))
    with monkeypatch.context() as patched:
        patched.setattr(os, "read", read)
        with pytest.raises(LimitExceeded):
            safeload.load(path, keyring=keyring, policy=small)
        # More than was signed; and nothing signed at all, for a loader that allows it.
        with path.open("ab") as file:
            file.truncate(1 << 40)
        with pytest.raises(DigestMismatch):
            safeload.load(path, keyring=keyring)
        path.with_name(f"{NAME}.sig").unlink()
        with pytest.raises(SignatureMissing):
            safeload.load(path, keyring=keyring, policy=Policy(limits=Limits(artifact_bytes=1 << 50)))
    with pytest.raises(LimitExceeded):
        safeload.loads(bytes(100_000), b"", keyring=keyring, policy=small)


class _Unstorable:
    def __reduce__(self) -> Any:
        raise RuntimeError("no")


@pytest.mark.parametrize("before", [None, "old"])
def test_nothing_lost(before: str | None, key: HmacKey, keyring: Keyring, tmp_path: Path) -> None:
    """A dump that fails half-way leaves what was there, and nothing else; for stops see ``test_crash.py``."""
    path = tmp_path / NAME
    if before:
        safeload.dump(before, path, signer=key)
    present = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    refused: list[tuple[Any, dict[str, Any], type[Exception]]] = [
        ([bytes(3 << 20), _Unstorable()], {}, SerializationError),
        ([1], {"expires": datetime(2030, 1, 1)}, ValueError),
        ([1], {"metadata": {"not JSON": object()}}, TypeError),
        ([1], {"metadata": {"too long": "x" * (1 << 20)}}, LimitExceeded),
        ([1], {"name": ""}, SafeloadError),
        ([1], {"compress": "no such compressor"}, ValueError),
        ([1], {"format": "no such format"}, SafeloadError),
    ]
    for value, options, error in refused:
        with pytest.raises(error):
            safeload.dump(value, path, signer=key, **options)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == present
    if before:
        assert safeload.load(path, keyring=keyring) == before
    else:
        with pytest.raises(NotFound):
            safeload.load(path, keyring=keyring)


def test_only_the_gate_makes_verified(key: HmacKey, keyring: Keyring) -> None:
    """VerifiedArtifact cannot be constructed, pickled or copied, and formats read from it alone."""
    artifact, sidecar = safeload.dumps("value", name=NAME, signer=key)
    blob = Blob(artifact, NAME)
    fields: dict[str, Any] = {
        "blob": blob,
        "format": "joblib",
        "statement": None,
        "trusted": frozenset(),
        "admitted": None,
        "allowed": None,
        "skops_defaults": None,
        "keys": (),
    }
    for proof in (None, True, object(), VerifiedArtifact):
        with pytest.raises(RuntimeError):
            VerifiedArtifact(proof, **fields)
    verified = verification.verify(
        blob, sidecar, LoadRequest(location=NAME, name=NAME, policy=Policy()), keyring
    )
    for way in (
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        copy.replace if hasattr(copy, "replace") else copy.copy,
    ):
        with pytest.raises(TypeError):
            way(verified)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(verified, protocol)
    with pytest.raises(ValueError, match="proof"):
        dataclasses.replace(verified, format="pickle")  # type: ignore[call-arg]  # the proof is missing
    with pytest.raises(AttributeError):
        verified.other = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [bytearray, memoryview, str])
def test_a_blob_is_made_of_bytes_that_nobody_can_alter(kind: type) -> None:
    """What could change between the check and the use is refused."""
    data = "text" if kind is str else kind(b"text")
    with pytest.raises(TypeError):
        Blob(data, NAME)


def test_bytes_that_change_after_the_call_change_nothing(key: HmacKey, keyring: Keyring) -> None:
    """A bytearray that is handed over is copied before it is looked at."""
    artifact, sidecar = safeload.dumps("value", signer=key)
    mutable = bytearray(artifact)
    assert safeload.loads(mutable, sidecar, keyring=keyring) == "value"  # type: ignore[arg-type]
    mutable[-5] ^= 1
    with pytest.raises(DigestMismatch):
        safeload.loads(mutable, sidecar, keyring=keyring)  # type: ignore[arg-type]


def test_a_deadline_in_the_statement_is_kept(key: HmacKey, keyring: Keyring) -> None:
    """The gate compares the signed expiry with its own clock."""
    artifact = pickle.dumps("value")
    end = datetime(2027, 1, 1, tzinfo=UTC)
    sidecar = sidecar_of(payload_of(artifact, NAME, format="pickle", expires=end), key)

    def gate(now: datetime) -> VerifiedArtifact:
        expected = LoadRequest(location=NAME, name=NAME, policy=Policy())
        return verification.verify(Blob(artifact, NAME), sidecar, expected, keyring, now=now)

    assert gate(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)).format == "pickle"
    with pytest.raises(safeload.Expired):
        gate(datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC))
