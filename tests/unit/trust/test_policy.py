"""The policy: what it may demand, where it comes from, and that nothing in it is guessed at."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

import safeload
from safeload import (
    FormatNotAllowed,
    Keyring,
    KeyringError,
    LimitExceeded,
    Limits,
    MalformedError,
    NotFound,
    Policy,
    PolicyError,
)
from safeload.trust.policy import resolve

WHOLE = """
formats = ["joblib", "skops"]
unsigned_formats = ["skops"]
trusted = ["xgboost.sklearn.XGBClassifier", "a.B"]
fips = true
environment = "refuse"
signatures = 2

[limits]
artifact_bytes = 1_000_000_000
decompression_ratio = 50
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a policy file goes."""
    path = tmp_path / "policy.toml"
    path.touch(0o600)
    return path


def load(path: Path, text: str) -> Policy:
    """Read a policy file with a text."""
    path.write_text(text, encoding="utf-8")
    return Policy.load(path)


def refuse(path: Path, text: str, match: str | None = None) -> None:
    """See that a policy file is refused by its name."""
    with pytest.raises(PolicyError, match=match) as caught:
        load(path, text)
    assert caught.value.where == str(path)


def test_every_setting_is_read(path: Path) -> None:
    """As the constructor takes it."""
    assert load(path, WHOLE) == Policy(
        formats=frozenset({"joblib", "skops"}),
        unsigned_formats=frozenset({"skops"}),
        trusted=frozenset({"xgboost.sklearn.XGBClassifier", "a.B"}),
        fips=True,
        environment="refuse",
        signatures=2,
        limits=Limits(artifact_bytes=10**9, decompression_ratio=50),
    )


def test_an_empty_file_is_the_default(path: Path) -> None:
    """Nothing is trusted unsigned, and one signature is demanded."""
    assert load(path, "") == Policy()
    assert Policy().trusted is None
    assert Policy().signatures == 1
    assert Policy().limits == Limits()


def test_a_policy_knows_the_file_that_it_came_from(path: Path) -> None:
    """For the gate, which compares folders; two that demand the same are equal all the same."""
    origin = load(path, "").origin
    status = path.parent.stat()
    assert origin is not None
    assert origin.path == str(path)
    assert (status.st_dev, status.st_ino) in origin.folders


@pytest.mark.parametrize(
    "text",
    [
        "verify = false",
        "format = ['joblib']",
        "Formats = ['joblib']",
        "trust = []",
        "origin = 'x'",
        "[policy]\nfips = true",
        "[limits]\nartifact_byte = 1",
        "[limits.more]\nmembers = 1",
    ],
)
def test_an_unknown_setting_is_refused(text: str, path: Path) -> None:
    """It may be a misspelled demand."""
    refuse(path, text, "is not a setting; the settings are ")


@pytest.mark.parametrize(
    "text",
    [
        "formats = 'joblib'",
        "formats = [1]",
        "formats = {joblib = true}",
        "unsigned_formats = 'skops'",
        "unsigned_formats = true",
        "trusted = 'a.B'",
        "trusted = true",
        "trusted = [['a.B']]",
        "fips = 1",
        "fips = 'yes'",
        "fips = []",
        "environment = 'Warn'",
        "environment = ''",
        "environment = true",
        "environment = ['warn']",
        "signatures = 0",
        "signatures = -1",
        "signatures = true",
        "signatures = '1'",
        "signatures = 1.0",
        "signatures = []",
        "limits = 1",
        "limits = []",
        "limits = [{members = 1}]",
        "limits = {members = '1'}",
        "limits = {members = 1.0}",
        "limits = {members = true}",
        "limits = {members = 0}",
        "limits = {members = -1}",
        "limits = {members = []}",
        "limits = {members = inf}",
        "limits = {nesting = nan}",
    ],
)
def test_a_setting_of_another_type_or_value_is_refused(text: str, path: Path) -> None:
    """Nothing is converted."""
    refuse(path, text)


@pytest.mark.parametrize(
    "text", ["formats", "= 1", "a = 1\na = 2", "[limits]\n[limits]", "\0", "\ufeff", "a = [" * 5000]
)
def test_what_is_no_toml_is_refused(text: str, path: Path) -> None:
    """Doubled settings among them."""
    refuse(path, text, "not TOML")


def test_a_file_that_is_not_utf_8_is_refused(path: Path) -> None:
    """TOML is UTF-8."""
    for data in (b"# \xff\n", 'environment = "warn"'.encode("utf-16")):
        path.write_bytes(data)
        with pytest.raises(PolicyError, match="not TOML"):
            Policy.load(path)


@pytest.mark.parametrize(
    "formats", [["joblib"], ["pickle"], ["skops", "joblib"], ["numpy"], ["keras"], [""], ["SKOPS"]]
)
def test_a_format_that_runs_code_cannot_be_admitted_unsigned(formats: list[str], path: Path) -> None:
    """By no way into the policy, and the message does not say how to do it all the same."""
    refuse(path, f"unsigned_formats = {formats}", "cannot be admitted without a signature")
    with pytest.raises(PolicyError, match="Sign the files"):
        Policy(unsigned_formats=frozenset(formats))
    with pytest.raises(PolicyError):
        dataclasses.replace(Policy(), unsigned_formats=frozenset(formats))


def test_what_to_do_about_a_setting_is_said(path: Path) -> None:
    """With the name of the file and of the setting."""
    path.write_text('trusted = ["a.*"]')
    with pytest.raises(PolicyError) as caught:
        Policy.load(path)
    assert "wildcards are not accepted" in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_collection_of_another_kind_is_made_a_set() -> None:
    """And a text is none."""
    assert Policy(formats=["joblib", "joblib"]).formats == {"joblib"}  # type: ignore[arg-type]
    for name in ("formats", "unsigned_formats"):
        with pytest.raises(TypeError, match="collection of names"):
            Policy(**{name: "skops"})  # type: ignore[arg-type]


def test_fips_means_sha_256(keyring: Keyring) -> None:
    """When writing as well as when reading."""
    assert Policy().digest_algorithm == "blake3"
    assert Policy(fips=True).digest_algorithm == "sha256"
    strict = safeload.dumps([1], keyring=keyring, policy=Policy(fips=True))
    assert safeload.loads(*strict, keyring=keyring, policy=Policy(fips=True)) == [1]
    assert safeload.loads(*strict, keyring=keyring) == [1]
    with pytest.raises(FormatNotAllowed, match="FIPS"):
        safeload.loads(*safeload.dumps([1], keyring=keyring), keyring=keyring, policy=Policy(fips=True))


def test_a_policy_does_not_change() -> None:
    """Nor do its limits."""
    for thing, name in [(Policy(), "fips"), (Policy().limits, "members")]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, name, 1)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Limits)])
def test_a_limit_is_a_positive_whole_number(name: str) -> None:
    """Anything else is misuse."""
    assert getattr(Limits(**{name: 1}), name) == 1
    for value in (0, -1):
        with pytest.raises(ValueError, match=name):
            Limits(**{name: value})
    for value in (None, True, 1.0, "1", float("inf")):
        with pytest.raises(TypeError, match=name):
            Limits(**{name: value})


def test_limits_that_are_none_are_misuse() -> None:
    """There is no way to have no limits."""
    for limits in (None, {}, {"members": 1}):
        with pytest.raises(TypeError, match="Limits"):
            Policy(limits=limits)  # type: ignore[arg-type]


def test_the_argument_comes_before_the_variable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy, a path as text or object; then SAFELOAD_POLICY; then the default."""
    path.write_text("signatures = 2")
    other = path.with_name("other.toml")
    other.write_text("signatures = 3")
    other.chmod(0o600)
    assert resolve() == Policy()
    monkeypatch.setenv("SAFELOAD_POLICY", str(path))
    assert resolve().signatures == 2
    assert resolve(other).signatures == resolve(str(other)).signatures == 3
    assert resolve(Policy(signatures=4)).signatures == 4
    monkeypatch.setenv("SAFELOAD_POLICY", "")
    assert resolve() == Policy()


