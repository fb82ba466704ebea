"""The public names are documented: parameters with types, what is raised, and examples that run."""

from __future__ import annotations

import doctest
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import safeload

PACKAGE = Path(safeload.__file__).parent
PUBLIC = {name: getattr(safeload, name) for name in safeload.__all__ if name != "__version__"}
# Errors and keys have one example for all of them, in the docstring of their module.
ERRORS = {name for name, value in PUBLIC.items() if isinstance(value, type) and issubclass(value, Exception)}
KEYS = {name for name in PUBLIC if re.fullmatch(r"(Ed25519|EcdsaP\d+)(Private|Public)Key", name)}


def sections(value: object) -> dict[str, str]:
    """Return the numpydoc sections of a docstring by their headings."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.getdoc(value) or "", flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented(section: str) -> tuple[set[str], bool]:
    """Return the parameters that a section names, and whether each entry says its type."""
    entries = re.findall(r"^\S.*$", section, re.MULTILINE)
    names = {name.lstrip("*") for entry in entries for name in re.split(r", ", entry.partition(" : ")[0])}
    return names, all(" : " in entry or entry.startswith("**") for entry in entries)


def lacks(name: str) -> set[str]:
    """Return what the docstring of a public name does not have."""
    value, lacking = PUBLIC[name], set()
    found = sections(value)
    shared = inspect.getdoc(sys.modules[value.__module__]) if name in ERRORS | KEYS else ""
    if ">>> " not in found.get("Examples", "") and ">>> " not in (shared or ""):
        lacking.add("Examples")
    if name in ERRORS | KEYS:
        return lacking
    if not isinstance(value, type) and "Raises" not in found:
        lacking.add("Raises")
    # A class that other functions hand out says what it holds, and not how it is made.
    section = "Parameters" if "Parameters" in found or not isinstance(value, type) else "Attributes"
    names, typed = documented(found.get(section, ""))
    taken = set(inspect.signature(value).parameters)
    if not names or not typed or (section == "Parameters" and taken - names):
        lacking.add(section)
    return lacking


def test_every_public_name_is_documented() -> None:
    """With typed parameters, errors and an example."""
    assert {name: lacks(name) for name in PUBLIC if lacks(name)} == {}


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    """Return what every example may use."""
    X, y = load_iris(return_X_y=True)
    return {"safeload": safeload, "X": X, "model": LogisticRegression(max_iter=1000).fit(X, y)}


def check(value: object, name: str, names: dict[str, Any]) -> None:
    """Run the examples of a docstring, and of those of a class's methods."""
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    for test in doctest.DocTestFinder().find(value, name, module=False, globs=names):  # type: ignore[arg-type]  # False means: look up none
        runner.run(test, out=report.append, clear_globs=False)
    assert not runner.summarize(verbose=False).failed, "".join(report)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_the_examples_run(
    name: str, fitted: dict[str, Any], ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an empty folder, with a key configured and a fitted model at hand."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("MODEL_REPO_PATH", str(tmp_path / "obj_repo"))
    check(PUBLIC[name], name, dict(fitted))


@pytest.mark.parametrize("module", sorted({PUBLIC[name].__module__ for name in ERRORS | KEYS}))
def test_the_shared_examples_run(
    module: str, fitted: dict[str, Any], ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the modules that hold the errors and the keys."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    documentation = type("Module", (), {"__doc__": sys.modules[module].__doc__})
    check(documentation, module, dict(fitted))


def test_no_example_is_skipped() -> None:
    """An example that does not run says nothing."""
    skipped = [path.name for path in PACKAGE.rglob("*.py") if "+SKIP" in path.read_text(encoding="utf-8")]
    assert skipped == []
