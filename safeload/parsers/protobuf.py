"""Fields of a protobuf message, found in its bytes without an object for each.

An object of protobuf's own readers takes up to a hundred times the bytes of its message. So messages are
counted first, in constant memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from safeload.errors import LimitExceeded, MalformedError

# By message type: the fields that hold messages, and the types of these.
Below = Mapping[str, Mapping[int, str]]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10
# The limit of protobuf's own readers.
_MAX_DEPTH = 100
_FIELDS_PER_MESSAGE = 16


def fields(data: bytes, pos: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the fields of the message in ``data[pos:end]``, or raise MalformedError.

    A run of numbers in the same field is yielded once, with the last value. Protobuf does the same for a
    field with one value, and repeated fields may have millions of them, such as the leaves of a forest.

    Yields
    ------
    number, value, start, stop : int
        Number of the field; then either its value, with -1 for `start` and `stop`, or the position of its
        bytes.
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
            raise MalformedError("it is not a protobuf message")
        if not number or pos > end:
            raise MalformedError("it is not a protobuf message")
        yield number, value, start, stop


def check_message_count(data: bytes, below: Below, kind: str, most: int) -> None:
    """Refuse a message of a kind with over `most` messages in it, before a reader makes an object for each.

    Raises
    ------
    LimitExceeded
        If there are more messages, or 16 times as many fields.
    MalformedError
        If it is not a protobuf message, or is nested deeper than protobuf's readers allow.
    """
    messages = seen = 0
    # The messages around the current position; its length is their depth.
    around = [(below[kind], fields(data, 0, len(data)))]
    while around:
        inner, left = around[-1]
        for number, _, start, stop in left:
            seen += 1
            if start >= 0 and number in inner:
                messages += 1
                around.append((below[inner[number]], fields(data, start, stop)))
                break
            if seen > _FIELDS_PER_MESSAGE * most:
                break
        else:
            around.pop()
        if messages > most or seen > _FIELDS_PER_MESSAGE * most:
            raise LimitExceeded(
                f"it has more than {most} parts, or {_FIELDS_PER_MESSAGE} times as many fields",
                hint="Policies may allow more: [limits] members.",
            )
        if len(around) > _MAX_DEPTH:
            raise MalformedError("its messages are nested deeper than protobuf allows")


@cache
def _run(key: int) -> re.Pattern[bytes]:
    """Return a pattern for a run of numbers in one field, with the last value as its group."""
    wire = key & 7
    value = b"[\x80-\xff]{0,9}[\x00-\x7f]" if wire == _VARINT else b".{%d}" % _FIXED[wire]
    # Possessive, so that no memory is spent on backtracking.
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
    raise MalformedError("it is not a protobuf message")
