"""The result of inspecting a file: a verdict and the findings that it rests on, as immutable values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["data", "known types", "unknown types", "malformed", "dangerous"]

# From harmless to dangerous; the worst finding decides.
VERDICTS: tuple[Verdict, ...] = ("data", "known types", "unknown types", "malformed", "dangerous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason for a verdict.

    Parameters
    ----------
    verdict : Verdict
        The verdict that this alone gives the file.
    reason : str
        In words.
    offset : int
        Position in the decompressed file, in bytes.
    limit : bool
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
    how : str
        The opcode: REDUCE, NEWOBJ, NEWOBJ_EX, OBJ, INST or BUILD.
    what : str
        The name of what is called, or of what created the object whose state is set.
    arguments : str
        Shortened.
    offset : int
        Position in the decompressed file, in bytes.
    parts : tuple of Call
        The calls whose results it takes.
    """

    how: str
    what: str
    arguments: str
    offset: int
    parts: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayFound:
    """An array: the type of its elements, its shape, and the position and size of its bytes."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleFound:
    """A pickle in the file: its protocol (0 if it declares none), its start and its end."""

    protocol: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is in a file.

    Parameters
    ----------
    verdict : Verdict
        ``data`` (no class or function is named), ``known types`` (all names are among those given),
        ``unknown types``, ``malformed`` (no unpickler would read it, or two would differ) or ``dangerous``.
    findings : tuple of Finding
        The reasons for the verdict, by position.
    globals : tuple of str
        ``module.qualname`` of each class and function that is looked up, sorted.
    offsets : tuple of int
        Where each of them is first looked up.
    calls : tuple of Call
        What is called, as trees.
    calls_left_out : int
        Number of calls beyond the cap.
    arrays : tuple of ArrayFound
    arrays_left_out : int
        Number of arrays beyond the cap.
    pickles : tuple of PickleFound
        Pickles in the file, including those of object arrays.
    compressor : str or None
        The compression of the file.
    size, unfolded_size : int
        Of the file, and of what it decompresses to, in bytes.
    facts : tuple of (str, str)
        What else its header says, as subject and text: for safetensors, ONNX and skops files.
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
