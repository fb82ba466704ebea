"""Helpers of numpy, scipy, pandas, joblib and scikit-learn that run or write what they are given."""

from __future__ import annotations

from collections.abc import Callable

from corpus.assembler import EXEC, SYSTEM, Op, build, call, method, name, pickled
from corpus.entry import Place, Technique
from corpus.evaluation import any_arguments

_TESTING = "numpy.testing._private.utils"


def _array() -> Op:
    return call(name("numpy", "zeros"), 1)


_WAYS: dict[str, tuple[str, Callable[[Place], Op]]] = {
    "numpy runstring": ("text", lambda p: call(name(_TESTING, "runstring"), p.code, {})),
    "numpy measure": ("text that is timed", lambda p: call(name(_TESTING, "measure"), p.code)),
    "numpy f2py getlincoef": (
        "a Fortran expression that is evaluated",
        lambda p: call(name("numpy.f2py.crackfortran", "getlincoef"), p.code, {}),
    ),
    "numpy f2py myeval": (
        "the evaluation itself",
        lambda p: call(name("numpy.f2py.crackfortran", "myeval"), p.code, {}),
    ),
    "numpy frompyfunc": (
        "a ufunc of exec",
        lambda p: call(call(name("numpy", "frompyfunc"), EXEC, 1, 1), p.code),
    ),
    "numpy vectorize": ("over an array", lambda p: call(call(name("numpy", "vectorize"), SYSTEM), p.command)),
    "numpy apply_along_axis": (
        "a function over text",
        lambda p: call(
            name("numpy", "apply_over_axes"),
            any_arguments(p),
            _array(),
            (0,),
        ),
    ),
    "numpy fromiter": (
        "an iterator of calls",
        lambda p: call(name("numpy", "fromiter"), call(name("builtins", "map"), SYSTEM, [p.command]), "i8"),
    ),
    "numpy memmap": (
        "a file that is made",
        lambda p: call(name("numpy", "memmap"), p.marker, "u1", "w+", 0, (1,)),
    ),
    "numpy open_memmap": (
        "the same for npy",
        lambda p: call(name("numpy.lib.format", "open_memmap"), p.marker, "w+", "u1", (1,)),
    ),
    "numpy savetxt": ("a text file", lambda p: call(name("numpy", "savetxt"), p.marker, [1])),
    "numpy tofile": ("raw bytes", lambda p: method(_array(), "tofile", p.marker)),
    "numpy dump": ("a pickle of it", lambda p: method(_array(), "dump", p.marker)),
    "scipy quad": (
        "a function that is integrated",
        lambda p: call(name("scipy.integrate", "quad"), any_arguments(p), 0, 1),
    ),
    "scipy wavfile": ("sound", lambda p: call(name("scipy.io.wavfile", "write"), p.marker, 1, _array())),
    "scipy FortranFile": ("Fortran", lambda p: call(name("scipy.io", "FortranFile"), p.marker, "w")),
    "scipy MapWrapper": (
        "a pool that is not one",
        lambda p: call(
            name("builtins", "list"), call(call(name("scipy._lib._util", "MapWrapper"), 1), EXEC, [p.code])
        ),
    ),
    "pandas eval": (
        "an expression that calls a method",
        lambda p: call(
            name("pandas", "eval"),
            "p.touch()",
            "pandas",
            "python",
            {"p": call(name("pathlib", "Path"), p.marker)},
        ),
    ),
    "pandas pipe": (
        "calls what it is given",
        lambda p: call(name("pandas.core.common", "pipe"), p.code, EXEC),
    ),
    "pandas apply_if_callable": (
        "the same",
        lambda p: call(name("pandas.core.common", "apply_if_callable"), EXEC, p.code),
    ),
    "pandas Series.map": (
        "over one element",
        lambda p: method(call(name("pandas", "Series"), [p.code]), "map", EXEC),
    ),
    "pandas DataFrame.apply": (
        "by a dotted name",
        lambda p: call(name("pandas", "Series.apply"), call(name("pandas", "Series"), [p.code]), EXEC),
    ),
    "pandas get_handle": ("a file", lambda p: call(name("pandas.io.common", "get_handle"), p.marker, "w")),
    "pandas to_csv": ("a table", lambda p: method(call(name("pandas", "DataFrame")), "to_csv", p.marker)),
    "pandas to_pickle": ("a pickle", lambda p: call(name("pandas", "to_pickle"), 1, p.marker)),
    "joblib dump": ("a file", lambda p: call(name("joblib.numpy_pickle", "dump"), 1, p.marker)),
    "joblib mkdirp": ("a folder", lambda p: call(name("joblib.disk", "mkdirp"), p.marker)),
    "joblib BinaryZlibFile": (
        "a compressed file",
        lambda p: call(name("joblib.compressor", "BinaryZlibFile"), p.marker, "wb"),
    ),
    "joblib make_memmap": (
        "a map",
        lambda p: call(name("joblib.backports", "make_memmap"), p.marker, "u1", "w+", 0, (1,)),
    ),
    "joblib Parallel": (
        "tasks, run in this process",
        lambda p: call(call(name("joblib.parallel", "Parallel"), 1), [(EXEC, (p.code, {}), {})]),
    ),
    "cloudpickle": (
        "a pickle by the library that joblib's workers use",
        lambda p: call(name("cloudpickle", "loads"), pickled(call(EXEC, p.code))),
    ),
    "cloudpickle _make_function": (
        "its way to make functions",
        lambda p: call(
            call(
                name("cloudpickle.cloudpickle", "_make_function"),
                call(name("builtins", "compile"), p.code, "x", "exec"),
                {},
                "f",
                None,
                None,
            )
        ),
    ),
    "sklearn FunctionTransformer": (
        "a function that transforms",
        lambda p: method(
            call(name("sklearn.preprocessing", "FunctionTransformer"), EXEC), "fit_transform", p.code
        ),
    ),
    "sklearn clone": (
        "a copy by the object's own method",
        lambda p: call(
            name("sklearn.base", "clone"),
            build(
                call(name("types", "SimpleNamespace")),
                {"__sklearn_clone__": call(name("functools", "partial"), EXEC, p.code)},
            ),
        ),
    ),
    "sklearn parallel wrapper": (
        "what workers call",
        lambda p: call(
            build(
                call(name("sklearn.utils.parallel", "_FuncWrapper"), EXEC),
                {"config": {}, "warning_filters": []},
            ),
            p.code,
            {},
        ),
    ),
    "sklearn dump_svmlight_file": (
        "a data file",
        lambda p: call(name("sklearn.datasets", "dump_svmlight_file"), [[1.0]], [1.0], p.marker),
    ),
}


TECHNIQUES = [
    Technique(
        way,
        way.split()[0] if way.split()[0] in ("numpy", "scipy", "pandas", "joblib", "sklearn") else "joblib",
        about,
        lambda place, made=made: pickled(made(place)),
        needs=tuple(package for package in ("pandas", "cloudpickle") if way.startswith(package)),
    )
    for way, (about, made) in _WAYS.items()
]
