"""The format ``numpy``: one array as ``.npy``, or a dict of arrays as ``.npz``; never with Python objects.

An array is a view of the verified memory. numpy's own reader allocates the memory that a header announces
before it reads the bytes; here the announced size is first compared with the size of the file.

The format is specified in https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
from typing import IO, Any

from safeload.errors import FormatNotAllowed, MalformedError, SerializationError, brief
from safeload.formats.base import Written
from safeload.limits import Limits
from safeload.parsers import zip_members
from safeload.parsers.memory_file import MemoryFile
from safeload.trust.gate import VerifiedArtifact

_MAGIC = b"\x93NUMPY"
_SUFFIX = ".npy"
# Enough for hundreds of fields. numpy's own default is smaller.
_MAX_HEADER_BYTES = 64 << 10


class NumpyFormat:
    """See the module."""

    name = "numpy"
    requires: tuple[str, ...] | None = None

    def dump(self, obj: Any, file: IO[bytes], *, compress: bool = False) -> Written:
        """Write an array, or a dict of arrays by name; `compress` is for dicts.

        A read-only array is loaded as a writable one.

        Raises
        ------
        SerializationError
            If it is another object, or holds Python objects.
        """
        import numpy

        if type(obj) is numpy.ndarray:
            numpy.lib.format.write_array(file, _plain(obj), allow_pickle=False)
        elif isinstance(obj, dict):
            file.write(_archive(obj, compress))
        else:
            raise SerializationError(
                f"numpy's format takes an array or a dict of arrays, not a {type(obj).__name__}"
            )
        return Written()

    def load(self, verified: VerifiedArtifact, limits: Limits) -> Any:
        """Make the array, or the dict of arrays; there are no options."""
        memory = verified.blob.own()
        if bytes(memory[: len(_MAGIC)]) == _MAGIC:
            return _array(memory)
        return {name: _array(member) for name, member in _members(verified.blob.data, limits)}

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return nothing, since the format holds data only; refuse a malformed file."""
        if data.startswith(_MAGIC):
            _header(memoryview(data))
        else:
            for _, member in _members(data, limits):
                _header(member)
        return ()


def _plain(array: Any) -> Any:
    if array.dtype.hasobject:
        raise SerializationError("the array holds Python objects, which only pickle formats keep")
    if not _is_latin(str(array.dtype.descr)):
        raise SerializationError("the names of its fields need the unsupported version 3 of the format")
    if not _is_kept(array.dtype):
        raise SerializationError(f"the format does not keep the type {brief(array.dtype)} exactly")
    return array


def _is_kept(dtype: Any) -> bool:
    """Tell whether a header describes a type completely: without metadata, alignment or extension types."""
    if dtype.metadata or dtype.isalignedstruct:
        return False
    if dtype.subdtype is not None:
        return _is_kept(dtype.subdtype[0])
    if dtype.names is not None:
        return all(_is_kept(dtype[name]) for name in dtype.names)
    # An extension type of another package is written as raw bytes of an unknown type.
    return bool(dtype.isbuiltin != 2)


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _archive(arrays: dict[str, Any], compress: bool) -> bytes:
    import numpy

    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, array in arrays.items():
            if not isinstance(name, str) or type(array) is not numpy.ndarray:
                raise SerializationError("numpy's format takes a dict of arrays by name only")
            # zipfile changes some names, and numpy.load would return the array under the changed one.
            if not name or name != zipfile.ZipInfo(name + _SUFFIX).filename[: -len(_SUFFIX)]:
                raise SerializationError(f"{name!r} cannot be the name of an array in an archive")
            with archive.open(name + _SUFFIX, "w", force_zip64=True) as member:
                numpy.lib.format.write_array(member, _plain(array), allow_pickle=False)
    return buffer.getvalue()


def _members(data: bytes, limits: Limits) -> list[tuple[str, memoryview]]:
    """Decompress the arrays of an archive, within the limits."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(entries, len(data), limits)
            return [
                (entry.filename[: -len(_SUFFIX)], memoryview(bytearray(_decompressed(archive, entry))))
                for entry in entries
            ]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise MalformedError(f"it is not an archive of arrays ({type(error).__name__})") from None


def _check_entries(entries: list[zipfile.ZipInfo], size: int, limits: Limits) -> None:
    zip_members.check_limits(entries, size, limits)
    # numpy writes these two only, and LZMA allocates the memory that its header asks for.
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        raise MalformedError("the archive uses a compression that numpy does not write")
    names = {entry.filename for entry in entries}
    if len(names) != len(entries) or not all(name.endswith(_SUFFIX) for name in names):
        raise MalformedError("the archive holds members other than arrays, or a member twice")


def _decompressed(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    # zipfile stops at the size that the directory announces, and verifies the checksum there.
    with archive.open(entry) as member:
        content = member.read(entry.file_size)
        if len(content) != entry.file_size or member.read(1):
            raise MalformedError("a member of the archive is not as long as announced")
    return content


def _header(memory: memoryview) -> tuple[tuple[int, ...], bool, Any, int]:
    """Return shape, order, type and position of the data, whose size must be that of the remaining bytes."""
    import numpy

    source: Any = MemoryFile(memory)
    try:
        version = numpy.lib.format.read_magic(source)
        if version not in ((1, 0), (2, 0)):
            raise MalformedError(f"the header of an array has version {version}, which is not supported")
        first = version == (1, 0)
        read = numpy.lib.format.read_array_header_1_0 if first else numpy.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(source, max_header_size=_MAX_HEADER_BYTES)
    except (ValueError, SyntaxError, tokenize.TokenError, MemoryError, RecursionError, TypeError) as error:
        raise MalformedError(f"the header of an array cannot be read ({type(error).__name__})") from None
    if dtype.hasobject:
        raise FormatNotAllowed(
            "the array holds Python objects, as a pickle", hint="Store it as joblib, and sign that."
        )
    if any(not 0 <= length < 1 << 62 for length in shape):
        raise MalformedError("an array has an impossible shape")
    if math.prod(shape) * dtype.itemsize != len(memory) - source.tell():
        raise MalformedError("the size of an array is not the one in its header")
    return shape, fortran, dtype, source.tell()


def _array(memory: memoryview) -> Any:
    import numpy

    shape, fortran, dtype, start = _header(memory)
    order: Any = "F" if fortran else "C"
    if not math.prod(shape) or not dtype.itemsize:
        # numpy.zeros would give each element without bytes one byte, as many as the header announces.
        return numpy.ndarray(shape, dtype, buffer=bytearray(), order=order)
    array = numpy.frombuffer(memory[start:], dtype=dtype).reshape(shape, order=order)
    if memory.readonly or not array.flags.aligned:
        array = array.copy(order="K")
    return array


FORMAT = NumpyFormat()
