"""The table of estimators in docs/formats.md is up to date."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from support.paths import ROOT


@pytest.fixture(scope="module")
def tool() -> Iterator[Any]:
    """Return the module that makes the table."""
    loaded = importlib.util.spec_from_file_location("formats_table", ROOT / "tools" / "formats_table.py")
    assert loaded is not None
    assert loaded.loader is not None
    module = importlib.util.module_from_spec(loaded)
    # A dataclass looks its module up by name.
    sys.modules["formats_table"] = module
    loaded.loader.exec_module(module)
    yield module
    del sys.modules["formats_table"]


@pytest.mark.slow
def test_the_table_is_what_comes_out(tool: Any) -> None:
    """Exactly, with the versions that it names; with other versions about as many estimators survive."""
    rows = tool.survey()
    old = tool.committed()
    if tool.versions() in old:
        assert tool.rendered(rows) == old
    number = tool.counts(rows)
    assert number["tried"] >= 190
    assert number["onnx"] >= 110
    assert number["skops"] >= number["tried"] - 5


def test_reasons_are_the_same_in_each_run(tool: Any) -> None:
    """The table has no addresses, numbers or messages of other libraries."""
    table = tool.committed()
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 190
    for line in rows:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == 3, line
        for cell in cells[1:]:
            assert cell in ("yes", "yes, in float32", "not tried") or cell.startswith("no: "), line
            assert "0x" not in cell
            assert "<" not in cell
