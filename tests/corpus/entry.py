"""What a technique is: how its file is made, which loader it is for, and whether loading it runs something.

A file, when the loader it is for reads it, creates the file (or folder) ``marker`` in its own folder and
nothing else. Files are made afresh for each folder; none is committed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from corpus.assembler import Op, pickled

Loader = Literal["pickle", "pickle in Python", "repeated pickle", "joblib", "numpy", "skops"]


@dataclass(frozen=True)
class Place:
    """The folder that a file is made for.

    Parameters
    ----------
    folder
        Absolute; the file lies in it, and the marker will.
    """

    folder: Path

    @property
    def marker(self) -> str:
        """The path of the marker."""
        return str(self.folder / "marker")

    @property
    def command(self) -> str:
        """A shell command that creates it."""
        return f"touch '{self.marker}'"

    @property
    def code(self) -> str:
        """A Python expression that creates it."""
        return f"open({self.marker!r}, 'w').close()"


Contents = bytes | dict[str, bytes]


@dataclass(frozen=True)
class Technique:
    """One way to make a loader run something.

    Parameters
    ----------
    name
        Unique, as a file name.
    category
        What stands in the table.
    about
        One line.
    make
        Returns the file's bytes, or several files by name, of which ``""`` is the one to be loaded.
    loader
        Whom it is for.
    suffix
        Of the file's name.
    executes
        Whether the marker appears with the installed versions; held by ``test_corpus_executes.py``.
    needs
        Modules without which it is not made.
    """

    name: str
    category: str
    about: str
    make: Callable[[Place], Contents]
    loader: Loader = "pickle"
    suffix: str = ".pkl"
    executes: bool = True
    needs: tuple[str, ...] = ()

    def write(self, folder: Path) -> Path:
        """Make the file in a folder of its own, and return its path."""
        folder.mkdir(parents=True)
        made = self.make(Place(folder))
        files = made if isinstance(made, dict) else {"": made}
        for name, data in files.items():
            (folder / (name or self.filename)).write_bytes(data)
        return folder / self.filename

    @property
    def filename(self) -> str:
        """The name of the file to be loaded."""
        return self.name.replace(" ", "_").replace("/", "_") + self.suffix


@cache
def _importable(module: str) -> bool:
    return find_spec(module) is not None


def installed(modules: Iterable[str]) -> bool:
    """Tell whether modules can be imported; the module ``python3.12-`` stands for older than Python 3.12."""
    return all(
        sys.version_info < tuple(map(int, module[6:-1].split(".")))
        if module.startswith("python") and module.endswith("-")
        else _importable(module)
        for module in modules
    )


def pickles_of(
    category: str, ways: dict[str, tuple[str, Callable[[Place], Op]]], needs: dict[str, tuple[str, ...]]
) -> list[Technique]:
    """Return techniques whose file is a pickle of one object, given as one line and what makes the object."""
    return [
        Technique(
            way, category, about, lambda place, made=made: pickled(made(place)), needs=needs.get(way, ())
        )
        for way, (about, made) in ways.items()
    ]
