"""What a name says about the file that asks for it.

The list of dangerous names only makes the wording better: a name that is not among the known ones makes the
verdict ``unknown types`` whatever it is. So a name missing here lets nothing through, and only names that no
dump of data needs belong here.
"""

from __future__ import annotations

import _compat_pickle
import re

from safeload.scanning.report import Verdict

# What a data file may name without anything being said of it, where the caller gives no list.
STANDARD = frozenset(
    {
        "_codecs.encode",
        "builtins.bytearray",
        "builtins.bytes",
        "builtins.complex",
        "builtins.frozenset",
        "builtins.int",
        "builtins.object",
        "builtins.range",
        "builtins.set",
        "builtins.slice",
        "collections.OrderedDict",
        "collections.defaultdict",
        "collections.deque",
        "copyreg._reconstructor",
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "joblib.numpy_pickle.NumpyArrayWrapper",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy._core.numeric._frombuffer",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy.core.numeric._frombuffer",
        "numpy.dtype",
        "numpy.matrix",
        "numpy.memmap",
        "numpy.ndarray",
        "uuid.UUID",
    }
)

# Modules that no data needs anything of, with all that is below them.
_MODULES = frozenset(
    """
    os posix nt posixpath ntpath subprocess _posixsubprocess importlib _frozen_importlib _frozen_importlib_external
    _imp imp runpy pydoc timeit code codeop cProfile profile pstats trace pdb bdb pty tty socket _socket socketserver
    ssl shutil ctypes _ctypes webbrowser operator _operator sys pickle _pickle cPickle dill shelve marshal inspect gc
    atexit signal _signal threading _thread multiprocessing concurrent asyncio platform distutils setuptools
    pkg_resources pip ensurepip venv zipimport zipapp pkgutil commands popen2 urllib http ftplib smtplib poplib
    imaplib telnetlib nntplib xmlrpc sqlite3 _sqlite3 dbm tempfile fileinput linecache logging idlelib doctest
    unittest test _testcapi _xxsubinterpreters site sysconfig compileall py_compile lib2to3 turtledemo tkinter
    curses readline rlcompleter cmd antigravity this mailcap mailbox cgi cgitb wsgiref selectors select fcntl
    resource mmap _winapi winreg msvcrt faulthandler tracemalloc weakref_finalize ast symtable dis builtin cython
    pyximport cffi _cffi_backend nose pytest _pytest py IPython ipykernel jupyter_client paramiko fabric invoke
    numpy.distutils numpy.f2py numpy.testing numpy.ctypeslib numpy.lib.npyio numpy.lib._npyio_impl
    numpy.lib.format numpy.lib._format_impl numpy.lib._datasource numpy.lib.utils numpy.lib._utils_impl
    pandas.io pandas.core.computation pandas.core.config_init pandas.util pandas._testing pandas.compat
    scipy.io scipy.datasets scipy._lib._testutils joblib.memory joblib.parallel joblib.externals.loky
    joblib.externals.cloudpickle joblib.numpy_pickle_compat joblib.backports sklearn.datasets sklearn.utils.fixes
    torch.hub torch.jit torch.package torch.serialization torch.utils.cpp_extension torch.utils.bottleneck
    torch.utils.collect_env torch.utils.data.datapipes torch._inductor torch._dynamo torch.distributed
    torch.multiprocessing torch.testing torch.fx torch.onnx tensorflow keras
    """.split()
)
_NAMES = frozenset(
    {
        *(
            f"builtins.{name}"
            for name in """eval exec compile open __import__ getattr setattr delattr globals locals vars input
            breakpoint apply execfile file reload map filter exit quit help print memoryview __build_class__
            __dict__ __loader__ __spec__""".split()
        ),
        *(f"functools.{name}" for name in "partial partialmethod reduce singledispatch".split()),
        *(
            f"types.{name}"
            for name in "FunctionType LambdaType CodeType MethodType ModuleType new_class".split()
        ),
        *(f"io.{name}" for name in "open open_code FileIO".split()),
        *(f"_io.{name}" for name in "open open_code FileIO".split()),
        *(f"codecs.{name}" for name in "open EncodedFile getreader getwriter lookup register".split()),
        *(f"copyreg.{name}" for name in "pickle constructor add_extension remove_extension".split()),
        *(
            f"itertools.{name}"
            for name in "starmap accumulate dropwhile takewhile filterfalse groupby".split()
        ),
        *(
            f"{module}.open"
            for module in ("gzip", "bz2", "lzma", "tokenize", "tarfile", "zipfile", "wave", "aifc")
        ),
        *(
            "gzip.GzipFile",
            "bz2.BZ2File",
            "lzma.LZMAFile",
            "zipfile.ZipFile",
            "tarfile.TarFile",
            "zipfile.main",
        ),
        *(
            f"numpy.{name}"
            for name in """load loads save savez savez_compressed savetxt fromfile fromregex genfromtxt loadtxt
            DataSource vectorize apply_along_axis apply_over_axes piecewise frompyfunc fromfunction
            show_config info lookfor source test""".split()
        ),
        *("numpy.core.memmap.memmap", "numpy.core.records.fromfile", "numpy.ma.mrecords.openfile"),
        *(
            "numpy.core._internal._ctypes",
            "numpy.core.multiarray.fromfile",
            "numpy._core.multiarray.fromfile",
        ),
        *(
            "numpy.random._examples",
            "numpy.lib.function_base.vectorize",
            "numpy.lib._function_base_impl.vectorize",
        ),
        *("numpy.lib.shape_base.apply_along_axis", "numpy.lib._shape_base_impl.apply_along_axis"),
        *(f"pandas.{name}" for name in "eval test show_versions HDFStore ExcelFile ExcelWriter".split()),
        *(
            "pandas.core.frame.DataFrame.query",
            "pandas.core.frame.DataFrame.eval",
            "pandas.core.series.Series.apply",
        ),
        *(
            f"joblib.{name}"
            for name in "load dump Memory Parallel delayed wrap_non_picklable_objects".split()
        ),
        *(
            "joblib.numpy_pickle.load",
            "joblib.numpy_pickle.load_temporary_memmap",
            "joblib.numpy_pickle.dump",
        ),
        *("torch.load", "torch.save", "torch.compile", "torch.storage._load_from_bytes"),
        *("torch.classes.load_library", "torch.ops.load_library", "torch._utils_internal.load"),
        *("cloudpickle.load", "cloudpickle.loads", "cloudpickle.cloudpickle.loads"),
        *("cloudpickle.cloudpickle.subimport", "cloudpickle.cloudpickle._make_function"),
        *("cloudpickle.cloudpickle._builtin_type", "cloudpickle.cloudpickle._function_setstate"),
        *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "jsonpickle.decode", "lightgbm.sklearn.open"),
        *(
            "numexpr.evaluate",
            "srsly.pickle_loads",
            "srsly.pickle.loads",
            "bsddb.rnopen",
            "sre_compile.compile",
        ),
    }
)
_DUNDER = re.compile(r"__\w+__")
# Attributes that lead from any object to others.
_LEADS_AWAY = frozenset(
    {"modules", "func_globals", "gi_frame", "f_globals", "f_builtins", "tb_frame", "co_code"}
)
_PANDAS_READERS = re.compile(r"pandas\.(?:[\w.]+\.)?(?:read_\w+|to_pickle)")
# Their state is handed to a parser in C.
_BOOSTERS = frozenset(
    {"xgboost.core.Booster", "xgboost.Booster", "lightgbm.basic.Booster", "lightgbm.Booster"}
)
_PARSER = "hands bytes of the file to a parser in C, which nobody can look into from here"

