"""docs/formats.md is right: its Python runs, and its table lists all formats and extras."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.paths import ROOT

from safeload import HmacKey, Keyring, formats

DOCS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS, re.DOTALL | re.MULTILINE)


def test_the_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks run in order, as for a reader who copies them, also the example of an own format."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "work").mkdir()
    Keyring.of(HmacKey.generate()).save(tmp_path / "keys" / "keyring.json")
    monkeypatch.setenv("SAFELOAD_KEYRING", str(tmp_path / "keys" / "keyring.json"))
    script = "\n".join(blocks("python"))
    assert "formats.register(" in script
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path / "work", capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "Converted by skl2onnx" in ran.stdout
    assert (tmp_path / "work" / "words").read_bytes() == b"one\ntwo"


def test_the_table_lists_every_format_and_the_extra_that_it_needs() -> None:
    """The table lists exactly the formats that exist, and extras that pyproject.toml defines."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    start = DOCS.index("| `format=` |")
    rows = [row.split(" | ") for row in DOCS[start : DOCS.index("\n\n", start)].splitlines()[2:]]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    assert set(named) == {*formats.names(), formats.AUTO}
    assert len(named) == len(set(named))
    needed = {extra for row in rows for extra in re.findall(r"`(\w+)`", row[4])}
    assert needed <= set(extras)


def test_the_entry_point_of_the_page_is_in_the_group_that_is_looked_at() -> None:
    """The TOML on the page names the group in which safeload looks for formats."""
    (toml,) = blocks("toml")
    assert tomllib.loads(toml)["project"]["entry-points"][formats.registry.GROUP] == {
        "lines": "mypackage.lines:FORMAT"
    }
