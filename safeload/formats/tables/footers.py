"""Footers of Parquet and Arrow files: their announced sizes, and the schema that Parquet would lose.

Sizes are checked against the limits before anything is decompressed. Parquet's footer states the number of
rows and the encoded size of each row group; both count. It does not state how far repeated strings expand,
nor whether a page keeps to the footer. In Arrow files the decompressed size precedes each compressed buffer,
and pyarrow enforces it. pyarrow tells where the buffers lie only by decompressing them, so the footer and the
messages are read here (Arrow's columnar format, "IPC File Format", as FlatBuffers).

Parquet has no timestamps in seconds, and its dictionaries list the values that occur, in the order in which
they occur. So the exact Arrow types and dictionaries are written to the metadata of its footer, and restored
from it.
"""

from __future__ import annotations

import itertools
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from safeload.errors import LimitExceeded, MalformedError
from safeload.limits import Limits
from safeload.parsers.compression import check_decompressed_size

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC = b"ARROW1"
# Type codes of messages, and positions of fields in their tables (format/Message.fbs, format/File.fbs).
_DICTIONARY_BATCH = 2
_FOOTER_DICTIONARIES, _FOOTER_BATCHES = 2, 3
_MESSAGE_TYPE, _MESSAGE_HEADER = 1, 2
_DICTIONARY_DATA = 1
_BATCH_LENGTH, _BATCH_BUFFERS, _BATCH_COMPRESSION = 0, 2, 3
# Size in front of a buffer that is stored uncompressed, because compression would not have made it smaller.
_UNCOMPRESSED = -1
# Columns and batches are each capped by `members`. This factor caps their product: reading that many buffers
# takes about a second.
_BUFFERS_PER_MEMBER = 16


def check_sizes(name: str, buffer: pa.Buffer, limits: Limits) -> None:
    """Refuse a Parquet or Arrow file that announces too much, before anything is decompressed.

    LimitExceeded if it has too many columns, parts or bytes; MalformedError if its footer contradicts the
    file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if name == "parquet":
        opened = pq.ParquetFile(pa.BufferReader(buffer))
        footer = opened.metadata
        schema, rows, parts = opened.schema_arrow, footer.num_rows, footer.num_row_groups
        _cap(footer.num_columns, limits.members, "columns")
        _cap(parts, limits.members, "row groups")
        announced = sum(footer.row_group(part).total_byte_size for part in range(parts))
    else:
        reader = pa.ipc.open_file(buffer)
        schema = reader.schema
        _cap(sum(_leaves(field.type) for field in schema), limits.members, "columns")
        try:
            rows, announced = _arrow_sizes(memoryview(buffer), limits)
        except (struct.error, IndexError) as error:
            raise MalformedError("its footer does not match the file") from error
    if announced < 0 or rows < 0:
        raise MalformedError("it announces a negative size")
    check_decompressed_size(announced, buffer.size, limits)
    # The size of the rows in memory does not come from compression, so the ratio does not apply to it.
    in_memory = rows * sum(_width(field.type) for field in schema)
    if in_memory > limits.decompressed_bytes:
        raise LimitExceeded(f"its rows take {in_memory} bytes, {limits.decompressed_bytes} are allowed")


def schema_note(table: pa.Table) -> dict[str, Any]:
    """Return the types and dictionaries of a table's columns, for JSON."""
    import pyarrow as pa

    dictionaries = {}
    for position, column in enumerate(table.unify_dictionaries().columns):
        if pa.types.is_dictionary(column.type) and column.num_chunks:
            values = pa.record_batch([column.chunk(0).dictionary], names=["values"])
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, values.schema) as writer:
                writer.write_batch(values)
            dictionaries[str(position)] = b64encode(sink.getvalue()).decode("ascii")
    # The metadata of the table itself are written to the file unchanged.
    schema = table.schema.remove_metadata() if table.schema.metadata else table.schema
    return {
        "types": b64encode(pa.schema(list(schema)).serialize()).decode("ascii"),
        "dictionaries": dictionaries,
    }


def with_schema(table: pa.Table, note: dict[str, Any]) -> pa.Table:
    """Return a table with a note's types and dictionaries; MalformedError if the note is of another table."""
    import pyarrow as pa

    schema = pa.ipc.read_schema(pa.py_buffer(b64decode(note["types"], validate=True)))
    if len(schema) != table.num_columns:
        raise MalformedError("its schema does not match its columns")
    columns = []
    for position, (field, column) in enumerate(zip(schema, table.columns, strict=True)):
        written = note["dictionaries"].get(str(position))
        if written is not None:
            column = _with_dictionary(column, field.type, b64decode(written, validate=True))
        elif column.type != field.type:
            column = column.cast(field.type)
        columns.append(column)
    return pa.table(columns, schema=schema.with_metadata(table.schema.metadata))


