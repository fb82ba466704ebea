"""Refusing to unpickle anything in this process except what safeload has verified.

This uses audit events (PEP 578), which the interpreter raises within the operations themselves. A hook cannot
be removed, so there is one for the life of the process, and it does nothing while no guard is on.
"""

from __future__ import annotations

import logging
import sys
import threading
from contextvars import ContextVar
from types import FrameType, TracebackType
from typing import Any, Literal, Self, get_args

from safeload.errors import UnguardedOperation

GuardMode = Literal["refuse", "report"]

_logger = logging.getLogger("safeload.guard")
# Operations that look up a class, run stored code, or bypass Python.
_EVENTS = {
    "pickle.find_class": "an unpickler looks up {0}.{1}",
    "marshal.loads": "marshal.loads is called",
    "marshal.load": "marshal.load is called",
    "ctypes.dlopen": "ctypes opens {0}",
    "ctypes.dlsym": "ctypes looks up {1}",
    "ctypes.cdata": "ctypes takes an address",
    "ctypes.call_function": "ctypes calls an address",
}
# The import system reads compiled modules with marshal.
_IMPORT_SYSTEM = frozenset(
    {"_frozen_importlib", "_frozen_importlib_external", "importlib._bootstrap_external", "zipimport"}
)
_MULTIPROCESSING = ("multiprocessing.", "concurrent.futures.")
_SHOWN_FRAMES = 12

# Set while a verified load runs in this thread or task; those that are started elsewhere take no part in it.
VERIFIED_LOAD: ContextVar[bool] = ContextVar("safeload_verified_load", default=False)
_guards: list[Guard] = []
_changing = threading.Lock()
_hooked = False


class Guard:
    """While it is on, only verified loads of safeload may unpickle in this process.

    The guard sees the C and Python unpicklers of the standard library, and so joblib, cloudpickle, torch,
    numpy's object arrays and shelve; ``marshal.loads``, except in the import system; and ctypes, when it
    opens a library, looks up a name or calls an address. It applies to all threads; a verified load is
    recognized by its thread or task.

    The guard cannot stop what raises no audit event: an unpickler subclass that overrides ``find_class`` and
    does not call the original, unpicklers written in other languages, pickles that look up nothing (they make
    plain data only), extension modules, child processes. Code that already runs in the process needs no
    unpickling to do harm: the guard is a net against forgotten ``pickle.load`` calls, in libraries too, and
    not a sandbox. What was verified may itself unpickle while it is being loaded.

    Parameters
    ----------
    mode : {"refuse", "report"}
        ``"refuse"`` raises instead of the operation; ``"report"`` logs a warning with the stack to the logger
        ``safeload.guard`` and lets it happen.
    multiprocessing : bool
        Let multiprocessing and concurrent.futures unpickle what passes between this process and its workers.

    Raises
    ------
    UnguardedOperation
        Raised in place of a refused operation.
    ValueError
        The mode is unknown.

    Examples
    --------
    >>> import pickle
    >>> data = pickle.dumps(model)
    >>> with safeload.guard():
    ...     pickle.loads(data)
    Traceback (most recent call last):
    ...
    safeload.errors.UnguardedOperation: ...
    """

    def __init__(self, mode: GuardMode = "refuse", *, multiprocessing: bool = False) -> None:
        if mode not in get_args(GuardMode):
            raise ValueError(f"the mode of a guard is one of {', '.join(get_args(GuardMode))}")
        self.mode = mode
        self.multiprocessing = multiprocessing

    def enable(self) -> Self:
        """Switch the guard on for the process, and return it."""
        global _hooked
        with _changing:
            if not _hooked:
                sys.addaudithook(_hook)
                _hooked = True
            _guards.append(self)
        return self

    def disable(self) -> None:
        """Switch the guard off; other guards stay on."""
        with _changing:
            if self in _guards:
                _guards.remove(self)

    def __enter__(self) -> Self:
        return self.enable()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disable()

    def judge(self, event: str, arguments: tuple[Any, ...], frame: FrameType | None) -> None:
        """Refuse or report one operation."""
        if self.multiprocessing and _is_from(frame, _MULTIPROCESSING):
            return
        what = _EVENTS[event].format(*(*arguments, "?", "?"))
        if self.mode == "report":
            _logger.warning("safeload.guard: %s, outside of a verified load, at\n%s", what, _stack(frame))
            return
        raise UnguardedOperation(
            f"{what}, outside of a verified load",
            where=_place(frame),
            hint="Load it with safeload, or leave the guard off where this is intended.",
        )


def guard(mode: GuardMode = "refuse", *, multiprocessing: bool = False) -> Guard:
    """Return a guard, to use as a context manager or to switch on for good with ``enable``.

    Parameters
    ----------
    mode : {"refuse", "report"}
        See :class:`Guard`.
    multiprocessing : bool
        See :class:`Guard`.

    Returns
    -------
    Guard
        The guard, not switched on yet.

    Raises
    ------
    ValueError
        The mode is unknown.

    Examples
    --------
    >>> statement = safeload.dump(model, "churn.joblib")
    >>> with safeload.guard():
    ...     model = safeload.load("churn.joblib")
    """
    return Guard(mode, multiprocessing=multiprocessing)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _guards or event not in _EVENTS or VERIFIED_LOAD.get():
        return
    frame: FrameType | None = sys._getframe(1)
    if event.startswith("marshal.") and _module_of(frame) in _IMPORT_SYSTEM:
        return
    if event == "ctypes.dlopen" and arguments == (None,) and _is_import_of_ctypes(frame):
        return
    # Guards that report come first, so that they log what another guard then refuses.
    for one in sorted(_guards, key=lambda guard: guard.mode, reverse=True):
        one.judge(event, arguments, frame)


def _is_import_of_ctypes(frame: FrameType | None) -> bool:
    """Return whether ctypes opens the interpreter itself, as it does once when it is imported."""
    caller = frame.f_back if frame is not None else None
    return _module_of(caller) == "ctypes" and caller is not None and caller.f_code.co_name == "<module>"


def _module_of(frame: FrameType | None) -> str:
    return str(frame.f_globals.get("__name__", "")) if frame is not None else ""


def _is_from(frame: FrameType | None, modules: tuple[str, ...]) -> bool:
    """Return whether the nearest caller outside of the pickle module belongs to one of some packages."""
    while frame is not None and _module_of(frame) in ("pickle", "_pickle", "multiprocessing.reduction"):
        frame = frame.f_back
    return f"{_module_of(frame)}.".startswith(modules)


def _place(frame: FrameType | None) -> str | None:
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _stack(frame: FrameType | None) -> str:
    lines: list[str] = []
    while frame is not None and len(lines) < _SHOWN_FRAMES:
        lines.append(f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return "\n".join(lines)
