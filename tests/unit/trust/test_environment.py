"""The packages that an object needs: written down, and compared before anything is deserialized."""

from __future__ import annotations

import pickle
import platform
import subprocess
import sys
import warnings
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from support.auditing import no_unpickler_runs, watching
from support.forgery import payload_of, sidecar_of

import safeload
from safeload import (
    Environment,
    EnvironmentMismatch,
    EnvironmentWarning,
    HmacKey,
    Policy,
    SignatureInvalid,
    SubjectMismatch,
)
from safeload.trust import environment

HERE = platform.python_version()
MAJOR, MINOR, _ = platform.python_version_tuple()
# An unpickler looks up its class, which is noticed.
ARTIFACT = pickle.dumps(Fraction(1, 3))
NAME = "fraction"
OTHER = {
    "another Python": Environment(python=f"{MAJOR}.{int(MINOR) + 1}.0", packages={}),
    "another version": Environment(python=HERE, packages={"joblib": "0.0.1"}),
    "not installed": Environment(python=HERE, packages={"no-such-distribution": "1.0"}),
    "one of several": Environment(
        python=HERE, packages={"joblib": metadata.version("joblib"), "numpy": "0.0.1"}
    ),
}
SAME = Environment(python=HERE, packages={"joblib": metadata.version("joblib")})


def signed(key: HmacKey, stored: Environment | None) -> bytes:
    """Return a sidecar that names an environment."""
    return sidecar_of(payload_of(ARTIFACT, NAME, format="pickle", environment=stored), key)


def loads(key: HmacKey, stored: Environment | None, mode: Any = "warn") -> Any:
    """Load the artifact as it was stored in an environment."""
    return safeload.loads(
        ARTIFACT, signed(key, stored), name=NAME, keyring=key, policy=Policy(environment=mode)
    )


def test_loading_the_artifact_is_noticed(key: HmacKey) -> None:
    """The control for the tests below."""
    with watching("pickle.find_class") as lookups:
        assert loads(key, SAME) == Fraction(1, 3)
    assert lookups == [("fractions", "Fraction")]


@pytest.mark.parametrize("case", OTHER)
def test_another_environment_is_refused_before_anything_is_deserialized(case: str, key: HmacKey) -> None:
    """An unpickler that runs against other versions may succeed with a wrong object."""
    with no_unpickler_runs(), pytest.raises(EnvironmentMismatch, match="other versions") as caught:
        loads(key, OTHER[case], "refuse")
    assert caught.value.where == NAME


@pytest.mark.parametrize("case", OTHER)
def test_another_environment_is_warned_of_before_anything_is_deserialized(case: str, key: HmacKey) -> None:
    """Whoever turns warnings into errors is not too late."""
    with no_unpickler_runs(), warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(EnvironmentWarning):
            loads(key, OTHER[case])


@pytest.mark.parametrize("case", OTHER)
def test_a_warning_does_not_keep_the_object_back(case: str, key: HmacKey) -> None:
    """It says what differs."""
    with pytest.warns(EnvironmentWarning, match="here ") as caught:
        assert loads(key, OTHER[case]) == Fraction(1, 3)
    assert len(caught) == 1


@pytest.mark.parametrize("case", OTHER)
def test_another_environment_is_ignored_where_the_policy_says_so(case: str, key: HmacKey) -> None:
    """Without a warning, which would be an error here."""
    assert loads(key, OTHER[case], "ignore") == Fraction(1, 3)


@pytest.mark.parametrize("mode", ["warn", "refuse", "ignore"])
@pytest.mark.parametrize("stored", [SAME, None, Environment(python=f"{MAJOR}.{MINOR}.99", packages={})])
def test_the_same_environment_loads(stored: Environment | None, mode: str, key: HmacKey) -> None:
    """Of Python's version major and minor count; an artifact that was signed unseen names none."""
    assert loads(key, stored, mode) == Fraction(1, 3)


def test_the_warning_points_to_the_caller(key: HmacKey, tmp_path: Path) -> None:
    """For ``load`` as for ``loads``, so that the line can be found."""
    (tmp_path / NAME).write_bytes(ARTIFACT)
    (tmp_path / f"{NAME}.sig").write_bytes(signed(key, OTHER["another version"]))
    calls = (
        lambda: safeload.loads(ARTIFACT, signed(key, OTHER["another version"]), name=NAME, keyring=key),
        lambda: safeload.load(tmp_path / NAME, keyring=key),
    )
    for call in calls:
        with pytest.warns(EnvironmentWarning) as caught:
            call()
        assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]


