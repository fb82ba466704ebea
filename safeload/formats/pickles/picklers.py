"""Writing joblib artifacts.

An artifact without large arrays is a plain pickle of protocol 5, by the standard library's C pickler:
joblib reads it as well, and both ways are several times as fast as joblib's own. An artifact with large
arrays is what joblib writes (``joblib_arrays.py``), with those arrays' bytes on their own in the file,
aligned, so that they can be used where they lie. Which of the two it is shows on the way, so the first is
kept in a buffer until it is certain.

What this relies on in joblib, each held by ``test_joblib_internals.py``: ``joblib.load`` reads a plain pickle
of protocol 5, and ``numpy_pickle_utils._write_fileobject`` wraps a file in a compressor.
"""

from __future__ import annotations

from typing import IO, Any

from safeload.formats.base import OptionError
from safeload.formats.pickles import recording

# An array of so many bytes makes a file one with arrays of their own…
_LARGE_BYTES = 1 << 20
# …and so do smaller ones of so many bytes together.
_MANY_BYTES = 32 << 20
# What the buffer holds at most, in bytes.
_CAPACITY = 64 << 20


class ReplayBuffer:
    """A file that keeps what is written to it, so that it can be dropped, until there is much of it.

    Parameters
    ----------
    target
        Where everything goes in the end.
    """

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._held: list[bytes] | None = []
        self._size = 0

    @property
    def is_held(self) -> bool:
        """Whether nothing has reached the target yet, so that the buffer can be dropped."""
        return self._held is not None

    def write(self, data: bytes | memoryview) -> int:
        """Take bytes."""
        size = memoryview(data).nbytes
        if self._held is None:
            self._target.write(data)
            return size
        # A pickler hands in views of memory that is somebody else's afterwards.
        self._held.append(data if isinstance(data, bytes) else bytes(data))
        self._size += size
        if self._size > _CAPACITY:
            self.release()
        return size

    def release(self) -> None:
        """Hand on what is held, and hold nothing back from now on."""
        held, self._held = self._held, None
        if held:
            self._target.write(b"".join(held))


class _HasLargeArrays(Exception):
    """What was begun as a plain pickle is better written the other way."""


class _PlainPickler(recording.RecordingPickler):
    """Writes a plain pickle, as long as no large array turns up while it can still be dropped."""

    def __init__(self, buffer: ReplayBuffer, protocol: int | None) -> None:
        super().__init__(buffer, protocol)  # type: ignore[arg-type]
        self._buffer = buffer
        self._arrays = recording.array_types()
        self._array_bytes = 0

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) in self._arrays:
            if not obj.dtype.hasobject:
                self._array_bytes += obj.nbytes
                large = obj.nbytes >= _LARGE_BYTES or self._array_bytes >= _MANY_BYTES
                if large and self._buffer.is_held:
                    raise _HasLargeArrays
            return recording.reduction(obj)
        return super().reducer_override(obj)


def dump(
    obj: Any, file: IO[bytes], compress: int | str | tuple[str, int] | bool, protocol: int | None
) -> set[str]:
    """Write `obj` so that ``joblib.load`` reads it; return the globals."""
    if compress == 0 and not isinstance(compress, bool | str | tuple):
        return _dump(obj, file, protocol)
    from joblib.numpy_pickle_utils import _write_fileobject

    method, level = _compression(compress)
    if level == 0:
        return _dump(obj, file, protocol)
    with _write_fileobject(file, compress=(method, level)) as compressed:
        return _dump(obj, compressed, protocol)


def _dump(obj: Any, file: IO[bytes], protocol: int | None) -> set[str]:
    buffer = ReplayBuffer(file)
    plain = _PlainPickler(buffer, protocol)
    try:
        plain.dump(obj)
    except _HasLargeArrays:
        from safeload.formats.pickles.joblib_arrays import ArrayPickler

        arrays = ArrayPickler(file, plain.reduction_protocol)
        arrays.dump(obj)
        return arrays.recorded
    buffer.release()
    return plain.recorded


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
