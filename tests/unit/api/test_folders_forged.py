"""Statements about folders and files as a signer with other software could write them, validly signed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.auditing import no_unpickler_runs
from support.every_format import sidecar_of
from support.forgery import fields_of, parsed, signature_of
from support.forgery import sidecar_of as forged_sidecar

import safeload
from safeload import HmacKey, Keyring, Policy
from safeload.attestation import statement
from safeload.trust.keys import Entry

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders need the descriptors of POSIX")

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def model(tmp_path: Path, key: HmacKey) -> Path:
    """Return a signed folder with the files a, b and c."""
    model = tmp_path / "model"
    model.mkdir()
    for name in "abc":
        (model / name).write_bytes(name.encode() * 3)
    safeload.sign(model, signer=key)
    return model


def changed(model: Path, key: HmacKey, change: Change) -> None:
    """Change the statement and sign what came of it."""
    payload = json.loads(parsed(sidecar_of(model).read_bytes()).payload)
    change(payload)
    data = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    sidecar_of(model).write_bytes(forged_sidecar(data, key))


def _each(field: str, value: Any) -> Change:
    return lambda payload: [subject.update({field: value}) for subject in payload["subject"]]


def _first(**fields: Any) -> Change:
    return lambda payload: payload["subject"][0].update(fields)


def _predicate(**fields: Any) -> Change:
    return lambda payload: payload["predicate"].update(fields)


def _twice(payload: dict[str, Any]) -> None:
    payload["subject"].insert(0, payload["subject"][0])


def _two_digests_for_one(payload: dict[str, Any]) -> None:
    payload["subject"][0]["digest"]["sha256"] = "0" * 64


def _an_algorithm_of_its_own(payload: dict[str, Any]) -> None:
    payload["subject"][0]["digest"] = {"sha256": "0" * 64}


def _one_without_a_size(payload: dict[str, Any]) -> None:
    del payload["subject"][1]["annotations"]


def _total_and_sizes_lie(payload: dict[str, Any]) -> None:
    payload["subject"][0]["annotations"]["size"] -= 1
    payload["subject"][1]["annotations"]["size"] += 1


def _a_size_of_nearly_everything(payload: dict[str, Any]) -> None:
    payload["subject"][0]["annotations"]["size"] = 2**63 - 1
    payload["predicate"]["size"] = 2**63 - 1 + 6


PATHS = (
    "../a",
    "/a",
    "a/../b",
    "./a",
    "a//b",
    "a/",
    "",
    "a\\b",
    "c:a",
    "a\x01",
    "a" * 256,
    "/".join("abc" * 400),
)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        *((_first(name=path), safeload.MalformedError) for path in PATHS),
        (_twice, safeload.MalformedError),
        (lambda payload: payload["subject"].reverse(), safeload.MalformedError),
        (lambda payload: payload["subject"].clear(), safeload.MalformedError),
        (_one_without_a_size, safeload.MalformedError),
        (_each("annotations", None), safeload.MalformedError),
        (_first(annotations={}), safeload.MalformedError),
        (_first(annotations={"size": -1}), safeload.MalformedError),
        (_first(annotations={"size": 3.0}), safeload.MalformedError),
        (_first(annotations={"size": "3"}), safeload.MalformedError),
        (_first(annotations={"size": True}), safeload.MalformedError),
        (_first(annotations={"size": 3, "mode": 7}), safeload.MalformedError),
        (_first(annotations={"size": 2**64}), safeload.MalformedError),
        (_first(digest={}), safeload.MalformedError),
        (_first(digest={"md5": "0" * 32}), safeload.MalformedError),
        (_first(digest={"blake3": "0" * 63}), safeload.MalformedError),
        (_first(digest={"blake3": "A" * 64}), safeload.MalformedError),
        (_first(mediaType="x"), safeload.MalformedError),
        (_two_digests_for_one, safeload.MalformedError),
        (_an_algorithm_of_its_own, safeload.MalformedError),
        (_predicate(size=8), safeload.MalformedError),
        (_predicate(files=[]), safeload.MalformedError),
        (_predicate(source=None), safeload.MalformedError),
        (_predicate(remarks=[]), safeload.MalformedError),
        (_predicate(format="joblib"), safeload.MalformedError),
        (_predicate(name="other"), safeload.SubjectMismatch),
        (_predicate(tag="v1"), safeload.SubjectMismatch),
        (_total_and_sizes_lie, safeload.DigestMismatch),
        (_a_size_of_nearly_everything, safeload.DigestMismatch),
        (_first(digest={"blake3": "0" * 64}), safeload.DigestMismatch),
        (_first(name="Z"), safeload.DigestMismatch),
        (lambda payload: payload["subject"].pop(), safeload.MalformedError),
    ],
)
def test_a_forged_statement_about_a_folder_is_refused(
    change: Change, error: type[safeload.SafeloadError], model: Path, key: HmacKey
) -> None:
    """Although its signature verifies; and nothing is read outside the folder for it."""
    safeload.verify(model, keyring=key)
    changed(model, key, change)
    for way in (safeload.open_verified, safeload.verify):
        with pytest.raises(error) as caught:
            way(model, keyring=key)  # type: ignore[operator]
        assert type(caught.value) is error


def test_a_folder_statement_may_not_name_an_artifact_too(model: Path, key: HmacKey) -> None:
    """A subject that stands for the folder itself, as an artifact has one, is a file without a size."""
    own = {"name": "model", "digest": {"blake3": "0" * 64}}
    changed(model, key, lambda payload: payload["subject"].insert(0, own))
    with pytest.raises(safeload.MalformedError):
        safeload.verify(model, keyring=key)


@pytest.fixture
def artifact(tmp_path: Path, key: HmacKey) -> Path:
    """Return a signed file."""
    safeload.dump([1], tmp_path / "x.joblib", signer=key)
    return tmp_path / "x.joblib"


def _further(**fields: Any) -> Change:
    file = {"name": "f", "digest": {"blake3": "0" * 64}, "annotations": {"size": 1}, **fields}
    return lambda payload: payload["subject"].append(file)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (_first(annotations={"size": 3}), safeload.MalformedError),
        (_further(annotations=None), safeload.MalformedError),
        (_further(name="../f"), safeload.MalformedError),
        (_further(name="/etc/passwd"), safeload.MalformedError),
        (_further(digest={"sha256": "0" * 64}), safeload.MalformedError),
        (_further(digest={}), safeload.MalformedError),
        (lambda payload: [_further(name=name)(payload) for name in "ba"], safeload.MalformedError),
        (lambda payload: [_further(name=name)(payload) for name in "aa"], safeload.MalformedError),
        (lambda payload: payload["subject"].clear(), safeload.MalformedError),
        (_further(), safeload.DigestMismatch),
        (_further(name="x.joblib"), safeload.DigestMismatch),
        (_further(name="x.joblib.sig"), safeload.DigestMismatch),
    ],
)
def test_a_forged_statement_about_the_files_of_an_artifact_is_refused(
    change: Change, error: type[safeload.SafeloadError], artifact: Path, key: HmacKey
) -> None:
    """Before anything is unpickled."""
    changed(artifact, key, change)
    with no_unpickler_runs(), pytest.raises(error) as caught:
        safeload.load(artifact, keyring=key)
    assert type(caught.value) is error


def test_two_statements_about_one_folder_do_not_mix(model: Path, key: HmacKey) -> None:
    """A sidecar may hold two; a folder with files of both, each signed in one of them, is neither."""
    one = sidecar_of(model).read_bytes()
    (model / "a").write_bytes(b"new")
    (model / "b").unlink()
    safeload.sign(model, signer=key, overwrite=True)
    two = sidecar_of(model).read_bytes()
    for both in (one + two, two + one):
        sidecar_of(model).write_bytes(both)
        (model / "b").write_bytes(b"bbb")
        with pytest.raises(safeload.DigestMismatch):
            safeload.open_verified(model, keyring=key)
        (model / "a").write_bytes(b"aaa")
        assert safeload.verify(model, keyring=key).size == 9
        (model / "a").write_bytes(b"new")
        (model / "b").unlink()
    assert fields_of(one) != fields_of(two)


def test_a_folder_may_be_signed_by_two_keys(model: Path, key: HmacKey) -> None:
    """Where the policy demands two, one of them is not enough, nor one that signed something else."""
    payload = parsed(sidecar_of(model).read_bytes()).payload
    other, two = HmacKey.generate(), Policy(signatures=2)
    both = Keyring([Entry(key=key), Entry(key=other)])
    sidecar_of(model).write_bytes(forged_sidecar(payload, key, other))
    assert safeload.verify(model, keyring=both, policy=two).name == "model"
    with pytest.raises(safeload.UnknownKey):
        safeload.verify(model, keyring=key, policy=two)
    sidecar_of(model).write_bytes(forged_sidecar(payload, key, signature_of(payload + b" ", other)))
    with pytest.raises(safeload.SignatureInvalid):
        safeload.verify(model, keyring=both)


def test_what_is_encoded_comes_back(model: Path, key: HmacKey) -> None:
    """The honest statement has one spelling."""
    payload = parsed(sidecar_of(model).read_bytes()).payload
    assert statement.encode(statement.parse(payload)) == payload


def test_of_two_statements_one_that_fits_is_enough(model: Path, key: HmacKey) -> None:
    """As where a folder was signed anew and both are there: of each its own files count."""
    before = sidecar_of(model).read_bytes()
    (model / "d").write_bytes(b"ddd")
    safeload.sign(model, signer=key, overwrite=True)
    after = sidecar_of(model).read_bytes()
    for first, second in ((before, after), (after, before)):
        sidecar_of(model).write_bytes(first + second)
        assert len(safeload.verify(model, keyring=key).files) == 4
        (model / "d").rename(model.parent / "d")
        assert len(safeload.verify(model, keyring=key).files) == 3
        (model / "a").rename(model.parent / "a")
        with pytest.raises(safeload.DigestMismatch):
            safeload.verify(model, keyring=key)
        for name in "ad":
            (model.parent / name).rename(model / name)