def _cap(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise LimitExceeded(f"it has {count} {what}, {limit} are allowed")


def _leaves(type: pa.DataType) -> int:
    return 1 + sum(_leaves(type.field(position).type) for position in range(type.num_fields))


def _width(type: Any) -> int:
    """Return the minimum size of a value in memory, in bytes."""
    try:
        return max(1, int(type.bit_width) // 8)
    except ValueError:  # Types of variable width have an offset for each value.
        return 4


def _arrow_sizes(file: memoryview, limits: Limits) -> tuple[int, int]:
    """Return the number of rows and the decompressed size of all buffers."""
    (length,) = struct.unpack_from("<i", file, len(file) - len(_MAGIC) - 4)
    footer = _Table.root(file[len(file) - len(_MAGIC) - 4 - length :])
    rows = total = buffers = 0
    for kind, offset, metadata in _blocks(footer, limits):
        # A message is preceded by four bytes of a continuation marker and four of its length.
        message = _Table.root(file[offset + 8 : offset + metadata])
        batch = message.table(_MESSAGE_HEADER)
        if message.byte(_MESSAGE_TYPE) == _DICTIONARY_BATCH:
            batch = batch.table(_DICTIONARY_DATA)
        elif kind == _FOOTER_BATCHES:
            rows += max(0, batch.long(_BATCH_LENGTH))
        compressed = batch.has(_BATCH_COMPRESSION)
        for start, size in batch.structs(_BATCH_BUFFERS, "<qq"):
            buffers += 1
            _cap(buffers, _BUFFERS_PER_MEMBER * limits.members, "buffers")
            decompressed = size
            if compressed and size:
                (decompressed,) = struct.unpack_from("<q", file, offset + metadata + start)
            total += size if decompressed == _UNCOMPRESSED else max(0, decompressed)
    return rows, total


def _blocks(footer: _Table, limits: Limits) -> list[tuple[int, int, int]]:
    """Return the kind, offset and metadata length of each message in the footer.

    Messages may not repeat or overlap, so reading all of them costs no more than the file has bytes.
    """
    found: list[tuple[int, int, int]] = []
    ends: list[tuple[int, int]] = []
    for kind in (_FOOTER_DICTIONARIES, _FOOTER_BATCHES):
        end = 0
        for offset, metadata, body in footer.structs(kind, "<qi4xq"):
            _cap(len(found) + 1, limits.members, "batches")
            if offset < 0 or metadata < 8 or body < 0:
                raise MalformedError("its footer does not match the file")
            if offset < end:
                raise MalformedError("its batches overlap or are out of order")
            end = offset + metadata + body
            found.append((kind, offset, metadata))
            ends.append((offset, end))
    ends.sort()
    if any(end > offset for (_, end), (offset, _) in itertools.pairwise(ends)):
        raise MalformedError("its batches and dictionaries overlap")
    return found


class _Table:
    """Reader of a FlatBuffers table; a position outside of the memory raises :class:`struct.error`."""

    def __init__(self, memory: memoryview, position: int) -> None:
        self._memory = memory
        self._position = position
        self._fields = position - self._get("<i", position)

    @classmethod
    def root(cls, memory: memoryview) -> _Table:
        return cls(memory, int(struct.unpack_from("<I", memory, 0)[0]))

    def _get(self, code: str, position: int) -> int:
        if position < 0:  # It would count from the end.
            raise struct.error("a negative position")
        return int(struct.unpack_from(code, self._memory, position)[0])

    def _field(self, index: int) -> int:
        """Return the position of a field, or 0 if it is absent."""
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
        """Yield the structs of a vector."""
        place = self._field(index)
        if not place:
            return
        vector = place + self._get("<I", place)
        for number in range(self._get("<I", vector)):
            yield struct.unpack_from(code, self._memory, vector + 4 + number * struct.calcsize(code))


def _with_dictionary(column: pa.ChunkedArray, type: pa.DataType, written: bytes) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    stored = pa.ipc.open_stream(pa.py_buffer(written)).read_all()
    stored.validate(full=True)  # Readers do not check offsets; see arrow_format.py.
    values = stored.column(0).combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0)
    plain = column.cast(type.value_type)
    chunks = [
        pa.DictionaryArray.from_arrays(
            # A null is not looked up, even if the values contain one.
            pc.index_in(chunk, value_set=values, skip_nulls=True).cast(type.index_type),
            values,
            ordered=type.ordered,
        )
        for chunk in plain.chunks
    ]
    return pa.chunked_array(chunks, type=type)
