"""What the names in a file say about it; each name is judged once.

The list of dangerous names only makes the verdict plainer: any name that is not known makes a file
``unknown types``. So a name that is missing from the list lets nothing through, and the list holds only names
that no dump of data needs.
"""

from __future__ import annotations

import re

from safeload import namelists
from safeload.namelists import python3_name
from safeload.scanning.ledger import MAX_GLOBALS, Ledger, ScanStopped
from safeload.scanning.report import Verdict
from safeload.scanning.values import Reference

# What a file of data may name if the caller gives no list.
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

_DUNDER = re.compile(r"__\w+__")
# Attributes that lead from one object to others.
_LEADS_AWAY = frozenset(
    {"modules", "func_globals", "gi_frame", "f_globals", "f_builtins", "tb_frame", "co_code"}
)
_PANDAS_READERS = re.compile(r"pandas\.(?:[\w.]+\.)?(?:read_\w+|to_pickle)")
# A parser in C reads their state.
_BOOSTERS = frozenset(
    {"xgboost.core.Booster", "xgboost.Booster", "lightgbm.basic.Booster", "lightgbm.Booster"}
)
_PARSER = "hands bytes of the file to a parser in C, where they cannot be checked"

GETATTR = "builtins.getattr"
# Of a module or a name, in characters.
_MAX_LENGTH = 256


def judge(module: str, name: str, known: frozenset[str], own_state: frozenset[str]) -> tuple[Verdict, str]:
    """Return the verdict that a name gives a file, and the reason.

    Names in `known` may be ``known types``. Types in `own_state` run code from their state and are never
    known.
    """
    full = f"{module}.{name}"
    reason = _danger(module, name, full)
    if reason is not None:
        return "dangerous", f"names {full}, {reason}"
    if full in own_state or namelists.why_it_runs(full) is not None:
        return "unknown types", f"names {full}, which runs what stands in its state"
    if full in known:
        return "known types", f"names {full}"
    if full in _BOOSTERS:
        return "unknown types", f"names {full}, which {_PARSER}"
    return "unknown types", f"names {full}, which is not among the known names"


def _danger(module: str, name: str, full: str) -> str | None:
    """Return why a name is dangerous, or None."""
    if full == GETATTR:
        return None  # Judged by the arguments of its call; see states.py.
    # From protocol 3 on `__builtin__` is not translated; it is meant all the same.
    listed = f"builtins.{name}" if module == "__builtin__" else full
    reason = namelists.why_dangerous(listed)
    if reason is not None:
        return reason
    parts, path = module.split("."), name.split(".")
    if _PANDAS_READERS.fullmatch(full):
        return "which opens what it is given"
    if len(path) > 1 and parts[0] == "pathlib":
        return "a path's method, which reaches files"
    dangerous = namelists.dangerous()  # A part of a path is listed only if it is a module at the top.
    if len(path) > 1 or (_DUNDER.fullmatch(name) and module != "copyreg"):
        # A dotted name reaches whatever the module has imported, as `_os.system` of `random` does.
        for part in path:
            if (
                part.lstrip("_") in dangerous
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
    elif name in dangerous and name not in ("code", "select", "resource", "test"):
        return "a module, not a type"
    return None


class Resolver:
    """The names of one file; `known` and `own_state` are as for :func:`judge`."""

    def __init__(self, ledger: Ledger, known: frozenset[str], own_state: frozenset[str]) -> None:
        self._ledger = ledger
        self._known = known
        self._own_state = own_state
        self._references: dict[tuple[str, str, bool], Reference] = {}

    def refer(self, module: str, name: str, protocol: int, offset: int) -> Reference:
        """Return the reference for a name, which is judged when it is first met.

        A name that is too long, or one name too many, raises ScanStopped.
        """
        key = (module, name, protocol < 3)
        found = self._references.get(key)
        if found is not None:
            return found
        if len(module) > _MAX_LENGTH or len(name) > _MAX_LENGTH:
            raise ScanStopped("a name is longer than any name is", "unknown types", limit=True)
        if len(self._references) >= MAX_GLOBALS:
            raise ScanStopped(
                f"it names more than {MAX_GLOBALS} classes and functions", "unknown types", limit=True
            )
        shown = f"{module}.{name}"
        owner, qualified = python3_name(module, name, protocol)
        verdict, reason = judge(owner, qualified, self._known, self._own_state)
        if verdict == "unknown types" and shown in self._known and shown not in self._own_state:
            verdict = "known types"  # By its name of Python 2.
        self._ledger.globals.setdefault(shown, offset)
        if verdict == "known types":
            # The verdict says it. A finding for each known name would hide those that matter.
            self._ledger.met_known()
        else:
            self._ledger.find(verdict, reason, offset)
        reference = Reference(shown, f"{owner}.{qualified}")
        self._references[key] = reference
        return reference
