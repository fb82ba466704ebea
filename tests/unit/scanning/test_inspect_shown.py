"""What an inspection shows: to people, to machines, and on a page. Nothing of a file acts on any of them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from support.commands import run, run_json

import safeload
from safeload import HmacKey, Keyring

EVIL = "<script>alert(1)</script>\x1b]0;pwned\x07[red]"


def reference(module: str, name: str) -> bytes:
    parts = (module.encode(), name.encode())
    return b"".join(b"\x8c" + bytes([len(part)]) + part for part in parts) + b"\x93"


HOSTILE = b"\x80\x04" + reference(EVIL, "x") + reference("os", "system") + b"\x8c\x06marker\x85R\x85R."


@pytest.fixture
def files(tmp_path: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "keys").mkdir()
    Keyring.of(key).save(tmp_path / "keys" / "keyring.json")
    monkeypatch.setenv("SAFELOAD_KEYRING", str(tmp_path / "keys" / "keyring.json"))
    folder = tmp_path / "models"
    folder.mkdir()
    safeload.dump({"a": np.arange(3.0)}, folder / "good.joblib")
    (folder / "bad.joblib").write_bytes(HOSTILE)
    return folder


def test_the_report_is_part_of_an_inspection(files: Path) -> None:
    """And is left out where it is not asked for."""
    found = safeload.inspect(files / "good.joblib")
    assert found.verified
    assert found.report is not None
    assert found.report.verdict == "known types"
    assert safeload.inspect(files / "good.joblib", report=False).report is None
    bad = safeload.inspect(files / "bad.joblib")
    assert bad.report is not None
    assert (bad.verified, bad.report.verdict) == (False, "dangerous")


def test_inspecting_a_folder_names_the_command_for_folders(files: Path) -> None:
    """It is refused, and the message says what takes folders."""
    with pytest.raises(safeload.MalformedError, match="it is a folder") as caught:
        safeload.inspect(files)
    assert (caught.value.where, "safeload verify" in str(caught.value)) == (str(files), True)


def test_people_see_verdict_reason_and_calls(files: Path) -> None:
    """And no escape sequence or markup of the file's acts."""
    status, out, err = run("inspect", files / "bad.joblib")
    assert status == 1
    assert "contents: dangerous" in out
    assert "names os.system" in out
    assert "REDUCE" in out
    for stream in (out, err):
        assert "\x1b]" not in stream
        assert "\x07" not in stream
    assert "[red]" in out


def test_machines_get_all_of_it(files: Path) -> None:
    """As one document, in which each call has the number of what it is part of."""
    status, answer = run_json("inspect", files / "good.joblib")
    assert (status, answer["verdict"]) == (0, "known types")
    report = answer["report"]
    assert report["arrays"][0] == {
        "dtype": "<f8",
        "shape": [3],
        "offset": report["arrays"][0]["offset"],
        "size": 24,
    }
    assert {"name": "numpy.ndarray", "offset": report["globals"][-1]["offset"]} in report["globals"]
    assert any(call["part_of"] is not None for call in report["calls"])
    _, answer = run_json("inspect", files / "bad.joblib")
    assert answer["report"]["findings"]


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", ["good.joblib", "bad.joblib"])
def test_the_page_stands_alone_and_runs_nothing(files: Path, tmp_path: Path, name: str) -> None:
    """No script, no address, a policy that forbids both; all of the file's text is text."""
    target = tmp_path / "page.html"
    run("inspect", files / name, "--html", target)
    written = target.read_text(encoding="utf-8")
    page = Page()
    page.feed(written)
    assert not page.tags & {"script", "img", "link", "iframe", "object", "form", "a", "svg", "base"}
    assert not {key for key, _ in page.attributes} & {"src", "href", "onclick", "onload", "style"}
    assert "default-src 'none'" in written
    assert not re.search(r"https?://|url\(|@import", written)
    assert "\x1b" not in written
    assert written.count("<ul>") == written.count("</ul>")
    if name == "bad.joblib":
        assert "<script>alert(1)</script>" in page.text
        assert "dangerous" in page.text
    else:
        assert "numpy.ndarray" in page.text
        assert "python" in page.text


def test_a_path_that_cannot_be_written_is_refused(files: Path, tmp_path: Path) -> None:
    """With an error, and not a traceback."""
    (tmp_path / "folder").mkdir()
    target = tmp_path / "folder" / "none" / "x.html"
    status, out, err = run("inspect", files / "good.joblib", "--html", target)
    assert status == 1
    assert "NotFound" in out + err


def test_deep_calls_are_shown(files: Path) -> None:
    """However deep; neither the tree nor JSON nor the page follows them by recursion."""
    data = b"\x80\x04" + reference("m", "f") * 4000 + b")R" + b"\x85R" * 3999 + b"."
    (files / "deep.joblib").write_bytes(data)
    for options in ([], ["--json"], ["--html", files.parent / "deep.html"]):
        status, out, err = run("inspect", files / "deep.joblib", *options)
        assert status == 1, out[-500:] + err[-500:]
