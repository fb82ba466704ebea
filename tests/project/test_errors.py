"""The tree of errors: it is what its docstring shows, and no message controls a terminal."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

from safeload import errors
from safeload.errors import SafeloadError, UntrustedType, printable

CLASSES: dict[str, type[Any]] = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and value.__module__ == errors.__name__
}
ERRORS = {name: value for name, value in CLASSES.items() if not issubclass(value, Warning)}
SECOND_BASES = {
    "NotFound": FileNotFoundError,
    "AlreadyExists": FileExistsError,
    "InvalidName": ValueError,
    "StorageError": OSError,
}
MISUSE = (TypeError, ValueError, RuntimeError, AssertionError, LookupError, AttributeError)


def drawn() -> dict[str, str | None]:
    """Return the parent of each error, as the docstring shows it."""
    parents: dict[str, str | None] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([│ ]*)(?:[├└]── )?([A-Z]\w+)(?: .*)?$", line):
            name = found[2]
            depth = 0 if line.strip() == name and not above else len(found[1]) // 4 + 1
            above[depth:] = [name]
            parents[name] = above[depth - 1] if depth else None
    return parents


def test_the_tree_is_the_one_that_is_drawn() -> None:
    """Every error has the parent that the docstring shows, and no error is missing there."""
    actual: dict[str, str | None] = {
        name: None if value is SafeloadError else value.__bases__[0].__name__
        for name, value in ERRORS.items()
    }
    assert drawn() == actual


def test_every_error_is_one_of_ours_first() -> None:
    """One ``except SafeloadError`` catches them all."""
    for value in ERRORS.values():
        assert issubclass(value, SafeloadError)
        assert value.__mro__.index(SafeloadError) < len(value.__mro__) - 3


@pytest.mark.parametrize("name", ERRORS)
def test_a_second_base_stands_only_where_it_is_drawn(name: str) -> None:
    """Drop-in functions need it; otherwise a refusal could be mistaken for misuse by the program."""
    value = ERRORS[name]
    second = SECOND_BASES.get(name)
    if second is not None:
        assert issubclass(value, second)
        assert f"also a {second.__name__}" in (errors.__doc__ or "").replace("an OSError", "a OSError")
    for other in (*MISUSE, OSError):
        assert issubclass(value, other) == (second is not None and issubclass(second, other))


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_says_what_failed_and_where_and_what_to_do(name: str) -> None:
    """The message has them in this order on one line, and the attributes keep them apart."""
    error = ERRORS[name]("it is broken", where="models/x.joblib", hint="Mend it.")
    assert str(error) == "models/x.joblib: it is broken. Mend it."
    assert (error.problem, error.where, error.hint) == ("it is broken", "models/x.joblib", "Mend it.")
    assert str(ERRORS[name]("it is broken")) == "it is broken"
    assert error.code == name


@pytest.mark.parametrize("name", ERRORS)
def test_where_can_be_added_later(name: str) -> None:
    """The gate adds the file to errors of functions that do not know it."""
    error = ERRORS[name]("it is broken")
    error.where = "x.joblib"
    assert str(error) == "x.joblib: it is broken"


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_survives_a_pickle_and_a_copy(name: str) -> None:
    """Worker processes pass errors to their parent that way."""
    error = ERRORS[name]("it is broken", where="x.joblib", hint="Mend it.")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is ERRORS[name]
        assert str(other) == str(error)
        assert (other.problem, other.where, other.hint) == (error.problem, error.where, error.hint)


def test_the_missing_types_are_kept() -> None:
    """The exact names are an attribute, so that a program can show them."""
    error = UntrustedType("not listed", types=("a.B", "c.D"))
    assert error.types == ("a.B", "c.D")
    assert pickle.loads(pickle.dumps(error)).types == ("a.B", "c.D")
    assert UntrustedType("not listed").types == ()


NASTY = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\r",
    "\n",
    "\b" * 9,
    "\u202e",
    "\u200b",
    "\x9b31m",
    "\ud800",
    "\0",
    "\u2028",
]


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_a_terminal_is_not_told_what_to_do(text: str) -> None:
    """Names and contents of files come from strangers; control characters in them are escaped."""
    assert printable(text).isprintable()
    assert printable(f"a{text}b") != "ab"
    for error in (SafeloadError(f"a{text}b"), SafeloadError("x", where=f"a{text}b")):
        assert str(error).isprintable()
        assert text not in str(error)
        str(error).encode("utf-8")


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_a_hint_tells_a_terminal_nothing_either(text: str) -> None:
    """A hint may quote what a policy lists."""
    assert str(SafeloadError("x", hint=f"It admits a{text}b.")).isprintable()


def test_other_characters_stay_as_they_are() -> None:
    """Letters of all languages remain readable."""
    for text in ("größe/✓ 😀.joblib", "a b", "C:\\x", "it's", ""):
        assert printable(text) == text


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_says_itself_what_it_means(name: str) -> None:
    """Each public error has a docstring of its own."""
    import safeload

    assert CLASSES[name].__dict__["__doc__"]
    assert getattr(safeload, name) is CLASSES[name]


def hints() -> list[str]:
    """Return every hint that the package gives."""
    import ast
    from pathlib import Path

    found = []
    for path in Path(errors.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "hint":
                found += [ast.unparse(node.value)]
    return found


def test_no_hint_suggests_to_skip_a_check() -> None:
    """A user in trouble does what the hint says."""
    assert len(hints()) > 30
    unsafe = re.compile(
        r"pickle\.load|joblib\.load|skip|disable|turn off|ignore|verify=|chmod (777|666|a\+)", re.I
    )
    assert [hint for hint in hints() if unsafe.search(hint)] == []


def test_every_hint_is_a_sentence() -> None:
    """A hint follows a full stop in the message."""
    for hint in hints():
        text = hint.strip("f'\"")
        if text.isidentifier() or "." in hint.partition("(")[0]:
            continue  # Handed on from another error.
        assert text[0].isupper() or text.startswith(("`", "{")), hint
        assert text.endswith((".", "`", "}", "…")), hint
