"""skops files that are made to cost much are refused with little computing and 64 MiB above their size."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import archives, processes
from support import skops_schemas as schemas
from support.skops_schemas import file_of, listed, node, text

from safeload import HmacKey

MIB = 1 << 20


def shared(levels: int) -> bytes:
    """Return a graph that takes two to the power of `levels` steps to go over."""
    inner = listed(text(1))
    for _ in range(levels):
        inner = listed(inner, {**listed(), "__id__": inner["__id__"]})
    return file_of(inner)


def zipped(schema: bytes, **members: bytes) -> bytes:
    """Return an archive of a schema, compressed."""
    return archives.archive_of({**members, "schema.json": schema}, zipfile.ZIP_DEFLATED)


def bomb_array(member: bytes) -> bytes:
    """Return the compressed file of an array that announces much."""
    return zipped(
        json.dumps(
            {**node("NdArrayNode", "ndarray", "numpy", type="numpy", file="a.npy"), "protocol": 2}
        ).encode(),
        **{"a.npy": member},
    )


def huge_shape() -> bytes:
    """Return the header of an array of a tebibyte."""
    line = b"{'descr': '<f8', 'fortran_order': False, 'shape': (137438953472,), }\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line


def many_readers() -> bytes:
    """Return two hundred references to one member of 8 MiB."""
    nodes = [node("BytesNode", "bytes", file="a.bin") for _ in range(200)]
    schema = json.dumps({**listed(*nodes), "protocol": 2}).encode()
    return zipped(schema, **{"a.bin": bytes(8 * MIB)})


def gigabytes(size: int) -> bytes:
    """Return an archive that announces a schema of `size` bytes."""
    data = bytearray(archives.with_schema(b" " * 1000))
    return archives.announcing(bytes(data), "schema.json", size)


CASES: dict[str, Callable[[], bytes]] = {
    "a shared graph of 60 levels": lambda: shared(60),
    "a schema 10^5 deep": lambda: zipped(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "lists 10^5 deep": lambda: zipped(b"[" * 100_000 + b"]" * 100_000),
    "a schema of 4 GB": lambda: gigabytes(0xFFFFFFF0),
    "a schema of 300 MB of blanks": lambda: zipped(b" " * (300 * MIB)),
    "a schema of empty lists": lambda: zipped(b'{"a":[' + b"[]," * (5 * MIB) + b"[]]}"),
    "a schema of empty dicts": lambda: zipped(b'{"a":[' + b"{}," * (1 * MIB) + b"[]]}"),
    "a schema of small dicts, stored": lambda: archives.archive_of(
        {"schema.json": b'{"a":[' + b'{"a":1},' * (1 * MIB) + b"[]]}"}
    ),
    "a schema of numbers": lambda: zipped(b'{"a":[' + b"1.5," * (1 * MIB) + b"1]}"),
    "a schema of one number": lambda: zipped(b'{"a":' + b"9" * (3 * MIB) + b"}"),
    "a schema of one text": lambda: zipped(b'{"a":"' + b"x" * (3 * MIB)),
    "a schema of texts without an end": lambda: zipped(b'{"a":' + b'"\\' * (1 * MIB)),
    "a schema of colons": lambda: zipped(b'{"a"' + b":" * (3 * MIB)),
    "a plain value that nests": lambda: file_of({**text(1), "content": "[" * 100_000}),
    "one member read 200 times": many_readers,
    "an array of a tebibyte": lambda: bomb_array(huge_shape()),
    "an array that unfolds": lambda: bomb_array(huge_shape() + bytes(40 * MIB)),
    "a sparse matrix that unfolds": lambda: archives.nested_bomb(300 * MIB),
    "a member that unfolds": lambda: zipped(
        json.dumps({**listed(), "protocol": 2}).encode(), **{"a.bin": bytes(300 * MIB)}
    ),
    "many members": lambda: archives.archive_of({f"{number}": b"" for number in range(100_001)}),
    "a header of an array that nests": lambda: bomb_array(
        b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000
    ),
    "an object within itself": lambda: file_of(_loop()),
}


def _loop() -> schemas.Node:
    loop = listed(text(1))
    loop["content"].append({**listed(), "__id__": loop["__id__"]})
    return loop


@pytest.mark.slow
def test_costly_files_are_refused_at_little_cost(
    key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured in a process each, at the default limits, with what skops brings in loaded before."""
    paths = []
    for number, make in enumerate(CASES.values()):
        path = tmp_path / f"{number}.skops"
        path.write_bytes(make())
        paths.append(path)
    measured = processes.run("cost", *paths, key=key)
    with capsys.disabled():
        print("\n  case, size in KiB, outcome, computing, MiB")
        for (case, path), (outcome, computing, grown) in zip(
            zip(CASES, paths, strict=True), measured, strict=True
        ):
            print(
                f"  {case:34} {path.stat().st_size >> 10:7} {outcome:16} {computing:6.3f} {grown / MIB:6.1f}"
            )
    for case, path, (outcome, computing, grown) in zip(CASES, paths, measured, strict=True):
        assert outcome in ("LimitExceeded", "MalformedError"), case
        assert grown < path.stat().st_size + 64 * MIB, case
        # As a multiple of the yardstick, which is a quarter of a second on a machine of 2024.
        assert computing < 4, case
