"""skops files that attack: bombs, and what other readers would read in another way."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import Any

import scipy.sparse
import skops.io


def members_of(obj: Any) -> dict[str, bytes]:
    """Return the members of the skops file of an object."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(obj))) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def archive_of(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return an archive of members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def announcing(data: bytes, name: str, size: int) -> bytes:
    """Return an archive in which one member announces another size than it has."""
    changed = bytearray(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entry = archive.getinfo(name)
    struct.pack_into("<I", changed, entry.header_offset + 22, size)
    at = data.index(b"PK\x01\x02")
    while data[at + 46 : at + 46 + len(name)] != name.encode():
        at = data.index(b"PK\x01\x02", at + 4)
    struct.pack_into("<I", changed, at + 24, size)
    return bytes(changed)


def bomb(compression: int, size: int) -> bytes:
    """Return an archive whose schema unfolds to `size` bytes and announces a hundred."""
    schema = json.dumps({"__class__": "x"}).encode().ljust(size)
    return announcing(archive_of({"schema.json": schema}, compression), "schema.json", 100)


def nested_bomb(size: int) -> bytes:
    """Return the skops file of a sparse matrix, whose inner archive unfolds to `size` bytes."""
    members = members_of(scipy.sparse.csr_matrix([[1.0]]))
    (inner,) = [name for name in members if name.endswith(".npz")]
    with zipfile.ZipFile(io.BytesIO(members[inner])) as archive:
        arrays = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    arrays["data.npy"] += bytes(size)
    members[inner] = archive_of(arrays, zipfile.ZIP_DEFLATED)
    return archive_of(members)


def with_schema(schema: bytes) -> bytes:
    """Return an archive with this schema, compressed."""
    return archive_of({"schema.json": schema}, zipfile.ZIP_DEFLATED)
