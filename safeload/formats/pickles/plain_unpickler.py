"""The standard library's C unpickler on verified memory, with one door for every global.

No path reaches it, no global that opens a file, and none that the signed statement does not list, if it has a
list.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import IO, Any

from safeload import namelists
from safeload.errors import MalformedError
from safeload.formats.pickles import global_names
from safeload.formats.pickles.companions import refuse_file_openers
from safeload.parsers.memory_file import MemoryFile

# Up to this size, in bytes, copying is cheaper than reading through Python.
_SMALL = 1 << 20


class PlainUnpickler(pickle.Unpickler):
    """The C unpickler, with the one door for globals.

    Parameters
    ----------
    file
        The pickle.
    admitted, allowed
        What it may refer to; see :mod:`safeload.formats.pickles.global_names`.
    """

    def __init__(
        self,
        file: IO[bytes] | MemoryFile,
        admitted: frozenset[str] | None,
        allowed: frozenset[str] | None = None,
    ) -> None:
        # The C unpickler does not show its protocol. So find_class translates names of Python 2 itself, and
        # what it checks is exactly what it looks up.
        super().__init__(file, fix_imports=False)
        start = file.tell()
        first = file.read(2)
        file.seek(start)
        self.protocol = first[1] if first[:1] == pickle.PROTO and len(first) == 2 else 0
        global_names.forget_extensions()
        self._admitted = admitted
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        """Look a global up, if it may be."""
        module, name = namelists.python3_name(module, name, self.protocol)
        full = f"{module}.{name}"
        global_names.require(self._admitted, full)
        global_names.require_allowed(self._allowed, full)
        found = super().find_class(module, name)
        if "." in name:
            global_names.refuse_module_traversal(module, name)
        return refuse_file_openers(found)


def load_plain(memory: memoryview, unpickler: Callable[[IO[bytes] | MemoryFile], PlainUnpickler]) -> Any:
    """Make the object of a plain pickle by an unpickler; bytes after its end are an error."""
    # Small ones through the standard library's own file, which costs less to call.
    source: IO[bytes] | MemoryFile
    whole = memory.obj
    if isinstance(whole, bytes) and len(whole) == len(memory):
        source = io.BytesIO(whole)  # Which shares the bytes.
    else:
        source = io.BytesIO(memory) if len(memory) <= _SMALL else MemoryFile(memory)
    obj = unpickler(source).load()
    if source.tell() != len(memory):
        raise MalformedError("bytes follow the end of the pickle")
    return obj
