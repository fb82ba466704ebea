"""Reviewed lists of exact names (``module.qualname``), each in a text file beside this module.

An allowlist has no wildcards, and typing seven hundred names by hand is not practical. So the names that
dumps of a library need are kept here, one file for each library, and a policy refers to the file:
``allow = ["preset:sklearn"]``. Each preset is the union over library versions, because current versions no
longer write what older ones wrote:

====================  =======  =======  =======  =======  =======  =======  =======
numpy                 1.26.4   2.0.2    2.1.3    2.2.6    2.3.5    2.4.6   2.5.5
scipy                 1.11.4   1.13.1   1.14.1   1.15.3   1.16.3   1.17.1   1.18.1
pandas                2.1.4    2.2.3    2.2.3    2.3.3    3.0.0    3.1.1   3.1.1
scikit-learn          1.4.2    1.5.2    1.6.1    1.7.2    1.8.0    1.9.1   1.9.1
xgboost               2.0.3    2.1.4    3.2.0    3.2.0    3.2.0    3.2.0   3.4.1
lightgbm              4.3.0    4.5.0    4.7.0    4.7.0    4.7.0    4.7.0   4.7.0
====================  =======  =======  =======  =======  =======  =======  =======

All with joblib 1.6; the last column with Python 3.12 and 3.13, the others with 3.11. The stacks with pandas
3.1.1 were also recorded beside pyarrow 26, in whose arrays pandas 3 keeps text if it is installed.
``tools/presets.py`` records and writes the presets. A review looks for names that reach something that is not
named itself (by a name in a string, an import, or code in a string), that open files, or that run their own
state. Names that fail the review are listed with a reason:

``never.txt``
    Names and whole modules that no policy may allow.
``runs_its_state.txt``
    Types that run text of their own state when they are created. Such a file is not recognizable: it names
    the same types as a benign one. A signed file loads; an allowlist may not name these types.

Names that pass with a remark:

``native_parsers.txt``
    Types whose state is read by native code that trusts it; a crafted state can crash the process.
``called.txt``
    The names that real dumps call. All others are only referred to, or created without their constructor; a
    pickle that calls one of them, or that calls the result of another call, was not written by the library.

Two lists are not about allowlists:

``dangerous.txt``
    Names for which inspection says ``dangerous`` instead of ``unknown types``.
``file_openers.txt``
    What an unpickler refuses even in a signed pickle, because the signature covers one file.

A list is read when it is first needed. A file that is not in its exact form is an error, never a shorter
list.
"""

from __future__ import annotations

import _compat_pickle
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

from safeload.errors import PolicyError

PREFIX = "preset:"

# No list may name these two functions, but real dumps make one call of each. Code that sees the arguments may
# admit exactly these calls; None stands for any text.
EXACT_CALLS: frozenset[tuple[str, tuple[str | None, ...]]] = frozenset(
    {
        ("builtins.getattr", ("zoneinfo.ZoneInfo", "_unpickle")),
        ("_codecs.encode", (None, "latin1")),
    }
)

# A preset includes the presets of the libraries below it.
_BUILT_ON: dict[str, tuple[str, ...]] = {
    "python": (),
    "numpy": ("python",),
    "scipy": ("numpy",),
    "pandas": ("numpy",),
    "sklearn": ("scipy",),
    "xgboost": ("sklearn",),
    "lightgbm": ("sklearn",),
}
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def names() -> tuple[str, ...]:
    """Return the names of the presets."""
    return tuple(sorted(_BUILT_ON))


@cache
def preset(name: str) -> frozenset[str]:
    """Return the names that the dumps of a library need, including those of the libraries below it.

    Raises
    ------
    PolicyError
        There is no such preset, or its file is damaged.
    """
    if name not in _BUILT_ON:
        raise PolicyError(f"there is no preset {name!r}", hint=f"There are {', '.join(names())}.")
    return own(name).union(*(preset(other) for other in _BUILT_ON[name]))


@cache
def own(name: str) -> frozenset[str]:
    """Return the names in the file of one preset, without those of other presets."""
    (section,) = _sections(name, explained=False)
    for entry in section[1]:
        if "." not in entry or refusal(entry) is not None:
            raise _damaged(name, f"it holds {entry!r}")
    return frozenset(section[1])


