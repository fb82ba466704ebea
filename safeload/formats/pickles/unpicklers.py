"""Unpicklers on verified memory, for plain pickles and for joblib files with large arrays.

Both look up globals under the same checks, and so do the pickles nested in a joblib file: a global must be in
the signed statement's list, if there is one, and must not open another file. Neither imports joblib.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import IO, Any, ClassVar

from safeload import namelists
from safeload.errors import MalformedError
from safeload.formats.pickles import array_wrapper, global_names
from safeload.formats.pickles.array_wrapper import ArrayWrapper
from safeload.parsers.memory_file import MemoryFile

# Up to this size, in bytes, copying is cheaper than reading through Python.
_SMALL = 1 << 20
_MODULE, _, _CLASS = array_wrapper.NAME.rpartition(".")
_BUILD = pickle.BUILD[0]
# joblib's unpickler is based on this private class of the standard library, too.
_Unpickler: Any = pickle._Unpickler

Names = frozenset[str] | None
Source = IO[bytes] | MemoryFile


class _CheckedGlobals:
    """Checks each global before and after it is looked up. Mixed into an unpickler."""

    proto: int
    _admitted: Names
    _allowed: Names
    # Classes that stand in for a module and name, without an import.
    _replaced: ClassVar[Mapping[tuple[str, str], type]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Look up a global that may be used."""
        module, name = namelists.python3_name(module, name, self.proto)
        full = f"{module}.{name}"
        global_names.require(self._admitted, full)
        global_names.require_allowed(self._allowed, full)
        replaced = self._replaced.get((module, name))
        if replaced is not None:
            # Audit hooks still see this lookup.
            sys.audit("pickle.find_class", module, name)
            return replaced
        found = super().find_class(module, name)  # type: ignore[misc]  # the unpickler's own
        if "." in name:
            global_names.refuse_module_traversal(module, name)
        return global_names.refuse_file_openers(found)


def _forget_extensions() -> None:
    """Make unpicklers look up the names behind extension codes (:func:`copyreg.add_extension`) again.

    They cache the result for the whole process, and cached results are not checked.
    """
    copyreg.clear_extension_cache()


class PlainUnpickler(_CheckedGlobals, pickle.Unpickler):
    """The standard library's C unpickler, with checked globals.

    Parameters
    ----------
    file : binary file or MemoryFile
        Holds the pickle.
    admitted : frozenset of str, optional
        The globals that the signed statement lists; None if it has no list.
    allowed : frozenset of str, optional
        The allowlist; None if there is none.
    """

    def __init__(self, file: Source, admitted: Names, allowed: Names = None) -> None:
        # The C unpickler does not expose its protocol. So find_class translates Python 2 names itself, and
        # checks exactly the name that it looks up.
        super().__init__(file, fix_imports=False)
        start = file.tell()
        first = file.read(2)
        file.seek(start)
        self.proto = first[1] if first[:1] == pickle.PROTO and len(first) == 2 else 0
        self._admitted = admitted
        self._allowed = allowed
        _forget_extensions()


def load_plain(
    memory: memoryview,
    admitted: Names,
    allowed: Names,
    make: Callable[[Source, Names, Names], PlainUnpickler] = PlainUnpickler,
) -> Any:
    """Make the object of a plain pickle.

    Raises
    ------
    MalformedError
        Bytes follow the end of the pickle.
    """
    source: Source
    whole = memory.obj
    if isinstance(whole, bytes) and len(whole) == len(memory):
        source = io.BytesIO(whole)  # Shares the bytes.
    else:
        source = io.BytesIO(memory) if len(memory) <= _SMALL else MemoryFile(memory)
    obj = make(source, admitted, allowed).load()
    if source.tell() != len(memory):
        raise MalformedError("bytes follow the end of the pickle")
    return obj


class ArrayUnpickler(_CheckedGlobals, _Unpickler):  # type: ignore[misc]  # a base without types
    """The standard library's Python unpickler, which also reads the arrays that follow their placeholders.

    It can stop at a placeholder, which the C unpickler cannot. Files with large arrays have few instructions.

    Parameters
    ----------
    memory : memoryview
        The whole uncompressed artifact.
    admitted, allowed : frozenset of str, optional
        As for :class:`PlainUnpickler`.
    copy : bool
        Copy arrays instead of letting them use `memory`.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(_Unpickler.dispatch)
    _replaced: ClassVar[Mapping[tuple[str, str], type]] = {(_MODULE, _CLASS): ArrayWrapper}

    def __init__(self, memory: memoryview, admitted: Names, allowed: Names = None, *, copy: bool) -> None:
        self._memory = memory
        self._copy = copy
        self._admitted = admitted
        self._allowed = allowed
        self._source = MemoryFile(memory)
        super().__init__(self._source, fix_imports=False)
        _forget_extensions()

    def load_build(self) -> None:
        """Give an object its state; replace a placeholder by its array."""
        super().load_build()
        wrapper = self.stack[-1]
        if not isinstance(wrapper, ArrayWrapper):
            return
        if wrapper.dtype.hasobject:
            self.stack[-1] = self._nested().load()
            return
        self.stack[-1], end = wrapper.view_of(self._memory, self._source.tell(), copy=self._copy)
        self._source.seek(end)

    dispatch[_BUILD] = load_build

    def _nested(self) -> PlainUnpickler:
        """Return an unpickler for the nested pickle of an array of objects."""
        return PlainUnpickler(self._source, self._admitted, self._allowed)

    def finish(self) -> Any:
        """Make the object; bytes after its end are an error."""
        obj = self.load()
        if self._source.tell() != len(self._memory):
            raise MalformedError("bytes follow the end of the object")
        return obj
