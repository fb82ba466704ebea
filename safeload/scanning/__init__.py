"""What a pickle or joblib file refers to, told from its bytes alone: nothing of it is run or imported.

This helps a person who has to decide whether to vouch for a file. It is no verdict: what a file refers to
says little about what it does, and what cannot be followed is said to be incomplete.
"""

from __future__ import annotations

from dataclasses import dataclass

from safeload import magic
from safeload.formats.compression import decompress
from safeload.limits import Limits
from safeload.scanning.machine import Halt, Machine

__all__ = ["Scan", "globals_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a file refers to.

    Parameters
    ----------
    globals
        ``module.qualname`` of each class and function that it names, sorted.
    complete
        Whether the whole file could be followed.
    stopped_at
        The byte of the (unfolded) file at which it could not; None if it could.
    reason
        Why not, or None.
    """

    globals: tuple[str, ...]
    complete: bool
    stopped_at: int | None = None
    reason: str | None = None


def globals_of(data: bytes, limits: Limits) -> Scan:
    """Follow a joblib file, compressed or not, or a plain pickle.

    Raises
    ------
    LimitExceeded, MalformedError, FormatNotAllowed
        The compressed stream is damaged, unfolds to more than is allowed, or is of a kind that cannot be
        read here.
    """
    compressor = magic.compressor(data)
    machine = Machine(bytes(decompress(data, compressor, limits)) if compressor else data)
    try:
        machine.run()
    except Halt as halt:
        return Scan(
            globals=tuple(sorted(machine.globals)),
            complete=False,
            stopped_at=machine.position,
            reason=str(halt),
        )
    return Scan(globals=tuple(sorted(machine.globals)), complete=True)
