"""The dry run of an allowlist: a load with stand-ins, before anything of the pickle is made.

The very unpickler that will make the object runs over the same bytes, and whatever it asks for is a
stand-in: nothing is imported, nothing of the file is called. So what the dry run saw named and called is
what the load will name and call, with no second opinion on what the bytes mean. Rules:

1. Every name is on the list, in full.
2. What is called is a name, and not what another call returned. Of the names in presets, those that no
   library's dump calls are not called.
3. Two functions that no list may name have one admitted call each, with exactly the arguments of
   ``namelists.EXACT_CALLS``.
4. State that native code trusts follows :mod:`safeload.parsers.native_state`: dtypes, positions of random
   generators, and nodes of decision trees.
5. Names, dtypes and arrays are not altered, and no object is given an attribute that the unpickler, or what
   it calls, would call itself.

A name that is made while loading would be a stand-in and no text, which the unpickler itself refuses.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from functools import cache
from typing import Any

from safeload import namelists
from safeload.errors import MalformedError, SafeloadError, UntrustedType
from safeload.formats.pickles import array_wrapper, global_names
from safeload.formats.pickles.array_stand_ins import (
    ArrayMade,
    FromBuffer,
    NumpyMade,
    PredictorMade,
    Scalar,
    Texts,
    TreeMade,
    Wrapper,
    watching,
)
from safeload.formats.pickles.dtype_stand_ins import DType
from safeload.formats.pickles.stand_ins import Called, Random, StandIn
from safeload.formats.pickles.unpicklers import ArrayUnpickler, Names, PlainUnpickler, Source, load_plain

_GETATTR, _ENCODE, _ZONE = "builtins.getattr", "_codecs.encode", "zoneinfo.ZoneInfo"
_SCALARS = ("numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar")
_RECONSTRUCT = ("numpy._core.multiarray._reconstruct", "numpy.core.multiarray._reconstruct")
_FROM_BUFFER = ("numpy._core.numeric._frombuffer", "numpy.core.numeric._frombuffer")
_TEXTS = "numpy._core._internal._convert_to_stringdtype_kwargs"
_TREES = {"Tree": TreeMade, "TreePredictor": PredictorMade}


class StandInResolver:
    """Gives the stand-ins, one for each name, and holds the names against the list."""

    def __init__(self, admitted: frozenset[str] | None, allowed: frozenset[str]) -> None:
        self._admitted = admitted
        self._allowed = allowed
        self._given: dict[str, Any] = {}

    def find_class(self, module: str, name: str, protocol: int) -> Any:
        """Return the stand-in for a name."""
        full = ".".join(namelists.python3_name(module, name, protocol))
        global_names.require(self._admitted, full)
        global_names.refuse_extension(module, name)
        found = self._given.get(full)
        if found is None:
            found = self._given[full] = self._stand_in(full)
        return found

    def plain(self, source: Source, *_: Names) -> PlainUnpickler:
        """Return an unpickler of plain pickles that asks this resolver."""
        unpickler = _PlainDryRun(source, None)
        unpickler._resolver = self
        return unpickler

    def _stand_in(self, full: str) -> Any:
        if full == array_wrapper.NAME and full in self._allowed:
            return Wrapper
        if full == _GETATTR:
            return Called(full, (StandIn,), {"judge": staticmethod(self._attribute)})
        if full == _ENCODE:
            return Called(full, (StandIn,), {"judge": staticmethod(_encoded)})
        global_names.require_allowed(self._allowed, full)
        if full in namelists.known() and full not in namelists.called():
            return _never_called(full)
        if full == "numpy.dtype":
            return DType
        if full == "copyreg._reconstructor":
            return _RECONSTRUCTOR
        if full == "builtins.bytes":
            return _BYTES
        return _kind(full)

    def _attribute(self, *arguments: Any) -> Any:
        """Admit ``getattr(zoneinfo.ZoneInfo, "_unpickle")`` and nothing else."""
        if len(arguments) != 2 or arguments[0] is not _never_called(_ZONE) or arguments[1] != "_unpickle":
            _refuse_call(_GETATTR)
        return StandIn


@cache
def _never_called(full: str) -> Any:
    """Return the class that stands for a name which may be referred to, and not called."""
    return Called(full, (_kind(full),), {"judge": staticmethod(lambda *_: _refuse_call(full))})


def _kind(full: str) -> type[StandIn]:
    """Return the class of stand-ins that a name belongs to."""
    if full == _TEXTS:
        return Texts
    if full in _RECONSTRUCT:
        return ArrayMade
    if full in _SCALARS:
        return Scalar
    if full in _FROM_BUFFER:
        return FromBuffer
    if full.startswith("numpy.random."):
        return Random
    if full.startswith("sklearn."):
        # By the last part: a module that imports the class names it as well.
        return _TREES.get(full.rpartition(".")[2], StandIn)
    return NumpyMade if full.startswith("numpy.") else StandIn


def _reconstructed(kind: Any = None, base: Any = None, *_: Any) -> Any:
    """Return what stands for an object without a constructor's call, as protocols 0 and 1 make them."""
    # The base's constructor is called, which is that of a built-in type.
    if isinstance(base, Called) and not base.__name__.startswith("builtins."):
        _refuse_call(base.__name__)
    if kind is Wrapper:
        return Wrapper()
    if not isinstance(kind, type):
        return StandIn()
    if issubclass(kind, PredictorMade):
        return PredictorMade()
    if issubclass(kind, TreeMade):
        raise MalformedError("a decision tree is made without its constructor")
    return StandIn()


