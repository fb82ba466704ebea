"""parquet and arrow as files: what others make of them, limits, damage, and an advisory."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import attacks, forgery, processes

import safeload
from safeload import HmacKey, Limits
from safeload.formats import registry
from safeload.formats.tables import footers

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

FORMATS = ["parquet", "arrow"]


def written(table: Any, format: str, compression: str | None = "zstd") -> bytes:
    """Return the file that pyarrow makes of a table."""
    sink = io.BytesIO()
    if format == "parquet":
        pq.write_table(table, sink, compression=compression or "none")
        return sink.getvalue()
    with pa.ipc.new_file(
        sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)
    ) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_by_pandas_is_signed_and_loaded(format: str, tmp_path: Path, key: HmacKey) -> None:
    """As pandas itself would read it."""
    path = tmp_path / f"x.{format}"
    frame = pd.DataFrame({"a": [1.5, None]}, index=pd.date_range("2026", periods=2, name="t"))
    frame.to_parquet(path) if format == "parquet" else path.write_bytes(
        written(pa.Table.from_pandas(frame), format)
    )
    safeload.sign(path, format=format, signer=key)
    loaded = safeload.load(path, keyring=key)
    pd.testing.assert_frame_equal(frame, loaded, check_freq=False)


def test_others_read_what_was_dumped(tmp_path: Path, key: HmacKey) -> None:
    """pandas does, with columns, types and index."""
    frame = pd.DataFrame({"a": pd.Categorical(["x", "y"])}, index=pd.Index([5, 7], name="i"))
    safeload.dump(frame, tmp_path / "x.parquet", format="parquet", signer=key)
    pd.testing.assert_frame_equal(frame, pd.read_parquet(tmp_path / "x.parquet"))


def test_an_uncompressed_arrow_file_is_not_copied(key: HmacKey) -> None:
    """Its columns lie in the memory that was verified."""
    table = pa.table({"a": np.arange(1000.0)})
    artifact = written(table, "arrow", None)
    before = pa.total_allocated_bytes()
    loaded = forgery.loaded(artifact, "arrow", key, as_="table")
    assert pa.total_allocated_bytes() - before < 1000
    start = np.frombuffer(artifact, np.uint8).__array_interface__["data"][0]
    assert start <= loaded.column(0).chunk(0).buffers()[1].address < start + len(artifact)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("option", ["as_", "compression", "columns", "memory_map"])
def test_an_option_that_there_is_not_is_the_programs_mistake(format: str, option: str, key: HmacKey) -> None:
    """A TypeError, as for a call that does not fit; and so is a value that there is not."""
    frame = pd.DataFrame({"a": [1]})
    artifact, sidecar = safeload.dumps(frame, format=format, name="x", signer=key)
    with pytest.raises(TypeError):
        safeload.loads(artifact, sidecar, name="x", keyring=key, **{option: "no such"})
    with pytest.raises(TypeError):
        safeload.dumps(frame, format=format, name="x", signer=key, **{option: "no such"})


ZEROS = pa.table({"a": np.zeros(4_000_000), "b": pa.array(["x" * 50] * 4_000_000).dictionary_encode()})


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_the_size_of_an_arrow_file_is_known_without_decompressing_it(compression: str | None) -> None:
    """To the byte of what its columns take, and some bytes of padding."""
    artifact = pa.py_buffer(written(ZEROS, "arrow", compression))
    before = pa.total_allocated_bytes()
    rows, size = footers._arrow_sizes(memoryview(artifact), Limits())
    assert pa.total_allocated_bytes() - before < 10_000
    assert rows == ZEROS.num_rows
    assert ZEROS.nbytes <= size <= ZEROS.nbytes + 1000


@pytest.mark.parametrize(("format", "match"), [("parquet", "its rows take"), ("arrow", "decompresses to")])
def test_a_file_that_decompresses_to_too_much_is_refused_first(format: str, match: str, key: HmacKey) -> None:
    """By the cap, whether its columns are few bytes because of compression or of repetition."""
    artifact = written(ZEROS, format)
    assert len(artifact) < 100_000
    before = pa.total_allocated_bytes()
    with pytest.raises(safeload.LimitExceeded, match=match):
        forgery.loaded(artifact, format, key, Limits(decompressed_bytes=30_000_000))
    assert pa.total_allocated_bytes() - before < 100_000


def test_a_ratio_beyond_the_limit_is_refused(key: HmacKey) -> None:
    """Above the floor; below it a small file may have any ratio."""
    artifact = written(ZEROS, "arrow")
    with pytest.raises(safeload.LimitExceeded, match="times its size"):
        forgery.loaded(artifact, "arrow", key)
    assert (
        forgery.loaded(artifact, "arrow", key, Limits(ratio_floor_bytes=1 << 30), as_="table").num_rows
        == 4_000_000
    )


def test_a_parquet_files_ratio_is_that_of_its_row_groups(key: HmacKey) -> None:
    """Texts that differ and compress well."""
    texts = pa.table({"a": [f"{number:0>1000}" for number in range(2000)]})
    artifact = written(texts, "parquet")
    limits = Limits(decompression_ratio=10, ratio_floor_bytes=1000)
    with pytest.raises(safeload.LimitExceeded, match="10 times its size"):
        forgery.loaded(artifact, "parquet", key, limits)
    assert len(forgery.loaded(artifact, "parquet", key)) == 2000


@pytest.mark.parametrize("format", FORMATS)
def test_too_many_columns_are_refused(format: str, key: HmacKey) -> None:
    """Nested ones count too."""
    artifact = written(pa.table({f"c{number}": [{"x": 1, "y": 2}] for number in range(10)}), format)
    with pytest.raises(safeload.LimitExceeded, match="columns"):
        forgery.loaded(artifact, format, key, Limits(members=15))


def damaged(artifact: bytes) -> Iterator[bytes]:
    """Yield it cut at many places, and with a bit flipped at others."""
    step = max(1, len(artifact) // 300)
    for place in range(0, len(artifact), step):
        yield artifact[:place]
        yield artifact[:place] + bytes([artifact[place] ^ (1 << place % 8)]) + artifact[place + 1 :]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("dumped", [True, False])
def test_a_damaged_file_raises_only_what_safeload_raises(dumped: bool, format: str, key: HmacKey) -> None:
    """Signed so by mistake, and whether safeload wrote it or pyarrow."""
    frame = pd.DataFrame({"a": [1.5, 2], "b": ["x", "yy"], "c": pd.Categorical(["u", None])})
    artifact = written(pa.Table.from_pandas(frame), format)
    if dumped:
        artifact, _ = safeload.dumps(frame, format=format, name="x", signer=key)
    refused = tried = 0
    for data in damaged(artifact):
        tried += 1
        try:
            repr(forgery.loaded(data, format, key))
        except safeload.SafeloadError:
            refused += 1
    assert refused > tried // 2


def blocks_of(artifact: bytes, count: int, after: int = 0) -> int:
    """Return where the places of a file's batches stand in its footer, 24 bytes each."""
    (length,) = struct.unpack_from("<i", artifact, len(artifact) - 10)
    for vector in range(max(after, len(artifact) - 10 - length), len(artifact) - 28):
        number, offset = struct.unpack_from("<Iq", artifact, vector)
        if number == count and 0 < offset < vector and artifact[offset : offset + 4] == b"\xff" * 4:
            return vector + 4
    raise AssertionError("no such footer")


