"""What a file of any kind holds: a pickle, a skops archive, safetensors or ONNX.

The bytes tell the kind. If they can be read as two kinds, the worse verdict counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from safeload.errors import LimitExceeded, SafeloadError
from safeload.limits import Limits
from safeload.parsers import magic
from safeload.scanning import STANDARD, Report, headers, is_never_unpickled, scan
from safeload.scanning.report import VERDICTS, Finding, Verdict

TypesOf = Callable[[bytes, Limits], Iterable[str]]

_SCHEMA = b"schema.json"


def examine(
    data: bytes,
    limits: Limits,
    known: frozenset[str] = STANDARD,
    own_state: frozenset[str] = frozenset(),
    *,
    skops_types: TypesOf | None = None,
) -> Report:
    r"""Return what a file holds, without running any of it.

    There is a report for any bytes: a file that cannot be read is ``malformed``, one that would cost too much
    is ``unknown types``. `skops_types` returns the names of the types in a skops archive that skops does not
    trust by itself; without it, an archive is not looked into. The other parameters are those of
    :func:`safeload.scanning.scan`.

    Examples
    --------
    >>> import pickle
    >>> from safeload import Limits
    >>> from safeload.scanning import contents
    >>> contents.examine(pickle.dumps([1, "a"]), Limits()).verdict
    'data'
    >>> contents.examine(b"cos\nsystem\n.", Limits()).findings[0].reason
    'names os.system, of a module that no data needs'
    """
    try:
        match magic.identify(data):
            case "joblib" | None:
                return _pickle(data, limits, known, own_state)
            case "skops" if _SCHEMA not in data:
                return _not_looked_into("an archive of another kind than skops'", data)
            case "skops":
                if skops_types is None:
                    return _not_looked_into("a skops archive", data)
                return _archive(data, tuple(skops_types(data, limits)), known, own_state)
            case "safetensors":
                return _safetensors(data, limits, known, own_state)
            case "onnx":
                return headers.read_onnx(data)
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
    """Read the file as joblib does, and also as ``pickle.load`` does if joblib skips the bytes of arrays."""
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
    """Read the header, and the same bytes as a pickle; no genuine file is one."""
    if is_never_unpickled(data):
        return headers.read_safetensors(data)
    other = scan(data, limits, known, own_state=own_state)
    try:
        report = headers.read_safetensors(data)
    except SafeloadError:
        return other  # A pickle that only starts like a safetensors file.
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


def _archive(data: bytes, types: tuple[str, ...], known: frozenset[str], own_state: frozenset[str]) -> Report:
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
