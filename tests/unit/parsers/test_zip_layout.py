"""A ZIP file has one layout, so that nobody reads another file in it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import archives, zips
from support import skops_schemas as schemas
from support.zips import Part, build, wide

import safeload
from safeload import MalformedError, SafeloadError
from safeload.parsers import zip_layout

SCHEMA = json.dumps(
    {
        **schemas.listed(
            schemas.node("BytesNode", "bytes", file="a.bin"), schemas.node("BytesNode", "bytes", file="b.bin")
        ),
        "protocol": 2,
    }
).encode()


def parts(**changes: dict[str, Any]) -> list[Part]:
    """Return three members, with changes to the first."""
    first = Part(b"a.bin", b"first")
    for name, value in changes.items():
        setattr(first, name, value)
    return [first, Part(b"b.bin", b"second"), Part(b"schema.json", SCHEMA)]


def load(data: bytes) -> Any:
    return safeload.loads(data, None, trusted=[])


def named(first: bytes, second: bytes) -> list[Part]:
    """Return members of two names."""
    return [Part(first, b"first"), Part(second, b"second"), Part(b"schema.json", SCHEMA)]


def overlapping() -> bytes:
    """Return an archive in which one member lies within another."""
    inner = zips.local(Part(b"b.bin", b"second")) + b"second"
    outer = Part(b"a.bin", inner)
    second = Part(b"b.bin", b"second", at=len(zips.local(outer)))
    return build([outer, second, Part(b"schema.json", SCHEMA)])


def same_bytes_twice() -> bytes:
    """Return an archive with two entries for one member."""
    return build([Part(b"a.bin", b"first"), Part(b"b.bin", b"first", at=0), Part(b"schema.json", SCHEMA)])


CASES = {
    "bytes before": build(parts(), before=b"x"),
    "a pickle before": build(parts(), before=b"\x80\x04N."),
    "bytes before, and offsets that do not count them": b"x" + build(parts()),
    "bytes after": build(parts(), after=b"x"),
    "a comment": build(parts(), comment=b"x"),
    "a comment that is an archive": build(parts(), comment=build(parts())),
    "an archive after": build(parts()) + build(parts()),
    "bytes between members": build(parts(after=b"xx")),
    "bytes before the directory": build(parts(), gap=b"xx"),
    "overlapping members": overlapping(),
    "two entries for one member": same_bytes_twice(),
    "the same name": build(named(b"a.bin", b"a.bin")),
    "the same name in capitals": build([*parts(), Part(b"A.BIN", b"x")]),
    "two schemas": build([*parts(), Part(b"schema.json", SCHEMA)]),
    "two schemas but for case": build([*parts(), Part(b"SCHEMA.json", SCHEMA)]),
    "a name with a folder": build([*parts(), Part(b"./a.bin", b"x")]),
    "an absolute name": build([*parts(), Part(b"/a.bin", b"x")]),
    "a name above": build([*parts(), Part(b"../a.bin", b"x")]),
    "two dots": build([*parts(), Part(b"..", b"x")]),
    "a backslash": build([*parts(), Part(b"a\\b", b"x")]),
    "a drive": build([*parts(), Part(b"c:a", b"x")]),
    "a folder": build([*parts(), Part(b"a/", b"")]),
    "no name": build([*parts(), Part(b"", b"x")]),
    "a name with a NUL": build([*parts(), Part(b"schema.json\0x", b"x")]),
    "a name that is not ASCII": build(
        [*parts(), Part("ä.bin".encode(), b"x", {"flags": 0x800}, {"flags": 0x800})]
    ),
    "a name that ends with a dot": build([*parts(), Part(b"a.bin.", b"x")]),
    "a very long name": build([*parts(), Part(b"a" * 300, b"x")]),
    "another name in the header": build(parts(local={"name": b"c.bin"})),
    "another name in the directory": build(parts(central={"name": b"c.bin"})),
    "another method in the header": build(parts(local={"method": 8})),
    "another method in both": build(parts(local={"method": 8}, central={"method": 8})),
    "a method of the future": build(parts(local={"method": 93}, central={"method": 93})),
    "another size in the header": build(parts(local={"size": 4})),
    "another packed size in the header": build(parts(local={"packed": 4})),
    "another checksum in the header": build(parts(local={"crc": 1})),
    "another checksum in both": build(parts(local={"crc": 1}, central={"crc": 1})),
    "a smaller size in the directory": build(parts(central={"size": 4})),
    "a smaller size in both": build(parts(local={"size": 4}, central={"size": 4})),
    "smaller sizes in both": build(parts(local={"size": 4, "packed": 4}, central={"size": 4, "packed": 4})),
    "a larger size in both": build(parts(local={"size": 6}, central={"size": 6})),
    "a data descriptor": build(parts(local={"flags": 8}, central={"flags": 8})),
    "a data descriptor in the header alone": build(
        parts(local={"flags": 8, "crc": 0, "size": 0, "packed": 0})
    ),
    "encrypted": build(parts(local={"flags": 1}, central={"flags": 1})),
    "encrypted in the header alone": build(parts(local={"flags": 1})),
    "patched": build(parts(local={"flags": 0x20}, central={"flags": 0x20})),
    "masked": build(parts(local={"flags": 0x2000}, central={"flags": 0x2000})),
    "an extra field": build(parts(local={"extra": b"\x75\x70\x04\x00abcd"})),
    "an extra field in the directory": build(parts(central={"extra": b"\x75\x70\x04\x00abcd"})),
    "an extra field that is cut": build(parts(local={"extra": b"\x01"})),
    "two extra fields": build(parts(local={"extra": wide(5, 5) + wide(5, 5)})),
    "a ZIP64 size that is another": build(
        parts(local={"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF, "extra": wide(6, 5)})
    ),
    "a ZIP64 size without a field": build(parts(local={"size": 0xFFFFFFFF})),
    "a ZIP64 size beside a small one": build(parts(central={"extra": wide(5)})),
    "a ZIP64 size beyond all": build(
        parts(
            local={"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF, "extra": wide(1 << 63, 1 << 63)},
            central={"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF, "extra": wide(1 << 63, 1 << 63)},
        )
    ),
    "a ZIP64 offset": build(parts(central={"offset": 0xFFFFFFFF, "extra": wide(1)})),
    "an offset beyond": build(parts(central={"offset": 10**6})),
    "an offset of another": build(parts(central={"offset": 1})),
    "a comment of a member": build(parts(central={"comment": b"x"})),
    "a member on another disk": build(parts(central={"disk": 1})),
    "another disk": build(parts(), disk=1),
    "fewer members announced": build(parts(), number=2, here=2),
    "more members announced": build(parts(), number=4, here=4),
    "two numbers of members": build(parts(), here=1),
    "no members announced": build(parts(), number=0, here=0),
    "ZIP64 without its record": build(parts(), number=0xFFFF, here=0xFFFF),
    "a smaller directory": build(parts(), size=10),
    "a directory elsewhere": build(parts(), offset=0),
    "a directory beyond": build(parts(), offset=10**9),
    "empty": build([]),
    "only an end": build([])[:21],
    "nothing": b"PK\x03\x04",
}


@pytest.mark.parametrize("case", CASES)
def test_another_layout_is_refused(case: str) -> None:
    """Whether or not zipfile would read it."""
    assert load(build(parts())) == [b"first", b"second"]
    with pytest.raises(SafeloadError):
        load(CASES[case])


def test_what_zipfile_writes_is_read(tmp_path: Any) -> None:
    """Stored and deflated, at every level, and with ZIP64 fields where they are not needed."""
    members = {"a.bin": b"first", "b.bin": b"second" * 1000, "schema.json": SCHEMA}
    for compression, level in ((zipfile.ZIP_STORED, None), *((zipfile.ZIP_DEFLATED, n) for n in (1, 9))):
        for forced in (False, True):
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w", compression, compresslevel=level) as archive:
                for name, data in members.items():
                    with archive.open(name, "w", force_zip64=forced) as member:
                        member.write(data)
            found = zip_layout.members(file.getvalue())
            assert [entry.name for entry in found] == list(members)
            assert load(file.getvalue()) == [b"first", b"second" * 1000]


def test_many_members_are_read() -> None:
    """More than the end record of old can say."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(70_000):
            archive.writestr(zipfile.ZipInfo(f"{number}"), b"")
    assert zip_layout.count(file.getvalue()) == 70_000
    assert len(zip_layout.members(file.getvalue())) == 70_000


