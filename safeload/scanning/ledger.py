"""What the interpreter has met so far, with a cap on each kind of entry."""

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

    `verdict` is what that makes of the file; `limit` tells whether a cap was reached, and `certain` whether
    every unpickler stops here too: the rules here are stricter than those of unpicklers.
    """

    def __init__(
        self, reason: str, verdict: Verdict = "malformed", *, limit: bool = False, certain: bool = False
    ) -> None:
        super().__init__(reason)
        self.verdict = verdict
        self.certain = certain
        self.limit = limit


class Ledger:
    """What one file has shown so far. Without detail, calls and arrays are judged but not recorded."""

    def __init__(self, *, detail: bool = True) -> None:
        self._max_calls = _MAX_CALLS if detail else 0
        self._max_arrays = _MAX_ARRAYS if detail else 0
        self.verdict: Verdict = "data"
        self.globals: dict[str, int] = {}
        # Whether every unpickler has stopped by now, and had looked up nothing by then.
        self.stopped_harmlessly = False
        # What first made the names incomplete.
        self.stopped: Finding | None = None
        self.arrays: list[ArrayFound] = []
        self.pickles: list[PickleFound] = []
        self.left_out = 0
        self.arrays_left_out = 0
        self._findings: list[Finding] = []
        self._said: set[tuple[Verdict, str]] = set()
        # In post-order; each with the number of the first call among its parts.
        self._calls: list[tuple[int, str, str, str, int]] = []
        # Calls that are not part of another yet, as runs: stack height, and the number of the first call.
        self.open_calls: list[tuple[int, int]] = []

    def find(self, verdict: Verdict, reason: str, offset: int, *, limit: bool = False) -> None:
        """Record a finding. The verdict is the worst of all findings, including those beyond the cap."""
        if (verdict, reason) in self._said:
            return
        worse = VERDICTS.index(verdict) > VERDICTS.index(self.verdict)
        if worse:
            self.verdict = verdict
        # A finding that makes the verdict worse is always kept: it is the reason for the verdict.
        if worse or len(self._findings) < _MAX_FINDINGS:
            self._said.add((verdict, reason))
            self._findings.append(Finding(verdict=verdict, reason=reason, offset=offset, limit=limit))

    def met_known(self) -> None:
        """Note that a known name was met. This is not a finding."""
        if self.verdict == "data":
            self.verdict = "known types"

    def add_unresolved(self, verdict: Verdict, reason: str, offset: int, *, limit: bool = False) -> None:
        """Record a finding after which the names in the file are not complete."""
        self.find(verdict, reason, offset, limit=limit)
        if self.stopped is None:
            self.stopped = Finding(verdict=verdict, reason=reason, offset=offset, limit=limit)

    def halted(self, reason: ScanStopped, offset: int) -> None:
        """Record that the interpreter stopped."""
        if reason.certain:
            self.every_unpickler_stops()
        self.add_unresolved(reason.verdict, str(reason), offset, limit=reason.limit)

    def every_unpickler_stops(self) -> None:
        """Note that no unpickler goes on from here."""
        if not self.globals and self.verdict != "dangerous":
            self.stopped_harmlessly = True

    def array(self, found: Array) -> None:
        """Record an array."""
        if len(self.arrays) < self._max_arrays:
            self.arrays.append(
                ArrayFound(dtype=found.dtype.shown, shape=found.shape, offset=found.offset, size=found.length)
            )
        else:
            self.arrays_left_out += 1

    def went_through(self, found: PickleFound) -> None:
        """Record a pickle that was followed to its end."""
        if len(self.pickles) < _MAX_PICKLES:
            self.pickles.append(found)

    @property
    def full(self) -> bool:
        """Whether no more calls are recorded."""
        return len(self._calls) >= self._max_calls

    def call(self, how: str, what: str, arguments: str, offset: int, height: int) -> None:
        """Record a call by the height of its result; open calls at that height or above are its parts."""
        first = self._pop_calls(height, len(self._calls))
        self._calls.append((first, how, what, arguments, offset))
        self.open_calls.append((height, first))

    def close_calls(self, height: int) -> None:
        """Join the open calls above a height, to which the stack was reduced, into one run."""
        if self.open_calls and self.open_calls[-1][0] > height:
            self.open_calls.append((height, self._pop_calls(height, 0)))

    def _pop_calls(self, height: int, first: int) -> int:
        while self.open_calls and self.open_calls[-1][0] >= height:
            first = self.open_calls.pop()[1]
        return first

    def reset_calls(self) -> None:
        """Forget open calls where a pickle starts or ends: its calls have no parts in another pickle."""
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
