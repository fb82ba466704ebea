"""What Parquet does not keep of an Arrow table: the exact types of its columns, and dictionaries whole.

Parquet has no seconds, and its dictionaries have values in the order in which they occur, without those that
do not. Both stand beside the table and are put back.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from safeload.errors import MalformedError

if TYPE_CHECKING:
    import pyarrow as pa


def described(table: pa.Table) -> dict[str, Any]:
    """Return the types and dictionaries of a table's columns, as JSON has them."""
    import pyarrow as pa

    dictionaries = {}
    for position, column in enumerate(table.unify_dictionaries().columns):
        if pa.types.is_dictionary(column.type) and column.num_chunks:
            values = pa.record_batch([column.chunk(0).dictionary], names=["values"])
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, values.schema) as writer:
                writer.write_batch(values)
            dictionaries[str(position)] = b64encode(sink.getvalue()).decode("ascii")
    # Metadata of the whole are in the file as they are.
    schema = table.schema.remove_metadata() if table.schema.metadata else table.schema
    return {
        "types": b64encode(pa.schema(list(schema)).serialize()).decode("ascii"),
        "dictionaries": dictionaries,
    }


def restored(table: pa.Table, description: dict[str, Any]) -> pa.Table:
    """Return a table with the types and dictionaries that it had.

    Raises
    ------
    MalformedError
        The description is of another table.
    """
    import pyarrow as pa

    schema = pa.ipc.read_schema(pa.py_buffer(b64decode(description["types"], validate=True)))
    if len(schema) != table.num_columns:
        raise MalformedError("its schema is not that of its columns")
    columns = []
    for position, (field, column) in enumerate(zip(schema, table.columns, strict=True)):
        written = description["dictionaries"].get(str(position))
        if written is not None:
            column = _with_dictionary(column, field.type, b64decode(written, validate=True))
        elif column.type != field.type:
            column = column.cast(field.type)
        columns.append(column)
    return pa.table(columns, schema=schema.with_metadata(table.schema.metadata))


def _with_dictionary(column: pa.ChunkedArray, type: pa.DataType, written: bytes) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    stored = pa.ipc.open_stream(pa.py_buffer(written)).read_all()
    stored.validate(full=True)  # see arrow_format.py
    values = stored.column(0).combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0)
    plain = column.cast(type.value_type)
    chunks = [
        pa.DictionaryArray.from_arrays(
            # A null has no place among the values; where one does stand there, it is no use to look it up.
            pc.index_in(chunk, value_set=values, skip_nulls=True).cast(type.index_type),
            values,
            ordered=type.ordered,
        )
        for chunk in plain.chunks
    ]
    return pa.chunked_array(chunks, type=type)
