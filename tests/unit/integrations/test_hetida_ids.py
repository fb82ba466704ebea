"""Ids: one canonical id for each entry, made of a few characters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import stored_names

from safeload.integrations.hetida import ids
from safeload.integrations.hetida.ids import ROOT, Name, Namespace, Sink, Source

AWKWARD = [
    "churn",
    "a_b_c",
    "Größe",
    "plant-a/pump 7",
    "/x",
    "a/",
    "a//b",
    ".",
    "..",
    "../../etc/passwd",
    "~r",
    "~nplant-a",
    "a~tb",
    "a~s",
    "a~2Fb",
    "%2F",
    "with space",
    "name?x=1#y",
    "LATEST",
    "日本語",
    "x" * 200,
    "ü" * 100,
]


def entries(name: str, tag: str) -> list[ids.Entry]:
    return [
        ROOT,
        Namespace(name),
        Name(name),
        Source(name, "latest"),
        Source(name, tag),
        Sink(ROOT),
        Sink(Namespace(name)),
        Sink(Name(name)),
    ]


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_have_ids_that_need_no_encoding_and_come_back(name: str) -> None:
    """Umlauts, slashes, spaces, 200 bytes, and names that look like ids."""
    for entry in entries(name, "v 1/ü"):
        text = ids.encode(entry)
        assert re.fullmatch(r"[A-Za-z0-9._~-]+", text)
        assert text not in (".", "..")
        assert ids.decode(text) == entry


def test_no_two_entries_have_one_id() -> None:
    """All awkward names and tags differ, also the pairs that share a file in hetida's folder."""
    tags = [tag for tag in AWKWARD if tag != "LATEST"]
    made = {entry for name in AWKWARD for tag in tags for entry in entries(name, tag)}
    assert len({ids.encode(entry) for entry in made}) == len(made)
    assert ids.encode(Source("a_b", "c")) != ids.encode(Source("a", "b_c"))


@given(stored_names(60), stored_names(60))
def test_any_name_comes_back(name: str, tag: str) -> None:
    """This holds for every valid name."""
    for entry in entries(name, tag if tag.casefold() != "latest" else "x"):
        assert ids.decode(ids.encode(entry)) == entry


@given(st.text(alphabet="~ab2FE.rnts0-_%/C3", max_size=12))
def test_what_decodes_is_the_one_spelling(text: str) -> None:
    """No id has an alias."""
    entry = ids.decode(text)
    assert entry is None or ids.encode(entry) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "~",
        "~x",
        "~r~r",
        "~rx",
        "~r~tlatest",
        "~na~tlatest",
        "churn~t",
        "churn~tLATEST",
        "churn~tLatest",
        "churn~s~s",
        "churn~s~tlatest",
        "plant-a~2fpump",
        "~63hurn",
        ".churn",
        "..",
        "a~2Eb",
        "plant-a/pump",
        "churn\n",
        "churn ",
        "gr~C3~B6ße",
        "~C3",
        "~FF",
        "~00",
        "a~0Ab",
        "u~CC~88",
        "~ED~A0~80",
        "x" * 201,
        "x" * 5000,
        "~C3~BC" * 101,
        None,
        7,
        b"churn",
    ],
)
def test_other_texts_are_not_ids(text: object) -> None:
    """Non-canonical, incomplete, of another case, control characters, not NFC, too long, or not a str."""
    assert ids.decode(text) is None


def test_the_parents_lead_to_the_root() -> None:
    """There is a namespace for each slash, also for one at the beginning."""
    assert ids.parent(Name("churn")) == ROOT
    assert ids.parent(Name("a/b/c")) == Namespace("a/b")
    assert ids.parent(Namespace("a/b")) == Namespace("a")
    assert ids.parent(Namespace("a")) == ROOT
    assert ids.parent(Name("/x")) == Namespace("")
    assert ids.decode(ids.encode(Namespace(""))) == Namespace("")
