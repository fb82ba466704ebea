"""What is allowed in which namespace; an invalid policy allows nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from safeload.errors import KeyringError, NotFound, PolicyError, SafeloadError
from safeload.integrations.hetida import AdapterPolicy, NamespacePolicy
from safeload.integrations.hetida import policy as _policy

TEXT = """
[default]
loadable = true

[namespaces."plant-a"]
loadable = true
storable = true
formats = ["skops", "joblib"]

[namespaces."plant-a/secret"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "hetida.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_the_longest_namespace_holds_as_a_whole(tmp_path: Path) -> None:
    """The default applies to names outside all of them; what is left out is not allowed."""
    policy = AdapterPolicy.load(written(tmp_path, TEXT))
    assert policy.of_name("churn") == NamespacePolicy(loadable=True)
    assert policy.of_name("plant-a") == NamespacePolicy(loadable=True)  # it lies beside the namespace
    assert policy.of_name("plant-abc/x") == NamespacePolicy(loadable=True)
    allowed = policy.of_name("plant-a/pump/7")
    assert (allowed.loadable, allowed.storable, allowed.formats) == (True, True, ("skops", "joblib"))
    assert allowed.stored_format == "skops"
    assert policy.of_name("plant-a/secret/x") == NamespacePolicy()
    assert policy.of_name("/x") == NamespacePolicy(loadable=True)


def test_an_empty_file_allows_nothing(tmp_path: Path) -> None:
    """The default allows nothing either."""
    policy = AdapterPolicy.load(written(tmp_path, ""))
    assert policy.of_name("churn") == policy.of_name("a/b") == NamespacePolicy()


@pytest.mark.parametrize(
    "text",
    [
        "default = true",
        "loadable = true",
        "[default]\nloadable = 1",
        '[default]\nloadable = "true"',
        "[default]\nloadble = true",
        "[default]\nformats = []",
        '[default]\nformats = "joblib"',
        '[default]\nformats = ["jobli"]',
        "[default]\nformats = [1]",
        "namespaces = []",
        "[namespaces]\na = true",
        '[namespaces.""]\nloadable = true',
        '[namespaces."a\\u0000b"]\nloadable = true',
        "[default]\nloadable = true\n[default]\n",
        "not toml",
        "[default]\nloadable = true\n# \udcff",
    ],
)
def test_whatever_is_wrong_with_it_is_an_error(text: str, tmp_path: Path) -> None:
    """Misspelled restrictions, other types, duplicate tables, and invalid TOML."""
    path = tmp_path / "hetida.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PolicyError):
        AdapterPolicy.load(path)


def test_a_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """Others could have allowed a namespace in it."""
    path = written(tmp_path, TEXT)
    path.chmod(0o666)
    with pytest.raises(KeyringError):
        AdapterPolicy.load(path)


def test_a_huge_file_and_a_missing_one_are_errors(tmp_path: Path) -> None:
    """The size is checked before the file is read."""
    with pytest.raises(KeyringError, match="policy file does not exist"):
        _policy.resolve(tmp_path / "missing.toml", "/store")
    with pytest.raises(NotFound):
        AdapterPolicy.load(tmp_path / "missing.toml")
    with pytest.raises(SafeloadError):
        AdapterPolicy.load(written(tmp_path, "#" * (1 << 20) + "\n"))


def test_it_comes_from_the_argument_then_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without either, everything is allowed; a relative path and one in the store are refused."""
    assert _policy.resolve(None, "/store").of_name("x") == NamespacePolicy(loadable=True, storable=True)
    monkeypatch.setenv("SAFELOAD_HETIDA_POLICY", str(written(tmp_path, TEXT)))
    assert _policy.resolve(None, "/store").of_name("x") == NamespacePolicy(loadable=True)
    closed = AdapterPolicy()
    assert _policy.resolve(closed, "/store") is closed
    with pytest.raises(KeyringError, match="inside the store"):
        _policy.resolve(None, str(tmp_path))
    monkeypatch.setenv("SAFELOAD_HETIDA_POLICY", "hetida.toml")
    with pytest.raises(KeyringError, match="relative"):
        _policy.resolve(None, "/store")
    with pytest.raises(PolicyError):
        _policy.resolve("", "/store")


def test_it_does_not_change() -> None:
    """It is frozen, and so is its mapping."""
    given = {"a": NamespacePolicy(loadable=True)}
    policy = AdapterPolicy(namespaces=given)
    given["a"] = NamespacePolicy(storable=True)
    assert policy.of_name("a/x") == NamespacePolicy(loadable=True)
    with pytest.raises(TypeError):
        policy.namespaces["a"] = NamespacePolicy()  # type: ignore[index]
    with pytest.raises(AttributeError):
        policy.default = NamespacePolicy()  # type: ignore[misc]
