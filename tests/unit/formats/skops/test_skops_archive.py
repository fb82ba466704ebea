"""A skops archive is unfolded within its limits, and skops sees only what was."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import skops.io
from support import archives, processes

import safeload
from safeload import HmacKey, LimitExceeded, Limits, MalformedError, SafeloadError
from safeload.formats.skops import archive as skops_archive

LIMITS = Limits()
MIB = 1 << 20

BOMBS = {
    "deflate": lambda: archives.bomb(zipfile.ZIP_DEFLATED, 300 * MIB),
    "bz2": lambda: archives.bomb(zipfile.ZIP_BZIP2, 300 * MIB),
    "lzma": lambda: archives.bomb(zipfile.ZIP_LZMA, 300 * MIB),
    "a sparse matrix": lambda: archives.nested_bomb(300 * MIB),
    "a schema that is one text": lambda: archives.with_schema(b'"' + b" " * (15 * MIB) + b'"'),
    "a schema of backslashes": lambda: archives.with_schema(b'"\\' * (4 * MIB)),
}


@pytest.mark.parametrize("way", ["load", "sign"])
@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_is_refused_before_it_unfolds(case: str, way: str, key: HmacKey, tmp_path: Path) -> None:
    """Unsigned with an empty allowlist, and where it is to be signed; measured as memory."""
    path = tmp_path / "bomb.skops"
    path.write_bytes(BOMBS[case]())
    assert path.stat().st_size < 2 * MIB
    outcome, grown = processes.run("memory", way, path, key=key)
    assert outcome in ("MalformedError", "LimitExceeded", "DeserializationError")
    assert grown < 100 * MIB


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_compressed_archives_come_back_as_they_were(compression: int) -> None:
    """Also a sparse matrix, whose own archive is compressed by SciPy."""
    value = {
        "sparse": scipy.sparse.random(30, 30, 0.2, format="csr", random_state=0),
        "dense": np.arange(1000.0),
    }
    data = archives.archive_of(archives.members_of(value), compression)
    loaded = safeload.loads(data, None, trusted=["scipy.sparse._csr.csr_matrix"])
    np.testing.assert_array_equal(loaded["dense"], value["dense"])
    assert (loaded["sparse"] != value["sparse"]).nnz == 0
    plain = skops_archive.checked(data, LIMITS)
    assert all(not _compressed(member) for member in (plain, *_archives_in(plain)))


def _compressed(data: bytes) -> bool:
    import io

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())


def _archives_in(data: bytes) -> list[bytes]:
    import io

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [archive.read(entry) for entry in archive.infolist()]
    return [member for member in members if member.startswith(b"PK")]


def test_an_archive_without_compression_is_passed_on_as_it_is() -> None:
    """Without a copy."""
    data = skops.io.dumps({"a": np.arange(10)})
    assert skops_archive.checked(data, LIMITS) is data


def test_bytes_that_only_begin_like_an_archive_are_data() -> None:
    """What opens them would fail as we do."""
    value = [b"PK\x03\x04 and no more"]
    assert safeload.loads(skops.io.dumps(value), None, trusted=[]) == value


SCHEMA = skops.io.dumps([1])
MEMBERS = archives.members_of([1])

REFUSED: dict[str, tuple[Any, type[SafeloadError]]] = {
    "no archive": (lambda: b"PK\x03\x04", MalformedError),
    "an empty archive": (lambda: archives.archive_of({}), MalformedError),
    "no schema": (lambda: archives.archive_of({"x": b""}), MalformedError),
    "a smaller size announced": (
        lambda: archives.announcing(archives.archive_of(MEMBERS), "schema.json", 10),
        MalformedError,
    ),
    "a larger size announced": (
        lambda: archives.announcing(
            archives.archive_of(MEMBERS, zipfile.ZIP_DEFLATED), "schema.json", 10_000
        ),
        MalformedError,
    ),
    "a size beyond all": (
        lambda: archives.announcing(archives.archive_of(MEMBERS), "schema.json", 0xFFFFFFF0),
        LimitExceeded,
    ),
    "another compression": (lambda: archives.archive_of(MEMBERS, zipfile.ZIP_BZIP2), MalformedError),
    "bytes before": (lambda: b"x" + SCHEMA, MalformedError),
    "too many members": (lambda: archives.archive_of({f"{n}": b"" for n in range(1100)}), LimitExceeded),
    "archives in archives": (
        lambda: archives.archive_of({**MEMBERS, "a": archives.archive_of({"b": SCHEMA})}),
        MalformedError,
    ),
    "UTF-16": (
        lambda: archives.with_schema(("[" * 5000 + "\u2200" + "]" * 5000).encode("utf-16-le")),
        MalformedError,
    ),
    "UTF-32": (lambda: archives.with_schema(json.dumps([1]).encode("utf-32-be")), MalformedError),
    "Latin-1": (lambda: archives.with_schema(b'["\xe4"]'), MalformedError),
    "too deep": (lambda: archives.with_schema(b"[" * 201), LimitExceeded),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_archive_out_of_order_is_refused(case: str) -> None:
    """Before skops sees it."""
    make, error = REFUSED[case]
    with pytest.raises(error):
        skops_archive.checked(make(), Limits(members=1000))


def test_a_changed_byte_of_a_member_is_noticed() -> None:
    """By the checksum, compressed or not."""
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        data = bytearray(archives.archive_of(MEMBERS, compression))
        data[50] ^= 1
        with pytest.raises(MalformedError):
            skops_archive.checked(bytes(data), LIMITS)


def test_brackets_in_texts_do_not_count() -> None:
    """Escapes neither."""
    value = ["[" * 500, '\\"[{' * 500, "]"]
    assert safeload.loads(skops.io.dumps(value), None, trusted=[]) == value
    assert skops_archive.checked(skops.io.dumps(value), LIMITS)


STRANGE = [b"{}", b"[]", b"null", b"7", b'{"__class__":7}', b'{"__loader__":"x"}', b"{", b'{"protocol":[]}']


@pytest.mark.parametrize("schema", STRANGE)
def test_strange_schemas_end_in_our_errors(schema: bytes, key: HmacKey, tmp_path: Path) -> None:
    """Of loading and of signing; and no message is longer than a person reads."""
    path = tmp_path / "strange.skops"
    path.write_bytes(archives.with_schema(schema))
    for call in (lambda: safeload.load(path, trusted=[]), lambda: safeload.sign(path, signer=key)):
        with pytest.raises(SafeloadError) as caught:
            call()
        assert len(str(caught.value)) < 1000 + len(str(path))


def test_a_message_holds_little_of_a_file(tmp_path: Path) -> None:
    """A name of a type may be megabytes long; all of it is in ``types`` only."""
    members = archives.members_of([1])
    schema = json.loads(members["schema.json"])
    for field in ("__class__", "__loader__"):
        for text in ("x" * 1_000_000, "\x1b]0;owned\x07" * 1000):
            changed = {**schema, field: text}
            path = tmp_path / "long.skops"
            path.write_bytes(archives.archive_of({"schema.json": json.dumps(changed).encode()}))
            with pytest.raises(SafeloadError) as caught:
                safeload.load(path, trusted=[])
            assert len(str(caught.value)) < 2000
            assert "\x1b" not in str(caught.value)


def test_what_was_not_signed_is_not_said_to_have_verified(tmp_path: Path) -> None:
    """The error of an unsigned file that cannot be read."""
    path = tmp_path / "x.skops"
    path.write_bytes(archives.with_schema(b"{}"))
    with pytest.raises(SafeloadError) as caught:
        safeload.load(path, trusted=[])
    assert "verified" not in str(caught.value)