@cache
def known() -> frozenset[str]:
    """Return the names of all presets."""
    return frozenset[str]().union(*(own(name) for name in names()))


@cache
def called() -> frozenset[str]:
    """Return the names of presets that real dumps call."""
    (section,) = _sections("called", explained=False)
    return frozenset(section[1])


@cache
def runs_its_state() -> dict[str, str]:
    """Return the types, and modules of such types, that run text of their own state; each with how."""
    return _explained("runs_its_state")


@cache
def native_parsers() -> dict[str, str]:
    """Return the types whose state native code trusts, each with what the code does with it."""
    return _explained("native_parsers")


@cache
def never() -> dict[str, str]:
    """Return the names and modules that no policy may allow, each with the reason."""
    return _explained("never")


@cache
def dangerous() -> dict[str, str]:
    """Return the names and modules that no data needs, each with what inspection says about it."""
    return _explained("dangerous")


@cache
def file_openers() -> dict[str, str]:
    """Return the names and modules that open other files, each with the reason."""
    return _explained("file_openers")


def refusal(name: str) -> str | None:
    """Return why a name may not be on an allowlist for pickles, or None if it may.

    A refused module is refused with everything below it.
    """
    return _reason(name, never()) or why_it_runs(name)


def why_it_runs(name: str) -> str | None:
    """Return how a type runs its own state, or None if it is not known to do so."""
    return _reason(name, runs_its_state())


def why_dangerous(name: str) -> str | None:
    """Return why inspection calls a name dangerous, or None if it is not listed."""
    return _reason(name, dangerous())


def opens_files(name: str) -> bool:
    """Tell whether an object opens files, by the module and qualified name that the object itself reports."""
    return _reason(name, file_openers()) is not None


def expand(entries: Iterable[str]) -> frozenset[str]:
    """Return names, with every ``preset:...`` replaced by that preset's names; or raise PolicyError."""
    found: set[str] = set()
    for entry in entries:
        if entry.startswith(PREFIX):
            found |= preset(entry.removeprefix(PREFIX))
        else:
            found.add(entry)
    return frozenset(found)


def python3_name(module: str, name: str, protocol: int) -> tuple[str, str]:
    """Return the module and name that an unpickler looks up for the names in a pickle.

    Below protocol 3 unpicklers translate names of Python 2 (``fix_imports``). From protocol 3 on they do not,
    and ``Queue.Item`` is then a class of a module ``Queue``, not of ``queue``.
    """
    if protocol >= 3:
        return module, name
    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[(module, name)]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def _reason(name: str, reasons: dict[str, str]) -> str | None:
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        reason = reasons.get(".".join(parts[:length]))
        if reason is not None:
            return reason
    return None


def _explained(file: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for reason, entries in _sections(file, explained=True):
        for entry in entries:
            if entry in found:
                raise _damaged(file, f"{entry!r} is listed twice")
            found[entry] = reason
    return found


def _sections(file: str, *, explained: bool) -> list[tuple[str, list[str]]]:
    """Return the sections of a data file: the explanation (``= ...``) and the sorted names below it."""
    try:
        text = resources.files(__name__).joinpath(f"{file}.txt").read_bytes().decode("ascii")
    except (OSError, ValueError):
        raise _damaged(file, "it cannot be read") from None
    if not text.endswith("\n"):
        raise _damaged(file, "it is truncated")
    sections: list[tuple[str, list[str]]] = [] if explained else [("", [])]
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# "):
            continue
        if explained and line.startswith("= "):
            sections.append((line.removeprefix("= "), []))
        elif not sections or not _NAME.fullmatch(line):
            raise _damaged(file, f"{line!r} is not an exact name")
        elif sections[-1][1] and sections[-1][1][-1] >= line:
            raise _damaged(file, f"{line!r} is out of order")
        else:
            sections[-1][1].append(line)
    if not sections or not all(entries for _, entries in sections):
        raise _damaged(file, "names are missing")
    return sections


def _damaged(file: str, problem: str) -> PolicyError:
    return PolicyError(f"the list of names {file}.txt is damaged: {problem}", hint="Install safeload again.")
