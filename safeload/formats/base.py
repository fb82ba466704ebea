"""What a format is: a way between an object and bytes, without any say in trust."""

from __future__ import annotations

from typing import IO, Any, Protocol

from safeload.limits import Limits
from safeload.verification import Verified


class Format(Protocol):
    """One format.

    Attributes
    ----------
    name
        As it stands in statements.
    requires
        Top-level modules that reading it needs, whatever the object.
    """

    name: str
    requires: tuple[str, ...]

    def dump(self, obj: Any, file: IO[bytes], options: dict[str, Any]) -> tuple[str, ...]:
        """Write an object.

        Parameters
        ----------
        obj
            The object.
        file
            Takes bytes and tells its position; it cannot go back.
        options
            The format's own; an unknown one is a TypeError.

        Returns
        -------
        tuple of str
            The ``module.qualname`` of everything that reading it back refers to, sorted.
        """
        ...

    def load(self, verified: Verified, limits: Limits, options: dict[str, Any]) -> Any:
        """Make the object from verified bytes; an unknown option is a TypeError."""
        ...

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...] | None:
        """Return what a file refers to without deserializing it, or None if that cannot be told."""
        ...


class OptionError(TypeError, ValueError):
    """An option that a format does not have, or a value that it cannot have: a mistake of the program's."""


def refuse_options(name: str, options: dict[str, Any]) -> None:
    """Raise for options that a format does not know."""
    if options:
        raise OptionError(f"the format {name} has no option {', '.join(sorted(options))}")
