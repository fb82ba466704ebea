"""The formats ``parquet`` and ``arrow`` (the file format of Arrow IPC): tables without code.

A DataFrame or Series is restored exactly, and other programs can read the file: what Arrow would lose is
written to the metadata of the schema under ``safeload``, as JSON. An object that cannot be kept exactly is
refused when it is written. Not part of the comparison are the bits of a NaN, values under a mask, levels of a
MultiIndex without rows, and whether two cells are the same object.

``footers.py`` checks the sizes that a file announces before it is decompressed.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any, Literal, get_args

from safeload.errors import MalformedError, SafeloadError, SerializationError
from safeload.formats import registry
from safeload.formats.base import OptionError, Written
from safeload.formats.tables import footers, frame_equality, frames
from safeload.limits import Limits
from safeload.trust.gate import VerifiedArtifact

if TYPE_CHECKING:
    import pyarrow as pa

_KEY = b"safeload"
_ArrowCompression = Literal["lz4", "zstd"]
_ParquetCompression = Literal["snappy", "gzip", "brotli", "lz4", "zstd"]


class _TableFormat:
    """What the two have in common."""

    name: str
    requires: tuple[str, ...] | None = None
    compressions: tuple[str, ...]

    def _dump(self, obj: Any, file: IO[bytes], compression: str | None) -> Written:
        registry.require_safe("pyarrow")
        if compression is not None and compression not in self.compressions:
            raise OptionError(f"the format {self.name} has no compression {compression!r}")
        table, notes = frames.to_table(obj)
        if _KEY in (table.schema.metadata or {}):
            raise SerializationError("the table has metadata under the name safeload, which is reserved")
        if self.name == "parquet":
            notes["schema"] = footers.schema_note(table)
        metadata = {**(table.schema.metadata or {}), _KEY: json.dumps(notes).encode()}
        buffer = _write(self.name, table.replace_schema_metadata(metadata), compression)
        try:
            read = _object(_read(self.name, buffer), None)
        except SafeloadError as error:
            raise SerializationError(
                f"{self.name} does not keep this {type(obj).__name__}: {error.problem}",
                hint='Use format="joblib".',
            ) from error
        where = frame_equality.changed(obj, read)
        if where is not None:
            raise SerializationError(
                f"{self.name} does not keep this {type(obj).__name__} exactly; it differs at {where}",
                hint='Use format="joblib".',
            )
        file.write(memoryview(buffer))
        return Written()

    def load(
        self, verified: VerifiedArtifact, limits: Limits, *, as_: Literal["pandas", "table"] | None = None
    ) -> Any:
        """Make the table; uncompressed columns of an arrow file are views of the verified memory if possible.

        Parameters
        ----------
        verified : VerifiedArtifact
            The artifact.
        limits : Limits
            Caps on sizes.
        as_ : {"pandas", "table"}, optional
            None means what was dumped, or a DataFrame if another program wrote the file.

        Raises
        ------
        LimitExceeded
            If it decompresses to more than is allowed, or has too many columns.
        """
        registry.require_safe("pyarrow")
        if as_ not in (None, "pandas", "table"):
            raise OptionError(f'the format {self.name} takes as_="pandas" or as_="table"')
        import pyarrow as pa

        # The buffer refers to the view, which keeps the blob's memory alive.
        buffer = pa.py_buffer(verified.blob.view)
        footers.check_sizes(self.name, buffer, limits)
        return _object(_read(self.name, buffer), as_)

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return nothing, as tables hold no code; refuse a file that announces too much."""
        import pyarrow as pa

        registry.require_safe("pyarrow")
        footers.check_sizes(self.name, pa.py_buffer(data), limits)
        return ()


class ParquetFormat(_TableFormat):
    """The format ``parquet``."""

    name = "parquet"
    compressions = get_args(_ParquetCompression)

    def dump(self, obj: Any, file: IO[bytes], *, compression: _ParquetCompression | None = "zstd") -> Written:
        """Write a DataFrame, Series or :class:`pyarrow.Table` that the format keeps exactly.

        Raises
        ------
        SerializationError
            If it is another object, or is read back differently; the message names the place.
        """
        return self._dump(obj, file, compression)


class ArrowFormat(_TableFormat):
    """The format ``arrow``."""

    name = "arrow"
    compressions = get_args(_ArrowCompression)

    def dump(self, obj: Any, file: IO[bytes], *, compression: _ArrowCompression | None = None) -> Written:
        """Write as :class:`ParquetFormat` does; without compression it is loaded without a copy."""
        return self._dump(obj, file, compression)


def _write(name: str, table: pa.Table, compression: str | None) -> pa.Buffer:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    if name == "parquet":
        pq.write_table(table, sink, compression=compression or "none", version="2.6")
    else:
        with pa.ipc.new_file(
            sink,
            table.schema,
            options=pa.ipc.IpcWriteOptions(compression=compression, unify_dictionaries=True),
        ) as writer:
            writer.write_table(table)
    return sink.getvalue()


def _read(name: str, buffer: pa.Buffer) -> tuple[pa.Table, dict[str, Any] | None]:
    """Return the table that was written, and safeload's notes if the file has any."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if name == "parquet":
        table = pq.ParquetFile(pa.BufferReader(buffer)).read()
    else:
        table = pa.ipc.open_file(buffer).read_all()
    # Readers do not check offsets and dictionary indices, which could point to any memory.
    table.validate(full=True)
    metadata = dict(table.schema.metadata or {})
    written = metadata.pop(_KEY, None)
    table = table.replace_schema_metadata(metadata or None)
    if written is None:
        return table, None
    notes = json.loads(written)
    if not isinstance(notes, dict):
        raise MalformedError("its metadata under the name safeload are not a JSON object")
    if "schema" in notes:
        table = footers.with_schema(table, notes["schema"])
    return table, notes


def _object(read: tuple[pa.Table, dict[str, Any] | None], wanted: str | None) -> Any:
    table, notes = read
    stored_as = "pandas" if notes is None or notes.get("kind") != "table" else "table"
    if (wanted or stored_as) == "table":
        return table
    return frames.from_table(table, notes or {})


PARQUET = ParquetFormat()
ARROW = ArrowFormat()
