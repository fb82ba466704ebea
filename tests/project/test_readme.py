"""The README tells the truth: its Python runs, and its commands are the ones that set things up."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

from safeload import HmacKey, Keyring

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All Python blocks run in order, as somebody would who copies them, with a key in place."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "work").mkdir()
    Keyring.of(HmacKey.generate()).save(tmp_path / "keys" / "keyring.json")
    monkeypatch.setenv("SAFELOAD_KEYRING", str(tmp_path / "keys" / "keyring.json"))
    script = "\n".join(blocks("python"))
    assert script.count("safeload.") >= 8
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "work", capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "churn.joblib" in ran.stdout
    assert "sklearn.tree._tree.Tree" in ran.stdout


def test_the_set_up_is_two_commands() -> None:
    """The first screen has exactly two shell blocks of one line each: set-up with demo, and tests."""
    first, second = blocks("sh")
    assert first.count("\n") == second.count("\n") == 1
    assert "-m venv" in first
    assert first.rstrip().endswith("safeload demo")
    assert second.rstrip().endswith("pytest")
