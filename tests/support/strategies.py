"""Strategies for hypothesis: names, JSON, and bytes with a few places changed."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from safeload.errors import InvalidName, SafeloadError
from safeload.store.names import check


def text(**options: Any) -> st.SearchStrategy[str]:
    """Return texts that UTF-8 can express."""
    return st.text(st.characters(exclude_categories=["Cs"]), **options)


def names() -> st.SearchStrategy[str]:
    """Return names that can be signed."""
    return st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200)


def stored_names(most: int = 200) -> st.SearchStrategy[str]:
    """Return names and tags that a store takes, of at most so many characters."""
    return (
        st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=most)
        .map(lambda text: unicodedata.normalize("NFC", text))
        .filter(_is_taken)
    )


def _is_taken(text: str) -> bool:
    try:
        check(text, what="name")
    except InvalidName:
        return False
    return True


def json_values() -> st.SearchStrategy[Any]:
    """Return what JSON can express."""
    leaves = (
        st.none() | st.booleans() | st.integers() | text() | st.floats(allow_nan=False, allow_infinity=False)
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """Return bytes with a few places flipped, replaced, removed, doubled or moved."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(changed) - 1)))
        end = draw(st.integers(start, min(len(changed), start + 20)))
        way = draw(st.sampled_from(["bit", "byte", "text", "remove", "double", "move", "cut"]))
        if way == "bit" and changed:
            changed[start] ^= 1 << draw(st.integers(0, 7))
        elif way == "byte" and changed:
            changed[start] = draw(st.integers(0, 255))
        elif way == "text":
            changed[start:end] = draw(
                st.sampled_from([b"", b" ", b"=", b"==", b"\n", b"\\u0061", b'"', b"{", b"\0"])
            )
        elif way == "remove":
            del changed[start:end]
        elif way == "double":
            changed[start:start] = changed[start:end]
        elif way == "move":
            piece = changed[start:end]
            del changed[start:end]
            place = draw(st.integers(0, len(changed)))
            changed[place:place] = piece
        elif way == "cut":
            del changed[start:]
    return bytes(changed)


def read_back(
    data: bytes, parse: Callable[[bytes], Any], encode: Callable[[Any], bytes], error: type[SafeloadError]
) -> Any:
    """Parse any bytes; what is not refused with `error` must be encoded as the same bytes."""
    try:
        found = parse(data)
    except error:
        return None
    assert encode(found) == data
    return found
