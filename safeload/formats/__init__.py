"""Formats, each imported when it is first used; and the boundary that wraps their exceptions.

A program's own format is one object, which :func:`register` adds; ``docs/formats.md`` has an example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from safeload.formats.base import Format as Format
from safeload.formats.base import FormatWithFiles, OptionError
from safeload.formats.base import Written as Written
from safeload.formats.base import refuse_options as refuse_options
from safeload.formats.registry import get as get
from safeload.formats.registry import names as names
from safeload.formats.registry import register as register
from safeload.limits import Limits
from safeload.trust import environment
from safeload.trust.gate import VerifiedArtifact
from safeload.trust.policy import Policy

AUTO = "auto"
# The extra that brings what a format needs.
_EXTRAS = {
    "onnx": "onnx",
    "safetensors": "safetensors",
    "parquet": "arrow",
    "arrow": "arrow",
    "torch": "torch",
    "keras": "keras",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """An object that is about to be written.

    Parameters
    ----------
    format
        The name of the format.
    write
        Writes the artifact.
    """

    format: str
    write: Callable[[IO[bytes]], Written]


def prepare(name: str, obj: Any, options: dict[str, Any], *, where: str) -> Prepared:
    """Return how an object will be written; for ``auto``, after the format was chosen by trying.

    Raises
    ------
    FormatNotAllowed
        There is no such format.
    TypeError
        Options were given for a format that is still to be chosen.
    """
    if name == AUTO:
        from safeload.formats import auto

        refuse_options(AUTO, options)
        return auto.choose(obj, where=where)
    get(name)
    return Prepared(name, lambda file: dump(name, obj, file, options, where=where))


def dump(name: str, obj: Any, file: IO[bytes], options: dict[str, Any], *, where: str) -> Written:
    """Write `obj` in the format `name`; see :meth:`Format.dump`.

    Raises
    ------
    SerializationError
        The object cannot be stored.
    TypeError, ValueError
        An option is not the format's.
    SafeloadError
        As the file or the format raises it.
    """
    chosen = get(name)
    try:
        written = chosen.dump(obj, file, options)
        if not isinstance(written, Written):
            raise OptionError(
                f"the format {name} returns {type(written).__name__}, and not what it has written"
            )
        return written
    except SafeloadError as error:
        error.where = error.where or where
        raise
    except OptionError:
        raise
    except Exception as error:
        if (lacking := _lacking(SerializationError, name, error, where)) is not None:
            raise lacking from error
        raise SerializationError(
            f"a {type(obj).__name__} cannot be stored as {name} ({type(error).__name__}: {brief(error)})",
            where=where,
        ) from error


def load(verified: VerifiedArtifact, limits: Limits, options: dict[str, Any]) -> Any:
    """Make the object from verified bytes.

    Raises
    ------
    TypeError, ValueError
        An option is not the format's.
    DeserializationError
        The bytes are the signed ones, and yet no object could be made of them.
    SafeloadError
        As the format raises it.
    """
    chosen = get(verified.format)
    where = verified.blob.location
    try:
        with guarding.verified_load():
            return chosen.load(verified, limits, options)
    except SafeloadError as error:
        error.where = error.where or where
        raise
    except OptionError:
        raise
    except Exception as error:
        if (lacking := _lacking(DeserializationError, chosen.name, error, where)) is not None:
            raise lacking from error
        problem = f"reading it failed ({type(error).__name__}: {brief(error)})"
        if verified.statement is None:
            raise DeserializationError(problem, where=where) from error
        raise DeserializationError(
            f"it verified, but {problem}",
            where=where,
            hint="A package that it needs may be missing, or installed in another version.",
        ) from error


def deserialize(verified: VerifiedArtifact, policy: Policy, options: dict[str, Any] | None = None) -> Any:
    """Compare the environment, then make the object; the one way from verified bytes to it.

    Raises
    ------
    EnvironmentMismatch
        Installed packages differ from the signed ones, and the policy refuses that.
    SafeloadError, TypeError, ValueError
        See :func:`load`.
    """
    if verified.statement is not None:
        environment.check(verified.statement, policy.environment, where=verified.blob.location)
    return load(verified, policy.limits, options or {})


def globals_of(name: str, data: bytes, limits: Limits, *, where: str) -> tuple[str, ...] | None:
    """Return what an artifact's bytes refer to, as far as the format can tell without making the object.

    Raises
    ------
    MalformedError
        The bytes are not of this format.
    SafeloadError
        As the format raises it.
    """
    chosen = get(name)
    with _looking_into(name, where):
        return chosen.globals_of(data, limits)


def files_of(name: str, data: bytes, limits: Limits, *, where: str) -> tuple[str, ...]:
    """Return the relative paths of the files that an artifact refers to; errors are those of `globals_of`."""
    chosen = get(name)
    if not isinstance(chosen, FormatWithFiles):
        return ()
    with _looking_into(name, where):
        try:
            # Names out of the artifact, which decide what is read.
            return tuple(sorted({check_path(path) for path in chosen.files_of(data, limits)}))
        except InvalidName as error:
            raise MalformedError(f"it names a file: {error.problem}") from None


@contextmanager
def _looking_into(name: str, where: str) -> Iterator[None]:
    """Wrap what a format raises about bytes that somebody else made."""
    try:
        yield
    except SafeloadError as error:
        error.where = error.where or where
        raise
    except Exception as error:
        if (lacking := _lacking(FormatNotAllowed, name, error, where)) is not None:
            raise lacking from error
        raise MalformedError(
            f"it cannot be read as {name} ({type(error).__name__}: {brief(error)})", where=where
        ) from error


def _lacking(kind: type[SafeloadError], name: str, error: Exception, where: str) -> SafeloadError | None:
    """Return what is raised where a package is missing that an extra brings; None for other errors."""
    if not isinstance(error, ModuleNotFoundError) or name not in _EXTRAS:
        return None
    return kind(
        f"the format {name} needs a package that is not installed ({brief(error)})",
        where=where,
        hint=f'Install it: pip install "safeload[{_EXTRAS[name]}]".',
    )
