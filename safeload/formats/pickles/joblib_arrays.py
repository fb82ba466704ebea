"""joblib's pickler, subclassed: large arrays' bytes on their own, everything else within the pickle.

The only module that touches joblib's inner parts. What it relies on, each held by
``test_joblib_internals.py``: ``NumpyPickler`` is the standard library's Python pickler, made as
``NumpyPickler(file, protocol)``; a ``NumpyArrayWrapper`` is pickled before an array's bytes; and those begin
with a byte that tells how many bytes of padding follow it, or, where there are objects, with a pickle of
protocol 5.
"""

from __future__ import annotations

import pickle
from typing import IO, Any

from joblib.numpy_pickle import NumpyPickler

from safeload.formats.pickles import recording

# What joblib's pickler is made of, too.
_Pickler: Any = pickle._Pickler
# Arrays below this stay within the pickle.
_OWN_BYTES = 1 << 14
_STEP_BYTES = 16 << 20


class ArrayPickler(recording.Recording, NumpyPickler):  # type: ignore[misc]  # joblib has no types
    """Writes what ``joblib.load`` reads, and records the globals.

    An array that is referred to twice is written once, and stays one array.

    Parameters
    ----------
    file
        Takes bytes.
    protocol
        As for :class:`pickle.Pickler`.
    """

    dispatch = recording.dispatch_of(NumpyPickler)

    def __init__(self, file: IO[bytes], protocol: int) -> None:
        super().__init__(file, protocol=protocol)
        self.recorded = set()
        self._arrays = recording.array_types()

    def save(self, obj: Any, *arguments: Any, **named: Any) -> None:
        """Write an object."""
        if type(obj) in self._arrays and id(obj) not in self.memo:
            array = recording.unmapped(obj)
            if array.dtype.hasobject or (array.nbytes >= _OWN_BYTES and array.dtype.isnative):
                self._save_own(array)
                self.memoize(obj)
                return
        _Pickler.save(self, obj, *arguments, **named)

    def reducer_override(self, obj: Any) -> Any:
        """Reduce arrays that stay within the pickle."""
        if type(obj) in self._arrays:
            return recording.reduction(obj)
        return NotImplemented

    def _save_own(self, array: Any) -> None:
        wrapper = self._create_array_wrapper(array)
        _Pickler.save(self, wrapper)
        if self.proto >= 4:
            # The array's bytes stand outside of frames.
            self.framer.commit_frame(force=True)
        if array.dtype.hasobject:
            nested = recording.RecordingPickler(self.file_handle, protocol=5)
            nested.dump(array)
            self.recorded |= nested.recorded
            return
        alignment = wrapper.safe_get_numpy_array_alignment_bytes()
        if alignment is not None:
            padding = alignment - (self.file_handle.tell() + 1) % alignment
            self.file_handle.write(bytes([padding]) + b"\xff" * padding)
        self._write_bytes(array, wrapper.order)

    def _write_bytes(self, array: Any, order: str) -> None:
        flat = recording.flat_bytes(array)
        if flat is not None:
            for start in range(0, len(flat), _STEP_BYTES):
                self.file_handle.write(flat[start : start + _STEP_BYTES])
            return
        # Not in one piece: gathered a step at a time.
        for step in self.np.nditer(
            array,
            flags=["external_loop", "buffered", "zerosize_ok"],
            buffersize=max(1, _STEP_BYTES // array.itemsize),
            order=order,
        ):
            self.file_handle.write(step.tobytes())
