"""Source text or code objects that the standard library runs."""

from __future__ import annotations

import marshal
from collections.abc import Callable

from corpus.assembler import EXEC, Op, attribute, build, call, call_with, method, name, pickled, value
from corpus.entry import Place, pickles_of


def _code(place: Place) -> bytes:
    return marshal.dumps(compile(place.code, "x", "exec"))


def _function(place: Place) -> Op:
    return call(name("types", "FunctionType"), call(name("marshal", "loads"), _code(place)), {})


def any_arguments(place: Place, *, once: bool = False) -> Op:
    """Push a function that takes any arguments, creates the marker (at its first call) and returns 1.0."""
    holder: dict[str, object] = {}
    act = f"ran.append(1) or {place.code}" if once else place.code
    exec(f"def f(*arguments):\n if not ran: {act}\n return 1.0", holder)
    code = holder["f"].__code__  # type: ignore[attr-defined]
    scope = {"__builtins__": name("builtins", "__dict__"), "ran": []}
    return call(name("types", "FunctionType"), call(name("marshal", "loads"), marshal.dumps(code)), scope)


def _raw_code(place: Place) -> Op:
    """Call the constructor of code objects with every field."""
    code = compile(place.code, "x", "exec")
    fields = (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_nlocals,
        code.co_stacksize,
        code.co_flags,
        code.co_code,
        code.co_consts,
        code.co_names,
        code.co_varnames,
        code.co_filename,
        code.co_name,
        code.co_qualname,
        code.co_firstlineno,
        code.co_linetable,
        code.co_exceptiontable,
        (),
        (),
    )
    return call(EXEC, call(name("types", "CodeType"), *fields))


def _annotations(place: Place) -> Op:
    holder = call(name("types", "FunctionType"), name("textwrap", "dedent.__code__"), {})
    holder = build(holder, (None, {"__annotations__": {"a": place.code}}))
    return call_with(name("inspect", "get_annotations"), holder, eval_str=True)


def _scheduled(place: Place) -> Op:
    scheduler = call(name("sched", "scheduler"))
    memoized = Op(scheduler + b"q\x00")
    return Op(
        call(attribute(memoized, "enter"), 0, 1, EXEC, (place.code,))
        + b"0"
        + call(attribute(Op(b"h\x00"), "run"))
    )