@pytest.mark.parametrize("thing", [1, True, {"fips": True}, b"path", []], ids=str)
def test_what_is_no_policy_is_misuse(thing: Any) -> None:
    """A wrong type is the program's mistake."""
    with pytest.raises(TypeError, match="a policy is"):
        resolve(thing)


@pytest.mark.parametrize("text", ["policy.toml", "./policy.toml", "~/policy.toml"])
def test_a_relative_policy_variable_is_refused(
    text: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would name another file in another working folder."""
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("SAFELOAD_POLICY", text)
    with pytest.raises(KeyringError, match="relative path"):
        resolve()


def test_an_edited_policy_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next call."""
    monkeypatch.setenv("SAFELOAD_POLICY", str(path))
    for number in (2, 3):
        path.write_text(f"signatures = {number}")
        assert resolve().signatures == number


def test_a_policy_in_the_working_folder_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write the folder would decide."""
    path.write_text("this would be an error")
    for name in ("safeload.toml", ".safeload.toml", "pyproject.toml"):
        path.with_name(name).write_text("this would be an error")
    monkeypatch.chdir(path.parent)
    assert resolve() == Policy()


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_a_policy_that_others_can_write_is_refused(mode: int, path: Path) -> None:
    """They would decide what is demanded; reading it does no harm."""
    path.chmod(mode)
    with pytest.raises(KeyringError, match="can write this file"):
        Policy.load(path)
    path.chmod(0o644)
    assert Policy.load(path) == Policy()


def test_a_policy_that_is_no_file_of_its_folder_is_refused(path: Path) -> None:
    """Missing, a folder, a link to elsewhere, or far too long."""
    with pytest.raises(NotFound):
        Policy.load(path.with_name("missing.toml"))
    with pytest.raises(MalformedError):
        Policy.load(path.parent)
    path.with_name("link.toml").symlink_to("/dev/null")
    with pytest.raises(MalformedError):
        Policy.load(path.with_name("link.toml"))
    with path.open("wb") as file:
        file.truncate((1 << 20) + 1)
    with pytest.raises(LimitExceeded):
        Policy.load(path)


def test_a_missing_or_broken_policy_is_not_skipped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default demands less."""
    monkeypatch.setenv("SAFELOAD_POLICY", str(path))
    path.write_text("nonsense")
    with pytest.raises(PolicyError):
        safeload.dumps([1])
    path.unlink()
    with pytest.raises(NotFound):
        safeload.dumps([1])
