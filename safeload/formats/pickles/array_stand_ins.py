"""What a dry run puts in the place of arrays, and of the decision trees that native code makes of them.

An array's elements are looked at only where native code follows them as indices: in trees, by
:mod:`safeload.parsers.native_state`. A pickle can write to an array that it has made. So nothing writes to
one here, and bytes that can change are compared at the end of the dry run with those that were checked.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Any, Self

from safeload.errors import MalformedError
from safeload.formats.pickles.array_wrapper import ArrayWrapper
from safeload.formats.pickles.dtype_stand_ins import (
    DType,
    forget_fields,
    rebuilt,
    require_unaltered_fields,
)
from safeload.formats.pickles.stand_ins import StandIn
from safeload.parsers import native_state

_new: Any = Exception.__new__


class _Checked(threading.local):
    """What this thread's dry run has to check again, or to miss, at its end."""

    def __init__(self) -> None:
        self.buffers: list[tuple[bytearray, bytes]] = []
        self.trees: list[TreeMade] = []


_CHECKED = _Checked()


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """Require, at the end of a dry run, that what was checked did not change afterwards."""
    forget_fields()
    _CHECKED.__init__()  # type: ignore[misc]  # the state of one dry run
    try:
        yield
        require_unaltered_fields()
        if any(buffer != checked for buffer, checked in _CHECKED.buffers):
            raise MalformedError("the bytes of an array are altered after it was made")
        # Without nodes, native code would follow a null pointer.
        if not all(tree.is_filled for tree in _CHECKED.trees):
            raise MalformedError("a decision tree has no nodes")
    finally:
        forget_fields()
        _CHECKED.__init__()  # type: ignore[misc]


class NumpyMade(StandIn):
    """Stands for what numpy makes of dtypes: arrays and scalars, of which there are many."""

    # The state of an array.
    state: Any = None
    # Shape and dtype of an array that may hold objects.
    described: tuple[Any, ...] = ()

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        for part in (*arguments, *named.values()) if named else arguments:
            if type(part) is DType and part.state is None:
                raise _incomplete()
        made: Self = _new(cls, *arguments)
        return made

    def __setitem__(self, key: Any, value: Any) -> None:
        raise MalformedError("an item of an array is set")

    def __setstate__(self, state: Any) -> None:
        if self.state is not None:
            raise MalformedError("the state of an array is set twice")
        for part in state if type(state) is tuple else (state,):
            if type(part) is DType:
                self._take_array(state)
        if type(state) is not tuple or len(state) == 2:
            super().__setstate__(state)

    def _take_array(self, state: Any) -> None:
        if type(state) is not tuple or len(state) < 5 or type(state[2]) is not DType:
            raise MalformedError("the state of an array is in a form that dumps do not have")
        if state[2].made is None:
            raise _incomplete()
        self.state = state
        self.described = state[1:3]
        # numpy takes as many objects from a list as the shape says, whether they are there or not.
        if state[2].made.hasobject and (
            not isinstance(state[4], list) or math.prod(state[1]) != len(state[4])
        ):
            raise MalformedError("an array has not as many objects as its shape says")


class ArrayMade(NumpyMade):
    """Stands for an array that numpy makes empty and then gives its state: by far the commonest."""

    def __new__(cls, kind: Any, shape: Any, code: Any) -> Self:
        # The code is that of a byte; a dtype may stand in its place.
        if type(code) is not bytes:
            return NumpyMade.__new__(cls, kind, shape, code)
        made: Self = _new(cls, kind)
        return made

    def __setstate__(self, state: Any) -> None:
        usual = type(state) is tuple and len(state) == 5 and type(state[2]) is DType
        if not usual or not state[2].is_plain or self.state is not None:
            super().__setstate__(state)
        else:
            # No more need be known of numbers; numpy compares their bytes with the shape itself.
            self.state = state


class FromBuffer(NumpyMade):
    """Stands for an array that numpy makes of bytes at once, as protocol 5 has it."""

    def __setstate__(self, state: Any) -> None:
        raise MalformedError("the state of an array is set twice")


