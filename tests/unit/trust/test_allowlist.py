"""The allowlist holds exact names of types, and nothing that stands for several."""

from __future__ import annotations

from typing import Any

import pytest

from safeload import Policy, PolicyError
from safeload.trust.policy import allowlist

NO_NAMES = [
    *(
        "*",
        "sklearn.*",
        "sklearn.**",
        "*.XGBClassifier",
        "xgboost.sklearn.XGB?",
        "a.[AB]",
        "sklearn",
        "XGBClassifier",
    ),
    *("", ".", "a.", ".a", "a..b", "a.b ", " a.b", "a.b\n", "a.b.", "a,b", "a b.c", "1.2", "a.1b", "a-b.c"),
    *("a.<locals>.B", "a.f.<lambda>", "a:B", "a/b", "re:.*", "a.B\0", "a.(B)"),
]


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_not_that_of_one_type_is_refused(name: str) -> None:
    """Wildcards, halves, patterns, and what looks like a name."""
    for make in (
        lambda: allowlist([name]),
        lambda: Policy(trusted=frozenset({name, "a.B"})),
        lambda: Policy().allowlist_for(["a.B", name]),
    ):
        with pytest.raises(PolicyError, match="not the exact name"):
            make()


@pytest.mark.parametrize(
    "name", ["a.B", "xgboost.sklearn.XGBClassifier", "_a._B1", "größe.Ä", "__main__.Model"]
)
def test_the_whole_name_of_a_type_is_admitted(name: str) -> None:
    """Also in a file."""
    assert allowlist([name, name]) == {name}
    assert Policy(trusted=frozenset({name})).trusted == {name}


@pytest.mark.parametrize("names", [True, False, 1, "a.B", b"a.B", object()], ids=type)
def test_an_allowlist_that_is_no_list_is_misuse(names: Any) -> None:
    """``trusted=True`` above all; skops once took it to mean everything."""
    with pytest.raises(TypeError, match="list of exact names"):
        allowlist(names)
    with pytest.raises(TypeError):
        Policy(trusted=names)
    with pytest.raises(TypeError):
        Policy().allowlist_for(names)


@pytest.mark.parametrize("names", [[int], [None], ["a.B", 7], [b"a.B"]], ids=str)
def test_an_allowlist_of_something_else_is_misuse(names: Any) -> None:
    """Types themselves, too: what counts is what stands in the file."""
    with pytest.raises(TypeError, match="names"):
        allowlist(names)


def test_the_allowlists_of_policy_and_call_add_up() -> None:
    """An empty one is one; only where there is neither, there is none."""
    policy = Policy(trusted=frozenset({"a.B"}))
    assert policy.allowlist_for(None) == {"a.B"}
    assert policy.allowlist_for(["c.D"]) == {"a.B", "c.D"}
    assert policy.allowlist_for([]) == {"a.B"}
    assert Policy().allowlist_for(["c.D"]) == {"c.D"}
    assert Policy().allowlist_for([]) == frozenset()
    assert Policy().allowlist_for(None) is None
