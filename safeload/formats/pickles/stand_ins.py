"""What a rehearsal gives an unpickler in place of the objects that a pickle makes, and what each looks at."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

from safeload.errors import MalformedError, UntrustedType
from safeload.formats.pickles.array_wrapper import ArrayWrapper
from safeload.formats.pickles.dtype_states import rebuilt

_new: Any = Exception.__new__
_POSITIONS = {"pos": 624, "buffer_pos": 4}
# What an unpickler looks up on an object, and calls; an attribute of the object would be found first.
_CALLED_ON_OBJECTS = frozenset({"__setstate__", "append", "extend", "add"})


class _Name(type):
    """The class of stand-ins for names, which are not altered: they are the process's, not the file's."""

    @property
    def _refused(cls) -> Any:
        raise UntrustedType(
            "it alters a class or a function, which data do not",
            hint="It was written to change what the program does. Do not load it.",
        )

    # Properties here are found before what objects have under these names.
    __setstate__ = append = extend = add = _refused
    # With it, unpicklers call what they would make without a constructor; functions they call anyway.
    __getinitargs__ = None


class StandIn(Exception, metaclass=_Name):
    """What stands for an object. An exception, since those take any arguments, and that in C."""

    # Functions in C that take one thing and do nothing with it.
    append = extend = add = id

    def __setitem__(self, key: Any, value: Any) -> None:
        """Take an item."""

    def __setstate__(self, state: Any) -> None:
        """Take a state that puts nothing in the place of what the unpickler calls."""
        if type(state) is dict:
            # As most are, and many of them: four look-ups, and not one for each attribute.
            if "append" in state or "extend" in state or "add" in state or "__setstate__" in state:
                _require_no_methods(state)
        elif type(state) is tuple and len(state) == 2:
            for part in state:
                if type(part) is dict:
                    _require_no_methods(part)


def _require_no_methods(attributes: dict[Any, Any]) -> None:
    for name in _CALLED_ON_OBJECTS & attributes.keys():
        if isinstance(attributes[name], type | StandIn):
            raise UntrustedType(f"it puts an object in the place of the method {name}")


class Called(_Name):
    """The class of stand-ins that are looked at when they are called, or may not be."""

    judge: Callable[..., Any]

    def __call__(cls, *arguments: Any) -> Any:
        return cls.judge(*arguments)


class DType(StandIn):
    """Stands for a ``numpy.dtype``; its arguments and state are looked at once they are complete.

    What is complete stays so: numpy would follow bytes of arrays that were made before as pointers.
    """

    state: Any = None
    # What it is, once it is complete; and whether it holds no objects then.
    made: Any = None
    is_plain = False

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self.args

    def __setstate__(self, state: Any) -> None:
        if self.state is not None:
            raise MalformedError("the state of a dtype is set twice")
        if isinstance(state, tuple) and len(state) > 4 and isinstance(state[4], dict):
            state = (*state[:4], _taken(state[4]), *state[5:])
        self.state = state
        self.made = rebuilt(self)
        self.is_plain = not self.made.hasobject


# Of the rehearsal that this thread is at. Fields by identity: the dictionary of the pickle, which numpy keeps
# using, and what was in it.
_rehearsed = threading.local()


@contextlib.contextmanager
def watching_dtypes() -> Iterator[None]:
    """See to it that fields of a dtype are not set after the dtype was made."""
    taken: dict[int, tuple[dict[Any, Any], dict[Any, Any]]] = {}
    _rehearsed.fields = taken
    try:
        yield
        if any(given for given, _ in taken.values()):
            raise MalformedError("the fields of a dtype are altered after it was made")
    finally:
        del _rehearsed.fields


def _taken(given: dict[Any, Any]) -> dict[Any, Any]:
    taken: dict[int, tuple[dict[Any, Any], dict[Any, Any]]] = _rehearsed.fields
    if id(given) not in taken:
        taken[id(given)] = (given, dict(given))
        # A pickle can put items in, and take none out: what is empty in the end was never altered.
        given.clear()
    return taken[id(given)][1]


def _incomplete() -> MalformedError:
    return MalformedError("a dtype is used before its state is set")


class NumpyMade(StandIn):
    """Stands for what numpy makes of dtypes: arrays and scalars, of which there are many."""

    # Shape and dtype, as the state says.
    described: tuple[Any, ...] = ()

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        for part in (*arguments, *named.values()) if named else arguments:
            if type(part) is DType and part.state is None:
                raise _incomplete()
        made: Self = _new(cls, *arguments)
        return made

    def __setstate__(self, state: Any) -> None:
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
        made: Self = _new(cls)
        return made

    def __setstate__(self, state: Any) -> None:
        usual = type(state) is tuple and len(state) == 5 and type(state[2]) is DType
        if not usual or not state[2].is_plain:
            super().__setstate__(state)
        elif self.described:
            # No more need be known of numbers; numpy compares their bytes with the shape itself.
            self.described = ()


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


class Random(StandIn):
    """Stands for something of numpy's random generators, which make each other and nothing else."""

    def __new__(cls, *arguments: Any) -> Self:
        for argument in arguments:
            if isinstance(argument, type) and not (
                argument is Random or argument.__name__.startswith("numpy.random.")
            ):
                raise UntrustedType("it lets numpy.random call something else")
        if isinstance(cls, Called):
            raise MalformedError("a random generator is made without its constructor")
        return super().__new__(cls, *arguments)

    def __setstate__(self, state: Any) -> None:
        for part in (state, *state) if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                _check_positions(part)
            elif isinstance(part, tuple | list) and part and isinstance(part[0], str):
                raise MalformedError("the state of a random generator is in a form that dumps do not have")
        super().__setstate__(state)


def _check_positions(fields: dict[Any, Any]) -> None:
    for key, value in fields.items():
        if isinstance(value, dict):
            _check_positions(value)
        elif key in _POSITIONS and not (type(value) is int and 0 <= value <= _POSITIONS[key]):
            raise MalformedError("the state of a random generator has a position out of range")


class Wrapper(ArrayWrapper):
    """Takes the description of an array with stand-ins in it."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict) and isinstance(state.get("dtype"), DType | Texts):
            import numpy

            described = state["dtype"]
            dtype = numpy.dtype(object) if isinstance(described, Texts) else rebuilt(described)
            state = {**state, "dtype": dtype, "subclass": numpy.ndarray}
        super().__setstate__(state)
