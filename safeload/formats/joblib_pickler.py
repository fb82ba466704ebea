"""joblib's pickler and unpickler, subclassed. The only module that touches joblib's inner parts.

What it relies on, each held by ``tests/test_joblib_internals.py``:

- ``NumpyPickler`` and ``NumpyUnpickler`` are the standard library's Python pickler and unpickler, made as
  ``NumpyPickler(file, protocol)`` and ``NumpyUnpickler(filename, file, ensure_native_byte_order)``;
- the pickle nested in an object array is read through ``find_class`` of the outer unpickler (joblib 1.6);
- ``numpy_pickle_utils._write_fileobject`` wraps a file in a compressor;
- an object array is nested as a protocol-5 pickle.
"""

from __future__ import annotations

import io
from typing import IO, Any

from joblib.numpy_pickle import NumpyPickler, NumpyUnpickler

from safeload.errors import MalformedError
from safeload.formats import recording
from safeload.formats.base import OptionError
from safeload.formats.companions import without_companions


class Pickler(recording.Recording, NumpyPickler):  # type: ignore[misc]  # joblib has no types
    """Writes what ``joblib.dump`` writes, to the byte, and records the globals."""

    dispatch = recording.dispatch_of(NumpyPickler)

    def __init__(self, file: IO[bytes], protocol: int | None) -> None:
        super().__init__(file, protocol=protocol)
        self.recorded = set()

    def save(self, obj: Any, *arguments: Any, **named: Any) -> Any:
        """Write an object; an object array's nested pickle is recorded by a second, discarded run."""
        if type(obj).__module__ == "numpy" and getattr(getattr(obj, "dtype", None), "hasobject", False):
            self.recorded |= recording.globals_of(obj)
        return super().save(obj, *arguments, **named)


class Unpickler(NumpyUnpickler):  # type: ignore[misc]
    """Reads from memory only: no path reaches it, and no global that opens a file."""

    def __init__(self, data: bytes) -> None:
        super().__init__("", io.BytesIO(data), True)

    def find_class(self, module: str, name: str) -> Any:
        """Look a global up; nested pickles come through here too."""
        return without_companions(super().find_class(module, name))


def dump(
    obj: Any, file: IO[bytes], compress: int | str | tuple[str, int] | bool, protocol: int | None
) -> set[str]:
    """Write `obj` as ``joblib.dump(obj, file, compress, protocol)`` does; return the globals."""
    from joblib.numpy_pickle_utils import _write_fileobject

    method, level = _compression(compress)
    if level == 0:
        pickler = Pickler(file, protocol)
        pickler.dump(obj)
        return pickler.recorded
    with _write_fileobject(file, compress=(method, level)) as compressed:
        pickler = Pickler(compressed, protocol)
        pickler.dump(obj)
    return pickler.recorded


def load(data: bytes) -> Any:
    """Make the object from the bytes of an uncompressed dump."""
    unpickler = Unpickler(data)
    obj = unpickler.load()
    if unpickler.file_handle.tell() != len(data):
        raise MalformedError("bytes follow the end of the object")
    return obj


def _compression(compress: int | str | tuple[str, int] | bool) -> tuple[str, int | None]:
    """Return method and level; None is the method's own default."""
    from joblib.numpy_pickle import _COMPRESSORS

    method: str = "zlib"
    level: int | None
    if isinstance(compress, tuple):
        method, level = compress
    elif isinstance(compress, str):
        method, level = compress, None
    elif compress is True:
        level = None
    else:
        level = int(compress)
    if method not in _COMPRESSORS:
        raise OptionError(f"there is no compressor {method!r}; there are {', '.join(_COMPRESSORS)}")
    if level is not None and level not in range(10):
        raise OptionError("a compression level is 0 to 9")
    return method, level
