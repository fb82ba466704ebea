"""Every cap on what a file may cost, in one frozen object."""

from __future__ import annotations

from dataclasses import dataclass, fields

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps that are checked before the memory in question is spent.

    Parameters
    ----------
    artifact_bytes : int
        Size of an artifact on disk, in bytes.
    sidecar_bytes : int
        Size of a sidecar, in bytes.
    decompressed_bytes : int
        Size to which a compressed artifact may decompress, in bytes.
    decompression_ratio : int
        Decompressed bytes for each compressed byte. It applies above `ratio_floor_bytes` only, since small
        regular data compress far better than any model does.
    ratio_floor_bytes : int
        Decompressed size up to which the ratio is not checked, in bytes.
    decompressor_bytes : int
        Memory that a decompressor may request for its dictionary, in bytes.
    schema_bytes : int
        Decompressed size of a structured description within an artifact (skops' ``schema.json``), in bytes.
    members : int
        Entries of an archive, tensors or parts of a model, columns of a table, files of a folder.
    nesting : int
        Depth of nested containers in structured text.

    Raises
    ------
    TypeError, ValueError
        A cap is not a positive whole number.

    Examples
    --------
    >>> from safeload import Limits
    >>> Limits(artifact_bytes=10**9).sidecar_bytes
    1048576
    """

    artifact_bytes: int = 64 * _GIB
    sidecar_bytes: int = 1 * _MIB
    decompressed_bytes: int = 64 * _GIB
    decompression_ratio: int = 1_000
    ratio_floor_bytes: int = 16 * _MIB
    decompressor_bytes: int = 128 * _MIB
    schema_bytes: int = 64 * _MIB
    members: int = 100_000
    nesting: int = 200

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"the limit {field.name} must be a whole number")
            if value <= 0:
                raise ValueError(f"the limit {field.name} must be positive")
