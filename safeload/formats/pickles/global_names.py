"""Which globals a pickle may refer to.

The signed statement of an object stored by safeload lists its globals. A pickle that refers to others is not
what its signer saw. A file that was signed as found has no list.

Globals that open other files are refused in any case. A signature covers one file. A pickle that reads a
second one (joblib's dumps before 0.10 kept each array in a file of its own) would let anyone who can write
that file decide the result. The check uses what a name resolves to, so an alias does not help. It does not
make an unsigned pickle harmless; unsigned pickles are refused earlier.
"""

from __future__ import annotations

import copyreg
import sys
from types import ModuleType
from typing import Any

from safeload import namelists
from safeload.errors import FormatNotAllowed, UntrustedType, printable

_BY_ARGUMENTS = frozenset(name for name, _ in namelists.EXACT_CALLS)
_LEGACY = frozenset(
    {
        ("joblib.numpy_pickle_compat", "NDArrayWrapper"),
        ("joblib.numpy_pickle_compat", "ZNDArrayWrapper"),
    }
)
_MEMMAP = frozenset({("numpy", "memmap"), ("numpy.core.memmap", "memmap"), ("numpy._core.memmap", "memmap")})


def require(admitted: frozenset[str] | None, full: str) -> None:
    """Require that the signed statement lists a global; None is no list."""
    if admitted is not None and full not in admitted:
        raise _untrusted(
            full,
            ", which its signed statement does not list",
            hint="Its signer did not know its contents. Ask them.",
        )


def require_allowed(allowed: frozenset[str] | None, full: str) -> None:
    """Require that a global is on the allowlist; None is no list."""
    # One exact call of each of _BY_ARGUMENTS is admitted, which the dry run has checked.
    if allowed is not None and full not in allowed and full not in _BY_ARGUMENTS:
        raise _untrusted(
            full,
            ", which is not on the allowlist",
            hint="If you know it and what it does, name it in allow=.",
        )


def refuse_extension(module: str, name: str) -> None:
    """Refuse a name that has an extension code: unpicklers would cache a stand-in given for it."""
    if (module, name) in copyreg._extension_registry:  # type: ignore[attr-defined]
        raise _untrusted(
            f"{module}.{name}",
            ", for which copyreg has a number",
            hint="Allowlists are for pickles that refer to everything by name.",
        )


def refuse_module_traversal(module: str, name: str) -> None:
    """Refuse a dotted name, just resolved, that leads through a module into another one.

    ``a`` with ``b.c`` and ``a.b`` with ``c`` are one full name. If ``b`` is a module, the first reaches what
    no list meant, as ``random`` with ``_os.system`` does.
    """
    *path, _ = name.split(".")
    found: Any = sys.modules.get(module)
    for part in path:
        found = getattr(found, part, None)
        if isinstance(found, ModuleType):
            raise _untrusted(f"{module}.{name}", " by way of another module")


def _untrusted(full: str, why: str, *, hint: str | None = None) -> UntrustedType:
    return UntrustedType(f"it refers to {printable(full)[:200]}{why}", hint=hint, types=(full,))


def refuse_file_openers(resolved: Any) -> Any:
    """Return what an unpickler may use for a global that it looked up.

    ``numpy.memmap`` becomes ``numpy.ndarray``: joblib names the class of a memory-mapped array in its dumps
    and reads back a plain array, and the class itself would open a file when called.

    Raises
    ------
    FormatNotAllowed
        The global opens files.
    """
    module = getattr(resolved, "__module__", None)
    name = getattr(resolved, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return resolved
    identity = (module, name)
    if identity in _MEMMAP:
        import numpy

        return numpy.ndarray
    if identity in _LEGACY:
        raise FormatNotAllowed(
            "it was written by joblib before 0.10, with each array in a file of its own, and the signature "
            "covers one file only",
            hint="Load it where you trust all its files, store it anew with safeload.dump, and sign that.",
        )
    # A path is data; what its methods do is not.
    path_method = module.partition(".")[0] == "pathlib" and "." in name
    pandas_reader = module.partition(".")[0] == "pandas" and name.startswith("read_")
    if path_method or pandas_reader or namelists.opens_files(f"{module}.{name}"):
        raise FormatNotAllowed(
            f"it opens another file while it is read ({module}.{name}), which the signature does not cover",
            hint="Store the object anew in a form that holds all its data.",
        )
    return resolved
