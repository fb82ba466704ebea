"""What a pickle or joblib file would do if it were loaded, told from its bytes alone.

Nothing of the file is imported or run. The verdict ``known types`` means that the file names only what the
caller lists, in forms that the libraries write. What cannot be decided is unknown, never safe.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass

from safeload.limits import Limits
from safeload.parsers import magic
from safeload.parsers.compression import decompress
from safeload.scanning.interpreter import follow
from safeload.scanning.ledger import Ledger, ScanStopped
from safeload.scanning.names import STANDARD, Resolver
from safeload.scanning.report import Report

__all__ = ["STANDARD", "Report", "Scan", "globals_of", "is_never_unpickled", "scan"]

# Further pickles that follow one another are not read.
_MAX_PICKLES = 100
# The end record of a ZIP archive starts within so many bytes of the end of the file.
_ZIP_TAIL = 65_557
_ZIP_END = b"PK\x05\x06"
_START_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a file refers to.

    Attributes
    ----------
    globals : tuple of str
        ``module.qualname`` of each class and function that it names, sorted.
    complete : bool
        Whether the whole file could be followed.
    stopped_at, reason : int and str, or None
        Where in the decompressed file, in bytes, it could not be followed, and why.
    """

    globals: tuple[str, ...]
    complete: bool
    stopped_at: int | None = None
    reason: str | None = None


def scan(
    data: bytes,
    limits: Limits,
    known: frozenset[str] = STANDARD,
    *,
    own_state: frozenset[str] = frozenset(),
    arrays: bool = True,
    detail: bool = True,
) -> Report:
    """Follow a joblib file, compressed or not, or a plain pickle.

    Parameters
    ----------
    data : bytes
        The file.
    limits : Limits
        Caps on what it decompresses to.
    known : frozenset of str
        ``module.qualname`` of what may be ``known types``.
    own_state : frozenset of str
        Types that run code from their state; they are never known.
    arrays : bool
        Whether joblib reads the file, which takes the bytes after the wrapper of an array for the array.
        False tells what ``pickle.load`` would do.
    detail : bool
        Whether calls and arrays are reported. Without them it takes half the time; the verdict is the same.

    Returns
    -------
    Report

    Raises
    ------
    LimitExceeded, MalformedError, FormatNotAllowed
        The compressed stream is damaged, decompresses to more than is allowed, or is of a kind that cannot be
        read here.

    Examples
    --------
    >>> import pickle, datetime
    >>> from safeload import Limits
    >>> report = scan(pickle.dumps(datetime.date(2026, 1, 1)), Limits())
    >>> report.verdict, report.globals
    ('known types', ('datetime.date',))
    """
    compressor = magic.compressor(data) if arrays else None
    plain = bytes(decompress(data, compressor, limits)) if compressor else data
    ledger = Ledger(detail=detail)
    _follow_all(plain, ledger, Resolver(ledger, known, own_state), arrays=arrays)
    if _is_archive(data) or (compressor and _is_archive(plain)):
        ledger.find("malformed", "is a ZIP archive at the same time", 0)
    names = sorted(ledger.globals)
    return Report(
        verdict=ledger.verdict,
        findings=ledger.findings(),
        globals=tuple(names),
        offsets=tuple(ledger.globals[name] for name in names),
        calls=ledger.calls(),
        calls_left_out=ledger.left_out,
        arrays=tuple(ledger.arrays),
        arrays_left_out=ledger.arrays_left_out,
        pickles=tuple(ledger.pickles),
        compressor=compressor,
        size=len(data),
        unfolded_size=len(plain),
    )


def globals_of(data: bytes, limits: Limits) -> Scan:
    """Return what a joblib file or plain pickle refers to; errors are those of :func:`scan`."""
    compressor = magic.compressor(data)
    ledger = Ledger(detail=False)
    plain = bytes(decompress(data, compressor, limits)) if compressor else data
    _follow_all(plain, ledger, Resolver(ledger, STANDARD, frozenset()), arrays=True)
    names, stopped = tuple(sorted(ledger.globals)), ledger.stopped
    if stopped is None:
        return Scan(globals=names, complete=True)
    return Scan(globals=names, complete=False, stopped_at=stopped.offset, reason=stopped.reason)


def is_never_unpickled(data: bytes) -> bool:
    """Tell whether pickle and joblib fail on a file for certain before they look up a name in it.

    The verdict ``malformed`` does not tell: its rules are stricter than those of unpicklers, which may go on.
    """
    compressor = magic.compressor(data)
    if compressor == "zlib":
        try:
            zlib.decompressobj().decompress(data[:_START_BYTES], 1)
        except zlib.error:
            return True  # The byte that starts a stream is no instruction of a pickle.
    if compressor is not None:
        return False
    ledger = Ledger(detail=False)
    follow(data, 0, ledger, Resolver(ledger, STANDARD, frozenset()), with_arrays=True)
    return ledger.stopped_harmlessly


def _follow_all(data: bytes, ledger: Ledger, resolver: Resolver, *, arrays: bool) -> None:
    """Follow the pickles of a file one after the other, as far as they go."""
    position = 0
    for _ in range(_MAX_PICKLES):
        position = follow(data, position, ledger, resolver, with_arrays=arrays)
        if position < 0 or position == len(data):
            return
        ledger.halted(ScanStopped("bytes follow the end of the pickle"), position)
    ledger.halted(ScanStopped(f"more than {_MAX_PICKLES} pickles follow one another", limit=True), position)


def _is_archive(data: bytes) -> bool:
    """Tell whether the file can be read as a ZIP archive too. No member is read."""
    if data.find(_ZIP_END, max(0, len(data) - _ZIP_TAIL)) < 0:
        return False
    return zipfile.is_zipfile(io.BytesIO(data))
