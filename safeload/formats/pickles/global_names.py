"""What a pickle may refer to: the globals that its signed statement lists, if it lists them.

The list is made when an object is stored, so a file that asks for more is not what its signer believed it to
be. A file that was signed as it was found has no list.
"""

from __future__ import annotations

import copyreg
import sys
from types import ModuleType
from typing import Any

from safeload import namelists
from safeload.errors import UntrustedType, printable

_BY_ARGUMENTS = frozenset(name for name, _ in namelists.EXACT_CALLS)


def require(admitted: frozenset[str] | None, full: str) -> None:
    """Raise unless a global may be looked up.

    Parameters
    ----------
    admitted
        Exact names; None for no list.
    full
        Its full name.

    Raises
    ------
    UntrustedType
    """
    if admitted is not None and full not in admitted:
        raise UntrustedType(
            f"it refers to {printable(full)[:200]}, which its signed statement does not list",
            hint="Whoever signed it did not know what is in it. Ask them.",
            types=(full,),
        )


def require_allowed(allowed: frozenset[str] | None, full: str) -> None:
    """Raise unless a global, by its full name, is on an allowlist; None is no list.

    Raises
    ------
    UntrustedType
    """
    # One call of each of these is admitted, which the dry run has checked.
    if allowed is not None and full not in allowed and full not in _BY_ARGUMENTS:
        raise UntrustedType(
            f"it refers to {printable(full)[:200]}, which is not on the allowlist",
            hint="If you know it and what it does, name it in allow=.",
            types=(full,),
        )


def forget_extensions() -> None:
    """Let numbers that stand for names (:func:`copyreg.add_extension`) be looked up by their names again.

    Unpicklers remember what such a number led to before, in all of the process, and then do not ask.
    """
    copyreg.clear_extension_cache()


def refuse_extension(module: str, name: str) -> None:
    """Raise if a number may stand for a name: unpicklers would remember what is given for it.

    Raises
    ------
    UntrustedType
    """
    if (module, name) in copyreg._extension_registry:  # type: ignore[attr-defined]
        raise UntrustedType(
            f"it refers to {printable(f'{module}.{name}')[:200]}, for which copyreg has a number",
            hint="Allowlists are for pickles that refer to everything by name.",
            types=(f"{module}.{name}",),
        )


def refuse_module_traversal(module: str, name: str) -> None:
    """Raise if a name with dots, which was just resolved, leads through a module into another one.

    ``a`` with ``b.c`` and ``a.b`` with ``c`` are one text. The first, where ``b`` is a module, is how
    ``random`` with ``_os.system`` gets at what a list of names never meant.

    Raises
    ------
    UntrustedType
    """
    *path, _ = name.split(".")
    found: Any = sys.modules.get(module)
    for part in path:
        found = getattr(found, part, None)
        if isinstance(found, ModuleType):
            raise UntrustedType(
                f"it refers to {printable(f'{module}.{name}')[:200]} by way of another module",
                types=(f"{module}.{name}",),
            )
