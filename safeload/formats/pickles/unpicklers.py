"""Reading joblib artifacts with large arrays from verified memory; joblib itself is not needed for it.

:class:`ArrayUnpickler` is the standard library's Python unpickler, which can stop at a placeholder and take
the array whose bytes follow. It makes few instructions of many bytes. Globals come through the same door as
those of the plain unpickler, and so do those of nested pickles.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any, ClassVar

from safeload import namelists
from safeload.errors import MalformedError
from safeload.formats.pickles import array_wrapper, global_names
from safeload.formats.pickles.array_wrapper import ArrayWrapper
from safeload.formats.pickles.companions import refuse_file_openers
from safeload.formats.pickles.plain_unpickler import PlainUnpickler
from safeload.parsers.memory_file import MemoryFile

_MODULE, _, _CLASS = array_wrapper.NAME.rpartition(".")
_BUILD = pickle.BUILD[0]


# What the standard library calls private is what joblib's unpickler is made of, too.
_Unpickler: Any = pickle._Unpickler


class ArrayUnpickler(_Unpickler):  # type: ignore[misc]
    """The Python unpickler, with the same door, and arrays after their placeholders.

    Parameters
    ----------
    memory
        The whole uncompressed artifact.
    admitted, allowed
        As for the plain one.
    copy
        Copy arrays instead of letting them look into `memory`.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(_Unpickler.dispatch)

    def __init__(
        self,
        memory: memoryview,
        admitted: frozenset[str] | None,
        allowed: frozenset[str] | None = None,
        *,
        copy: bool,
    ) -> None:
        self._memory = memory
        self._copy = copy
        self._admitted = admitted
        self._allowed = allowed
        self._source = MemoryFile(memory)
        super().__init__(self._source, fix_imports=False)
        global_names.forget_extensions()

    def find_class(self, module: str, name: str) -> Any:
        """Look a global up, if it may be."""
        module, name = namelists.python3_name(module, name, self.proto)
        full = f"{module}.{name}"
        global_names.require(self._admitted, full)
        global_names.require_allowed(self._allowed, full)
        if (module, name) == (_MODULE, _CLASS):
            # Whoever watches what is looked up sees this one, too.
            sys.audit("pickle.find_class", module, name)
            return ArrayWrapper
        found = super().find_class(module, name)
        if "." in name:
            global_names.refuse_module_traversal(module, name)
        return refuse_file_openers(found)

    def load_build(self) -> None:
        """Give an object its state; a placeholder gives way to its array."""
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
        """Return what reads the pickle that an array of objects is."""
        return PlainUnpickler(self._source, self._admitted, self._allowed)

    def finish(self) -> Any:
        """Make the object; bytes after its end are an error."""
        obj = self.load()
        if self._source.tell() != len(self._memory):
            raise MalformedError("bytes follow the end of the object")
        return obj