def test_verifying_does_not_compare_environments(key: HmacKey, tmp_path: Path) -> None:
    """The file is what was signed, wherever it is verified."""
    (tmp_path / NAME).write_bytes(ARTIFACT)
    (tmp_path / f"{NAME}.sig").write_bytes(signed(key, OTHER["another version"]))
    strict = Policy(environment="refuse")
    assert (
        safeload.verify(tmp_path / NAME, keyring=key, policy=strict).environment == OTHER["another version"]
    )


def test_the_signature_is_verified_first(key: HmacKey) -> None:
    """What is not signed has no environment that would be worth a warning."""
    sidecar = signed(key, OTHER["another version"])
    with pytest.raises(SubjectMismatch):
        safeload.loads(ARTIFACT, sidecar, name="another", keyring=key)
    place = sidecar.index(b'"sig":"') + 7
    altered = sidecar[:place] + bytes([sidecar[place] ^ 1]) + sidecar[place + 1 :]
    if altered[place : place + 1].isalnum():
        with pytest.raises(SignatureInvalid):
            safeload.loads(ARTIFACT, altered, name=NAME, keyring=key)


def test_what_is_stored_here_loads_here(key: HmacKey) -> None:
    """Under the strictest policy."""
    import numpy as np

    artifact, sidecar = safeload.dumps({"a": np.arange(3)}, keyring=key)
    loaded = safeload.loads(artifact, sidecar, keyring=key, policy=Policy(environment="refuse"))
    assert list(loaded["a"]) == [0, 1, 2]


def test_the_distributions_of_names_are_written_down() -> None:
    """By the names under which they are installed, sorted, each once."""
    captured = environment.capture(
        [
            "sklearn.svm._classes.SVC",
            "sklearn.pipeline.Pipeline",
            "numpy.ndarray",
            "numpy._core.multiarray._reconstruct",
            "joblib.numpy_pickle.NumpyArrayWrapper",
        ]
    )
    assert captured.python == HERE
    assert captured.packages == {name: metadata.version(name) for name in ("joblib", "numpy", "scikit-learn")}
    assert list(captured.packages) == sorted(captured.packages)


def test_what_comes_from_no_distribution_is_left_out() -> None:
    """The standard library, the program itself, what is not installed, and what is no name."""
    names = [
        "builtins.list",
        "__main__.Model",
        "collections.OrderedDict",
        "fractions.Fraction",
        "no_such_package.X",
    ]
    assert environment.capture([*names, "", ".", "a"]) == Environment(python=HERE, packages={})
    assert environment.capture([]) == Environment(python=HERE, packages={})


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../../etc/passwd", "a\0b", "a/b", "x" * 10_000, "ü", "a b", "-"]
)
def test_an_odd_name_of_a_distribution_is_one_that_is_not_installed(name: str, key: HmacKey) -> None:
    """Whatever a signer wrote, the loader says what differs and nothing breaks."""
    stored = Environment(python=HERE, packages={name: "1.0"})
    assert len(environment.differences(stored)) == 1
    with pytest.raises(EnvironmentMismatch):
        loads(key, stored, "refuse")


@pytest.mark.parametrize("version", ["", "3", "x.y", f"{MAJOR}", f" {HERE}", f"{MAJOR}.{MINOR}rc1"])
def test_an_odd_version_of_python_is_another_one(version: str) -> None:
    """It is compared as text, part by part."""
    assert environment.differences(Environment(python=version, packages={})) == [
        f"Python {version}, here {HERE}"
    ]


def test_every_difference_is_named() -> None:
    """What was stored, and what is here."""
    stored = Environment(python="2.7.18", packages={"joblib": "0.1", "no-such-distribution": "9"})
    assert environment.differences(stored) == [
        f"Python 2.7.18, here {HERE}",
        f"joblib 0.1, here {metadata.version('joblib')}",
        "no-such-distribution 9, here not installed",
    ]


def test_the_comparison_imports_nothing() -> None:
    """Importing would run the code of the very packages in doubt."""
    script = (
        "import sys\n"
        "from safeload import Environment\nfrom safeload.trust import environment\n"
        "environment.capture(['sklearn.svm._classes.SVC', 'numpy.ndarray', 'pandas.DataFrame'])\n"
        "environment.differences(Environment(python='2.7', packages={'pandas': '1', 'scikit-learn': '1'}))\n"
        "print([name for name in ('numpy', 'sklearn', 'pandas', 'joblib') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_distribution_without_a_version_is_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package may be listed by its files while its metadata is gone."""
    monkeypatch.setattr(environment, "_distribution_of", lambda top: f"{top}-distribution")
    monkeypatch.setattr(environment, "installed", {"other-distribution": "1"}.get)
    assert environment.capture(["gone.Name", "other.Name"]).packages == {"other-distribution": "1"}
