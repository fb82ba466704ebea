"""What the documents name exists: files, links, rooms, folders of tests."""

from __future__ import annotations

import re

import pytest
from project.test_layers import LAYERS, PACKAGE
from support.paths import ROOT, TESTS

PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
}
DECISIONS = ROOT / "docs" / "decisions"
# Beginnings of paths that are the repository's own; others are a user's.
_OWN = re.compile(r"`((?:safeload|tests|tools|docs|benchmarks|\.ci|\.github)/[^`\s*]*)`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rooms(heading: str) -> list[str]:
    """Return what stands in code in the column "Room" of a table of CONTRIBUTING.md."""
    text = PAGES["CONTRIBUTING.md"]
    table = text[text.index(heading) :].lstrip().split("\n\n", 1)[0].splitlines()
    column = [cell.strip() for cell in table[0].split("|")].index("Room")
    return [name for row in table[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[column])]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    """Files and folders of the repository, in code."""
    named = _OWN.findall(PAGES[page])
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    """To a file of the repository, and to a heading of that page."""
    for link in _LINK.findall(without_code(PAGES[page])):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_every_promise_names_the_tests_that_hold_it() -> None:
    """Each row of the table has files of tests, by their whole paths, that exist."""
    text = PAGES["SECURITY.md"]
    table = text[text.index("| Promise |") :].split("\n\n", 1)[0].splitlines()
    for row in table[2:]:
        tests = re.findall(r"`([^`]+)`", row.strip("|").split(" | ")[-1])
        assert tests, row
        assert all(re.fullmatch(r"tests/[\w/]+\.py", path) and (ROOT / path).is_file() for path in tests), row


def test_contributing_names_the_floors_and_their_rooms() -> None:
    """In the order of the layers, and none that does not exist."""
    named = [name.removesuffix(".py").rstrip("/") for name in rooms("| Floor |")]
    assert named == [name for layer in LAYERS for name in (*layer, *(["__init__"] * (layer == ("cli",))))]
    assert all((PACKAGE / name).exists() for name in rooms("| Floor |"))


def test_contributing_names_every_room_within_a_room() -> None:
    """The packages below the rooms, no more and no less."""
    packages = [path.parent.relative_to(PACKAGE) for path in PACKAGE.glob("*/*/**/__init__.py")]
    assert sorted(rooms("\n| Room |")) == sorted(f"{path.as_posix()}/" for path in packages)


def test_contributing_names_every_folder_of_tests() -> None:
    """No more and no less."""
    text = PAGES["CONTRIBUTING.md"]
    named = re.findall(r"^\| `tests/(\w+)/` \|", text, re.MULTILINE)
    folders = [path.name for path in TESTS.iterdir() if path.is_dir() and path.name[0] not in "_."]
    assert sorted(named) == sorted(folders)


def test_every_decision_has_its_parts_and_stands_in_the_index() -> None:
    """Context, decision, what was rejected, consequences; numbered without a gap, under its own title."""
    files = sorted(DECISIONS.glob("[0-9]*.md"))
    index = re.findall(r"^- \[(.*)\]\((.*)\)$", PAGES["docs/decisions/README.md"], re.MULTILINE)
    titles = []
    for number, path in enumerate(files, 1):
        text = path.read_text(encoding="utf-8")
        title = re.fullmatch(r"# (\d+)\. (.*)", text.splitlines()[0])
        assert title is not None, path
        assert int(title[1]) == int(path.name[:4]) == number
        titles.append((title[2], path.name))
        parts = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Rejected", "Consequences"]
    assert index == titles


def test_the_guide_and_the_specification_can_be_found_from_the_readme() -> None:
    """Six links, one for each page that a reader needs next."""
    more = PAGES["README.md"].partition("## More")[2].partition("BSD")[0]
    assert len(_LINK.findall(more)) == 6


def test_no_page_has_tabs_or_trailing_spaces() -> None:
    """And each ends with one line feed."""
    for page, text in PAGES.items():
        assert not re.search(r"[ \t]+$|\t", text, re.MULTILINE), page
        assert text.endswith("\n"), page
        assert not text.endswith("\n\n"), page
