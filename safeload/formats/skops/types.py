"""Checks that each skops loader makes a class of its own kind, once every name is on the list.

An allowlist says which names may be used, not how. A user may trust a function because a genuine file holds
it as a value; that does not allow a file to call it, as some loaders call whatever they get as a class. So
each class is looked up here, which runs no more code than skops would, and compared with its loader.
"""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from safeload.errors import MalformedError, UntrustedType, brief
from safeload.formats.skops.schema import Schema
from safeload.namelists import why_it_runs

# Built-in types of plain data, which no policy needs to name.
PLAIN = frozenset(
    f"builtins.{name}"
    for name in (
        *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "set"),
        *("slice", "str", "tuple", "NoneType"),
    )
)


def check_names(
    schema: Schema, trusted: frozenset[str], defaults: frozenset[str] | None, *, signed: bool
) -> None:
    """Refuse names that are not admitted, without looking any up.

    Parameters
    ----------
    schema : Schema
        What the file refers to.
    trusted : frozenset of str
        Names that are trusted in addition to skops' own.
    defaults : frozenset of str, optional
        Those of skops' own that the policy admits; None for all.
    signed : bool
        Whether the file is signed. If not, no type that runs its own state is made.

    Raises
    ------
    UntrustedType
        Its `types` are exactly the names that are not admitted.
    """
    names = schema.names()
    if not signed:
        running = sorted(name for name in names if why_it_runs(name) is not None)
        if running:
            raise UntrustedType(
                f"{brief(', '.join(running))} runs its own state: {why_it_runs(running[0])}",
                hint="No allowlist admits that. The file can be loaded if someone whom you trust signs it.",
                types=tuple(running),
            )
    if defaults is not None:
        missing = tuple(sorted(names - trusted - defaults - PLAIN))
        if missing:
            raise UntrustedType(
                f"the policy does not admit, of the types that skops trusts, {brief(', '.join(missing))}",
                hint="They are named in skops_defaults, or by the caller in trusted=.",
                types=missing,
            )


def check_kinds(schema: Schema, trusted: frozenset[str]) -> None:
    """Look up every class and refuse those that do not fit their loader.

    Call it only once all names of the schema are on the list.

    Raises
    ------
    MalformedError
        A loader and its class disagree.
    UntrustedType
        A function is neither on the list nor one of numpy's or SciPy's ufuncs.
    """
    kinds = _kinds()
    for loader, module, name in sorted(schema.made):
        kind = kinds.get(loader)
        if kind is None:
            continue  # It makes one class only, which the schema's check compared by name.
        found = getattr(importlib.import_module(module), name, None)
        if not kind(found):
            raise MalformedError(f"the loader {loader} does not make a {brief(f'{module}.{name}')}")
        if loader == "FunctionNode" and f"{module}.{name}" not in trusted and not _is_ufunc(found):
            raise UntrustedType(
                f"the function {brief(f'{module}.{name}')} is not on the allowlist",
                types=(f"{module}.{name}",),
            )


def _kinds() -> dict[str, Callable[[Any], bool]]:
    """Return a predicate for each loader that tells whether it makes a class."""
    import numpy as np
    import scipy.sparse as sparse

    def subclass_of(*bases: type) -> Callable[[Any], bool]:
        return lambda found: isinstance(found, type) and issubclass(found, bases)

    sparse_types = tuple(getattr(sparse, name) for name in ("spmatrix", "sparray") if hasattr(sparse, name))
    arrays: tuple[type, ...] = (np.ndarray, np.generic)
    # Types with loaders of their own. An object of one, made as a plain object, would escape their checks.
    others = (
        *(dict, list, set, tuple, bytes, bytearray, slice, FunctionType, MethodType, partial, type),
        *(BuiltinFunctionType, operator.attrgetter, operator.itemgetter, operator.methodcaller),
        *(*arrays, np.dtype, np.ufunc, np.random.RandomState, np.random.Generator, *sparse_types),
    )

    def is_object(found: Any) -> bool:
        return isinstance(found, type) and not issubclass(found, others)

    return {
        "DictNode": subclass_of(dict),
        "ListNode": subclass_of(list),
        "SetNode": subclass_of(set),
        "TupleNode": subclass_of(tuple),
        "BytesNode": subclass_of(bytes),
        "BytearrayNode": subclass_of(bytearray),
        # A memmap opens the file that it is given.
        "NdArrayNode": lambda found: (
            subclass_of(*arrays)(found) and not issubclass(found, np.memmap | np.ma.MaskedArray)
        ),
        "SparseMatrixNode": subclass_of(*sparse_types),
        "FunctionNode": lambda found: callable(found) and not isinstance(found, type),
        "TypeNode": lambda found: isinstance(found, type | BuiltinFunctionType),
        "ObjectNode": is_object,
        "ConstructorFromReduceNode": is_object,
        "MethodNode": lambda found: isinstance(found, type),
        "LossNode": is_object,
    }


def _is_ufunc(found: Any) -> bool:
    import numpy as np

    # SciPy 2 wraps some of its own.
    return isinstance(found, np.ufunc) or type(found).__module__.startswith("scipy.special.")
