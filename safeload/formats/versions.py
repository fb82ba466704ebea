"""Libraries too old to read even signed files safely, by the advisories that say so."""

from __future__ import annotations

import re
from importlib import metadata

from safeload.errors import FormatNotAllowed

_LEADING = re.compile(r"\d+")
# What was not yet fixed below each version. Where a fix was brought to an older line too, the line's first
# fixed version comes before the line that follows it.
_NEEDED: dict[str, tuple[tuple[tuple[int, ...], ...], str]] = {
    # Reading a file could unpickle an extension type out of its schema.
    "pyarrow": (((14, 0, 1),), "CVE-2023-47248"),
    # weights_only=True could be made to run code.
    "torch": (((2, 6),), "CVE-2025-32434"),
    # safe_mode could be made to run code or to read other files; see extra `keras` in pyproject.toml.
    "keras": (((3, 12, 4), (3, 13), (3, 15, 1)), "CVE-2026-1669 among others"),
    # Of a model with data in other files only.
    "onnxruntime": (((1, 24),), "it opens the files that a model names itself"),
}


def require_safe(package: str, installed: str | None = None) -> None:
    """Refuse to use an installed package whose version has a known hole.

    Parameters
    ----------
    package
        The package.
    installed
        Its version, as it says itself, where it is installed under several names; None looks it up.

    Raises
    ------
    FormatNotAllowed
        It is older than the fix.
    ModuleNotFoundError
        It is not installed.
    """
    accepted, advisory = _NEEDED[package]
    installed = installed or metadata.version(package)
    if not _admits(accepted, _numbers(installed)):
        raise FormatNotAllowed(
            f"{package} {installed} is installed, which is not safe to read files with ({advisory})",
            hint=f"Install {package} {'.'.join(map(str, accepted[-1]))} or newer.",
        )


def _admits(accepted: tuple[tuple[int, ...], ...], version: tuple[int, ...]) -> bool:
    """Tell whether a version is at or after a fix: from first to second, and then from the third on."""
    if version >= accepted[-1]:
        return True
    return any(first <= version < end for first, end in zip(accepted[:-1:2], accepted[1:-1:2], strict=True))


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release's numbers; what follows them, such as ``+cpu`` or ``rc1``, is left out."""
    numbers = []
    for part in version.split("+")[0].split("."):
        found = _LEADING.match(part)
        if found is None:
            break
        numbers.append(int(found.group()))
    return tuple(numbers)