def test_bytes_that_are_an_archive_come_back_as_they_were() -> None:
    """Only those of a sparse matrix are decompressed."""
    inner = archives.archive_of({"x.txt": b"x" * 1000}, zipfile.ZIP_DEFLATED)
    import skops.io

    data = skops.io.dumps([inner, b"PK\x03\x04"])
    assert load(data) == [inner, b"PK\x03\x04"]
    assert load(archives.archive_of(archives.members_of([inner]), zipfile.ZIP_DEFLATED)) == [inner]
    assert np.__version__


GOOD = build(parts())


@given(st.data())
def test_a_changed_byte_never_changes_what_is_read(data: st.DataObject) -> None:
    """It is refused, or it was one of no consequence (a version, a time)."""
    place = data.draw(st.integers(0, len(GOOD) - 1))
    value = data.draw(st.integers(0, 255))
    changed = GOOD[:place] + bytes([value]) + GOOD[place + 1 :]
    try:
        found = zip_layout.members(changed)
    except (MalformedError, zip_layout.NotAnArchive):
        return
    honest = zip_layout.members(GOOD)
    # A checksum or a name can change in two places, never in one.
    assert found == honest
    with zipfile.ZipFile(io.BytesIO(changed)) as archive:
        assert archive.namelist() == [entry.name for entry in honest]


@given(st.binary(max_size=300))
def test_any_bytes_end_in_our_errors(data: bytes) -> None:
    """Between a header and an end record."""
    for text in (data, b"PK\x03\x04" + data, GOOD[:-22] + data + GOOD[-22:], data + GOOD[-22:]):
        try:
            zip_layout.members(text)
        except (MalformedError, zip_layout.NotAnArchive):
            continue
        assert text == GOOD