@pytest.mark.parametrize(
    "order", [(0, 0, 0), (0, 1, 1), (1, 0, 2), (0, 2, 1)], ids=lambda order: "".join(map(str, order))
)
def test_batches_that_overlap_or_go_backwards_are_refused(
    order: tuple[int, ...], tmp_path: Path, key: HmacKey
) -> None:
    """Else a small footer could name one large message many times, each of which would be read."""
    batches = [pa.record_batch({"a": [number]}) for number in range(3)]
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    artifact = bytearray(sink.getvalue())
    assert forgery.loaded(bytes(artifact), "arrow", key)["a"].tolist() == [0, 1, 2]
    start = blocks_of(artifact, 3)
    blocks = [bytes(artifact[start + 24 * number :][:24]) for number in order]
    artifact[start : start + 72] = b"".join(blocks)
    path = tmp_path / "x.arrow"
    path.write_bytes(artifact)
    with pytest.raises(safeload.MalformedError, match="batches"):
        safeload.sign(path, signer=key)
    with pytest.raises(safeload.MalformedError, match="batches"):
        forgery.loaded(bytes(artifact), "arrow", key)


def test_batches_that_share_their_last_bytes_are_refused(tmp_path: Path, key: HmacKey) -> None:
    """Each of the two begins at its own place."""
    table = pa.table({"a": np.arange(100)})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        for _ in range(2):
            writer.write_table(table)
    artifact = bytearray(sink.getvalue())
    start = blocks_of(artifact, 2)
    (body,) = struct.unpack_from("<q", artifact, start + 16)
    struct.pack_into("<q", artifact, start + 16, body + 8)
    with pytest.raises(safeload.MalformedError, match="batches"):
        forgery.loaded(bytes(artifact), "arrow", key)


def test_a_dictionary_that_is_a_batch_is_refused(key: HmacKey) -> None:
    """The two are listed apart."""
    artifact = bytearray(written(pa.table({"a": pa.array(["x"]).dictionary_encode()}), "arrow", None))
    first = blocks_of(artifact, 1)
    second = blocks_of(artifact, 1, after=first)
    artifact[first : first + 24] = artifact[second : second + 24]
    with pytest.raises(safeload.MalformedError, match="overlap"):
        forgery.loaded(bytes(artifact), "arrow", key)


