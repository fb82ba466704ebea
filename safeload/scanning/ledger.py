"""The book in which the interpreter writes down what it meets, with a cap on each kind of entry."""

from __future__ import annotations

from safeload.scanning.report import VERDICTS, ArrayFound, Call, Finding, PickleFound, Verdict
from safeload.scanning.values import Array

_MAX_FINDINGS = 1_000
_MAX_CALLS = 5_000
_MAX_ARRAYS = 5_000
_MAX_PICKLES = 5_000
MAX_GLOBALS = 5_000


class ScanStopped(Exception):
    """The interpreter cannot go on.

    Parameters
    ----------
    reason
        Why.
    verdict
        What that makes of the file.
    limit
        Whether a cap was reached.
    """

    def __init__(self, reason: str, verdict: Verdict = "malformed", *, limit: bool = False) -> None:
        super().__init__(reason)
        self.verdict = verdict
        self.limit = limit


class Ledger:
    """What was met so far.

    Parameters
    ----------
    with_calls, with_arrays
        Whether calls and arrays are written down; they are judged in any case.
    """

    def __init__(self, *, with_calls: bool = True, with_arrays: bool = True) -> None:
        self._max_calls = _MAX_CALLS if with_calls else 0
        self._max_arrays = _MAX_ARRAYS if with_arrays else 0
        self.verdict: Verdict = "data"
        self.globals: dict[str, int] = {}
        # What first made the names incomplete.
        self.stopped: Finding | None = None
        self.arrays: list[ArrayFound] = []
        self.pickles: list[PickleFound] = []
        self.left_out = 0
        self.arrays_left_out = 0
        self._findings: list[Finding] = []
        self._said: set[tuple[Verdict, str]] = set()
        # Post-order; each with the number of the first call that belongs below it.
        self._calls: list[tuple[int, str, str, str, int]] = []
        # Calls not yet below another, as runs: their place on the stack, and the number of the first.
        self.open_calls: list[tuple[int, int]] = []

    def find(self, verdict: Verdict, reason: str, offset: int, *, limit: bool = False) -> None:
        """Write a finding down; the worst verdict counts, however many there are."""
        if (verdict, reason) in self._said:
            return
        worse = VERDICTS.index(verdict) > VERDICTS.index(self.verdict)
        if worse:
            self.verdict = verdict
        # One that makes it worse is always kept, so that the verdict has its reason.
        if worse or len(self._findings) < _MAX_FINDINGS:
            self._said.add((verdict, reason))
            self._findings.append(Finding(verdict=verdict, reason=reason, offset=offset, limit=limit))

    def met_known(self) -> None:
        """Note that a known name was met, which is no finding."""
        if self.verdict == "data":
            self.verdict = "known types"

    def add_unresolved(self, verdict: Verdict, reason: str, offset: int) -> None:
        """Write down that something is named in a way that does not tell what."""
        self.find(verdict, reason, offset)
        if self.stopped is None:
            self.stopped = Finding(verdict=verdict, reason=reason, offset=offset)

    def halted(self, halt: ScanStopped, offset: int) -> None:
        """Write down that the interpreter stopped."""
        self.find(halt.verdict, str(halt), offset, limit=halt.limit)
        if self.stopped is None:
            self.stopped = Finding(verdict=halt.verdict, reason=str(halt), offset=offset, limit=halt.limit)

    def array(self, found: Array) -> None:
        """Write an array down."""
        if len(self.arrays) < self._max_arrays:
            self.arrays.append(
                ArrayFound(dtype=found.dtype.shown, shape=found.shape, offset=found.offset, size=found.length)
            )
        else:
            self.arrays_left_out += 1

    def went_through(self, found: PickleFound) -> None:
        """Write down that a pickle ended."""
        if len(self.pickles) < _MAX_PICKLES:
            self.pickles.append(found)

    @property
    def full(self) -> bool:
        """Whether no more calls are written down."""
        return len(self._calls) >= self._max_calls

    def call(self, how: str, what: str, arguments: str, offset: int, height: int) -> None:
        """Write a call down, by the place of its result; what stands there or above is part of it."""
        first = len(self._calls)
        while self.open_calls and self.open_calls[-1][0] >= height:
            first = self.open_calls.pop()[1]
        self._calls.append((first, how, what, arguments, offset))
        self.open_calls.append((height, first))

    def close_calls(self, height: int) -> None:
        """Note that the stack was reduced to a height."""
        if not self.open_calls or self.open_calls[-1][0] <= height:
            return
        first = 0
        while self.open_calls and self.open_calls[-1][0] >= height:
            first = self.open_calls.pop()[1]
        self.open_calls.append((height, first))

    def reset_calls(self) -> None:
        """Note that a pickle starts or ends: no call of another is part of one in it."""
        self.open_calls.clear()

    def findings(self) -> tuple[Finding, ...]:
        """Return the findings in the order of the file."""
        return tuple(sorted(self._findings, key=lambda finding: finding.offset))

    def calls(self) -> tuple[Call, ...]:
        """Return the calls as trees."""
        done: list[tuple[int, Call]] = []
        for number, (first, how, what, arguments, offset) in enumerate(self._calls):
            parts: list[Call] = []
            while done and done[-1][0] >= first:
                parts.append(done.pop()[1])
            made = Call(how=how, what=what, arguments=arguments, offset=offset, parts=tuple(reversed(parts)))
            done.append((number, made))
        return tuple(call for _, call in done)
