"""What a file holds, by whichever kind it is: a pickle, an archive of skops', safetensors or ONNX.

The kind is told by the bytes. Where they can be read as two kinds, the worse reading counts.
"""

from __future__ import annotations

from dataclasses import replace

from safeload import formats
from safeload.errors import LimitExceeded, SafeloadError
from safeload.limits import Limits
from safeload.parsers import magic
from safeload.scanning import STANDARD, Report, headers, safetensors_header, scan
from safeload.scanning.report import VERDICTS, Finding, Verdict

_SCHEMA = b"schema.json"


def examine(
    data: bytes, limits: Limits, known: frozenset[str] = STANDARD, own_state: frozenset[str] = frozenset()
) -> Report:
    """Return what a file holds, running none of it.

    Parameters
    ----------
    data
        The file.
    limits
        Caps on what it unfolds to.
    known
        ``module.qualname`` of what may be ``known types``.
    own_state
        Types that run what stands in their state; they are never known.

    Returns
    -------
    Report
        Any bytes have one: what cannot be read is ``malformed``, what would cost too much ``unknown types``.
    """
    try:
        match magic.identify(data):
            case "joblib" | None:
                return _pickle(data, limits, known, own_state)
            case "skops":
                return _archive(data, limits, known, own_state)
            case "safetensors":
                return _safetensors(data, limits, known, own_state)
            case "onnx":
                return headers.read(data)
            case kind:
                return _not_looked_into(f"in the format {kind}", data)
    except SafeloadError as error:
        verdict: Verdict = "unknown types" if isinstance(error, LimitExceeded) else "malformed"
        finding = Finding(
            verdict=verdict, reason=str(error), offset=0, limit=isinstance(error, LimitExceeded)
        )
        return Report(verdict=verdict, findings=(finding,), size=len(data), unfolded_size=len(data))


def _not_looked_into(what: str, data: bytes) -> Report:
    finding = Finding(verdict="unknown types", reason=f"is {what}, which is not looked into", offset=0)
    return Report(verdict="unknown types", findings=(finding,), size=len(data), unfolded_size=len(data))


def _pickle(data: bytes, limits: Limits, known: frozenset[str], own_state: frozenset[str]) -> Report:
    """Read it as joblib does; where that steps over arrays, also as ``pickle.load`` does."""
    report = scan(data, limits, known, own_state=own_state)
    if report.compressor or not report.arrays:
        return report
    other = scan(data, limits, known, own_state=own_state, arrays=False, detail=False)
    if other.verdict != "dangerous" or report.verdict == "dangerous":
        return report
    found = tuple(
        replace(
            finding,
            reason=f"read by pickle.load, which takes the bytes of arrays for instructions: {finding.reason}",
        )
        for finding in other.findings
        if finding.verdict == "dangerous"
    )
    return replace(report, verdict="dangerous", findings=report.findings + found)


def _safetensors(data: bytes, limits: Limits, known: frozenset[str], own_state: frozenset[str]) -> Report:
    """Read the header, and what an unpickler would make of the same bytes: of a genuine file, nothing."""
    other = scan(data, limits, known, own_state=own_state)
    if other.verdict == "malformed":
        return safetensors_header.read(data)
    try:
        report = safetensors_header.read(data)
    except SafeloadError:
        return other  # A pickle that only starts like the other.
    also = Finding(verdict="malformed", reason="can be read as a pickle at the same time", offset=0)
    verdict: Verdict = max((other.verdict, also.verdict), key=VERDICTS.index)
    return replace(
        report,
        verdict=verdict,
        findings=(*report.findings, also, *other.findings),
        globals=other.globals,
        offsets=other.offsets,
        calls=other.calls,
    )


def _archive(data: bytes, limits: Limits, known: frozenset[str], own_state: frozenset[str]) -> Report:
    """Ask skops which types in an archive it does not trust by itself."""
    if _SCHEMA not in data:
        return _not_looked_into("an archive of another kind than skops'", data)
    types = formats.globals_of("skops", data, limits, where="") or ()
    findings = tuple(
        Finding(
            verdict="unknown types",
            reason=f"holds {name}, which "
            + ("runs what stands in its state" if name in own_state else "skops does not trust by itself"),
            offset=0,
        )
        for name in types
        if name not in known or name in own_state
    )
    return Report(
        verdict="unknown types" if findings else "known types",
        findings=findings,
        globals=types,
        offsets=(0,) * len(types),
        size=len(data),
        unfolded_size=len(data),
        facts=(("types that skops trusts", "not listed"),),
    )
