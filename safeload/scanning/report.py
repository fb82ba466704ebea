"""What was found in a file, as values that cannot change: a verdict, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["data", "known types", "unknown types", "malformed", "dangerous"]

# From harmless to not; the worst one counts.
VERDICTS: tuple[Verdict, ...] = ("data", "known types", "unknown types", "malformed", "dangerous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a file was judged by.

    Parameters
    ----------
    verdict
        What it makes of the file.
    reason
        In words.
    offset
        Where, in bytes of the unfolded file.
    limit
        Whether a cap was reached, rather than something wrong found.
    """

    verdict: Verdict
    reason: str
    offset: int
    limit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that loading would make, or a state that it would set.

    Parameters
    ----------
    how
        The opcode: REDUCE, NEWOBJ, NEWOBJ_EX, OBJ, INST or BUILD.
    what
        The name of what is called, or of what made the object whose state is set.
    arguments
        In short.
    offset
        Where, in bytes of the unfolded file.
    parts
        The calls whose results it takes.
    """

    how: str
    what: str
    arguments: str
    offset: int
    parts: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayFound:
    """An array: its elements' type, its shape, and where its bytes are."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleFound:
    """A pickle in the file: its protocol (0 if it names none), and from where to where it goes."""

    protocol: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is in a file.

    Parameters
    ----------
    verdict
        ``data`` (no class or function is named), ``known types`` (all names are among those given),
        ``unknown types``, ``malformed`` (no unpickler would take it, or two would differ) or ``dangerous``.
    findings
        What the verdict rests on, in the order of the file.
    globals
        ``module.qualname`` of each class and function that is looked up, sorted.
    offsets
        Where each is first looked up.
    calls
        What is called, as trees.
    calls_left_out
        How many calls are not among them, since there were too many.
    arrays
        The first arrays; `arrays_left_out` more are not among them.
    pickles
        Pickles in the file, those in object arrays too.
    compressor
        Which one the file went through, or None.
    size, unfolded_size
        Of the file, and of what it unfolds to, in bytes.
    facts
        What else its header says, as pairs of a subject and a text: of safetensors, ONNX and skops files.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    globals: tuple[str, ...] = ()
    offsets: tuple[int, ...] = ()
    calls: tuple[Call, ...] = ()
    calls_left_out: int = 0
    arrays: tuple[ArrayFound, ...] = ()
    arrays_left_out: int = 0
    pickles: tuple[PickleFound, ...] = ()
    compressor: str | None = None
    size: int = 0
    unfolded_size: int = 0
    facts: tuple[tuple[str, str], ...] = ()
