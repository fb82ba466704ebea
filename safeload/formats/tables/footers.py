"""What a Parquet or Arrow file announces that it unfolds to, held against the limits before it is unfolded.

Parquet says the size of each row group in its footer, encoded and not compressed, and the number of rows;
both count. What is not told is how far repeated texts unfold, nor whether a page keeps to the footer.

Arrow says the unfolded size in front of each compressed buffer, and Arrow's own reader keeps to it. Where the
buffers lie is read from the footer and the messages here (Arrow's columnar format, "IPC File Format", as
FlatBuffers), since the library tells it only by unfolding them.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from safeload.errors import LimitExceeded, MalformedError
from safeload.limits import Limits

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC = b"ARROW1"
# Type codes of messages, and positions of fields in their tables (format/Message.fbs, format/File.fbs).
_DICTIONARY_BATCH = 2
_FOOTER_DICTIONARIES, _FOOTER_BATCHES = 2, 3
_MESSAGE_TYPE, _MESSAGE_HEADER = 1, 2
_DICTIONARY_DATA = 1
_BATCH_LENGTH, _BATCH_BUFFERS, _BATCH_COMPRESSION = 0, 2, 3
# A size of -1 stands in front of a buffer that compression would not have made smaller.
_PLAIN = -1
# A file may have as many columns and as many batches as an archive may have members, and not both at once. So
# many buffers for each of those take a second.
_BUFFERS = 16


def check(name: str, buffer: pa.Buffer, limits: Limits) -> None:
    """Refuse a file that announces too much, or whose metadata cannot be read.

    Raises
    ------
    LimitExceeded
        Too many columns or parts, or too many bytes.
    MalformedError
        Its footer contradicts the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if name == "parquet":
        opened = pq.ParquetFile(pa.BufferReader(buffer))
        footer = opened.metadata
        schema, rows, parts = opened.schema_arrow, footer.num_rows, footer.num_row_groups
        _cap(footer.num_columns, limits.members, "columns")
        _cap(parts, limits.members, "row groups")
        unfolded = sum(footer.row_group(part).total_byte_size for part in range(parts))
    else:
        reader = pa.ipc.open_file(buffer)
        schema = reader.schema
        _cap(sum(_leaves(field.type) for field in schema), limits.members, "columns")
        try:
            rows, unfolded = _arrow_sizes(memoryview(buffer), limits)
        except (struct.error, IndexError) as error:
            raise MalformedError("its footer does not fit the file") from error
    # Of the width of rows nothing is said about compression, so that only the cap itself applies.
    in_memory = rows * sum(_width(field.type) for field in schema)
    largest = max(unfolded, in_memory)
    if unfolded < 0 or rows < 0:
        raise MalformedError("it announces a negative size")
    if largest > limits.decompressed_bytes:
        raise LimitExceeded(f"it unfolds to {largest} bytes, {limits.decompressed_bytes} are allowed")
    if unfolded > limits.ratio_floor_bytes and unfolded > limits.decompression_ratio * buffer.size:
        raise LimitExceeded(
            f"it unfolds to more than {limits.decompression_ratio} times its size, to {unfolded} bytes"
        )


def _cap(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise LimitExceeded(f"it has {count} {what}, {limit} are allowed")


def _leaves(type: pa.DataType) -> int:
    return 1 + sum(_leaves(type.field(position).type) for position in range(type.num_fields))


def _width(type: Any) -> int:
    """Return how many bytes a row takes in memory, at least."""
    try:
        return max(1, int(type.bit_width) // 8)
    except ValueError:  # of no fixed width: at least an offset
        return 4


def _arrow_sizes(file: memoryview, limits: Limits) -> tuple[int, int]:
    """Return the number of rows and the unfolded size of all buffers."""
    (length,) = struct.unpack_from("<i", file, len(file) - len(_MAGIC) - 4)
    footer = _Table.root(file[len(file) - len(_MAGIC) - 4 - length :])
    rows = total = buffers = 0
    for kind, offset, metadata in _blocks(footer, limits):
        # Four bytes of continuation and four of a length stand in front of a message.
        message = _Table.root(file[offset + 8 : offset + metadata])
        batch = message.table(_MESSAGE_HEADER)
        if message.byte(_MESSAGE_TYPE) == _DICTIONARY_BATCH:
            batch = batch.table(_DICTIONARY_DATA)
        elif kind == _FOOTER_BATCHES:
            rows += max(0, batch.long(_BATCH_LENGTH))
        compressed = batch.has(_BATCH_COMPRESSION)
        for start, size in batch.structs(_BATCH_BUFFERS, "<qq"):
            buffers += 1
            _cap(buffers, _BUFFERS * limits.members, "buffers")
            unfolded = size
            if compressed and size:
                (unfolded,) = struct.unpack_from("<q", file, offset + metadata + start)
            total += size if unfolded == _PLAIN else max(0, unfolded)
    return rows, total


def _blocks(footer: _Table, limits: Limits) -> list[tuple[int, int, int]]:
    """Return of which kind each message is that a footer names, where it begins, and its own length.

    None is named twice, nor is part of another: reading them all costs no more than the file has bytes.
    """
    found: list[tuple[int, int, int]] = []
    ends: list[tuple[int, int]] = []
    for kind in (_FOOTER_DICTIONARIES, _FOOTER_BATCHES):
        end = 0
        for offset, metadata, body in footer.structs(kind, "<qi4xq"):
            _cap(len(found) + 1, limits.members, "batches")
            if offset < 0 or metadata < 8 or body < 0:
                raise MalformedError("its footer does not fit the file")
            if offset < end:
                raise MalformedError("its batches overlap, or are not in order")
            end = offset + metadata + body
            found.append((kind, offset, metadata))
            ends.append((offset, end))
    ends.sort()
    if any(end > offset for (_, end), (offset, _) in itertools.pairwise(ends)):
        raise MalformedError("its batches and dictionaries overlap")
    return found


class _Table:
    """A table of FlatBuffers, as far as it is needed here.

    A position that leads out of the memory is a :class:`struct.error`.
    """

    def __init__(self, memory: memoryview, position: int) -> None:
        self._memory = memory
        self._position = position
        self._fields = position - self._get("<i", position)

    @classmethod
    def root(cls, memory: memoryview) -> _Table:
        return cls(memory, int(struct.unpack_from("<I", memory, 0)[0]))

    def _get(self, code: str, position: int) -> int:
        if position < 0:  # which would count from the end
            raise struct.error("a position before the start")
        return int(struct.unpack_from(code, self._memory, position)[0])

    def _field(self, index: int) -> int:
        """Return where a field is, or 0 if it is absent."""
        entry = 4 + 2 * index
        if entry >= self._get("<H", self._fields):
            return 0
        offset = self._get("<H", self._fields + entry)
        return self._position + offset if offset else 0

    def has(self, index: int) -> bool:
        return bool(self._field(index))

    def byte(self, index: int) -> int:
        place = self._field(index)
        return self._get("<B", place) if place else 0

    def long(self, index: int) -> int:
        place = self._field(index)
        return self._get("<q", place) if place else 0

    def table(self, index: int) -> _Table:
        place = self._field(index)
        if not place:
            raise struct.error("a table is missing")
        return _Table(self._memory, place + self._get("<I", place))

    def structs(self, index: int, code: str) -> Iterator[tuple[int, ...]]:
        """Yield the structures of a vector."""
        place = self._field(index)
        if not place:
            return
        vector = place + self._get("<I", place)
        for number in range(self._get("<I", vector)):
            yield struct.unpack_from(code, self._memory, vector + 4 + number * struct.calcsize(code))
