"""Each of joblib's compressors around a call, and streams that are not what they seem."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable

from corpus.arrays import Payload, dumped, wrapper
from corpus.assembler import POP, SYSTEM, call, pickled
from corpus.entry import Place, Technique


def _act(place: Place) -> bytes:
    return pickled(call(SYSTEM, place.command))


def _behind_an_array(place: Place) -> bytes:
    return pickled(wrapper(64) + bytes(64) + POP + call(SYSTEM, place.command))


_ORDINARY = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


def _legacy(place: Place) -> bytes:
    """Write the container of joblib 0.9."""
    data = _act(place)
    return b"ZF" + hex(len(data)).encode().ljust(19) + zlib.compress(data)


def _members(compress: Callable[[bytes], bytes]) -> Callable[[Place], bytes]:
    def make(place: Place) -> bytes:
        data = _act(place)
        return compress(data[:5]) + compress(data[5:])

    return make


def _lz4(place: Place) -> bytes:
    import lz4.frame

    return bytes(lz4.frame.compress(_act(place)))


def _cut(place: Place) -> bytes:
    """Leave the checksum out; the call has run when that is noticed."""
    return gzip.compress(_act(place) + bytes(1 << 20))[:-6]


def _named(place: Place) -> bytes:
    """Write a gzip header with every optional field."""
    plain = gzip.compress(_act(place))
    return (
        plain[:3] + b"\x1c" + plain[4:10] + b"\x04\x00abcd" + b"model.npy\0" + b"weights only\0" + plain[10:]
    )


TECHNIQUES = [
    *(
        Technique(
            f"{kind} around a call",
            "compressed",
            "a plain pickle inside",
            lambda place, compress=compress: compress(_act(place)),
            "joblib",
            f".{kind}",
        )
        for kind, compress in _ORDINARY.items()
    ),
    *(
        Technique(
            f"{kind} around an array",
            "compressed",
            "the call follows an array's bytes",
            lambda place, compress=compress: compress(_behind_an_array(place)),
            "joblib",
            ".joblib",
        )
        for kind, compress in _ORDINARY.items()
    ),
    *(
        Technique(
            f"{kind} in two streams",
            "compressed",
            "the second begins within the pickle",
            _members(_ORDINARY[kind]),
            "joblib",
            ".joblib",
        )
        for kind in ("bz2", "xz")
    ),
    Technique(
        "lz4 around a call", "compressed", "a plain pickle inside", _lz4, "joblib", ".lz4", needs=("lz4",)
    ),
    Technique(
        "joblib's own compressed dump",
        "compressed",
        "as joblib writes it",
        lambda place: dumped([1, Payload(place)], compress=("zlib", 3)),
        "joblib",
        ".joblib",
    ),
    Technique("container of joblib 0.9", "compressed", "still read", _legacy, "joblib", ".pkl"),
    Technique(
        "gzip without its end", "compressed", "the call runs before that is noticed", _cut, "joblib", ".gz"
    ),
    Technique("gzip with every header", "compressed", "a name, a comment, more", _named, "joblib", ".gz"),
]