def array_of(value: Any) -> Any:
    """Return the array of numbers that a part of a pickle stands for.

    Raises
    ------
    MalformedError
        It is something else, or not in a form that numpy writes.
    """
    import numpy

    if type(value) is numpy.ndarray:
        # Of a joblib file, where the array's bytes follow its description.
        return value
    if type(value) is ArrayMade and value.state is not None and value.args[0].__name__ == "numpy.ndarray":
        _, shape, described, fortran, content = value.state
    elif type(value) is FromBuffer and len(value.args) == 4:
        content, described, shape, order = value.args
        fortran = order == "F"
    else:
        raise MalformedError("a decision tree has something else for an array")
    if type(content) is bytearray:
        checked = bytes(content)
        _CHECKED.buffers.append((content, checked))
        content = checked
    dtype = described.made if type(described) is DType else None
    if dtype is None or dtype.hasobject or type(content) is not bytes or type(shape) is not tuple:
        raise MalformedError("an array of a decision tree is in a form that dumps do not have")
    array = numpy.ndarray(shape, dtype, content, order="F" if fortran else "C")
    if array.nbytes != len(content):
        raise MalformedError("an array has another number of bytes than its shape says")
    return array


class TreeMade(StandIn):
    """Stands for scikit-learn's ``Tree``, of which native code follows the indices."""

    is_filled = False

    def __new__(cls, *arguments: Any) -> Self:
        if len(arguments) != 3:
            raise MalformedError("a decision tree is made of other arguments than scikit-learn's")
        made: Self = _new(cls, *arguments)
        classes = array_of(arguments[1])
        if classes.ndim != 1 or classes.dtype.kind not in "iu":
            raise MalformedError("a decision tree is made of other arguments than scikit-learn's")
        made.classes = classes.tolist()
        _CHECKED.trees.append(made)
        return made

    classes: list[int]

    def __setstate__(self, state: Any) -> None:
        features, _, outputs = self.args
        nodes, values = _arrays(state, ("nodes", "values"))
        native_state.check_tree(
            native_state.integer_columns(nodes, native_state.TREE_FIELDS),
            features=features,
            count=state.get("node_count"),
            depth=state.get("max_depth"),
            values=values.shape,
        )
        native_state.check_outputs(outputs, self.classes, values.shape)
        super().__setstate__(state)
        self.is_filled = True


class PredictorMade(StandIn):
    """Stands for a tree of histogram gradient boosting, which looks into the very arrays that it is given."""

    def __setstate__(self, state: Any) -> None:
        nodes, *tables = _arrays(state, ("nodes", *native_state.PREDICTOR_TABLES))
        native_state.check_predictor(
            native_state.integer_columns(nodes, native_state.PREDICTOR_FIELDS),
            [table.shape for table in tables],
        )
        super().__setstate__(state)


def _arrays(state: Any, names: tuple[str, ...]) -> list[Any]:
    if type(state) is not dict:
        raise MalformedError("the state of a decision tree is in a form that dumps do not have")
    return [array_of(state.get(name)) for name in names]


class Scalar(NumpyMade):
    """Stands for a scalar. One of objects is made of an array, in which numpy trusts to find an element."""

    def __new__(cls, *arguments: Any) -> Self:
        for array in arguments:
            if isinstance(array, NumpyMade):
                shape, dtype = (*array.described, None, None)[:2]
                if shape != () or rebuilt(dtype) != rebuilt(arguments[0]):
                    raise MalformedError("a scalar is not made of one element of its own type")
        return NumpyMade.__new__(cls, *arguments)


class Texts(NumpyMade):
    """Stands for a dtype of texts of any length; an array of them is followed by a pickle."""


class Wrapper(ArrayWrapper):
    """Takes the description of an array with stand-ins in it; what it gives way to is read-only."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict) and isinstance(state.get("dtype"), DType | Texts):
            import numpy

            described = state["dtype"]
            dtype = numpy.dtype(object) if isinstance(described, Texts) else rebuilt(described)
            state = {**state, "dtype": dtype, "subclass": numpy.ndarray}
        super().__setstate__(state)

    def _finished(self, array: Any) -> Any:
        array = super()._finished(array)
        array.flags.writeable = False
        return array


def _incomplete() -> MalformedError:
    return MalformedError("a dtype is used before its state is set")
