"""The formats by name: safeload's own, those that a program registers, and those that packages bring.

A package brings one by an entry point of the group ``safeload.formats``, whose name is the format's and whose
value is an object as :class:`~safeload.formats.base.Format` says::

    [project.entry-points."safeload.formats"]
    csv = "mypackage.csv_format:FORMAT"

A name has one format. Nobody takes the place of one of safeload's own, and a name that two packages claim is
refused, so that what a signed statement says is read by what its signer meant.
"""

from __future__ import annotations

import importlib
import re
from importlib import metadata

from safeload.errors import FormatNotAllowed
from safeload.formats.base import Format

GROUP = "safeload.formats"

_MODULES = {
    "joblib": "safeload.formats.pickles.joblib_format",
    "pickle": "safeload.formats.pickles.pickle_format",
    "skops": "safeload.formats.skops.skops_format",
    "onnx": "safeload.formats.onnx.onnx_format",
    "safetensors": "safeload.formats.tensors.safetensors_format",
    "numpy": "safeload.formats.tensors.numpy_format",
    "parquet": "safeload.formats.tables.arrow_format:PARQUET",
    "arrow": "safeload.formats.tables.arrow_format:ARROW",
    "torch": "safeload.formats.tensors.torch_format",
    "keras": "safeload.formats.tensors.keras_format",
}
# Names that mean something else where a format's name may stand.
_RESERVED = frozenset({"auto", "folder", "tensorflow"})
# What a store's file names have room for; see safeload/store/names.py.
_NAME = re.compile(r"[a-z0-9]{1,20}")
_METHODS = ("dump", "load", "globals_of")

_registered: dict[str, Format] = {}


def names() -> tuple[str, ...]:
    """Return the names of all formats, safeload's own first."""
    brought = {point.name for point in metadata.entry_points(group=GROUP)}
    others = {name for name in brought if _may_be(name)} | set(_registered)
    return (*_MODULES, *sorted(others - set(_MODULES)))


def register(format: Format) -> Format:
    """Add a format of the program's own, for this process.

    Parameters
    ----------
    format
        See :class:`safeload.formats.base.Format`.

    Returns
    -------
    Format
        The same, so that it can decorate an instance's making.

    Raises
    ------
    ValueError
        Its name is taken, reserved, or not 1 to 20 of ``a-z0-9``.
    TypeError
        It lacks a method or an attribute.
    """
    lacking = _lacking(format)
    if lacking is not None:
        raise TypeError(f"a format has {lacking}")
    name = format.name
    if not _may_be(name):
        raise ValueError(f"{name!r} cannot be the name of a format")
    if name in _MODULES or _registered.get(name, format) is not format or _entry_points(name):
        raise ValueError(f"there is a format {name!r} already")
    _registered[name] = format
    return format


def get(name: str) -> Format:
    """Return a format.

    Raises
    ------
    FormatNotAllowed
        There is none of that name, two packages bring one, or the package's cannot be used.
    """
    if name in _MODULES:
        module, _, attribute = _MODULES[name].partition(":")
        own: Format = getattr(importlib.import_module(module), attribute or "FORMAT")
        return own
    if name in _registered:
        return _registered[name]
    # The name may come from a statement; of packages only those that are installed can be meant.
    points = _entry_points(name) if _may_be(name) else ()
    if len(points) > 1:
        raise FormatNotAllowed(f"several installed packages bring a format {name!r}")
    if not points:
        raise FormatNotAllowed(f"there is no format {name!r}", hint=f"The formats are {', '.join(names())}.")
    return _brought(points[0])


def _brought(point: metadata.EntryPoint) -> Format:
    """Import what a package brings; whatever fails there is the package's, and no file's."""
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
    """Return what an object lacks that a format has, None if it is one."""
    if not isinstance(getattr(format, "name", None), str):
        return "a name, which is text"
    for method in _METHODS:
        if not callable(getattr(format, method, None)):
            return f"a method {method}"
    requires = getattr(format, "requires", "")
    if requires is not None and not (
        isinstance(requires, tuple) and all(isinstance(module, str) for module in requires)
    ):
        return "an attribute requires, which is None or a tuple of modules"
    return None


def _may_be(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name not in _RESERVED


def _entry_points(name: str) -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group=GROUP, name=name))