GETATTR = "builtins.getattr"


def looked_up(module: str, name: str, protocol: int) -> tuple[str, str]:
    """Return under which name an unpickler looks a global up.

    Below protocol 3, names of Python 2 are translated.
    """
    if protocol < 3:
        if (module, name) in _compat_pickle.NAME_MAPPING:
            return _compat_pickle.NAME_MAPPING[(module, name)]
        return _compat_pickle.IMPORT_MAPPING.get(module, module), name
    return module, name


def judge(module: str, name: str, known: frozenset[str], own_state: frozenset[str]) -> tuple[Verdict, str]:
    """Say what a name makes of a file.

    Parameters
    ----------
    module, name
        As they are looked up.
    known
        Names that may be ``known types``.
    own_state
        Names of types that run what stands in their state; never known.
    """
    full = f"{module}.{name}"
    reason = _danger(module, name, full)
    if reason is not None:
        return "dangerous", f"names {full}, {reason}"
    if full in own_state:
        return "unknown types", f"names {full}, which runs what stands in its state"
    if full in known:
        return "known types", f"names {full}"
    if full in _BOOSTERS:
        return "unknown types", f"names {full}, which {_PARSER}"
    return "unknown types", f"names {full}, which is not among the known names"


def _danger(module: str, name: str, full: str) -> str | None:
    """Return why a name is dangerous, or None."""
    if full == GETATTR:
        return None  # By what it is called with; see states.py.
    if module in ("__builtin__", "builtins") and f"builtins.{name.partition('.')[0]}" in _NAMES:
        return "which runs or reaches what it is given"
    parts = module.split(".")
    if any(".".join(parts[: count + 1]) in _MODULES for count in range(len(parts))):
        return "of a module that no data needs"
    path = name.split(".")
    if any(f"{module}.{'.'.join(path[: count + 1])}" in _NAMES for count in range(len(path))):
        return "which runs, opens or reaches what it is given"
    if _PANDAS_READERS.fullmatch(full):
        return "which opens what it is given"
    if len(path) > 1 or (_DUNDER.fullmatch(name) and module != "copyreg"):
        # `random` and `_os.system`: a name with a dot reaches whatever the module has imported.
        for part in path:
            if (
                part.lstrip("_") in _MODULES
                or part in _LEADS_AWAY
                or (_DUNDER.fullmatch(part) and part != "__new__")
            ):
                return "a path that leads out of its module"
        if path[-1] in (
            "system",
            "popen",
            "eval",
            "exec",
            "execv",
            "spawn",
            "run",
            "Popen",
            "call",
            "check_output",
        ):
            return "a path that leads out of its module"
    elif f"{module}.{name}" in _MODULES or (
        name in _MODULES and name not in ("code", "select", "resource", "test")
    ):
        return "a module and no type"
    return None