_WAYS: dict[str, tuple[str, Callable[[Place], Op]]] = {
    "exec": ("text", lambda p: call(EXEC, p.code)),
    "eval": ("text", lambda p: call(name("builtins", "eval"), p.code)),
    "compile and exec": (
        "in two steps",
        lambda p: call(EXEC, call(name("builtins", "compile"), p.code, "x", "exec")),
    ),
    "exec of look-alike letters": (
        "identifiers that NFKC makes the plain ones",
        lambda p: call(
            EXEC, p.code.replace("open", "\uff4f\uff50\uff45\uff4e", 1).replace("close", "\uff43lose")
        ),
    ),
    "exec of decoded text": (
        "so that the text is not in the file",
        lambda p: call(EXEC, call(name("codecs", "decode"), p.code.encode().hex().encode(), "hex")),
    ),
    "marshal and FunctionType": ("a function of raw code", lambda p: call(_function(p))),
    "CodeType": ("a code object from its fields", _raw_code),
    "timeit.timeit": (
        "the set-up statement",
        lambda p: call(name("timeit", "timeit"), "pass", p.code, name("time", "perf_counter"), 1),
    ),
    "timeit.main": ("the command line", lambda p: call(name("timeit", "main"), ["-n1", "-r1", p.code])),
    "timeit.repeat": (
        "the statement",
        lambda p: call(name("timeit", "repeat"), p.code, "pass", name("time", "perf_counter"), 1, 1),
    ),
    "code.InteractiveInterpreter": (
        "a console's line",
        lambda p: method(call(name("code", "InteractiveInterpreter")), "runsource", p.code),
    ),
    "code.InteractiveConsole": (
        "a console that is pushed to",
        lambda p: method(call(name("code", "InteractiveConsole")), "push", p.code),
    ),
    "codeop": (
        "a compiler for consoles",
        lambda p: call(EXEC, call(name("codeop", "compile_command"), p.code)),
    ),
    "cProfile.run": ("profiled", lambda p: call(name("cProfile", "run"), p.code)),
    "cProfile.Profile.runcall": (
        "by a dotted name",
        lambda p: call(name("cProfile", "Profile.runcall"), call(name("cProfile", "Profile")), EXEC, p.code),
    ),
    "profile.run": ("profiled in Python", lambda p: call(name("profile", "run"), p.code)),
    "bdb.Bdb": ("debugged", lambda p: method(call(name("bdb", "Bdb")), "run", p.code)),
    "pdb.runcall": (
        "a debugger that stops at the end of its input, and runs the call first",
        lambda p: call(name("pdb", "runcall"), name("os", "system"), p.command),
    ),
    "trace.Trace": ("traced", lambda p: method(call(name("trace", "Trace")), "run", p.code)),
    "doctest": (
        "an example in a docstring",
        lambda p: call(name("doctest", "run_docstring_examples"), f">>> {p.code}\n", {}),
    ),
    "runpy._run_code": ("what -m runs", lambda p: call(name("runpy", "_run_code"), p.code, {})),
    "typing.ForwardRef": (
        "an annotation as text",
        lambda p: call(
            name("typing", "get_type_hints"),
            build(call(name("types", "SimpleNamespace")), {"__annotations__": {"a": f"{p.code} or int"}}),
            {},
        ),
    ),
    "inspect.get_annotations": (
        "an annotation, evaluated by keyword through a partial's state",
        lambda p: _annotations(p),
    ),
    "dataclasses._create_fn": (
        "a default in a signature",
        lambda p: call(name("dataclasses", "_create_fn"), "f", [f"a={p.code}"], ["pass"]),
    ),
    "unittest FunctionTestCase": (
        "a test whose body is a partial",
        lambda p: method(
            call(
                name("unittest.case", "FunctionTestCase"),
                call(name("functools", "partial"), EXEC, p.code, {}),
            ),
            "debug",
        ),
    ),
    "logging.config": (
        "a formatter's factory by its name",
        lambda p: call(
            name("logging.config", "dictConfig"),
            {"version": 1, "formatters": {"x": {"()": "os.system", "command": p.command}}},
        ),
    ),
    "ctypes.pythonapi": (
        "the C interface, by a dotted name",
        lambda p: call(name("ctypes", "pythonapi.PyRun_SimpleString"), p.code.encode()),
    ),
    "nested pickle": (
        "a pickle in a pickle",
        lambda p: call(name("pickle", "loads"), pickled(call(EXEC, p.code))),
    ),
    "nested pickle in C": (
        "by the module in C",
        lambda p: call(name("_pickle", "loads"), pickled(call(EXEC, p.code))),
    ),
    "lib2to3 grammar": (
        "a parser's tables are a pickle",
        lambda p: method(
            call(name("lib2to3.pgen2.grammar", "Grammar")), "loads", pickled(call(EXEC, p.code))
        ),
    ),
    "ForkingPickler": (
        "a pickle between processes",
        lambda p: call(
            name("multiprocessing.reduction", "ForkingPickler.loads"), pickled(call(EXEC, p.code))
        ),
    ),
    "breakpoint": (
        "the debugger that an environment variable names",
        lambda p: Op(
            name("os", "environ")
            + value("PYTHONBREAKPOINT")
            + value("os.system")
            + b"s0"
            + call(name("builtins", "breakpoint"), p.command)
        ),
    ),
    "Context.run": (
        "in a context of its own, by a dotted name",
        lambda p: call(
            name("contextvars", "Context.run"), call(name("contextvars", "Context")), EXEC, p.code, {}
        ),
    ),
    "Thread.run": (
        "a thread's target, without the thread",
        lambda p: method(call(name("threading", "Thread"), None, EXEC, None, (p.code,)), "run"),
    ),
    "sched": (
        "an event that is due",
        lambda p: _scheduled(p),
    ),
}


_NEEDS = {
    "lib2to3 grammar": ("python3.13-",),
    "dataclasses._create_fn": ("python3.13-",),
}

TECHNIQUES = pickles_of("evaluation", _WAYS, needs=_NEEDS)
