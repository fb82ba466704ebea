"""What a format is: a way between an object and bytes, without any say in trust."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any, Protocol, runtime_checkable

from safeload.limits import Limits
from safeload.trust.gate import VerifiedArtifact


@dataclass(frozen=True, slots=True)
class Written:
    """What a format says of an object that it has written.

    Parameters
    ----------
    globals
        The ``module.qualname`` of everything that reading it back refers to, sorted.
    remarks
        What was done to the object on the way, such as a conversion, a sentence each; it is signed along.
    """

    globals: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Format(Protocol):
    """One format.

    Attributes
    ----------
    name
        As it stands in statements: 1 to 20 of ``a-z0-9``.
    requires
        Top-level modules whose versions matter to whoever reads it back, whatever the object; their versions
        are signed along with those of what the object itself needs. None for a format that any version, and
        other programs, read alike.
    """

    name: str
    requires: tuple[str, ...] | None

    def dump(self, obj: Any, file: IO[bytes], options: dict[str, Any]) -> Written:
        """Write an object.

        Parameters
        ----------
        obj
            The object.
        file
            Takes bytes and tells its position; it cannot go back.
        options
            The format's own; an unknown one is a TypeError, see :func:`refuse_options`.
        """
        ...

    def load(self, verified: VerifiedArtifact, limits: Limits, options: dict[str, Any]) -> Any:
        """Make the object from verified bytes; an unknown option is a TypeError."""
        ...

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...] | None:
        """Return what a file refers to without deserializing it, or None if that cannot be told.

        It is what is signed of a file that somebody else made. A file that this format would not read is
        refused here, so that nobody signs it.
        """
        ...


@runtime_checkable
class FormatWithFiles(Format, Protocol):
    """A format whose artifacts may refer to further files that lie beside them."""

    def files_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return the relative POSIX paths of the files that an artifact refers to, sorted.

        Loading one reads them from ``verified.files`` and from nowhere else.
        """
        ...


class OptionError(TypeError, ValueError):
    """An option that a format does not have, or a value that it cannot have: a mistake of the program's."""


def refuse_options(name: str, options: dict[str, Any]) -> None:
    """Raise for options that a format does not know."""
    if options:
        raise OptionError(f"the format {name} has no option {', '.join(sorted(options))}")
