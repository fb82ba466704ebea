"""What signing looks at before it replaces anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.forgery import payload_of, sidecar_of

import safeload
from safeload import HmacKey, Keyring, Limits, NotFound, Policy, StorageError
from safeload.trust import signing


def test_the_envelope_of_the_artifact_in_place_is_found(tmp_path: Path, key: HmacKey) -> None:
    """Of two, by the artifact's digest; of one, it is that one; of none that fits, nothing."""
    path = tmp_path / "m"
    path.write_bytes(b"old")
    old, new, other = (sidecar_of(payload_of(data, "m"), key) for data in (b"old", b"new", b"other"))
    reduce = signing.envelope_in_place(Limits())
    assert reduce(new + old, str(path)) == old
    assert reduce(old + new, str(path)) == old
    assert reduce(new, str(path)) == new
    assert reduce(new + other, str(path)) is None


def test_an_artifact_too_large_to_be_looked_at_is_not_replaced(tmp_path: Path, key: HmacKey) -> None:
    """Loaders may allow more than this writer, and the statement of what they load is kept."""
    path = tmp_path / "m"
    safeload.dump("old" * 50, path, signer=key)
    artifact, old = path.read_bytes(), path.with_name("m.sig").read_bytes()
    both = sidecar_of(payload_of(b"new", "m"), key) + old
    path.with_name("m.sig").write_bytes(both)
    policy = Policy(limits=Limits(artifact_bytes=len(artifact) - 1))
    with pytest.raises(StorageError):
        safeload.dump("new", path, signer=key, policy=policy)
    assert path.read_bytes() == artifact
    assert path.with_name("m.sig").read_bytes() == both
    assert safeload.load(path, keyring=key) == "old" * 50


def test_a_folder_that_is_missing_is_named(tmp_path: Path, key: HmacKey) -> None:
    """A keyring from a file is compared with the artifact's folder, which must be there."""
    keyring = tmp_path / "keys" / "keyring.json"
    keyring.parent.mkdir()
    Keyring.of(key).save(keyring)
    with pytest.raises(NotFound) as caught:
        safeload.dump(1, tmp_path / "missing" / "m", keyring=keyring)
    assert caught.value.where == str(tmp_path / "missing")
