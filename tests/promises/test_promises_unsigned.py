"""Files without a signature: the allowlist is for data-only formats, and never for a broken sidecar."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy
import pytest
import skops.io
from support import processes
from support.attacks import marker_pickle
from support.auditing import no_unpickler_runs
from support.commands import run, run_json
from support.objects import pipeline

import safeload
from safeload import HmacKey, Keyring, Policy

EVERYTHING = ["pathlib.Path.touch", "pathlib.PosixPath", "builtins.eval", "os.system"]


@pytest.fixture
def unsigned(tmp_path: Path, key: HmacKey) -> Path:
    """Return an unsigned skops file that an empty allowlist admits."""
    path = tmp_path / "churn.skops"
    safeload.dump(pipeline(), path, format="skops", signer=key)
    path.with_name("churn.skops.sig").unlink()
    return path


def _broken_sidecars(path: Path, key: HmacKey) -> dict[str, tuple[bytes, type[safeload.SafeloadError]]]:
    safeload.sign(path, signer=key)
    sidecar = path.with_name(f"{path.name}.sig")
    honest = sidecar.read_bytes()
    sidecar.unlink()
    other = path.with_name("other.skops")
    safeload.dump([1], other, format="skops", signer=key)
    moved = other.with_name("other.skops.sig").read_bytes()
    safeload.dump([1], other, format="skops", name=path.name, signer=key)
    exchanged = other.with_name("other.skops.sig").read_bytes()
    _, unknown = safeload.dumps([1], name=path.name, signer=HmacKey.generate())
    return {
        "empty": (b"", safeload.MalformedError),
        "line feed": (b"\n", safeload.MalformedError),
        "empty JSON": (b"{}\n", safeload.MalformedError),
        "no signatures": (b'{"payload":"","payloadType":"","signatures":[]}\n', safeload.MalformedError),
        "cut": (honest[:-1], safeload.MalformedError),
        "altered": (honest.replace(b'"sig":"', b'"sig":"AAAA'), safeload.SignatureInvalid),
        "of another name": (moved, safeload.SubjectMismatch),
        "of other bytes": (exchanged, safeload.DigestMismatch),
        "by a stranger": (unknown, safeload.UnknownKey),
    }


def test_a_broken_sidecar_beside_a_file_that_the_allowlist_admits_is_refused(
    unsigned: Path, key: HmacKey, keyring: Keyring
) -> None:
    """There is no fall back: only where there is no sidecar at all the allowlist is asked."""
    sidecar = unsigned.with_name("churn.skops.sig")
    for broken, error in _broken_sidecars(unsigned, key).values():
        sidecar.write_bytes(broken)
        for policy in (Policy(), Policy(trusted=frozenset(EVERYTHING))):
            with pytest.raises(error) as caught:
                safeload.load(unsigned, trusted=EVERYTHING, keyring=keyring, policy=policy)
            assert type(caught.value) is error
    sidecar.unlink()
    loaded = safeload.load(unsigned, trusted=[], keyring=keyring)
    assert (loaded[-1].coef_ == pipeline()[-1].coef_).all()


def test_an_empty_sidecar_in_memory_is_not_a_missing_one(unsigned: Path, keyring: Keyring) -> None:
    """``b""`` is a broken sidecar; None is none."""
    data = unsigned.read_bytes()
    assert safeload.loads(data, None, trusted=[]) is not None
    with pytest.raises(safeload.MalformedError):
        safeload.loads(data, b"", trusted=[], keyring=keyring)


@pytest.mark.parametrize("suffix", ["joblib", "pickle", "pkl", "skops", "safetensors", "json", "joblib.gz"])
def test_an_unsigned_pickle_is_refused_whatever_it_is_called_and_whatever_is_trusted(
    suffix: str, key: HmacKey, tmp_path: Path
) -> None:
    """With an allowlist that names all that it does, and under any extension, nothing of it runs."""
    marker = tmp_path / "marker"
    path = tmp_path / f"model.{suffix}"
    hostile = marker_pickle(marker)
    path.write_bytes(gzip.compress(hostile) if suffix.endswith("gz") else hostile)
    for way, trusted in (("load", EVERYTHING), ("load", []), ("verify", [])):
        assert processes.run("loading", way, path, *trusted, key=key) == "SignatureMissing"
        assert not marker.exists()


def test_the_attack_would_work(key: HmacKey, tmp_path: Path) -> None:
    """The control: an unpickler that is not guarded makes the marker that the tests look for."""
    path = tmp_path / "model.pickle"
    path.write_bytes(marker_pickle(tmp_path / "marker"))
    assert processes.run("loading", "unguarded", path, key=key) == "loaded"
    assert (tmp_path / "marker").exists()


def test_an_honest_unsigned_joblib_file_is_refused_too(keyring: Keyring, tmp_path: Path) -> None:
    """An allowlist cannot admit a pickle, however harmless."""
    for compress in (0, 3, ("gzip", 3), ("xz", 3), ("bz2", 3)):
        path = tmp_path / "churn.joblib"
        joblib.dump([1, 2], path, compress=compress)
        with no_unpickler_runs(), pytest.raises(safeload.SignatureMissing):
            safeload.load(path, trusted=EVERYTHING, keyring=keyring)


def test_a_file_that_is_a_pickle_and_an_archive_is_a_pickle(
    unsigned: Path, key: HmacKey, tmp_path: Path
) -> None:
    """A skops archive appended to a pickle, or behind any other bytes, is not taken for a skops file."""
    archive = unsigned.read_bytes()
    assert zipfile.is_zipfile(io.BytesIO(b"MZ" + archive))
    for front in (marker_pickle(tmp_path / "marker"), b"\0", b"MZ", b"#!/bin/sh\n"):
        unsigned.write_bytes(front + archive)
        assert processes.run("loading", "load", unsigned, key=key) == "SignatureMissing"
    # What is appended to an archive is no part of it.
    unsigned.write_bytes(archive + marker_pickle(tmp_path / "marker"))
    processes.run("loading", "load", unsigned, key=key)
    assert not (tmp_path / "marker").exists()


def test_without_an_allowlist_no_unsigned_file_is_admitted(unsigned: Path, keyring: Keyring) -> None:
    """An empty allowlist is one; none is none."""
    with pytest.raises(safeload.SignatureMissing):
        safeload.load(unsigned, keyring=keyring)
    with pytest.raises(safeload.SignatureMissing):
        safeload.verify(unsigned, keyring=keyring, policy=Policy(trusted=frozenset(EVERYTHING)))
    nothing_unsigned = Policy(unsigned_formats=frozenset())
    with pytest.raises(safeload.SignatureMissing):
        safeload.load(unsigned, trusted=[], keyring=keyring, policy=nothing_unsigned)
    assert safeload.load(unsigned, trusted=[], keyring=keyring) is not None
    assert safeload.load(unsigned, policy=Policy(trusted=frozenset())) is not None


def test_a_type_that_is_not_on_the_allowlist_is_refused(key: HmacKey, tmp_path: Path) -> None:
    """With exactly the missing names, and before anything is made."""
    import skops.io

    path = tmp_path / "x.skops"
    path.write_bytes(skops.io.dumps({"a": io.StringIO, "b": zipfile.ZipFile}))
    with pytest.raises(safeload.UntrustedType) as caught:
        safeload.load(path, trusted=["zipfile.ZipFile"])
    assert caught.value.types == ("_io.StringIO",)


@pytest.mark.parametrize("names", ["pathlib.Path", True, 1, b"a.b", [1], [str]])
def test_an_allowlist_that_is_none_is_misuse(names: Any, unsigned: Path) -> None:
    """``trusted=True`` and a single text are the usual mistakes."""
    with pytest.raises(TypeError):
        safeload.load(unsigned, trusted=names)


@pytest.mark.parametrize(
    "name", ["*", "sklearn.*", "sklearn", "", ".", "a..b", "a.b ", "a.b\n", "a-b.c", "1.2"]
)
def test_an_allowlist_with_a_wildcard_or_half_a_name_is_refused(name: str, unsigned: Path) -> None:
    """Every type is named whole."""
    with pytest.raises(safeload.PolicyError):
        safeload.load(unsigned, trusted=[name])


@pytest.mark.parametrize("formats", [["joblib"], ["pickle"], ["skops", "joblib"], ["no such format"]])
def test_a_policy_that_would_admit_an_unsigned_pickle_cannot_be_made(formats: list[str]) -> None:
    """There is no switch for it."""
    with pytest.raises(safeload.PolicyError):
        Policy(unsigned_formats=frozenset(formats))


def test_whoever_asks_for_a_signature_is_not_answered_by_a_policy(
    key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a policy admits without one loads; to verify, inspect and convert it is unsigned."""
    rules = Policy(unsigned_formats=frozenset({"safetensors", "onnx", "skops"}), trusted=frozenset())
    numbers = tmp_path / "a.safetensors"
    safeload.dump({"a": numpy.ones(3)}, numbers, format="safetensors", signer=key)
    (tmp_path / "a.safetensors.sig").unlink()
    plain = tmp_path / "b.skops"
    plain.write_bytes(skops.io.dumps([1, 2]))
    for path in (numbers, plain):
        assert safeload.load(path, policy=rules) is not None
        with pytest.raises(safeload.SignatureMissing):
            safeload.verify(path, policy=rules)
        found = safeload.inspect(path, policy=rules)
        assert not found.verified
        assert type(found.refusal) is safeload.SignatureMissing
        with pytest.raises(safeload.SignatureMissing):
            safeload.convert(path, tmp_path / "new", to="joblib", signer=key, policy=rules)
    (tmp_path / "rules").mkdir()
    written = tmp_path / "rules" / "policy.toml"
    written.write_text('unsigned_formats = ["safetensors"]\n')
    written.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    assert run("verify", "a.safetensors", "--policy", written)[0] == 1
    status, answer = run_json("inspect", "a.safetensors", "--policy", written)
    assert (status, answer["error"]) == (1, "SignatureMissing")
