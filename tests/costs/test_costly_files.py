"""Files that are made to cost much before they are refused, and sidecars at their limits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import safeload
import safeload.trust.reading
from safeload import HmacKey, Keyring, Limits, Policy
from safeload.attestation import envelope

NAME = "churn.joblib"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many bytes were read, one entry a call."""
    done: list[int] = []
    real = os.read

    def read(descriptor: int, size: int) -> bytes:
        data = real(descriptor, size)
        done.append(len(data))
        return data

    monkeypatch.setattr(os, "read", read)
    return done


HOLES = 1 << 40


@pytest.mark.parametrize("signature", ["none", "garbage", "of another file", "of fewer bytes"])
def test_a_file_of_holes_costs_nothing(
    signature: str, key: HmacKey, keyring: Keyring, tmp_path: Path, reads: list[int]
) -> None:
    """However large loaders allow files to be: signatures come first, and no more is read than was signed."""
    path = tmp_path / NAME
    safeload.dump("x", path, signer=key)
    beside = tmp_path / f"{NAME}.sig"
    if signature == "none":
        beside.unlink()
    elif signature == "garbage":
        beside.write_bytes(b"{}\n")
    elif signature == "of another file":
        safeload.dump("y", tmp_path / "other.joblib", signer=key)
        beside.write_bytes((tmp_path / "other.joblib.sig").read_bytes())
    os.truncate(path, HOLES)
    reads.clear()
    with pytest.raises(safeload.SafeloadError) as caught:
        safeload.load(path, keyring=keyring, policy=Policy(limits=Limits(artifact_bytes=2 * HOLES)))
    expected = {
        "none": safeload.SignatureMissing,
        "garbage": safeload.MalformedError,
        "of another file": safeload.SubjectMismatch,
        "of fewer bytes": safeload.DigestMismatch,
    }
    assert type(caught.value) is expected[signature]
    assert sum(reads) < 10_000


def test_memory_that_is_not_there_is_a_limit(
    key: HmacKey, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no bare MemoryError, which would end a check of many files."""
    path = tmp_path / NAME
    safeload.dump("x", path, signer=key)

    def no_memory(*_: Any) -> bytes:
        raise MemoryError

    monkeypatch.setattr(os, "read", no_memory)
    with pytest.raises(safeload.SafeloadError, match=r"memory|over"):
        safeload.load(path, keyring=keyring)
    with pytest.raises(safeload.LimitExceeded, match="memory"):
        safeload.sign(path, signer=key, overwrite=True)


def test_a_large_file_that_keeps_changing_is_not_read_again_and_again(
    key: HmacKey, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[int]
) -> None:
    """Twenty times for a small one, but no more than so many bytes."""
    path = tmp_path / NAME
    safeload.dump(bytes(1_000_000), path, signer=key)
    with path.open("r+b") as file:
        file.seek(500_000)
        file.write(b"x")
    monkeypatch.setattr(safeload.trust.reading, "_RETRY_BYTES", 3_000_000)
    real = safeload.trust.reading.read

    def read(location: str, **named: Any) -> Any:
        os.utime(path)
        return real(location, **named)

    monkeypatch.setattr(safeload.trust.reading, "read", read)
    reads.clear()
    with pytest.raises(safeload.DigestMismatch):
        safeload.load(path, keyring=keyring)
    assert 2_000_000 < sum(reads) < 6_000_000


def test_two_sidecars_at_the_limit_fit_while_one_replaces_the_other(
    key: HmacKey, keyring: Keyring, tmp_path: Path
) -> None:
    """A stop in between leaves both envelopes, each as large as is allowed; the old object still loads."""
    path, beside = tmp_path / NAME, tmp_path / f"{NAME}.sig"
    large = {"text": "x" * 700_000}
    safeload.dump("old", path, signer=key, metadata=large)
    old = (path.read_bytes(), beside.read_bytes())
    safeload.dump("new", path, signer=key, metadata=large)
    new = (path.read_bytes(), beside.read_bytes())
    assert len(old[1]) + len(new[1]) > Limits().sidecar_bytes
    for artifact, value in ((old[0], "old"), (new[0], "new")):
        path.write_bytes(artifact)
        beside.write_bytes(envelope.two_envelope_sidecar(new[1], old[1]))
        assert safeload.load(path, keyring=keyring) == value
        assert safeload.inspect(path, keyring=keyring).verified
    # The next dump tidies up, whichever of the two is in place.
    safeload.dump("next", path, signer=key, metadata=large)
    assert safeload.load(path, keyring=keyring) == "next"
    assert beside.read_bytes().count(b"\n") == 1


def test_an_object_loads_while_one_by_another_key_replaces_it(
    key: HmacKey, keyring: Keyring, tmp_path: Path
) -> None:
    """Loaders that do not know the new key yet go on with the old object, as long as it is in place."""
    path, beside = tmp_path / NAME, tmp_path / f"{NAME}.sig"
    safeload.dump("old", path, signer=key)
    old = (path.read_bytes(), beside.read_bytes())
    other = HmacKey.generate()
    safeload.dump("new", path, signer=other)
    new = (path.read_bytes(), beside.read_bytes())
    beside.write_bytes(envelope.two_envelope_sidecar(new[1], old[1]))
    with pytest.raises(safeload.UnknownKey):
        safeload.load(path, keyring=keyring)
    assert safeload.load(path, keyring=other) == "new"
    path.write_bytes(old[0])
    assert safeload.load(path, keyring=keyring) == "old"
    # A signature that names a known key and does not fit is no matter of not knowing it.
    forged = new[1].replace(other.key_id.encode(), key.key_id.encode())
    assert forged != new[1]
    beside.write_bytes(envelope.two_envelope_sidecar(forged, old[1]))
    with pytest.raises(safeload.SignatureInvalid):
        safeload.load(path, keyring=keyring)


def test_signing_does_not_replace_a_sidecar_made_meanwhile(
    key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people sign at once: the second is told."""
    path, beside = tmp_path / NAME, tmp_path / f"{NAME}.sig"
    safeload.dump("x", path, signer=key)
    beside.unlink()
    real = safeload.api.signing.write_sidecar

    def late(*arguments: Any, **named: Any) -> None:
        beside.write_bytes(b"the other's")
        real(*arguments, **named)

    monkeypatch.setattr(safeload.api.signing, "write_sidecar", late)
    with pytest.raises(safeload.AlreadyExists):
        safeload.sign(path, signer=key)
    assert beside.read_bytes() == b"the other's"


def test_a_time_beyond_all_times_is_misuse(key: HmacKey) -> None:
    """A ValueError as for one without a zone."""
    from datetime import datetime, timedelta, timezone

    west = timezone(timedelta(hours=-10))
    with pytest.raises(ValueError, match="out of range"):
        safeload.dumps(1, signer=key, expires=datetime(9999, 12, 31, 23, tzinfo=west))