def test_the_buffers_of_all_batches_are_counted(key: HmacKey) -> None:
    """Against what a file of so many columns and batches may have."""
    table = pa.table({f"c{number}": range(60) for number in range(10)})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    artifact = sink.getvalue()
    assert len(forgery.loaded(artifact, "arrow", key, Limits(members=40))) == 60
    with pytest.raises(safeload.LimitExceeded, match="buffers"):
        forgery.loaded(artifact, "arrow", key, Limits(members=30))


def test_dictionaries_between_batches_are_in_order(key: HmacKey) -> None:
    """A dictionary that grows is written in parts, each before the batch that needs it."""
    schema = pa.schema([("a", pa.dictionary(pa.int32(), pa.string()))])
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_file(sink, schema, options=options) as writer:
        for words in (["x"], ["x", "y"], ["x", "y", "z"]):
            column = pa.DictionaryArray.from_arrays(pa.array([len(words) - 1], pa.int32()), words)
            writer.write_batch(pa.record_batch([column], schema=schema))
    assert forgery.loaded(sink.getvalue(), "arrow", key)["a"].tolist() == ["x", "y", "z"]


def test_offsets_that_lead_out_of_the_memory_are_refused(key: HmacKey) -> None:
    """pyarrow reads them as they come, and crashes when it follows them."""
    offsets = np.array([0, 7, 20], np.int32).tobytes()
    artifact = written(pa.table({"a": ["x" * 7, "y" * 13]}), "arrow", None)
    assert artifact.count(offsets) == 1
    changed = artifact.replace(offsets, np.array([0, 7, 1 << 30], np.int32).tobytes())
    with pytest.raises(safeload.DeserializationError, match="offset"):
        forgery.loaded(changed, "arrow", key)


def test_a_place_that_a_dictionary_does_not_have_is_refused(key: HmacKey) -> None:
    """As above."""
    places = np.array([1, 0, 1, 0, 1], np.int32).tobytes()
    column = pa.DictionaryArray.from_arrays(pa.array([1, 0, 1, 0, 1], pa.int32()), ["x", "y"])
    artifact = written(pa.table({"a": column}), "arrow", None)
    assert artifact.count(places) == 1
    changed = artifact.replace(places, np.array([1, 0, 1, 0, 99], np.int32).tobytes())
    with pytest.raises(safeload.DeserializationError, match="bounds"):
        forgery.loaded(changed, "arrow", key, as_="table")


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_else_is_signed_as_one(format: str, tmp_path: Path, key: HmacKey) -> None:
    """Neither a text, nor a file of the other format."""
    other = "arrow" if format == "parquet" else "parquet"
    for data in (b"", b"PAR1", b"ARROW1\0\0", b"a,b\n1,2\n" * 9, written(pa.table({"a": [1]}), other)):
        path = tmp_path / "x"
        path.write_bytes(data)
        with pytest.raises(safeload.MalformedError):
            safeload.sign(path, format=format, signer=key)


@pytest.mark.parametrize("format", FORMATS)
def test_an_extension_type_that_is_a_pickle_is_not_unpickled(
    format: str, tmp_path: Path, key: HmacKey
) -> None:
    """CVE-2023-47248: pyarrow before 14.0.1 did, on reading the schema."""
    marker = tmp_path / "marker"
    payload = attacks.marker_pickle(marker)
    metadata = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": payload}
    schema = pa.schema([pa.field("a", pa.int64(), metadata=metadata)])
    artifact = written(pa.table([[1, 2]], schema=schema), format)
    assert payload in artifact or format == "parquet"  # where it stands in base64
    path = tmp_path / "x"
    path.write_bytes(artifact)
    sidecar = forgery.sidecar_of(forgery.payload_of(artifact, "x", format=format), key)
    path.with_name("x.sig").write_bytes(sidecar)
    # Some versions warn of it, and warnings are errors there.
    assert processes.run("loading", "load", path, key=key) in ("loaded", "DeserializationError")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("package", "version", "accepted"),
    [
        *(("pyarrow", "14.0.0", False), ("pyarrow", "14.0.1", True), ("pyarrow", "26.0.1", True)),
        *(("torch", "2.5.1+cu121", False), ("torch", "2.6.0+cpu", True), ("torch", "2.13.0", True)),
        *(("keras", version, False) for version in ("2.15.0", "3.12.3", "3.13.2", "3.15.0")),
        *(("keras", version, True) for version in ("3.12.4", "3.15.1")),
    ],
)
def test_a_library_with_a_known_hole_is_not_used(
    package: str, version: str, accepted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the extra says: it may have been installed without it."""
    monkeypatch.setattr("importlib.metadata.version", lambda _: version)
    if accepted:
        registry.require_safe(package)
        return
    with pytest.raises(safeload.FormatNotAllowed, match=f"{package} {version[:4]}"):
        registry.require_safe(package)
