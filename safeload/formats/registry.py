"""The formats by name: safeload's own, those that a program registers, and those that packages bring.

A package brings one by an entry point of the group ``safeload.formats``, whose name is the format's and whose
value is an object as :class:`~safeload.formats.base.Format` says::

    [project.entry-points."safeload.formats"]
    csv = "mypackage.csv_format:FORMAT"

A name has one format. The names of safeload's own cannot be taken, and a name that two packages claim is
refused, so that an artifact is read by the format that its signer meant. Here too is the check that an
installed library is new enough to read even signed files with.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from importlib import metadata

from safeload.errors import FormatNotAllowed
from safeload.formats.base import Format
from safeload.parsers.format_facts import FACTS, RESERVED, ROWS, SafeVersion

GROUP = "safeload.formats"

# What a store's file names have room for; see safeload/store/names.py.
_NAME = re.compile(r"[a-z0-9]{1,20}")
_METHODS = ("dump", "load", "globals_of")
_LEADING = re.compile(r"\d+")

# Formats of the package that have been asked for.
imported: dict[str, Format] = {}
_registered: dict[str, Format] = {}


def names() -> tuple[str, ...]:
    """Return the names of all formats, safeload's own first."""
    brought = {point.name for point in metadata.entry_points(group=GROUP)}
    others = {name for name in brought if _may_be(name)} | set(_registered)
    return (*FACTS, *sorted(others - set(FACTS)))


def register(format: Format) -> Format:
    """Add a format of the program's own, for this process, and return it.

    Raises
    ------
    ValueError
        Its name is taken, reserved, or not 1 to 20 of ``a-z0-9``.
    TypeError
        It lacks a method or an attribute, or a method takes other arguments.
    """
    lacking = _lacking(format)
    if lacking is not None:
        raise TypeError(f"a format has {lacking}")
    name = format.name
    if not _may_be(name):
        raise ValueError(f"{name!r} cannot be the name of a format")
    if name in FACTS or _registered.get(name, format) is not format or _entry_points(name):
        raise ValueError(f"there is a format {name!r} already")
    _registered[name] = format
    return format


def get(name: str) -> Format:
    """Return a format by its name, which may come from a statement; it is imported when first asked for.

    FormatNotAllowed if there is no format of that name, two packages bring one, or the package's cannot be
    used.
    """
    if name in imported:
        return imported[name]
    if name in FACTS:
        module, _, attribute = FACTS[name].module.partition(":")
        imported[name] = getattr(importlib.import_module(f"safeload.formats.{module}"), attribute or "FORMAT")
        return imported[name]
    if name in _registered:
        return _registered[name]
    points = _entry_points(name) if _may_be(name) else ()
    if len(points) > 1:
        raise FormatNotAllowed(f"several installed packages bring a format {name!r}")
    if not points:
        raise FormatNotAllowed(f"there is no format {name!r}", hint=f"The formats are {', '.join(names())}.")
    return _brought(points[0])


def _brought(point: metadata.EntryPoint) -> Format:
    """Import what a package brings; a failure there is the package's, and says nothing about a file."""
    where = f"the package that brings the format {point.name!r}"
    try:
        brought: Format = point.load()
        lacking = _lacking(brought)
    except (Exception, SystemExit) as error:
        raise FormatNotAllowed(f"{where} cannot be used ({type(error).__name__})") from error
    if lacking is not None:
        raise FormatNotAllowed(f"{where} lacks {lacking}")
    if brought.name != point.name:
        raise FormatNotAllowed(f"{where} calls it {brought.name!r}")
    return brought


def _lacking(format: object) -> str | None:
    """Return what an object lacks to be a format, or None."""
    if not isinstance(getattr(format, "name", None), str):
        return "a name, which is text"
    for name in _METHODS:
        method = getattr(format, name, None)
        if not callable(method):
            return f"a method {name}"
        if not _can_be_called(method):
            return f"a method {name} that takes two arguments, and options by keyword with defaults"
    requires = getattr(format, "requires", "")
    if requires is not None and not (
        isinstance(requires, tuple) and all(isinstance(module, str) for module in requires)
    ):
        return "an attribute requires, which is None or a tuple of modules"
    return None


def _can_be_called(method: Callable[..., object]) -> bool:
    """Tell whether a method takes two arguments, and everything else only by keyword."""
    try:
        signature = inspect.signature(method)
        signature.bind(None, None)
    except (TypeError, ValueError, NameError):
        return False
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(kind in by_position for kind in kinds) == 2


def _may_be(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name not in RESERVED


def _entry_points(name: str) -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group=GROUP, name=name))


def require_safe(package: str, installed: str | None = None) -> None:
    """Refuse to use an installed package whose version has a known hole.

    A row of facts has the minimum of the package. `installed` is its version as it says itself, where it is
    installed under several names; None looks it up. FormatNotAllowed if it is older than the fix, and
    ModuleNotFoundError if it is not installed.
    """
    minimum = next(row.minimum[package] for row in ROWS if package in row.minimum)
    installed = installed or metadata.version(package)
    if not _is_safe(minimum, _numbers(installed)):
        raise FormatNotAllowed(
            f"{package} {installed} is installed, which is not safe to read files with ({minimum.advisory})",
            hint=f"Install {package} {minimum.since} or newer.",
        )


def _is_safe(minimum: SafeVersion, version: tuple[int, ...]) -> bool:
    return version >= _numbers(minimum.since) or any(
        _numbers(first) <= version < _numbers(end) for first, end in minimum.older
    )


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release's numbers; what follows them, such as ``+cpu`` or ``rc1``, is left out."""
    numbers = []
    for part in version.split("+")[0].split("."):
        found = _LEADING.match(part)
        if found is None:
            break
        numbers.append(int(found.group()))
    return tuple(numbers)
