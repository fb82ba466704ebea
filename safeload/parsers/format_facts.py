"""The facts about each format: one row of data, which every part of safeload reads.

A new format is one row here and the module that the row names. The table imports no format, so that the gate
and the policy, which lie below the formats, can read it too. Formats of other packages have no row: a file in
such a format must be signed, and only its statement says which format it is in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class SafeVersion:
    """The versions of a package that are safe to read files with.

    `since` is the first version of the newest line with the fix; all later ones have it. `advisory` says what
    is wrong with those before. `older` are lines that the fix was brought to: the first version that has it,
    and the first of the line that follows and lacks it.
    """

    since: str
    advisory: str
    older: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Archive:
    """The ZIP archives of a format, by the names of their members: regular expressions.

    For each of `has` there is a member with such a name; `only` matches the name of every member.
    """

    has: tuple[str, ...] = ()
    only: str = ".*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The facts about one format.

    Parameters
    ----------
    name : str
        The format's name in statements.
    module : str
        The module below ``safeload.formats`` whose ``FORMAT`` does the work, or ``module:ATTRIBUTE``.
    suffixes : tuple of str
        How names of its files usually end. Only a search for unsigned files looks at names.
    start : bytes, optional
        A regular expression for the first 16 bytes of its files.
    start_is_distinctive : bool
        Whether a match of `start` is enough to take a file for an artifact that nothing else points to.
    archive : Archive, optional
        For files that are ZIP archives.
    unsigned : {"never", "allowlist", "listed"}
        Whether a file without a signature can be admitted: if an allowlist admits each type in it, or if the
        policy lists the format, which is for formats that hold no types.
    extra : str, optional
        The extra of safeload that installs what the format needs.
    minimum : Mapping of str to SafeVersion
        By package, the versions that may be used.
    auto : str, optional
        For formats that ``auto`` tries: why it took this one.
    refused_options : Mapping of str to str
        Options of the underlying library that safeload does not have, and why.
    """

    name: str
    module: str
    suffixes: tuple[str, ...]
    start: bytes | None = None
    start_is_distinctive: bool = True
    archive: Archive | None = None
    unsigned: Literal["never", "allowlist", "listed"] = "never"
    extra: str | None = None
    minimum: Mapping[str, SafeVersion] = field(default_factory=dict)
    auto: str | None = None
    refused_options: Mapping[str, str] = field(default_factory=dict)

    def starts(self, start: bytes) -> bool:
        """Tell whether a file with these first 16 bytes can be in this format."""
        return self.start is not None and re.match(self.start, start, re.DOTALL) is not None


# The compressors that joblib writes with, by the first bytes of their streams.
COMPRESSORS = (
    ("gzip", b"\x1f\x8b"),
    ("bz2", b"BZ"),
    ("xz", b"\xfd7zXZ"),
    ("lzma", b"\x5d\x00"),
    ("lz4", b"\x04\x22\x4d\x18"),
    ("zlib", b"\x78"),
)
# Reading a file could unpickle an extension type out of its schema.
_PYARROW = SafeVersion("14.0.1", "CVE-2023-47248")

# The order counts: of several formats that a file could be in, or that keep an object, the first is taken.
ROWS = (
    Row(
        name="safetensors",
        module="tensors.safetensors_format",
        suffixes=(".safetensors",),
        # A length of 2 bytes to 64 MiB, then JSON. With this limit no stream of a compressor and no archive
        # starts so, and no pickle that a pickler writes.
        start=rb"(?![\x00\x01]\0{7})(...[\x00-\x03]|\0\0\0\x04)\0{4}\{",
        unsigned="listed",
        extra="safetensors",
        auto="it is a dict of arrays",
    ),
    Row(
        name="numpy",
        module="tensors.numpy_format",
        suffixes=(".npy", ".npz"),
        start=rb"\x93NUMPY",
        archive=Archive(only=r".*\.npy"),
        auto="it is an array, or a dict of arrays",
    ),
    Row(
        name="arrow",
        module="tables.arrow_format:ARROW",
        suffixes=(".arrow",),
        start=rb"ARROW1\0\0",
        extra="arrow",
        minimum={"pyarrow": _PYARROW},
        auto="it is a DataFrame or a Series",
    ),
    Row(
        name="parquet",
        module="tables.arrow_format:PARQUET",
        suffixes=(".parquet",),
        start=rb"PAR1",
        extra="arrow",
        minimum={"pyarrow": _PYARROW},
    ),
    Row(
        name="skops",
        module="skops.skops_format",
        suffixes=(".skops",),
        archive=Archive(has=(r"schema\.json",)),
        unsigned="allowlist",
        auto="its parts are of types that skops keeps",
    ),
    Row(
        name="onnx",
        module="onnx.onnx_format",
        suffixes=(".onnx",),
        # A protobuf message whose first field is the version of the format. No pickle starts with that byte,
        # but a file of another kind may.
        start=rb"\x08[\x01-\x7f][^\x00]",
        start_is_distinctive=False,
        unsigned="listed",
        extra="onnx",
        # Needed for a model with data in other files only.
        minimum={"onnxruntime": SafeVersion("1.24", "it opens the files that a model names itself")},
    ),
    Row(
        name="torch",
        module="tensors.torch_format",
        suffixes=(".pt", ".pth"),
        archive=Archive(has=(r"(.*/)?data\.pkl",)),
        extra="torch",
        # weights_only=True could be made to run code.
        minimum={"torch": SafeVersion("2.6", "CVE-2025-32434")},
        refused_options={
            "weights_only": "it always loads tensors only; all else in such a file is a program"
        },
    ),
    Row(
        name="keras",
        module="tensors.keras_format",
        suffixes=(".keras",),
        archive=Archive(has=(r"config\.json", r"metadata\.json")),
        extra="keras",
        # safe_mode could be made to run code or to read other files; see the extra in pyproject.toml.
        minimum={"keras": SafeVersion("3.15.1", "CVE-2026-1669 among others", older=(("3.12.4", "3.13"),))},
        refused_options={"safe_mode": "without it a model could run code out of its file"},
    ),
    Row(
        name="joblib",
        module="pickles.joblib_format",
        suffixes=(".joblib",),
        # A pickle since protocol 2, or a compressed one.
        start=rb"\x80[\x00-\x05].|" + b"|".join(re.escape(start) for _, start in COMPRESSORS),
        auto="no format without code in it keeps the object exactly",
    ),
    Row(name="pickle", module="pickles.pickle_format", suffixes=(".pkl", ".pickle")),
)
FACTS: Mapping[str, Row] = MappingProxyType({row.name: row for row in ROWS})
# Names that mean something else where the name of a format may stand.
RESERVED = frozenset({"auto", "folder", "tensorflow"})
