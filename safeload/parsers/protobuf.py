"""The fields of a protobuf message, found in its bytes without making anything of them.

An object that a reader makes of a message has up to a hundred times the message's bytes. So they are counted
first, in memory that does not grow with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from safeload.errors import LimitExceeded, MalformedError

# By kind of message: the fields that are messages themselves, and of which kind.
Below = Mapping[str, Mapping[int, str]]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10
# Protobuf's own readers follow 100.
_MAX_DEPTH = 100
_FIELDS_EACH = 16


def fields(data: bytes, pos: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number and value of each field of a message; of bytes, instead of a value, where they are.

    Numbers of one field that follow each other are one, the last: so the readers have it where a field has
    one value, and where it has many, as the leaves of a forest, these are millions.

    Yields
    ------
    number, value, start, end
        `start` is -1 for a number.

    Raises
    ------
    MalformedError
        It is no protobuf message.
    """
    while pos < end:
        key, pos = data[pos], pos + 1
        if key >= 0x80:
            key, pos = _varint(data, pos - 1, end)
        number, wire = key >> 3, key & 7
        value, start, stop = 0, -1, -1
        if wire == _BYTES:
            length, start = _varint(data, pos, end)
            pos = stop = start + length
        elif wire == _VARINT or wire in _FIXED:
            at = pos
            value, pos = _varint(data, pos, end) if wire == _VARINT else (0, pos + _FIXED[wire])
            if key < 0x80 and pos < end and data[pos] == key:
                run = _run(key).match(data, pos, end)
                if run is not None:
                    at, pos = run.span(1)
                    value = _varint(data, at, end)[0] if wire == _VARINT else 0
        else:
            raise MalformedError("it is no protobuf message")
        if not number or pos > end:
            raise MalformedError("it is no protobuf message")
        yield number, value, start, stop


def check_message_count(data: bytes, below: Below, kind: str, most: int) -> None:
    """Count the messages within a message, before a reader makes an object of each.

    Parameters
    ----------
    data
        The message.
    below
        What is a message in it.
    kind
        Of which kind it is itself.
    most
        How many messages are admitted; of fields there may be 16 for each.

    Raises
    ------
    LimitExceeded
        There are more.
    MalformedError
        It is no protobuf message, or nested deeper than protobuf's readers follow.
    """
    messages = seen = 0
    # The messages around the place that is looked at: no more than their depth is kept.
    around = [(below[kind], fields(data, 0, len(data)))]
    while around:
        inner, left = around[-1]
        for number, _, start, stop in left:
            seen += 1
            if start >= 0 and number in inner:
                messages += 1
                around.append((below[inner[number]], fields(data, start, stop)))
                break
            if seen > _FIELDS_EACH * most:
                break
        else:
            around.pop()
        if messages > most or seen > _FIELDS_EACH * most:
            raise LimitExceeded(
                f"it has more than {most} parts, or {_FIELDS_EACH} times as many entries",
                hint="Policies may allow more: [limits] members.",
            )
        if len(around) > _MAX_DEPTH:
            raise MalformedError("its messages are nested deeper than protobuf follows")


@cache
def _run(key: int) -> re.Pattern[bytes]:
    """Return what finds the numbers of one field that follow each other; the last is its group."""
    wire = key & 7
    value = b"[\x80-\xff]{0,9}[\x00-\x7f]" if wire == _VARINT else b".{%d}" % _FIXED[wire]
    # Possessive, so that no place is kept to go back to.
    return re.compile(b"(?:" + re.escape(bytes([key])) + b"(" + value + b"))++", re.DOTALL)


def _varint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    if pos < end and data[pos] < 0x80:
        return data[pos], pos + 1
    value = shift = 0
    for at in range(pos, min(end, pos + _MAX_VARINT_BYTES)):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + 1
        shift += 7
    raise MalformedError("it is no protobuf message")
