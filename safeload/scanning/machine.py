"""An interpreter of pickle's instructions (PEP 307, 3154, 574) that does nothing but follow them.

It keeps the stack and the memo with stand-ins for objects, writes down each name that is looked up, and steps
over the bytes of arrays in joblib files. It stops where it cannot tell how the real unpickler would go on.

Rules:

1. Nothing is imported, called or built.
2. A frame ends where it says, between two instructions, and before the bytes of an array: joblib writes no
   other files, and unpicklers disagree on those.
3. A name that is made while loading, a name by number, and an object by reference to elsewhere cannot be
   told; the interpreter stops there.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from typing import Any

from safeload.scanning import arrays
from safeload.scanning.values import Array, Collection, Made, Mapping, Mark, Reference

_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}


class Halt(Exception):
    """The interpreter cannot go on; the text says why."""


class Machine:
    """One run over a file.

    Parameters
    ----------
    data
        The bytes of an uncompressed dump.

    Attributes
    ----------
    globals
        What was looked up so far.
    """

    def __init__(self, data: bytes) -> None:
        self.globals: set[str] = set()
        self._file = io.BytesIO(data)
        self._size = len(data)

    @property
    def position(self) -> int:
        """Where it is, in bytes from the start."""
        return self._file.tell()

    def run(self) -> None:
        """Follow the whole file.

        Raises
        ------
        Halt
            It cannot be followed.
        """
        _Pickle(self._file, self._size, self.globals, with_arrays=True).run()
        if self.position != self._size:
            raise Halt("bytes follow the end of the pickle")


class _Pickle:
    """One pickle: from its first instruction to its STOP."""

    def __init__(self, file: io.BytesIO, size: int, found: set[str], *, with_arrays: bool) -> None:
        self._file = file
        self._size = size
        self._globals = found
        self._with_arrays = with_arrays
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._frame_end: int | None = None
        self._running = True

    def run(self) -> None:
        while self._running:
            if self._frame_end == self._file.tell():
                self._frame_end = None
            code = self._file.read(1)
            opcode = _OPCODES.get(code)
            if opcode is None:
                raise Halt("there is no such instruction" if code else "the pickle ends early")
            argument = self._argument(opcode)
            if self._frame_end is not None and self._file.tell() > self._frame_end:
                raise Halt("an instruction crosses the end of its frame")
            _STEPS[opcode.name](self, argument)
        if self._frame_end is not None and self._frame_end != self._file.tell():
            raise Halt("the pickle ends before its frame")

    def _argument(self, opcode: pickletools.OpcodeInfo) -> Any:
        if opcode.arg is None:
            return None
        if opcode.name in ("GLOBAL", "INST"):
            # The library's reader would take escapes for characters, which unpicklers do not.
            return self._line(), self._line()
        try:
            return opcode.arg.reader(self._file)
        except (ValueError, OverflowError, MemoryError):
            raise Halt(f"the argument of {opcode.name} cannot be read") from None

    def _line(self) -> str:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise Halt("the pickle ends early")
        try:
            return line[:-1].decode("utf-8")
        except UnicodeDecodeError:
            raise Halt("a name is no text") from None

    # The stack.

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack or isinstance(self._stack[-1], Mark):
            raise Halt("an instruction takes more than there is")
        return self._stack.pop()

    def _top(self) -> Any:
        value = self._pop()
        self._stack.append(value)
        return value

    def _group(self) -> list[Any]:
        """Take what was pushed since the last mark."""
        for index in range(len(self._stack) - 1, -1, -1):
            if isinstance(self._stack[index], Mark):
                group = self._stack[index + 1 :]
                del self._stack[index:]
                return group
        raise Halt("an instruction asks for a mark, and there is none")

    # Containers.

    def _pop_any(self, _: Any) -> None:
        if not self._stack:
            raise Halt("an instruction takes more than there is")
        self._stack.pop()

    def _tuple(self, length: int) -> None:
        items = [self._pop() for _ in range(length)]
        self._push(tuple(reversed(items)))

    def _dict(self, _: Any) -> None:
        group = self._group()
        made = Mapping()
        self._fill(made, group)
        self._push(made)

    def _collect(self, _: Any) -> None:
        self._group()
        self._push(Collection())

    def _add(self, _: Any) -> None:
        self._pop()
        self._top()

    def _add_group(self, _: Any) -> None:
        self._group()
        self._top()

    def _drop_group(self, _: Any) -> None:
        self._group()

    def _set_items(self, items: list[Any]) -> None:
        self._fill(self._top(), items)

    def _fill(self, target: Any, items: list[Any]) -> None:
        if len(items) % 2:
            raise Halt("a key has no value")
        if isinstance(target, Mapping):
            for key, value in zip(items[::2], items[1::2], strict=True):
                if isinstance(key, str):
                    target.by_text[key] = value

    # The memo.

    def _put(self, index: int) -> None:
        self._memo[index] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise Halt("the memo has no such entry")
        self._push(self._memo[index])

    # Names.

    def _refer(self, module: Any, name: Any) -> Reference:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Halt("a name is made while loading")
        reference = Reference(module, name)
        self._globals.add(str(reference))
        return reference

    def _stack_global(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        self._push(self._refer(module, name))

    # Calls.

    def _reduce(self, _: Any) -> None:
        arguments, called = self._pop(), self._pop()
        self._push(Made(called, arguments))

    def _new_with_keywords(self, _: Any) -> None:
        _, arguments, called = self._pop(), self._pop(), self._pop()
        self._push(Made(called, arguments))

    def _instance(self, names: tuple[str, str]) -> None:
        arguments = tuple(self._group())
        self._push(Made(self._refer(*names), arguments))

    def _object(self, _: Any) -> None:
        group = self._group()
        if not group:
            raise Halt("an instruction takes more than there is")
        self._push(Made(group[0], tuple(group[1:])))

    def _build(self, _: Any) -> None:
        state = self._pop()
        target = self._top()
        if not isinstance(target, Made):
            return
        target.state = state
        if not self._with_arrays:
            return
        kind = _class_of(target)
        if kind in arrays.LEGACY:
            raise Halt("it was written by joblib before 0.10, with each array in a file of its own")
        if kind == arrays.WRAPPER:
            self._pop()
            self._skip_array(state)
            self._push(Array())
        elif isinstance(kind, Reference) and kind.module.partition(".")[0] == "joblib":
            # It may be the wrapper of arrays under another name.
            raise Halt(f"what follows the state of {kind} depends on joblib")

    def _skip_array(self, state: Any) -> None:
        if self._frame_end is not None and self._frame_end != self._file.tell():
            raise Halt("an array starts within a frame")
        self._frame_end = None
        try:
            layout = arrays.payload(state)
        except arrays.UnknownLayout:
            raise Halt("the length of an array cannot be told") from None
        if layout is None:
            _Pickle(self._file, self._size, self._globals, with_arrays=False).run()
            return
        length, padded = layout
        if padded:
            length += int.from_bytes(self._file.read(1), "little")
        if length > self._size - self._file.tell():
            raise Halt("the file ends within an array")
        self._file.seek(length, io.SEEK_CUR)

    # The rest.

    def _frame(self, length: int) -> None:
        end = self._file.tell() + length
        if self._frame_end is not None or end > self._size:
            raise Halt("a frame does not fit")
        self._frame_end = end

    def _stop(self, _: Any) -> None:
        self._pop()
        self._running = False

    def _protocol(self, version: int) -> None:
        if version > 5:
            raise Halt(f"there is no protocol {version}")


def _class_of(made: Made) -> Any:
    """Return what an object is an instance of, as far as its making tells."""
    if str(made.called) in ("copyreg._reconstructor", "copy_reg._reconstructor", "copyreg.__newobj__"):
        arguments = made.arguments
        return arguments[0] if isinstance(arguments, tuple) and arguments else None
    return made.called


def _halt(reason: str) -> Callable[[_Pickle, Any], None]:
    def step(machine: _Pickle, _: Any) -> None:
        raise Halt(reason)

    return step


_ELSEWHERE = "it refers to an object outside the file"
_CONSTANTS = (
    *("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BYTEARRAY8"),
)
_STEPS: dict[str, Callable[[_Pickle, Any], None]] = {
    **dict.fromkeys(_CONSTANTS, _Pickle._push),
    "NONE": lambda machine, _: machine._push(None),
    "NEWTRUE": lambda machine, _: machine._push(True),
    "NEWFALSE": lambda machine, _: machine._push(False),
    "MARK": lambda machine, _: machine._push(Mark()),
    "POP": _Pickle._pop_any,
    "POP_MARK": _Pickle._drop_group,
    "DUP": lambda machine, _: machine._push(machine._top()),
    "EMPTY_TUPLE": lambda machine, _: machine._push(()),
    "TUPLE": lambda machine, _: machine._push(tuple(machine._group())),
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "EMPTY_LIST": lambda machine, _: machine._push(Collection()),
    "EMPTY_SET": lambda machine, _: machine._push(Collection()),
    "LIST": _Pickle._collect,
    "FROZENSET": _Pickle._collect,
    "APPEND": _Pickle._add,
    "APPENDS": _Pickle._add_group,
    "ADDITEMS": _Pickle._add_group,
    "EMPTY_DICT": lambda machine, _: machine._push(Mapping()),
    "DICT": _Pickle._dict,
    "SETITEM": lambda machine, _: machine._set_items([machine._pop(), machine._pop()][::-1]),
    "SETITEMS": lambda machine, _: machine._set_items(machine._group()),
    "PUT": _Pickle._put,
    "BINPUT": _Pickle._put,
    "LONG_BINPUT": _Pickle._put,
    "MEMOIZE": lambda machine, _: machine._put(len(machine._memo)),
    "GET": _Pickle._get,
    "BINGET": _Pickle._get,
    "LONG_BINGET": _Pickle._get,
    "GLOBAL": lambda machine, names: machine._push(machine._refer(*names)),
    "STACK_GLOBAL": _Pickle._stack_global,
    "REDUCE": _Pickle._reduce,
    "NEWOBJ": _Pickle._reduce,
    "NEWOBJ_EX": _Pickle._new_with_keywords,
    "INST": _Pickle._instance,
    "OBJ": _Pickle._object,
    "BUILD": _Pickle._build,
    "PROTO": _Pickle._protocol,
    "FRAME": _Pickle._frame,
    "STOP": _Pickle._stop,
    "EXT1": _halt("it names a class by a number of the extension registry"),
    "EXT2": _halt("it names a class by a number of the extension registry"),
    "EXT4": _halt("it names a class by a number of the extension registry"),
    "PERSID": _halt(_ELSEWHERE),
    "BINPERSID": _halt(_ELSEWHERE),
    "NEXT_BUFFER": _halt(_ELSEWHERE),
    "READONLY_BUFFER": _halt(_ELSEWHERE),
}
