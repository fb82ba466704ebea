"""Arrays in joblib files: a placeholder object in the pickle, and the array's bytes right after it.

The placeholder is joblib's ``NumpyArrayWrapper``. Here it is a class of our own that takes joblib's fields
and nothing else, so that no field of a file can stand for one of joblib's methods. What follows it is one
byte with the length of a padding, the padding, and the data; or, for arrays of objects, a pickle.
"""

from __future__ import annotations

import math
from typing import Any

from safeload.errors import MalformedError

NAME = "joblib.numpy_pickle.NumpyArrayWrapper"

_FIELDS = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"})


class ArrayWrapper:
    """Stands on the unpickler's stack until the array's bytes have been read.

    Attributes
    ----------
    subclass, shape, order, dtype, padded
        What the file says of the array, of the right types.
    """

    dtype: Any
    order: Any
    subclass: Any
    shape: tuple[int, ...]
    padded: bool

    def __setstate__(self, state: Any) -> None:
        """Take the fields.

        Raises
        ------
        MalformedError
            There are others, one is missing, or of another type.
        """
        import numpy

        if not isinstance(state, dict) or not state.keys() <= _FIELDS:
            raise MalformedError("an array has fields that joblib does not write")
        shape, self.order, self.dtype = state.get("shape"), state.get("order"), state.get("dtype")
        self.subclass = state.get("subclass")
        self.padded = state.get("numpy_array_alignment_bytes") is not None
        if (
            not isinstance(self.dtype, numpy.dtype)
            or self.order not in ("C", "F")
            or not isinstance(self.subclass, type)
            or not issubclass(self.subclass, numpy.ndarray)
            or not isinstance(shape, tuple)
            # Old files have lengths that are numpy's own integers.
            or not all(isinstance(length, int | numpy.integer) and length >= 0 for length in shape)
        ):
            raise MalformedError("an array's fields are not those of an array")
        self.shape = tuple(int(length) for length in shape)

    def view_of(self, memory: memoryview, position: int, *, copy: bool) -> tuple[Any, int]:
        """Return the array whose bytes stand in `memory`, and where they end.

        Parameters
        ----------
        memory
            The whole file.
        position
            Where the placeholder ends.
        copy
            Copy the bytes. Otherwise the array looks into `memory`, if that is aligned.

        Raises
        ------
        MalformedError
            The file ends before them, or the array holds objects.
        """
        import numpy

        if self.dtype.hasobject:
            raise MalformedError("an array of objects has no bytes of its own")
        if self.padded:
            if position >= len(memory):
                raise MalformedError("the file ends within an array")
            position += 1 + memory[position]
        count = math.prod(self.shape)
        end = position + count * self.dtype.itemsize
        if end > len(memory):
            raise MalformedError("the file ends within an array")
        # numpy gives elements without a size one, and so memory to any number of them.
        if count * self.dtype.itemsize == 0 and count > len(memory):
            raise MalformedError("an array has more elements than the file has bytes")
        if count * self.dtype.itemsize == 0:
            array = numpy.zeros(self.shape, self.dtype, order=self.order)
        else:
            array = numpy.frombuffer(memory, self.dtype, count, position).reshape(
                self.shape, order=self.order
            )
            if copy or not array.flags.aligned:
                array = array.copy(order="K")
        return self._finished(array), end

    def _finished(self, array: Any) -> Any:
        import numpy

        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="), order="K")
        return array.view(numpy.matrix) if self.subclass is numpy.matrix else array
