"""What would open another file while a pickle is read.

A signature covers one file. A pickle that reads a second one while it is loaded (joblib's dumps before 0.10
kept each array in a file of its own) lets whoever can write that second file decide about the result. Such
names are refused when the unpickler looks them up, by what they resolve to, so that an alias does not help.

This is about files that are not covered by the signature. It does not make an unsigned pickle harmless;
nothing unsigned comes this far.
"""

from __future__ import annotations

from typing import Any

from safeload import namelists
from safeload.errors import FormatNotAllowed

_LEGACY = frozenset(
    {
        ("joblib.numpy_pickle_compat", "NDArrayWrapper"),
        ("joblib.numpy_pickle_compat", "ZNDArrayWrapper"),
    }
)
_MEMMAP = frozenset({("numpy", "memmap"), ("numpy.core.memmap", "memmap"), ("numpy._core.memmap", "memmap")})


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
