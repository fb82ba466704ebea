"""The packages that an object needs: recorded when it is stored, compared before it is loaded.

An unpickler that runs against other versions of a library may fail half-way or, worse, make a wrong object.
So the comparison comes before any deserialization. It imports no package.
"""

from __future__ import annotations

import functools
import platform
import warnings
from collections.abc import Iterable
from importlib import metadata

from safeload.attestation.statement import Environment, Statement
from safeload.errors import EnvironmentMismatch, EnvironmentWarning, printable
from safeload.trust.policy import EnvironmentMode

_NO_DISTRIBUTION = frozenset({"builtins", "__main__"})


def capture(names: Iterable[str]) -> Environment:
    """Return the versions of Python and of the distributions that `names` come from.

    `names` are full names, such as ``sklearn.svm._classes.SVC``.
    """
    packages: dict[str, str] = {}
    for top in sorted({name.partition(".")[0] for name in names} - _NO_DISTRIBUTION):
        distribution = _distribution_of(top)
        if distribution is not None:
            version = installed(distribution)
            if version is not None:
                packages[distribution] = version
    return Environment(python=platform.python_version(), packages=dict(sorted(packages.items())))


def check(statement: Statement, mode: EnvironmentMode, *, where: str) -> None:
    """Compare the signed environment with this one.

    Where they differ, EnvironmentMismatch is raised if `mode` is ``refuse``, and EnvironmentWarning issued if
    it is ``warn``.
    """
    if mode == "ignore" or statement.environment is None:
        return
    found = differences(statement.environment)
    if not found:
        return
    problem = f"stored with other versions than are installed here: {'; '.join(found)}"
    if mode == "refuse":
        raise EnvironmentMismatch(
            problem, where=where, hint="Install the signed versions, or store the object again."
        )
    # The frames: this function, formats.boundary, api.artifacts.load, the caller.
    warnings.warn(f"{printable(where)}: {printable(problem)}", EnvironmentWarning, stacklevel=4)


def differences(signed: Environment) -> list[str]:
    """Return a clause for each difference; of Python's version, only major and minor count."""
    found = []
    here = platform.python_version_tuple()[:2]
    if tuple(signed.python.split(".")[:2]) != here:
        found.append(f"Python {signed.python}, here {platform.python_version()}")
    for distribution, version in signed.packages.items():
        present = installed(distribution)
        if present != version:
            found.append(f"{distribution} {version}, here {present or 'not installed'}")
    return found


@functools.lru_cache(maxsize=1024)
def installed(distribution: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return None


@functools.lru_cache(maxsize=1024)
def _distribution_of(top: str) -> str | None:
    """Return the distribution that a top-level module comes from, or None for the standard library."""
    if installed(top) is not None:
        return top
    found = _all_distributions().get(top)
    return found[0] if found else None


@functools.lru_cache(maxsize=1)
def _all_distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())
