"""Formats, each imported when it is first used; and the boundary that wraps their exceptions.

A program's own format is one object, which :func:`register` adds; ``docs/formats.md`` has an example.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from safeload import loading
from safeload.errors import (
    DeserializationError,
    MalformedError,
    SafeloadError,
    SerializationError,
    brief,
)
from safeload.formats.base import Format as Format
from safeload.formats.base import FormatWithFiles, OptionError, refuse_options
from safeload.formats.base import Written as Written
from safeload.formats.registry import get as get
from safeload.formats.registry import names as names
from safeload.formats.registry import register as register
from safeload.limits import Limits
from safeload.verification import Verified

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
        from safeload.formats import choice

        refuse_options(AUTO, options)
        return choice.choose(obj, where=where)
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
        return chosen.dump(obj, file, options)
    except SafeloadError as error:
        error.where = error.where or where
        raise
    except OptionError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and name in _EXTRAS:
            raise SerializationError(_lacking(name, error), where=where, hint=_install(name)) from error
        raise SerializationError(
            f"a {type(obj).__name__} cannot be stored as {name} ({type(error).__name__}: {brief(error)})",
            where=where,
        ) from error


def load(verified: Verified, limits: Limits, options: dict[str, Any]) -> Any:
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
        with loading.verified():
            return chosen.load(verified, limits, options)
    except SafeloadError as error:
        error.where = error.where or where
        raise
    except OptionError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and chosen.name in _EXTRAS:
            problem = _lacking(chosen.name, error)
            raise DeserializationError(problem, where=where, hint=_install(chosen.name)) from error
        problem = f"reading it failed ({type(error).__name__}: {brief(error)})"
        if verified.statement is None:
            raise DeserializationError(problem, where=where) from error
        raise DeserializationError(
            f"it verified, but {problem}",
            where=where,
            hint="A package that it needs may be missing, or installed in another version.",
        ) from error


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
    try:
        return chosen.globals_of(data, limits)
    except SafeloadError as error:
        error.where = error.where or where
        raise
    except Exception as error:
        raise MalformedError(
            f"it cannot be read as {name} ({type(error).__name__}: {brief(error)})", where=where
        ) from error


def files_of(name: str, data: bytes, limits: Limits, *, where: str) -> tuple[str, ...]:
    """Return the relative paths of the files that an artifact refers to; errors are those of `globals_of`."""
    chosen = get(name)
    if not isinstance(chosen, FormatWithFiles):
        return ()
    try:
        return chosen.files_of(data, limits)
    except SafeloadError as error:
        error.where = error.where or where
        raise
    except Exception as error:
        raise MalformedError(
            f"it cannot be read as {name} ({type(error).__name__}: {brief(error)})", where=where
        ) from error


def _lacking(name: str, error: ModuleNotFoundError) -> str:
    return f"the format {name} needs a package that is not installed ({brief(error)})"


def _install(name: str) -> str:
    return f'pip install "safeload[{_EXTRAS[name]}]"'
