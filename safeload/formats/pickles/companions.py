"""What would open another file while a pickle is read.

A signature covers one file. A pickle that reads a second one while it is loaded (joblib's dumps before 0.10
kept each array in a file of its own) lets whoever can write that second file decide about the result. Such
names are refused when the unpickler looks them up, by what they resolve to, so that an alias does not help.

This is about files that are not covered by the signature. It does not make an unsigned pickle harmless;
nothing unsigned comes this far.
"""

from __future__ import annotations

from typing import Any

from safeload.errors import FormatNotAllowed

# By module and qualified name of the object itself, with every name that numpy, joblib and the standard
# library report for them.
_OPENERS = frozenset(
    {
        ("_io", "open"),
        ("_io", "FileIO"),
        ("io", "open"),
        ("_io", "open_code"),
        ("posix", "open"),
        ("nt", "open"),
        ("codecs", "open"),
        ("tokenize", "open"),
        ("gzip", "open"),
        ("gzip", "GzipFile"),
        ("bz2", "open"),
        ("bz2", "BZ2File"),
        ("lzma", "open"),
        ("lzma", "LZMAFile"),
        ("zipfile", "ZipFile"),
        ("tarfile", "TarFile"),
        ("tarfile", "TarFile.open"),
        ("shelve", "open"),
        ("joblib.numpy_pickle", "load"),
        ("joblib.numpy_pickle", "load_temporary_memmap"),
        ("joblib.numpy_pickle_compat", "load_compatibility"),
        ("joblib.backports", "make_memmap"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy", "fromregex"),
        ("numpy", "genfromtxt"),
        ("numpy", "loadtxt"),
        ("numpy.lib.npyio", "load"),
        ("numpy.lib._npyio_impl", "load"),
        ("numpy.lib.format", "open_memmap"),
        ("numpy.lib._format_impl", "open_memmap"),
        ("numpy.memmap", "__new__"),
    }
)
# Packages and modules that are about files, with all that is in them.
_OPENING_MODULES = (
    "pandas.io.",
    "linecache.",
    "fileinput.",
    "runpy.",
    "shelve.",
    "dbm.",
    "sqlite3.",
    "_sqlite3.",
    "tempfile.",
    "shutil.",
)
_LEGACY = frozenset(
    {
        ("joblib.numpy_pickle_compat", "NDArrayWrapper"),
        ("joblib.numpy_pickle_compat", "ZNDArrayWrapper"),
    }
)
_MEMMAP = frozenset({("numpy", "memmap"), ("numpy.core.memmap", "memmap"), ("numpy._core.memmap", "memmap")})


def without_companions(resolved: Any) -> Any:
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
    file_module = f"{module}.".startswith(_OPENING_MODULES)
    if identity in _OPENERS or path_method or pandas_reader or file_module:
        raise FormatNotAllowed(
            f"it opens another file while it is read ({module}.{name}), which the signature does not cover",
            hint="Store the object anew in a form that holds all its data.",
        )
    return resolved
