"""Formats by name, each imported when it is first used; and the boundary that wraps their exceptions."""

from __future__ import annotations

import importlib
from typing import IO, Any

from safeload import loading
from safeload.errors import (
    DeserializationError,
    FormatNotAllowed,
    MalformedError,
    SafeloadError,
    SerializationError,
    brief,
)
from safeload.formats.base import Format, OptionError
from safeload.limits import Limits
from safeload.verification import Verified

_MODULES = {
    "joblib": "safeload.formats.joblib_format",
    "pickle": "safeload.formats.pickle_format",
    "skops": "safeload.formats.skops_format",
}


def names() -> tuple[str, ...]:
    """Return the names of all formats."""
    return tuple(_MODULES)


def get(name: str) -> Format:
    """Return a format.

    Raises
    ------
    FormatNotAllowed
        There is none of that name.
    """
    module = _MODULES.get(name)
    if module is None:
        raise FormatNotAllowed(f"there is no format {name!r}", hint=f"The formats are {', '.join(_MODULES)}.")
    loaded: Format = importlib.import_module(module).FORMAT
    return loaded


def dump(name: str, obj: Any, file: IO[bytes], options: dict[str, Any], *, where: str) -> tuple[str, ...]:
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
