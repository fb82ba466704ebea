"""The check before skops: it ends in an archive or a refusal, and checking again changes nothing.

The archive that is handed on has one schema, within limits, and nothing in it is compressed.
"""

from __future__ import annotations

import io
import zipfile

import scipy.sparse
from support.archives import archive_of, members_of, nested_bomb

from safeload import Limits, SafeloadError
from safeload.formats.skops import archive as skops_archive

_LIMITS = Limits(decompressed_bytes=1 << 22, ratio_floor_bytes=1 << 20, members=100)
_MEMBERS = members_of([1, {"a": 2.5}])

SEEDS = [
    archive_of(_MEMBERS),
    archive_of(_MEMBERS, zipfile.ZIP_DEFLATED),
    archive_of(members_of(scipy.sparse.csr_matrix([[1.0]])), zipfile.ZIP_DEFLATED),
    nested_bomb(100),
    archive_of({"schema.json": b"[" * 300}),
    b"PK\x05\x06" + bytes(18),
]


def one(data: bytes) -> None:
    """Hold the property for any bytes."""
    try:
        plain = skops_archive.checked(data, _LIMITS)
    except SafeloadError:
        return
    assert skops_archive.checked(plain, _LIMITS) == plain
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        entries = archive.infolist()
        assert [entry.filename for entry in entries].count("schema.json") == 1
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        # As skops reads it: every member can be read, and is as large as was checked.
        for entry in entries:
            assert len(archive.read(entry)) == entry.file_size
