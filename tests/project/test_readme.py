"""The README and the guide tell the truth: their Python runs, and the commands are those of a set-up."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

from safeload import HmacKey, Keyring

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder, with a key in place."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "work").mkdir()
    Keyring.of(HmacKey.generate()).save(tmp_path / "keys" / "keyring.json")
    monkeypatch.setenv("SAFELOAD_KEYRING", str(tmp_path / "keys" / "keyring.json"))
    return tmp_path / "work"


def output_of(text: str, folder: Path) -> str:
    """Run all Python blocks of a page in order, as a reader who copies them does."""
    script = "\n".join(blocks(text, "python"))
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_python_of_the_readme_runs(folder: Path) -> None:
    """And it writes what its comments say."""
    assert "churn.joblib" in output_of(README, folder)
    assert (folder / "churn.joblib.sig").exists()


def test_the_python_of_the_guide_runs(folder: Path) -> None:
    """It covers the public functions for everyday use."""
    assert "\n".join(blocks(GUIDE, "python")).count("safeload.") >= 20
    output = output_of(GUIDE, folder)
    assert "churn.joblib" in output
    assert "sklearn.tree._tree.Tree" in output


def test_the_readme_is_short() -> None:
    """It fits on two screens, and its first block of Python on half a screen."""
    assert len(README.splitlines()) <= 100
    first = [line for line in blocks(README, "python")[0].splitlines() if line]
    assert len(first) <= 10


def test_the_set_up_is_two_commands() -> None:
    """The page has exactly two shell blocks of one line each: set-up with demo, and tests."""
    first, second = blocks(README, "sh")
    assert first.count("\n") == second.count("\n") == 1
    assert "-m venv" in first
    assert first.rstrip().endswith("safeload demo")
    assert second.rstrip().rpartition(" && ")[2] == ".venv/bin/pytest -n 2"


def test_the_checks_of_a_change_run_the_commands_of_the_readme() -> None:
    """`.ci/run` takes both commands from the README, so that neither can become outdated."""
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    (extraction,) = (line for line in lines if line.startswith("readme_command()"))
    for number, command in enumerate(blocks(README, "sh"), 1):
        assert any(f'"$(readme_command {number})"' in line for line in lines)
        ran = subprocess.run(
            ["bash", "-c", f"{extraction}\nreadme_command {number}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout == command
