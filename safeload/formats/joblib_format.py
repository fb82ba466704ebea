"""The format ``joblib``: what ``joblib.dump`` writes and ``joblib.load`` reads, with all its compressors."""

from __future__ import annotations

from typing import IO, Any

from safeload import magic
from safeload.errors import FormatNotAllowed
from safeload.formats.base import refuse_options
from safeload.formats.compression import decompress
from safeload.limits import Limits
from safeload.verification import Verified

_LEGACY_CONTAINER = b"ZF"


class JoblibFormat:
    """See the module."""

    name = "joblib"
    requires = ("joblib",)

    def dump(self, obj: Any, file: IO[bytes], options: dict[str, Any]) -> tuple[str, ...]:
        """Write an object; the options are joblib's ``compress`` and ``protocol``."""
        from safeload.formats import joblib_pickler

        options = dict(options)
        compress = options.pop("compress", 0)
        protocol = options.pop("protocol", None)
        refuse_options(self.name, options)
        return tuple(sorted(joblib_pickler.dump(obj, file, compress, protocol)))

    def load(self, verified: Verified, limits: Limits) -> Any:
        """Make the object; compressed bytes are unfolded within the limits first."""
        from safeload.formats import joblib_pickler

        data = verified.blob.data
        if data.startswith(_LEGACY_CONTAINER):
            raise FormatNotAllowed(
                "it is a container of joblib before 0.10",
                hint="Load it where you trust it, store it anew with safeload.dump, and sign that.",
            )
        compressor = magic.compressor(data)
        return joblib_pickler.load(decompress(data, compressor, limits) if compressor else data)

    def globals_of(self, data: bytes, limits: Limits) -> None:
        """Return None: a joblib file shows its globals to an unpickler only."""
        return


FORMAT = JoblibFormat()
