"""The demo runs every attack for real, and reports one that succeeds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import run, run_json

import safeload
from safeload.cli.demo import attacks


def test_the_demo_refuses_every_attack(tmp_path: Path) -> None:
    """For people: status 0, a line for each attack with the error that refused it, and a table."""
    ran = subprocess.run(
        [sys.executable, "-m", "safeload", "demo"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for code in (
        "DigestMismatch",
        "SignatureInvalid",
        "SubjectMismatch",
        "SignatureMissing",
        "UntrustedType",
    ):
        assert f"refused: {code}" in ran.stdout
    assert "7 of 7" in ran.stdout
    assert not list(tmp_path.iterdir())


def test_the_demo_speaks_json() -> None:
    """The document has every step and no failure."""
    status, answer = run_json("demo")
    assert status == 0
    assert answer["failed"] == 0
    assert sum(step["attack"] for step in answer["steps"]) == len(attacks.ATTACKS) == 7


def test_an_attack_that_goes_through_fails_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a load that accepts everything, the demo ends with status 1 and names the attacks."""
    genuine = safeload.load

    def accepts_everything(path: Path, **arguments: object) -> object:
        try:
            return genuine(path, **arguments)  # type: ignore[arg-type]
        except safeload.SafeloadError:
            return None

    monkeypatch.setattr(safeload, "load", accepts_everything)
    status, out, _ = run("demo")
    assert status == 1
    assert out.count("NOT REFUSED") == len(attacks.ATTACKS) - 1


def test_the_planted_pickle_would_act_if_it_were_loaded(tmp_path: Path) -> None:
    """The control for the demo's marker: plain unpickling, in another process, creates it."""
    import pickle

    marker = tmp_path / "marker"
    (tmp_path / "planted").write_bytes(pickle.dumps(attacks._Creates(marker)))
    code = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "planted")], check=True)
    assert marker.exists()
