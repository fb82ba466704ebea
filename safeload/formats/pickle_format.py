"""The format ``pickle``: the standard library's, without joblib's treatment of arrays."""

from __future__ import annotations

import io
import pickle
from typing import IO, Any

from safeload.errors import MalformedError
from safeload.formats.base import refuse_options
from safeload.formats.companions import without_companions
from safeload.formats.recording import RecordingPickler
from safeload.limits import Limits
from safeload.verification import Verified


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return without_companions(super().find_class(module, name))


class PickleFormat:
    """See the module."""

    name = "pickle"
    requires: tuple[str, ...] = ()

    def dump(self, obj: Any, file: IO[bytes], options: dict[str, Any]) -> tuple[str, ...]:
        """Write an object; the option is pickle's ``protocol``."""
        options = dict(options)
        protocol = options.pop("protocol", None)
        refuse_options(self.name, options)
        pickler = RecordingPickler(file, protocol)
        pickler.dump(obj)
        return tuple(sorted(pickler.recorded))

    def load(self, verified: Verified, limits: Limits) -> Any:
        """Make the object; bytes after its end are an error."""
        stream = io.BytesIO(verified.blob.data)
        obj = _Unpickler(stream).load()
        if stream.tell() != verified.blob.size:
            raise MalformedError("bytes follow the end of the pickle")
        return obj

    def globals_of(self, data: bytes, limits: Limits) -> None:
        """Return None: a pickle shows its globals to an unpickler only."""
        return


FORMAT = PickleFormat()
