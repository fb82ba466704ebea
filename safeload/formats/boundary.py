"""The boundary around the formats: it checks options before any work, and wraps what a format raises.

What a caller can catch is a :class:`~safeload.errors.SafeloadError`, whichever library failed below, or an
:class:`~safeload.formats.base.OptionError` for a mistake of the program's. Options are compared with the
format's signature before it runs, so that a TypeError out of it is about the object or the file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from safeload import guarding
from safeload.attestation.subjects import check_path
from safeload.errors import (
    DeserializationError,
    FormatNotAllowed,
    InvalidName,
    MalformedError,
    SafeloadError,
    SerializationError,
    brief,
)
from safeload.formats.base import FormatWithFiles, OptionError, Written
from safeload.formats.registry import get, imported
from safeload.limits import Limits
from safeload.parsers.format_facts import FACTS
from safeload.trust import environment
from safeload.trust.gate import VerifiedArtifact
from safeload.trust.policy import Policy


def check_options(name: str, method: Callable[..., Any], options: dict[str, Any]) -> None:
    """Refuse options that a method of the format `name` does not have.

    Raises
    ------
    OptionError
        It names the format and the options.
    """
    if not options:
        return
    parameters = list(inspect.signature(method).parameters.values())
    fixed = {parameter.name for parameter in parameters[:2]}
    known = {parameter.name for parameter in parameters[2:] if parameter.kind is not parameter.VAR_KEYWORD}
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    unknown = sorted(option for option in options if option in fixed or not (takes_any or option in known))
    if unknown:
        reasons = FACTS[name].refused_options if name in FACTS else {}
        why = "".join(f": {reasons[option]}" for option in unknown if option in reasons)
        raise OptionError(f"the format {name} has no option {', '.join(unknown)}{why}")


def dump(name: str, obj: Any, file: IO[bytes], options: dict[str, Any], *, where: str) -> Written:
    """Write an object in the format `name` to a file that takes bytes and tells its position.

    Raises
    ------
    OptionError
        The format does not have an option, or does not take its value.
    SerializationError
        The object cannot be stored.
    SafeloadError
        As the file or the format raises it.
    """
    chosen = get(name)
    check_options(name, chosen.dump, options)
    with _wrapped(name, where, SerializationError, f"a {type(obj).__name__} cannot be stored as {name}"):
        written = chosen.dump(obj, file, **options)
    if not isinstance(written, Written):
        raise OptionError(f"the dump of the format {name} returns {type(written).__name__}, not Written")
    return written


def deserialize(verified: VerifiedArtifact, policy: Policy, options: dict[str, Any] | None = None) -> Any:
    """Compare the environment, then make the object; the one way from verified bytes to it.

    Raises
    ------
    EnvironmentMismatch
        Installed packages differ from the signed ones, and the policy refuses that.
    OptionError
        The format does not have an option, or does not take its value.
    DeserializationError
        No object can be made of the bytes, although they are admitted.
    SafeloadError
        As the format raises it.
    """
    name, where, options = verified.format, verified.blob.location, options or {}
    if verified.statement is not None:
        environment.check(verified.statement, policy.environment, where=where)
    chosen = imported.get(name) or get(name)
    if options:
        check_options(name, chosen.load, options)
    mark = guarding.VERIFIED_LOAD.set(True)
    try:
        return chosen.load(verified, policy.limits, **options)
    except Exception as error:
        problem, hint = "reading it failed", None
        if verified.statement is not None:
            problem = f"it verified, but {problem}"
            hint = "A package that it needs may be missing, or installed in another version."
        refusal = _refusal(error, name, where, DeserializationError, problem, hint)
        if refusal is error:
            raise
        raise refusal from error
    finally:
        guarding.VERIFIED_LOAD.reset(mark)


def globals_of(name: str, data: bytes, limits: Limits, *, where: str) -> tuple[str, ...] | None:
    """Return what a file in the format `name`, not signed yet, refers to, without making the object.

    Each as ``module.qualname``; None if the format cannot tell.

    Raises
    ------
    MalformedError
        The bytes are not of this format.
    SafeloadError
        As the format raises it.
    """
    chosen = get(name)
    with _wrapped(name, where, MalformedError, f"it cannot be read as {name}"):
        return chosen.globals_of(data, limits)


def files_of(name: str, data: bytes, limits: Limits, *, where: str) -> tuple[str, ...]:
    """Return the relative paths of the files that a file refers to, sorted; see :func:`globals_of`."""
    chosen = get(name)
    if not isinstance(chosen, FormatWithFiles):
        return ()
    with _wrapped(name, where, MalformedError, f"it cannot be read as {name}"):
        try:
            # The artifact names these paths, and they decide which files are read.
            return tuple(sorted({check_path(path) for path in chosen.files_of(data, limits)}))
        except InvalidName as error:
            raise MalformedError(f"it names a file: {error.problem}") from None


@contextmanager
def _wrapped(name: str, where: str, kind: type[SafeloadError], problem: str) -> Iterator[None]:
    """Turn what a format raises into an error of `kind` that says what the problem is."""
    try:
        yield
    except Exception as error:
        refusal = _refusal(error, name, where, kind, problem)
        if refusal is error:
            raise
        raise refusal from error


def _refusal(
    error: Exception,
    name: str,
    where: str,
    kind: type[SafeloadError],
    problem: str,
    hint: str | None = None,
) -> Exception:
    """Return what is raised for an exception of a format.

    A SafeloadError stays what it is. So does an OptionError, except where a file is looked into, which has no
    options.
    """
    if isinstance(error, SafeloadError):
        error.where = error.where or where
        return error
    if isinstance(error, OptionError) and kind is not MalformedError:
        return error
    extra = FACTS[name].extra if name in FACTS else None
    if extra is not None and isinstance(error, ModuleNotFoundError):
        # A package that is missing here says nothing about the file.
        kind = FormatNotAllowed if kind is MalformedError else kind
        return kind(
            f"the format {name} needs a package that is not installed ({brief(error)})",
            where=where,
            hint=f'Install it: pip install "safeload[{extra}]".',
        )
    return kind(f"{problem} ({type(error).__name__}: {brief(error)})", where=where, hint=hint)
