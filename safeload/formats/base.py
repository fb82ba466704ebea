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
    globals : tuple of str
        The ``module.qualname`` of everything that reading it back refers to, sorted.
    remarks : tuple of str
        What was done to the object on the way, such as a conversion, a sentence each; they are signed too.
    """

    globals: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Format(Protocol):
    """One format.

    Its options are keyword-only arguments of `dump` and `load`, each with a default; ``**options`` below
    stands for them. An option that a method does not have is refused before the method is called; for a
    value that it does not take, the method raises :class:`OptionError`.

    Attributes
    ----------
    name : str
        As it stands in statements: 1 to 20 of ``a-z0-9``.
    requires : tuple of str, or None
        Top-level modules whose versions matter for reading it back, whatever the object; their versions are
        signed together with those of what the object itself needs. None for a format that every version, and
        other programs, read alike.
    """

    name: str
    requires: tuple[str, ...] | None

    def dump(self, obj: Any, file: IO[bytes], *args: Any, **options: Any) -> Written:
        """Write an object.

        Parameters
        ----------
        obj : object
            The object.
        file : file object
            Takes bytes and tells its position; it cannot go back.
        """
        ...

    def load(self, verified: VerifiedArtifact, limits: Limits, *args: Any, **options: Any) -> Any:
        """Make the object from verified bytes."""
        ...

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...] | None:
        """Return what a file refers to without deserializing it, or None if the format cannot tell.

        It is signed for a file that another program made. A file that this format would not read is refused
        here, so that it is not signed.
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
    """An option that a format does not have, or a value that it does not take: a mistake of the program's."""
