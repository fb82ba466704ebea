"""Numpy's files whose headers lie or whose archives decompress to too much, validly signed as such.

Signing says where a file comes from and not that it is in order; what is not is refused by a typed error.
"""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.attacks import marker_pickle
from support.auditing import no_unpickler_runs
from support.forgery import loaded, payload_of, sidecar_of
from support.numpy_files import npy, npz
from support.processes import PATIENCE

import safeload
from safeload import FormatNotAllowed, HmacKey, LimitExceeded, Limits, MalformedError, SafeloadError

ONE = npy("<f8", (1,), b"\0" * 8)


def load(data: bytes, key: HmacKey, **limits: int) -> Any:
    """Load bytes that are signed as numpy's; nothing is unpickled."""
    with no_unpickler_runs():
        return loaded(data, "numpy", key, Limits(**limits))


def test_the_files_of_these_tests_are_read(key: HmacKey) -> None:
    """The control of all that follows; and numpy reads them too."""
    for version in (1, 2):
        data = npy("<f8", (1,), b"\0" * 8, version=version)
        assert load(data, key).tolist() == np.load(io.BytesIO(data)).tolist() == [0]
    assert load(npz(("a.npy", ONE)), key)["a"].tolist() == [0]


def test_python_objects_are_refused_on_both_ways(key: HmacKey, tmp_path: Path) -> None:
    """A signed ``.npy`` that holds a pickle is not unpickled, whatever it is called inside."""
    hostile = marker_pickle(tmp_path / "marker")
    array = np.empty(1, object)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    files = [buffer.getvalue()]
    files += [
        npy(descr, (1,), hostile) for descr in ("|O", "O", [("a", "O")], [("a", "<i4"), ("b", "|O", (2,))])
    ]
    files += [
        npy("|O", (0,)),
        npy("O8", (1,), b"\0" * 8),
        npy("i4,O", (1,), hostile),
        npy("T", (1,), b"\0" * 16),
    ]
    for data in files:
        for candidate in (data, npz(("a.npy", ONE), ("b.npy", data))):
            with pytest.raises(FormatNotAllowed, match="objects"):
                load(candidate, key)
            (tmp_path / "x").write_bytes(candidate)
            with pytest.raises(FormatNotAllowed):
                safeload.sign(tmp_path / "x", format="numpy", signer=key)
    assert not (tmp_path / "marker").exists()


