"""The format ``joblib``: what ``joblib.dump`` writes and ``joblib.load`` reads, with all its compressors."""

from __future__ import annotations

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

        Options are ``mmap_mode`` (see :func:`safeload.load`) and ``copy``, which copies large arrays, so that
        a small one of them does not keep the memory of all the others.
        """
        memory = self._memory(verified, limits, mmap_mode)
        plain = _is_plain(verified, memory)
        if verified.allowed is not None:
            dry_run.check_allowlist(memory, verified.admitted, verified.allowed, plain=plain)
        if plain:
            return load_plain(memory, verified.admitted, verified.allowed)
        # What was read as `bytes` cannot be written to, as arrays must be.
        copy = copy or (memory.readonly and mmap_mode is None)
        return ArrayUnpickler(memory, verified.admitted, verified.allowed, copy=copy).finish()

    def _memory(self, verified: VerifiedArtifact, limits: Limits, mode: str | None) -> memoryview:
        """Return the uncompressed artifact, writable if arrays in it are to be."""
        blob = verified.blob
        start = blob.start(_START_BYTES)
        if start.startswith(_LEGACY_CONTAINER):
            raise FormatNotAllowed(
                "it is a container of joblib before 0.10",
                hint="Load it where you trust it, store it anew with safeload.dump, and sign that.",
            )
        compressor = magic.compressor(start)
        if compressor is not None:
            memory = decompress(blob.view, compressor, limits)
        elif mode == "c" and blob.sealed is not None:
            return blob.sealed.copy_on_write()
        else:
            memory = blob.own()
        return memory.toreadonly() if mode == "r" else memory

    def globals_of(self, data: bytes, limits: Limits) -> None:
        """Return None: a joblib file shows its globals to an unpickler only."""
        return


def _is_plain(verified: VerifiedArtifact, memory: memoryview) -> bool:
    """Tell whether the artifact is a plain pickle, by what its signer wrote down of it.

    Should the bytes say otherwise, the plain unpickler refuses the placeholder that is not on the list.
    """
    listed = verified.admitted
    return listed is not None and array_wrapper.NAME not in listed and bytes(memory[:1]) == b"\x80"


FORMAT = JoblibFormat()
