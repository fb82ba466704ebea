"""The format ``pickle``: the standard library's, without joblib's treatment of arrays."""

from __future__ import annotations

from typing import IO, Any

from safeload.formats.base import Written
from safeload.formats.pickles import dry_run
from safeload.formats.pickles.recording import RecordingPickler
from safeload.formats.pickles.unpicklers import load_plain
from safeload.limits import Limits
from safeload.trust.gate import VerifiedArtifact


class PickleFormat:
    """See the module."""

    name = "pickle"
    requires: tuple[str, ...] | None = ()

    def dump(self, obj: Any, file: IO[bytes], *, protocol: int | None = None) -> Written:
        """Write an object; the option is that of ``pickle.dump``."""
        pickler = RecordingPickler(file, protocol)
        pickler.dump(obj)
        return Written(tuple(sorted(pickler.recorded)))

    def load(self, verified: VerifiedArtifact, limits: Limits) -> Any:
        """Make the object; there are no options, and bytes after its end are an error."""
        memory, admitted, allowed = verified.blob.view, verified.admitted, verified.allowed
        if allowed is not None:
            dry_run.check_allowlist(memory, admitted, allowed, plain=True)
        return load_plain(memory, admitted, allowed)

    def globals_of(self, data: bytes, limits: Limits) -> None:
        """Return None: a pickle shows its globals to an unpickler only."""
        return


FORMAT = PickleFormat()
