"""The book in which the interpreter writes down what it meets, with a cap on each kind of entry."""

from __future__ import annotations

from safeload.scanning.report import VERDICTS, ArrayFound, Call, Finding, PickleFound, Verdict

_MAX_FINDINGS = 1_000
_MAX_CALLS = 5_000
_MAX_ARRAYS = 5_000
_MAX_PICKLES = 5_000
MAX_GLOBALS = 20_000


class Halt(Exception):
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
    """What was met so far."""

    def __init__(self) -> None:
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
        # Calls not yet below another, as runs: the height of the stack that they stand at, the first one's number.
        self._open: list[tuple[int, int]] = []

    def find(self, verdict: Verdict, reason: str, offset: int, *, limit: bool = False) -> None:
        """Write a finding down; the worst verdict counts, however many there are."""
        worse = VERDICTS.index(verdict) > VERDICTS.index(self.verdict)
        if worse:
            self.verdict = verdict
        if (verdict, reason) in self._said:
            return
        # One that makes it worse is always kept, so that the verdict has its reason.
        if worse or len(self._findings) < _MAX_FINDINGS:
            self._said.add((verdict, reason))
            self._findings.append(Finding(verdict=verdict, reason=reason, offset=offset, limit=limit))

    def met_known(self) -> None:
        """Note that a known name was met, which is no finding."""
        if self.verdict == "data":
            self.verdict = "known types"

    def untold(self, verdict: Verdict, reason: str, offset: int) -> None:
        """Write down that something is named in a way that does not tell what."""
        self.find(verdict, reason, offset)
        if self.stopped is None:
            self.stopped = Finding(verdict=verdict, reason=reason, offset=offset)

    def halted(self, halt: Halt, offset: int) -> None:
        """Write down that the interpreter stopped."""
        self.find(halt.verdict, str(halt), offset, limit=halt.limit)
        if self.stopped is None:
            self.stopped = Finding(verdict=halt.verdict, reason=str(halt), offset=offset, limit=halt.limit)

    def array(self, found: ArrayFound) -> None:
        """Write an array down."""
        if len(self.arrays) < _MAX_ARRAYS:
            self.arrays.append(found)
        else:
            self.arrays_left_out += 1

    def pickle(self, found: PickleFound) -> None:
        """Write down that a pickle ended."""
        if len(self.pickles) < _MAX_PICKLES:
            self.pickles.append(found)

    @property
    def any_open(self) -> bool:
        """Whether :meth:`lower` may have something to do."""
        return bool(self._open)

    @property
    def full(self) -> bool:
        """Whether no more calls are written down."""
        return len(self._calls) >= _MAX_CALLS

    def call(self, how: str, what: str, arguments: str, offset: int, height: int) -> None:
        """Write a call down whose result is at a height of the stack; what stands there or above is part of it."""
        first = len(self._calls)
        while self._open and self._open[-1][0] >= height:
            first = self._open.pop()[1]
        self._calls.append((first, how, what, arguments, offset))
        self._open.append((height, first))

    def lower(self, height: int) -> None:
        """Note that the stack was reduced to a height."""
        if not self._open or self._open[-1][0] <= height:
            return
        first = 0
        while self._open and self._open[-1][0] >= height:
            first = self._open.pop()[1]
        self._open.append((height, first))

    def rest(self) -> None:
        """Note that a pickle starts or ends: no call of another is part of one in it."""
        self._open.clear()

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
