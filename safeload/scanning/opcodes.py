"""The opcodes that push numbers, text and bytes, and those of the memo.

Arguments in text, as protocols 0 and 1 have them, must be in the form that picklers write. The C and the
Python unpickler accept other forms too, and not always with the same result: ``I010`` is eight to one of them
and an error to the other.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any

from safeload.scanning.ledger import ScanStopped
from safeload.scanning.machine import MISSING, SHORT, Machine, Step
from safeload.scanning.values import Array, Bytes, CallResult, Opaque, Text

_FLOAT = Opaque("float")
_INT = Opaque("int")
_PIECE = 1 << 20
_NUMBER = re.compile(rb"0|-?[1-9][0-9]{0,4299}")
_INDEX = re.compile(rb"0|[1-9][0-9]{0,18}")
# The C unpickler makes room for a memo of twice the number.
_MEMO_ROOM = 1_024
_BAD_NUMBER = "a number is not in the form that picklers write"
_BAD_TEXT = "a text is not in the form that picklers write"
_DOES_NOT_FIT = "a text does not fit into the rest"


# Arguments.


def line_at(machine: Machine, pos: int) -> tuple[bytes, int]:
    """Return the line that starts at a position, and the position after it."""
    end = machine.data.find(b"\n", pos, machine.limit)
    if end < 0:
        raise ScanStopped("the pickle ends early", certain=machine.limit == len(machine.data))
    return machine.data[pos:end], end + 1


def length_at(machine: Machine, pos: int, width: int) -> int:
    """Return the length at a position, if the frame has as many bytes after it."""
    length = int.from_bytes(machine.data[pos : pos + width], "little")
    if length > machine.limit - pos - width:
        raise ScanStopped(
            "what it announces does not fit into the rest", certain=machine.limit == len(machine.data)
        )
    return length


def name_of(line: bytes, encoding: str) -> str:
    """Read the name of a module or a class."""
    if len(line) > SHORT:
        raise ScanStopped("a name is longer than any name is", "unknown types", limit=True)
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        raise ScanStopped("a name is no text") from None


def _no_number(line: bytes) -> ScanStopped:
    # The C unpickler reads up to a zero byte, and both take prefixes, underscores and space.
    text = line.partition(b"\0")[0].rstrip(b"L")
    refused = True
    for read in (int, float, lambda text: int(text, 0)):
        try:
            read(text)
            refused = False
        except ValueError:
            pass
    return ScanStopped(_BAD_NUMBER, certain=refused)


def _integer(line: bytes) -> Any:
    if line in (b"00", b"01"):
        return line == b"01"
    if _NUMBER.fullmatch(line) is None or len(line) > 20 or not -(1 << 63) <= int(line) < 1 << 63:
        raise _no_number(line)
    return int(line)


def _long_integer(line: bytes) -> Any:
    if line[-1:] != b"L" or _NUMBER.fullmatch(line, 0, len(line) - 1) is None:
        raise _no_number(line)
    return int(line[:-1]) if len(line) < 20 else _INT


def _float(line: bytes) -> Opaque:
    try:
        if len(line) > 32 or repr(float(line)).encode() != line:
            raise ValueError
    except ValueError:
        raise _no_number(line) from None
    return _FLOAT


def _index(line: bytes) -> int:
    if _INDEX.fullmatch(line) is None:
        raise _no_number(line)
    return int(line)


def _quoted_text(line: bytes) -> Any:
    # As ``repr`` of Python 2 wrote it, in ASCII.
    try:
        meant, _ = codecs.escape_decode(line[1:-1])
    except ValueError:
        raise ScanStopped(_BAD_TEXT) from None
    if len(line) < 2 or repr(meant)[1:].encode() != line or not meant.isascii():
        raise ScanStopped(_BAD_TEXT)
    return meant.decode("ascii") if len(meant) <= SHORT else Text(-1, len(meant))


def _escaped_text(line: bytes) -> Any:
    # raw-unicode-escape, with escapes for the characters that would break it. Python 2 left three of them.
    try:
        meant = line.decode("raw-unicode-escape")
    except UnicodeDecodeError:
        raise ScanStopped(_BAD_TEXT) from None
    by_python_2 = meant.replace("\\", "\\u005c").replace("\n", "\\u000a")
    by_python_3 = by_python_2.replace("\0", "\\u0000").replace("\r", "\\u000d").replace("\x1a", "\\u001a")
    try:
        forms = {form.encode("raw-unicode-escape") for form in (by_python_2, by_python_3)}
    except UnicodeEncodeError:
        forms = set()
    if line not in forms:
        raise ScanStopped(_BAD_TEXT)
    return meant if len(meant) <= SHORT else Text(-1, len(meant))


# Numbers, text and bytes.


def _constant(value: Any) -> Step:
    def step(machine: Machine, pos: int) -> int:
        machine.stack.append(value)
        return pos

    return step


def _line(read: Callable[[bytes], Any]) -> Step:
    def step(machine: Machine, pos: int) -> int:
        line, pos = line_at(machine, pos)
        machine.stack.append(read(line))
        return pos

    return step


def _byte(machine: Machine, pos: int) -> int:
    machine.stack.append(machine.data[pos])
    return pos + 1


def _fixed(width: int, *, signed: bool) -> Step:
    def step(machine: Machine, pos: int) -> int:
        end = pos + width
        machine.stack.append(int.from_bytes(machine.data[pos:end], "little", signed=signed))
        return end

    return step


def _binary_float(machine: Machine, pos: int) -> int:
    machine.stack.append(_FLOAT)
    return pos + 8


def _long(width: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        if width == 4 and machine.data[pos + 3] >= 0x80:
            raise ScanStopped("a length is negative", certain=True)
        start = pos + width
        end = start + length_at(machine, pos, width)
        value = int.from_bytes(machine.data[start:end], "little", signed=True) if end - start <= 8 else _INT
        machine.stack.append(value)
        return end

    return step


def _short_text(machine: Machine, pos: int) -> int:
    data = machine.data
    start = pos + 1
    end = start + data[pos]
    if end > machine.limit:
        raise ScanStopped(_DOES_NOT_FIT, certain=machine.limit == len(machine.data))
    machine.stack.append(data[start:end].decode("utf-8", "surrogatepass"))
    machine.text_at = machine.at
    machine.text_end = end
    return end


def _text(width: int) -> Step:
    def step(machine: Machine, pos: int) -> int:
        start = pos + width
        length = int.from_bytes(machine.data[pos:start], "little")
        end = start + length
        if end > machine.limit:
            raise ScanStopped(_DOES_NOT_FIT, certain=machine.limit == len(machine.data))
        if length <= SHORT:
            machine.stack.append(machine.data[start:end].decode("utf-8", "surrogatepass"))
            machine.text_at = machine.at
            machine.text_end = end
        else:
            machine.stack.append(Text(start, _characters(machine.data, start, end)))
        return end

    return step


def _characters(data: bytes, start: int, end: int) -> int:
    """Count the characters of a text, decoding a piece at a time."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    count = 0
    for position in range(start, end, _PIECE):
        piece_end = min(position + _PIECE, end)
        count += len(decoder.decode(data[position:piece_end], piece_end == end))
    return count