def _bytes_of(*arguments: Any) -> Any:
    """Return empty bytes, which protocols below 3 write as a call; other bytes are a stand-in."""
    return StandIn(*arguments) if arguments else b""


_BYTES = Called("builtins.bytes", (StandIn,), {"judge": staticmethod(_bytes_of)})
_RECONSTRUCTOR = Called("copyreg._reconstructor", (StandIn,), {"judge": staticmethod(_reconstructed)})


def _encoded(*arguments: Any) -> Any:
    """Admit ``encode(text, "latin1")``, which is how bytes stand in old protocols, and nothing else."""
    if len(arguments) != 2 or not isinstance(arguments[0], str) or arguments[1] != "latin1":
        _refuse_call(_ENCODE)
    # The same bytes; a number that does not fit raises, here as there.
    return str(arguments[0]).encode("latin1")


def _refuse_call(full: str) -> None:
    raise UntrustedType(
        f"it calls {full}, which data do not",
        hint="It was written to do something when it is loaded. Do not load it.",
        types=(full,),
    )


class _PlainDryRun(PlainUnpickler):
    """The C unpickler with stand-ins."""

    _resolver: StandInResolver

    def find_class(self, module: str, name: str) -> Any:
        return self._resolver.find_class(module, name, self.proto)


class _ArrayDryRun(ArrayUnpickler):
    """The Python unpickler with stand-ins."""

    _resolver: StandInResolver

    def find_class(self, module: str, name: str) -> Any:
        return self._resolver.find_class(module, name, self.proto)

    def _nested(self) -> PlainUnpickler:
        return self._resolver.plain(self._source)


def check_allowlist(
    memory: memoryview, admitted: frozenset[str] | None, allowed: frozenset[str], *, plain: bool
) -> None:
    """Hold an uncompressed artifact against an allowlist.

    Parameters
    ----------
    memory
        The artifact.
    admitted
        What its signed statement lists, or None.
    allowed
        The allowlist.
    plain
        Whether it will be read as a plain pickle, or as one with arrays of their own.

    Raises
    ------
    UntrustedType
        It names or calls something else; the first is told.
    MalformedError
        It is no pickle, or does with what it names what no dump does.
    """
    resolver = StandInResolver(admitted, allowed)
    # Nothing of the file writes into it, or the load would find other bytes than the dry run.
    memory = memory.toreadonly()
    try:
        with watching(), _without_collections():
            if plain:
                load_plain(memory, None, None, resolver.plain)
            else:
                unpickler = _ArrayDryRun(memory, None, copy=False)
                unpickler._resolver = resolver
                unpickler.finish()
    except SafeloadError:
        raise
    except Exception as error:
        raise MalformedError(
            f"it does with what it names what no dump does ({type(error).__name__})",
            hint="It was written by hand, or is damaged. Do not load it.",
        ) from None


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Let the garbage collector wait: all stand-ins are in use until the end, and then there is none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