LIES = {
    "more elements": npy("<f8", (2,), b"\0" * 8),
    "fewer elements": npy("<f8", (1,), b"\0" * 16),
    "a tebibyte": npy("<f8", (1 << 37,), b"\0" * 8),
    "a length below zero": npy("<f8", (-1,), b"\0" * 8),
    "two lengths below zero": npy("<f8", (-1, -1), b"\0" * 8),
    "a product of 0 in 64 bits": npy("<f8", (1 << 32, 1 << 32)),
    "a product of 1 in 64 bits": npy("<f8", (2**63 + 1, 2**63 + 1), b"\0" * 8),
    "a length of a hundred digits": npy("<f8", (10**100,), b"\0" * 8),
    "a length of 2**62": npy("<f8", (0, 2**62)),
    "an element of 2 GiB": npy("|V2147483647", (1,), b"\0" * 8),
    "an element of a tebibyte": npy(("<f8", (1 << 37,)), (1,), b"\0" * 8),
    "a float for a length": npy("<f8", (1.0,), b"\0" * 8),
    "text for a length": npy("<f8", ("1",), b"\0" * 8),
    "a list for a shape": npy("<f8", [1], b"\0" * 8),
    "no shape": npy("<f8", None, b"\0" * 8),
    "a number for the order": npy("<f8", (1,), b"\0" * 8, order=1),
    "no type": npy(None, (1,), b"\0" * 8),
    "an unknown type": npy("<f9", (1,), b"\0" * 8),
    "a name for a type": npy("numpy.float64", (1,), b"\0" * 8),
    "a field too many": npy("", (), header=b"{'descr':'<f8','fortran_order':False,'shape':(),'x':1}\n"),
    "a call": npy("", (), header=b"__import__('os').system('true')\n"),
    "a call in it": npy("", (), header=b"{'descr':'<f8','fortran_order':False,'shape':(int(1),)}\n"),
    "no dict": npy("", (), header=b"[]\n"),
    "no Python": npy("", (), header=b"{'descr'\n"),
    "nothing": npy("", (), header=b""),
    "parentheses without end": npy("", (), header=b"(" * 60_000),
    "minus without end": npy("", (), header=b"-" * 60_000 + b"1"),
    "NUL": npy("", (), header=b"\0" * 100),
    "a header of over 64 KiB": npy("<f8", (1,), b"\0" * 8, version=2, header=b" " * 70_000 + b"{}"),
    "a header beyond the end": b"\x93NUMPY\x02\0" + struct.pack("<I", 0xFFFFFFFF) + b"{}",
    "version 3": npy("<f8", (1,), b"\0" * 8, version=3),
    "version 9": npy("<f8", (1,), b"\0" * 8, version=9),
    "a magic alone": b"\x93NUMPY",
    "a magic and a version": b"\x93NUMPY\1\0",
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_a_header_that_lies_is_malformed(data: bytes, key: HmacKey, tmp_path: Path) -> None:
    """Alone and in an archive; and neither is signed."""
    for candidate in (data, npz(("a.npy", data))):
        with pytest.raises(MalformedError):
            load(candidate, key)
        (tmp_path / "x").write_bytes(candidate)
        with pytest.raises(MalformedError):
            safeload.sign(tmp_path / "x", format="numpy", signer=key)


@pytest.mark.parametrize("shape", [(0, 2**61), (2**40, 2**40, 0), (1,) * 65, (True,)])
def test_a_shape_that_no_array_has_is_a_typed_error(shape: tuple[Any, ...], key: HmacKey) -> None:
    """Although the bytes are as many as it says."""
    with pytest.raises(SafeloadError):
        load(npy("<f8", shape, b"\0" * 8 * bool(all(shape))), key)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set by what /proc tells")
@pytest.mark.parametrize("descr", ["|S0", "<U0", "|V0", []])
def test_elements_without_bytes_cost_no_memory(descr: Any, key: HmacKey) -> None:
    """A file of a hundred bytes announces a billion of them, for which numpy would take a byte each."""
    limited = """if True:
        import resource, sys
        import safeload
        from safeload import HmacKey
        data, sidecar, key = (bytes.fromhex(text) for text in sys.argv[1:])
        import numpy
        # A gibibyte more than there is by now.
        pages = int(open("/proc/self/statm").read().split()[0])
        most = pages * resource.getpagesize() + (1 << 30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        try:
            array = safeload.loads(data, sidecar, name="x", keyring=HmacKey(key))
        except safeload.MalformedError:
            print("refused")
        else:
            print("loaded", array.nbytes)
    """
    data = npy(descr, (1 << 31,))
    sidecar = sidecar_of(payload_of(data, "x", format="numpy"), key)
    arguments = [data.hex(), sidecar.hex(), key.export_secret().hex()]
    done = subprocess.run(
        [sys.executable, "-c", limited, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout.split() in (["loaded", "0"], ["refused"])


def _encrypted(data: bytes) -> bytes:
    # The flag, in the local header and in the directory.
    altered = bytearray(data)
    altered[6] |= 1
    altered[altered.index(b"PK\1\2") + 8] |= 1
    return bytes(altered)


def _announced(data: bytes, size: int) -> bytes:
    # The decompressed size, in the directory.
    altered = bytearray(data)
    at = altered.index(b"PK\1\2") + 24
    altered[at : at + 4] = struct.pack("<I", size)
    return bytes(altered)


HOSTILE_ARCHIVES = {
    "encrypted": _encrypted(npz(("a.npy", ONE))),
    "longer than announced": _announced(npz(("a.npy", ONE)), 8),
    "shorter than announced": _announced(npz(("a.npy", ONE)), 1 << 20),
    "shorter than announced, compressed": _announced(
        npz(("a.npy", ONE), method=zipfile.ZIP_DEFLATED), 1 << 20
    ),
    "a member that is no array": npz(("a.npy", ONE), ("b.npy", b"rubbish")),
    "a member that is a pickle": npz(("a.npy", pickle.dumps([1]))),
    "a member of another name": npz(("a.npy", ONE), ("b.txt", b"x")),
    "a member without a name": npz(("a.npy", ONE), ("", b"")),
    "a folder": npz(("a.npy", ONE), ("b/", b"")),
    "LZMA": npz(("a.npy", ONE), method=zipfile.ZIP_LZMA),
    "bzip2": npz(("a.npy", ONE), method=zipfile.ZIP_BZIP2),
    "a checksum that does not fit": npz(("a.npy", ONE)).replace(ONE, ONE[:-1] + b"\1", 1),
    "no archive": b"PK\3\4" + b"\0" * 40,
    "cut": npz(("a.npy", ONE))[:-1],
    "nothing": b"",
    "text": b"hello",
}


@pytest.mark.parametrize("data", HOSTILE_ARCHIVES.values(), ids=HOSTILE_ARCHIVES)
def test_an_archive_that_is_not_in_order_is_malformed(data: bytes, key: HmacKey) -> None:
    """Whatever zipfile says of it."""
    with pytest.raises(MalformedError):
        load(data, key)


def test_a_member_that_stands_twice_is_malformed(key: HmacKey) -> None:
    """Readers take either."""
    data = npz(("a.npy", ONE), ("b.npy", ONE))
    with pytest.raises(MalformedError, match="twice"):
        load(data.replace(b"b.npy", b"a.npy"), key)


def test_an_archive_that_decompresses_to_too_much_is_refused_by_what_it_announces(key: HmacKey) -> None:
    """By its size, by its ratio, and by the number of its members; before anything is decompressed."""
    size = 32 << 20
    data = npz(("a.npy", npy("|u1", (size,), bytes(size))), method=zipfile.ZIP_DEFLATED)
    assert len(data) < 40_000
    for limits in (
        {"decompressed_bytes": size},
        {"decompression_ratio": 100},
        {"decompression_ratio": 100, "ratio_floor_bytes": size},
    ):
        with pytest.raises(LimitExceeded):
            load(data, key, **limits)
    assert load(data, key, decompression_ratio=2_000)["a"].size == size
    many = npz(*((f"{number}.npy", ONE) for number in range(5)))
    with pytest.raises(LimitExceeded, match="members"):
        load(many, key, members=4)
    assert len(load(many, key, members=5)) == 5


def test_members_that_share_their_bytes_count_each(key: HmacKey) -> None:
    """A directory of many entries that lead to one compressed member (a bomb without nesting)."""
    size = 20 << 20
    data = npz(("a.npy", npy("|u1", (size,), bytes(size))), method=zipfile.ZIP_DEFLATED)
    start = data.index(b"PK\1\2")
    entry = data[start : data.index(b"PK\5\6")]
    entries = b"".join(entry.replace(b"a.npy", b"%d.npy" % number) for number in range(9))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, len(entries), start, 0)
    with pytest.raises(SafeloadError):
        load(data[:start] + entries + end, key, decompressed_bytes=2 * size)
    with pytest.raises(SafeloadError):
        load(data[:start] + entries + end, key, decompression_ratio=10**6)


def test_an_archive_with_something_in_front_is_only_ever_arrays(key: HmacKey, tmp_path: Path) -> None:
    """Signed as numpy's, a pickle with an archive behind it is read as the archive, and never unpickled."""
    hostile = marker_pickle(tmp_path / "marker")
    try:
        loaded = load(hostile + npz(("a.npy", ONE)), key)
    except MalformedError:
        pass
    else:
        assert loaded["a"].tolist() == [0]
    assert not (tmp_path / "marker").exists()
