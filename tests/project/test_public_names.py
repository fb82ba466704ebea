"""The public interface is one list, and every name on it exists and has a docstring."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import safeload

NAMES = [name for name in safeload.__all__ if name != "__version__"]


def test_the_lazy_names_are_those_that_type_checkers_see() -> None:
    """The names that the package serves at run time are those in the block for type checkers."""
    tree = ast.parse(Path(safeload.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        (f"{node.module}", alias.asname)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    served = {(home, name) for home, names in safeload._HOMES.items() for name in names}
    assert seen == served


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_is_there_and_has_a_docstring(name: str) -> None:
    """Each name can be imported and has a docstring."""
    value = getattr(safeload, name)
    assert value.__name__ == name
    assert inspect.getdoc(value)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelled name fails as in any module."""
    with pytest.raises(AttributeError, match="laod"):
        safeload.laod  # noqa: B018


def test_every_error_is_in_the_tree() -> None:
    """Every error class is a SafeloadError and is part of the tree in the docstring."""
    from safeload import errors

    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    for cls in classes:
        if issubclass(cls, Warning):
            continue
        assert issubclass(cls, safeload.SafeloadError)
        assert cls.__name__ in (errors.__doc__ or "")
        assert cls is safeload.SafeloadError or cls.__name__ in safeload.__all__
