"""Inspection of pickles and joblib files: it ends in a verdict or a refusal, and what it calls data is data.

Data asks for no class or function: the unpickler in C and the one in Python both read it, and neither looks
anything up. Both are given a lookup that refuses, so that nothing can run here whatever inspection says.
"""

from __future__ import annotations

import io
import pickle
import zlib
from typing import Any, NoReturn

import numpy as np
from corpus.arrays import dumped

from safeload import Limits, SafeloadError
from safeload.scanning import scan
from safeload.scanning.report import VERDICTS

_LIMITS = Limits(decompressed_bytes=1 << 22, ratio_floor_bytes=1 << 20)
_OBJECTS: list[Any] = [
    [1, -1, 2**70, 1.5, True, None, "ä", b"b"],
    {"l": [1, [2]], "t": ((), (1,), (1, 2, 3, 4)), "s": {1}, "f": frozenset({2})},
    bytearray(b"abc"),
]

SEEDS = [
    *(pickle.dumps(obj, protocol) for obj in _OBJECTS for protocol in range(6)),
    dumped([np.arange(3), "x"]),
    dumped(np.array([1, "a"], dtype=object)),
    dumped(np.arange(3), compress=3),
    zlib.compress(pickle.dumps(1)),
    b"(I1\nL2L\nF1.5\nS'a'\nVb\np0\n0g0\nlp1\n.",
    b"(V1\nios\nsystem\n.",
    b"\x80\x04\x82\x01.",
    b"Pa\n.",
]


class Asked(Exception):
    """The unpickler looked something up."""


def _refuse(module: str, name: str) -> NoReturn:
    raise Asked(f"{module}.{name}")


class _InC(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        _refuse(module, name)


class _InPython(pickle._Unpickler):  # type: ignore[name-defined,misc]
    def find_class(self, module: str, name: str) -> NoReturn:
        _refuse(module, name)


def one(data: bytes) -> None:
    """Hold the property for any bytes."""
    try:
        report = scan(data, _LIMITS, frozenset())
    except SafeloadError:
        return
    assert report.verdict in VERDICTS
    if report.verdict != "data" or report.compressor is not None:
        return
    assert report.globals == ()
    for unpickler in (_InC, _InPython):
        try:
            unpickler(io.BytesIO(data)).load()
        except Asked as asked:
            raise AssertionError(f"what is called data asks for {asked}") from None
