"""Commands started directly, by each function of the standard library that starts one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corpus.assembler import Op, call, method, name
from corpus.entry import Place, pickles_of

_Made = Callable[[Place], Op]


def _touch(place: Place) -> list[str]:
    return ["/usr/bin/env", "touch", place.marker]


def _direct(module: str, qualname: str, arguments: Callable[[Place], tuple[Any, ...]]) -> _Made:
    return lambda place: call(name(module, qualname), *arguments(place))


_COMMAND = lambda place: (place.command,)  # noqa: E731
_LIST = lambda place: (_touch(place),)  # noqa: E731

_WAYS: dict[str, tuple[str, _Made]] = {
    "os.system": ("the classic", _direct("os", "system", _COMMAND)),
    "posix.system": ("the module below os", _direct("posix", "system", _COMMAND)),
    "os.popen": (
        "a pipe, read to its end",
        lambda place: method(call(name("os", "popen"), place.command), "read"),
    ),
    "os.spawnv": ("waits", _direct("os", "spawnv", lambda place: (0, "/usr/bin/env", _touch(place)))),
    "os.spawnlp": ("waits", _direct("os", "spawnlp", lambda place: (0, "env", *_touch(place)))),
    "os.posix_spawn": (
        "without a fork, waited for",
        lambda place: call(
            name("os", "waitpid"), call(name("posix", "posix_spawn"), "/usr/bin/env", _touch(place), {}), 0
        ),
    ),
    "os.execv": (
        "replaces the process that loads",
        _direct("os", "execv", lambda place: ("/usr/bin/env", _touch(place))),
    ),
    "os.execlp": ("looked up in PATH", _direct("os", "execlp", lambda place: ("env", *_touch(place)))),
    "pty.spawn": ("on a terminal of its own", _direct("pty", "spawn", _LIST)),
    "subprocess.Popen": (
        "a class, so it may look like data",
        lambda place: method(call(name("subprocess", "Popen"), _touch(place)), "wait"),
    ),
    "subprocess.run": ("a list", _direct("subprocess", "run", _LIST)),
    "subprocess.call": ("a list", _direct("subprocess", "call", _LIST)),
    "subprocess.check_call": ("a list", _direct("subprocess", "check_call", _LIST)),
    "subprocess.check_output": ("a list", _direct("subprocess", "check_output", _LIST)),
    "subprocess.getoutput": ("a shell", _direct("subprocess", "getoutput", _COMMAND)),
    "subprocess.getstatusoutput": ("a shell", _direct("subprocess", "getstatusoutput", _COMMAND)),
    "multiprocessing.util.spawnv_passfds": (
        "below multiprocessing, waited for",
        lambda place: call(
            name("os", "waitpid"),
            call(name("multiprocessing.util", "spawnv_passfds"), b"/usr/bin/env", _touch(place), ()),
            0,
        ),
    ),
    "multiprocessing.Process": (
        "its target runs when it does",
        lambda place: method(
            call(name("multiprocessing", "Process"), None, name("os", "system"), None, (place.command,)),
            "run",
        ),
    ),
    "asyncio subprocess": (
        "a coroutine made by one call is run by another",
        lambda place: call(
            name("asyncio", "run"),
            call(name("asyncio", "to_thread"), name("subprocess", "call"), _touch(place)),
        ),
    ),
    "uuid._get_command_stdout": (
        "a helper that looks for the hardware address",
        lambda place: method(call(name("uuid", "_get_command_stdout"), "touch", place.marker), "read"),
    ),
    "imaplib.IMAP4_stream": (
        "a mail connection over a command; fails after that ran",
        _direct("imaplib", "IMAP4_stream", _COMMAND),
    ),
    "webbrowser.GenericBrowser": (
        "a browser that is any command",
        lambda place: method(
            call(name("webbrowser", "GenericBrowser"), ["touch", "%s"]), "open", place.marker
        ),
    ),
    "pydoc.pipepager": (
        "a pager that is any command",
        _direct("pydoc", "pipepager", lambda place: ("x", place.command)),
    ),
    "pydoc.tempfilepager": (
        "a pager for a file",
        _direct("pydoc", "tempfilepager", lambda place: ("x", f"{place.command} ;")),
    ),
    "ctypes system": (
        "the C library's function",
        lambda place: method(call(name("ctypes", "CDLL"), None), "system", place.command.encode()),
    ),
    "setuptools spawn": (
        "a build helper",
        _direct("setuptools._distutils.spawn", "spawn", _LIST),
    ),
    "script_helper": (
        "the interpreter's own test helper",
        _direct("test.support.script_helper", "assert_python_ok", lambda place: ("-c", place.code)),
    ),
}
_NEEDS = {"setuptools spawn": ("setuptools",), "script_helper": ("test",)}

TECHNIQUES = pickles_of("processes", _WAYS, needs=_NEEDS)
