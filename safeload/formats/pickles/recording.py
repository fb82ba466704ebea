"""Picklers that record every global they refer to, for the signed statement, and how they write arrays.

The C pickler asks :meth:`RecordingPickler.reducer_override` about every object whose type is not built in:
classes and functions themselves, what reductions call, and objects that reduce to a name. :class:`Recording`
is mixed into a Python pickler, whose ``save_global`` every reference passes through.

Arrays within a pickle are in numpy's oldest form, at every protocol: an empty array that is given its state.
All versions of numpy read it, the array is writable afterwards as with joblib, and numpy itself ensures that
bytes never become objects. (That of protocol 5 names a function that numpy 1 does not have, and what was
read-only stays so.)
"""

from __future__ import annotations

import copyreg
import pickle
import sys
from types import FunctionType
from typing import IO, Any

_SINGLETONS = (type(None), type(NotImplemented), type(...))


def _protocol(protocol: int | None) -> int:
    """Return which protocol is written."""
    if protocol is None:
        return 5
    return pickle.HIGHEST_PROTOCOL if protocol < 0 else protocol


def global_name(obj: Any, name: str | None = None) -> str:
    """Return the ``module.qualname`` under which a pickler refers to a class or function."""
    qualified = name or getattr(obj, "__qualname__", None) or obj.__name__
    module = pickle.whichmodule(obj, qualified)  # type: ignore[attr-defined]
    return f"{module}.{qualified}"


class RecordingPickler(pickle.Pickler):
    """A plain pickler that records.

    Parameters
    ----------
    file
        Takes bytes.
    protocol
        As for :class:`pickle.Pickler`; None means 5.
    """

    def __init__(self, file: IO[bytes], protocol: int | None = None) -> None:
        self.reduction_protocol = _protocol(protocol)
        super().__init__(file, self.reduction_protocol)
        self.recorded: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        """Do what the pickler would do, and write down what it refers to."""
        kind = type(obj)
        if kind is type or kind is FunctionType:
            # The singletons' classes are made by calling `type`, which comes through here itself.
            if obj not in _SINGLETONS:
                self.recorded.add(global_name(obj))
            return NotImplemented
        reduce = copyreg.dispatch_table.get(kind)
        if reduce is not None:
            reduced = reduce(obj)
        elif issubclass(kind, type):
            self.recorded.add(global_name(obj))
            return NotImplemented
        else:
            reduced = obj.__reduce_ex__(self.reduction_protocol)
        if isinstance(reduced, str):
            self.recorded.add(global_name(obj, reduced))
        return reduced


class Recording:
    """Mixed into a Python pickler; its ``dispatch`` must come from :func:`dispatch_of`."""

    recorded: set[str]

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write a reference, and write it down."""
        self.recorded.add(global_name(obj, name))
        super().save_global(obj, name)  # type: ignore[misc]

    def save_type(self, obj: Any) -> None:
        """Write a class; those of None, NotImplemented and Ellipsis are made by calling ``type``."""
        if obj in _SINGLETONS:
            self.recorded.add("builtins.type")
        super().save_type(obj)  # type: ignore[misc]


def dispatch_of(base: Any) -> dict[Any, Any]:
    """Return a pickler's dispatch table with references routed through :class:`Recording`."""
    table = dict(base.dispatch)
    table[FunctionType] = lambda pickler, obj: pickler.save_global(obj)
    table[type] = lambda pickler, obj: pickler.save_type(obj)
    return table


def array_types() -> tuple[type, ...]:
    """Return the exact types that are treated as arrays; none, while numpy is not imported."""
    numpy = sys.modules.get("numpy")
    return () if numpy is None else (numpy.ndarray, numpy.memmap)


def unmapped(array: Any) -> Any:
    """Return a plain array in place of one on a mapped file, which is stored by its values."""
    import numpy

    return array if type(array) is numpy.ndarray else numpy.asarray(array)


def reduction(array: Any) -> Any:
    """Return what makes an array anew, as ``__reduce__`` does."""
    return unmapped(array).__reduce__()


def flat_bytes(array: Any) -> memoryview | None:
    """Return the bytes of a contiguous array as they lie in memory, None where that is not possible."""
    import numpy

    contiguous = array.flags.c_contiguous or array.flags.f_contiguous
    if not contiguous or not array.nbytes or array.dtype.hasobject:
        return None
    return memoryview(array.reshape(-1, order="A").view(numpy.uint8))