def _python2_text(width: int) -> Step:
    """Read a ``str`` of Python 2; unpicklers decode it as ASCII by default."""

    def step(machine: Machine, pos: int) -> int:
        length = length_at(machine, pos, width)
        start, end = pos + width, pos + width + length
        if width == 4 and length >= 1 << 31:
            raise ScanStopped("a length is negative", certain=True)
        content = machine.data[start:end]
        if not content.isascii():
            raise ScanStopped("a text of Python 2 is not ASCII")
        machine.stack.append(content.decode("ascii") if length <= SHORT else Text(start, length))
        return end

    return step


def _bytes(width: int, *, mutable: bool = False) -> Step:
    def step(machine: Machine, pos: int) -> int:
        length = length_at(machine, pos, width)
        machine.stack.append(Bytes(pos + width, length, mutable=mutable))
        return pos + width + length

    return step


def _next_buffer(machine: Machine, pos: int) -> int:
    machine.ledger.add_unresolved("unknown types", "takes bytes from outside the file", machine.at)
    machine.stack.append(CallResult(None, None))
    return pos


def _readonly_buffer(machine: Machine, pos: int) -> int:
    if type(machine.stack[-1]) not in (CallResult, Bytes, Array):
        raise ScanStopped("something other than a buffer is made read-only")
    return pos


# The memo.


def _put(machine: Machine, index: int) -> None:
    value, memo = machine.stack[-1], machine.memo
    if machine.text_end == machine.at:
        entry = machine.text_at
    else:
        entry = ~len(machine.objects)
        machine.objects.append(value)
    if index == len(memo):
        memo.append(entry)
    elif index < len(memo):
        machine.gaps -= memo[index] == MISSING
        memo[index] = entry
    elif index > 2 * len(memo) + _MEMO_ROOM:
        raise ScanStopped("a number of the memo is far from those in use", limit=True)
    else:
        machine.gaps += index - len(memo)
        memo.extend([MISSING] * (index - len(memo)))
        memo.append(entry)


def _get(machine: Machine, index: int) -> None:
    if index >= len(machine.memo) or (entry := machine.memo[index]) == MISSING:
        raise ScanStopped("the memo has no such entry", certain=True)
    machine.stack.append(machine.text(entry) if entry >= 0 else machine.recall(~entry))


def _of_line(act: Callable[[Machine, int], None]) -> Step:
    def step(machine: Machine, pos: int) -> int:
        line, pos = line_at(machine, pos)
        act(machine, _index(line))
        return pos

    return step


def _of_byte(act: Callable[[Machine, int], None]) -> Step:
    def step(machine: Machine, pos: int) -> int:
        act(machine, machine.data[pos])
        return pos + 1

    return step


def _of_word(act: Callable[[Machine, int], None]) -> Step:
    def step(machine: Machine, pos: int) -> int:
        act(machine, int.from_bytes(machine.data[pos : pos + 4], "little"))
        return pos + 4

    return step


def _memoize(machine: Machine, pos: int) -> int:
    # The number is that of the entries, which is not always one more than the highest.
    _put(machine, len(machine.memo) - machine.gaps)
    return pos


TABLE: dict[bytes, Step] = {
    b"I": _line(_integer),
    b"L": _line(_long_integer),
    b"F": _line(_float),
    b"S": _line(_quoted_text),
    b"V": _line(_escaped_text),
    b"J": _fixed(4, signed=True),
    b"K": _byte,
    b"M": _fixed(2, signed=False),
    b"G": _binary_float,
    b"\x8a": _long(1),
    b"\x8b": _long(4),
    b"T": _python2_text(4),
    b"U": _python2_text(1),
    b"B": _bytes(4),
    b"C": _bytes(1),
    b"\x8e": _bytes(8),
    b"\x96": _bytes(8, mutable=True),
    b"\x97": _next_buffer,
    b"\x98": _readonly_buffer,
    b"N": _constant(None),
    b"\x88": _constant(True),
    b"\x89": _constant(False),
    b"X": _text(4),
    b"\x8c": _short_text,
    b"\x8d": _text(8),
    b"g": _of_line(_get),
    b"h": _of_byte(_get),
    b"j": _of_word(_get),
    b"p": _of_line(_put),
    b"q": _of_byte(_put),
    b"r": _of_word(_put),
    b"\x94": _memoize,
}
