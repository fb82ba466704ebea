"""Picklers that write down every global they refer to, for the signed statement.

Both are the pure-Python pickler of the standard library underneath, whose ``save_global`` every reference
passes through: classes, functions, and what a ``__reduce__`` names by text.
"""

from __future__ import annotations

import pickle
from types import FunctionType
from typing import IO, Any


class Recording:
    """Mixed into a Python pickler; its ``dispatch`` must come from :func:`dispatch_of`."""

    recorded: set[str]

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write a reference, and write it down."""
        qualified = name or getattr(obj, "__qualname__", None) or obj.__name__
        module = pickle.whichmodule(obj, qualified)  # type: ignore[attr-defined]
        self.recorded.add(f"{module}.{qualified}")
        super().save_global(obj, name)  # type: ignore[misc]

    def save_type(self, obj: Any) -> None:
        """Write a class; those of None, NotImplemented and Ellipsis are made by calling ``type``."""
        if obj in (type(None), type(NotImplemented), type(...)):
            self.recorded.add("builtins.type")
        super().save_type(obj)  # type: ignore[misc]


def dispatch_of(base: Any) -> dict[Any, Any]:
    """Return a pickler's dispatch table with references routed through :class:`Recording`."""
    table = dict(base.dispatch)
    table[FunctionType] = lambda pickler, obj: pickler.save_global(obj)
    table[type] = lambda pickler, obj: pickler.save_type(obj)
    return table


class RecordingPickler(Recording, pickle._Pickler):
    """A plain pickler that records."""

    dispatch = dispatch_of(pickle._Pickler)

    def __init__(self, file: IO[bytes], protocol: int | None = None) -> None:
        super().__init__(file, protocol)
        self.recorded = set()


class Sink:
    """Takes bytes and forgets them."""

    def write(self, data: bytes) -> int:
        """Take `data`."""
        return len(data)


def globals_of(obj: Any) -> set[str]:
    """Return what a plain protocol-5 pickle of `obj` refers to."""
    pickler = RecordingPickler(Sink(), protocol=5)  # type: ignore[arg-type]
    pickler.dump(obj)
    return pickler.recorded
