"""The format ``joblib``: what ``joblib.dump`` writes and ``joblib.load`` reads, with all its compressors.

A plain pickle goes to the C unpickler, a file with large arrays to the Python one. The signed statement
tells them apart: only the second lists joblib's placeholder. If the bytes contradict it, the plain unpickler
refuses the placeholder, since it is not listed.
"""

from __future__ import annotations

import pickle
from typing import IO, Any, Literal

from safeload.errors import FormatNotAllowed
from safeload.formats.base import Written
from safeload.formats.pickles import array_wrapper, dry_run
from safeload.formats.pickles.unpicklers import ArrayUnpickler, load_plain
from safeload.limits import Limits
from safeload.parsers import magic
from safeload.parsers.compression import decompress
from safeload.trust.gate import VerifiedArtifact

_LEGACY_CONTAINER = b"ZF"
_START_BYTES = 16


class JoblibFormat:
    """See the module."""

    name = "joblib"
    requires: tuple[str, ...] | None = ("joblib",)

    def dump(
        self,
        obj: Any,
        file: IO[bytes],
        *,
        compress: int | str | tuple[str, int] | bool = 0,
        protocol: int | None = None,
    ) -> Written:
        """Write an object; the options are those of ``joblib.dump``."""
        from safeload.formats.pickles import picklers

        return Written(tuple(sorted(picklers.dump(obj, file, compress, protocol))))

    def load(
        self,
        verified: VerifiedArtifact,
        limits: Limits,
        *,
        mmap_mode: Literal["r", "c"] | None = None,
        copy: bool = False,
    ) -> Any:
        """Make the object; compressed bytes are decompressed within the limits first.

        Parameters
        ----------
        mmap_mode : {"r", "c"}, optional
            See :func:`safeload.load`.
        copy : bool
            Copy large arrays, so that a small one of them does not keep the memory of all the others.
        """
        blob, admitted, allowed = verified.blob, verified.admitted, verified.allowed
        memory = blob.own()
        start = bytes(memory[:_START_BYTES])
        # No compressed stream starts like a pickle.
        compressor = None if start.startswith(pickle.PROTO) else _compressor(start)
        if compressor is not None:
            memory = decompress(memory.toreadonly(), compressor, limits)
            start = bytes(memory[:1])
        elif mmap_mode == "c" and blob.sealed is not None:
            memory = blob.sealed.copy_on_write()
        if mmap_mode == "r":
            memory = memory.toreadonly()
        plain = admitted is not None and array_wrapper.NAME not in admitted and start.startswith(pickle.PROTO)
        if allowed is not None:
            dry_run.check_allowlist(memory, admitted, allowed, plain=plain)
        if plain:
            return load_plain(memory, admitted, allowed)
        # Arrays must be writable, and memory that was read as `bytes` is not.
        copy = copy or (memory.readonly and mmap_mode is None)
        return ArrayUnpickler(memory, admitted, allowed, copy=copy).finish()

    def globals_of(self, data: bytes, limits: Limits) -> None:
        """Return None: a joblib file shows its globals to an unpickler only."""
        return


def _compressor(start: bytes) -> str | None:
    """Return the compressor whose stream starts so, or None."""
    if start.startswith(_LEGACY_CONTAINER):
        raise FormatNotAllowed(
            "it is a container of joblib before 0.10",
            hint="Load it where you trust it, store it anew with safeload.dump, and sign that.",
        )
    return magic.compressor(start)


FORMAT = JoblibFormat()
