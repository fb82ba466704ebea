"""What a dry run gives an unpickler in place of the objects that a pickle makes, and what each checks.

Arrays and what is made of them are in ``array_stand_ins.py``, their types in ``dtype_stand_ins.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from safeload.errors import MalformedError, UntrustedType
from safeload.parsers import native_state

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
                native_state.check_positions(part)
            elif isinstance(part, tuple | list) and part and isinstance(part[0], str):
                raise MalformedError("the state of a random generator is in a form that dumps do not have")
        super().__setstate__(state)
