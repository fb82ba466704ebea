"""Names on disk: one path for each, and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import stored_names

from safeload.errors import MalformedError
from safeload.store import names
from safeload.store.names import Place

_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@given(stored_names())
def test_a_name_comes_back_from_its_path(text: str) -> None:
    """The encoding is injective, and decoding gives nothing else."""
    assert names.decode(names.encode(text)) == text


@given(stored_names(), stored_names())
def test_two_names_differ_even_where_case_is_ignored(one: str, other: str) -> None:
    """Paths are equal only for equal names, also as Windows and macOS compare them."""
    assert (names.encode(one).casefold() == names.encode(other).casefold()) == (one == other)


@given(stored_names())
def test_every_segment_is_one_that_every_file_system_takes(text: str) -> None:
    """Few characters, no reserved name, no dot at the ends, room for what is added within 255 bytes."""
    for segment in names.encode(text).split("/"):
        assert re.fullmatch(r"[a-z0-9_.%A-F-]+", segment)
        assert not _RESERVED.fullmatch(segment)
        assert len(segment) <= 160
        assert not segment.startswith(".")
    path = names.encode(text)
    assert not path.startswith(".")
    assert not path.endswith(".")


@pytest.mark.parametrize("end", ["con", "nul.txt", "lpt9", "aux.", ".", ".hidden", "com1.sig", "console"])
def test_the_continued_part_of_a_long_name_is_no_reserved_name(end: str) -> None:
    """Nor does it begin with a dot."""
    text = "x" * 150 + end
    path = names.encode(text)
    assert names.decode(path) == text
    last = path.split("/")[1]
    assert not _RESERVED.fullmatch(last)
    assert not last.startswith(".")
    # Without the escape, the path belongs to no name.
    assert names.decode("x" * 150 + "%/" + end) == (text if end == "console" else None)


@given(st.text("abA%2F/.fGé", max_size=20))
def test_what_is_not_the_path_of_a_name_is_nobodys(path: str) -> None:
    """Decoding accepts exactly what encoding gives."""
    text = names.decode(path)
    assert text is None or names.encode(text) == path


@given(stored_names(), stored_names())
def test_files_are_told_apart_by_their_paths(name: str, tag: str) -> None:
    """Pointer, sidecar and artifact of every name and tag."""
    place = Place(name)
    if tag.casefold() != "latest":
        assert place.tag_of(place.sidecar(tag)) == tag
        assert place.sidecar(tag) != place.pointer
    artifact = place.new_artifact(tag, "joblib")
    assert place.tag_of_artifact(artifact) == tag
    assert place.tag_of(artifact) is None
    assert place.artifact(tag, place.file_of(artifact)) == artifact
    for path in (place.pointer, place.sidecar(tag), artifact):
        assert names.place_of(path) == place


@pytest.mark.parametrize(
    "file",
    [
        *(None, "", "1.joblib", "2.0123456789abcdef.joblib", "1.0123456789abcde.joblib"),
        *("1.0123456789ABCDEF.joblib", "../1.0123456789abcdef.joblib", "1.0123456789abcdef.job/lib"),
        *("1.0123456789abcdef.", "1.0123456789abcdef.joblib\n", "/1.0123456789abcdef.joblib", "latest.sig"),
    ],
)
def test_a_statement_cannot_name_just_any_file(file: str | None) -> None:
    """Only one that a dump makes for this tag."""
    with pytest.raises(MalformedError):
        Place("churn").artifact("1", file)
    assert Place("churn").artifact("1", "1.0123456789abcdef.joblib") == "churn/1.0123456789abcdef.joblib"
