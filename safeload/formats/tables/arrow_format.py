"""The formats ``parquet`` and ``arrow`` (the file format of Arrow IPC): tables, and no code.

A DataFrame or Series is written so that it comes back exactly, and any other program can read the file: what
Arrow itself would lose stands in the schema's metadata under ``safeload``, as JSON. What cannot be kept is
refused when it is written. A :class:`pyarrow.Table` is kept as it is. What does not count are the bits of a
NaN, what a mask hides, levels of a MultiIndex that no row uses, and that two cells are one object.

Limits hold for what a file announces, before it is unfolded; see ``sizes.py``.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

from safeload.errors import MalformedError, SafeloadError, SerializationError
from safeload.formats import versions
from safeload.formats.base import OptionError, Written, refuse_options
from safeload.formats.tables import frame_equality, frames, sizes
from safeload.formats.tables import schema as arrow_schema
from safeload.limits import Limits
from safeload.trust.gate import VerifiedArtifact

if TYPE_CHECKING:
    import pyarrow as pa

_KEY = b"safeload"
_COMPRESSIONS = {
    "parquet": (None, "snappy", "gzip", "brotli", "lz4", "zstd"),
    "arrow": (None, "lz4", "zstd"),
}


class ArrowFormat:
    """One of the two; see the module.

    Parameters
    ----------
    name
        ``parquet`` or ``arrow``.
    """

    requires: tuple[str, ...] | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def dump(self, obj: Any, file: IO[bytes], options: dict[str, Any]) -> Written:
        """Write a DataFrame, Series or :class:`pyarrow.Table`, if it is kept exactly.

        The option ``compression`` is for parquet None, ``"snappy"``, ``"gzip"``, ``"brotli"``, ``"lz4"`` or
        ``"zstd"`` (default); for arrow None (default, so that it is loaded without a copy), ``"lz4"`` or
        ``"zstd"``.

        Raises
        ------
        SerializationError
            It is something else, or what is read back differs; the message says where.
        """
        versions.require_safe("pyarrow")
        options = dict(options)
        compression = options.pop("compression", "zstd" if self.name == "parquet" else None)
        refuse_options(self.name, options)
        if compression not in _COMPRESSIONS[self.name]:
            raise OptionError(f"the format {self.name} has no compression {compression!r}")
        table, notes = frames.to_table(obj)
        if _KEY in (table.schema.metadata or {}):
            raise SerializationError("the table has metadata of the name that safeload's own have")
        if self.name == "parquet":
            notes["schema"] = arrow_schema.described(table)
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

    def load(self, verified: VerifiedArtifact, limits: Limits, options: dict[str, Any]) -> Any:
        """Make the table; without compression, arrow's columns stay in the verified memory where they can.

        The option ``as_`` is ``"pandas"`` or ``"table"``; by default it is made what was dumped, and a
        DataFrame of what others have made.

        Raises
        ------
        LimitExceeded
            It announces to unfold to more than is allowed, or has too many columns.
        """
        versions.require_safe("pyarrow")
        options = dict(options)
        wanted = options.pop("as_", None)
        refuse_options(self.name, options)
        if wanted not in (None, "pandas", "table"):
            raise OptionError(f'the format {self.name} takes as_="pandas" or as_="table"')
        import pyarrow as pa

        # The buffer refers to the view, and the view to the blob's memory, which thus lives as long.
        buffer = pa.py_buffer(verified.blob.view)
        sizes.check(self.name, buffer, limits)
        return _object(_read(self.name, buffer), wanted)

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return nothing, as there is no code; a file whose schema cannot be read is refused."""
        import pyarrow as pa

        versions.require_safe("pyarrow")
        sizes.check(self.name, pa.py_buffer(data), limits)
        return ()


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
    """Return a file's table, as it was before it was written, and safeload's notes if it has any."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if name == "parquet":
        table = pq.ParquetFile(pa.BufferReader(buffer)).read()
    else:
        table = pa.ipc.open_file(buffer).read_all()
    # A reader takes offsets and places in dictionaries as they come, and whoever follows them reads anywhere.
    table.validate(full=True)
    metadata = dict(table.schema.metadata or {})
    written = metadata.pop(_KEY, None)
    table = table.replace_schema_metadata(metadata or None)
    if written is None:
        return table, None
    notes = json.loads(written)
    if not isinstance(notes, dict):
        raise MalformedError("its metadata of the name safeload are no object")
    if "schema" in notes:
        table = arrow_schema.restored(table, notes["schema"])
    return table, notes


def _object(read: tuple[pa.Table, dict[str, Any] | None], wanted: str | None) -> Any:
    table, notes = read
    stored_as = "pandas" if notes is None or notes.get("kind") != "table" else "table"
    if (wanted or stored_as) == "table":
        return table
    return frames.from_table(table, notes or {})


PARQUET = ArrowFormat("parquet")
ARROW = ArrowFormat("arrow")
