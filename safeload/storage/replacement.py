"""Replacing an artifact together with its sidecar, so that the old or the new one verifies at every moment.

Two names cannot be changed at once. Write ``A`` and ``a`` for the old artifact and its envelope, ``B`` and
``b`` for the new. The files go through these states. Each step is one atomic rename of a file that was synced
before, followed by a sync of the folder:

    ===========  ========  ==================================================
    artifact     sidecar   loads as
    ===========  ========  ==================================================
    ``A``        ``a``     A
    ``A``        ``b, a``  A: the second envelope fits
    ``B``        ``b, a``  B: the first envelope fits
    ``B``        ``b``     B
    ===========  ========  ==================================================

So a process that is stopped after any instruction, or a machine that loses power, leaves one of four states
of which each loads. A reader that reads the sidecar before the artifact can straddle a step: it may hold
``a`` and ``B``. It then reads both again, as long as they keep changing (:mod:`safeload.trust.reading`); each
attempt passes the whole gate.

Where no artifact was in place, the sidecar goes first: until the artifact appears there is still nothing to
load. An unsigned artifact in place stops being loadable with the first step.

After a stop in the second state, the sidecar ``b, a`` lies beside ``A``. The next replacement keeps the
envelope that fits the artifact in place, found by its digest, so that a sidecar never grows.

Two writers of one path would interleave these steps. They take turns by an advisory lock on the folder
(:mod:`safeload.storage.lock`); the artifact's bytes are staged before it is taken.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from safeload.attestation.envelope import SIDECAR_SUFFIX, two_envelope_sidecar
from safeload.errors import AlreadyExists, SafeloadError, StorageError
from safeload.storage.blob import FileVersion, file_version
from safeload.storage.lock import locked
from safeload.storage.reader import read, wrapped
from safeload.storage.writer import Staged, write_bytes

# From the sidecar in place and the path of its artifact: the sidecar reduced to the one envelope that fits
# the artifact, or None if no envelope does.
EnvelopeInPlace = Callable[[bytes, str], bytes | None]


def replace(path: str, artifact: Staged, sidecar: bytes, *, in_place: EnvelopeInPlace, limit: int) -> None:
    """Put an artifact that is staged beside `path`, and its sidecar of one envelope, in place.

    A sidecar in place of over `limit` bytes is not read. If the operating system refuses (StorageError), the
    old artifact or the new one is in place.
    """
    with locked(os.path.dirname(path)):
        kept = _kept(path, in_place, limit)
        if kept is not None:
            write_bytes(path + SIDECAR_SUFFIX, two_envelope_sidecar(sidecar, kept))
            artifact.commit()
            write_bytes(path + SIDECAR_SUFFIX, sidecar)
        else:
            write_bytes(path + SIDECAR_SUFFIX, sidecar)
            artifact.commit()


def write_sidecar(path: str, sidecar: bytes, version: FileVersion | None, *, overwrite: bool) -> None:
    """Write the sidecar of an artifact in place, unless the artifact has changed since it was read.

    `version` is what :func:`version_of` returned then.

    Raises
    ------
    AlreadyExists
        The artifact has a sidecar, and `overwrite` is false.
    StorageError
        Another writer has replaced the artifact, whose sidecar must not be lost.
    """
    with locked(os.path.dirname(path)):
        if version_of(path) != version:
            raise StorageError(
                "it changed while it was being signed", where=path, hint="Check it and sign it again."
            )
        if not overwrite:
            refuse_present(path)
        write_bytes(path + SIDECAR_SUFFIX, sidecar)


def version_of(path: str) -> FileVersion:
    """Return a value that changes with every write or replacement of a file, or of a name in a folder."""
    try:
        return file_version(os.stat(path))
    except (OSError, ValueError) as error:
        raise wrapped(error, path) from error


def refuse_present(path: str) -> None:
    """Raise AlreadyExists if the artifact at `path` has a sidecar."""
    if os.path.lexists(path + SIDECAR_SUFFIX):
        raise AlreadyExists(
            "it has a sidecar already",
            where=path,
            hint="Verify it. Replace the sidecar only if you vouch for the file as it is now.",
        )


def _kept(path: str, in_place: EnvelopeInPlace, limit: int) -> bytes | None:
    """Return the sidecar of the artifact in place, or None if that artifact need not stay loadable."""
    try:
        present = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise wrapped(error, path) from error
    if stat.S_ISDIR(present.st_mode):
        # The rename would fail, but only after the sidecar was replaced.
        raise StorageError("a folder is in the way", where=path)
    try:
        return in_place(read(path + SIDECAR_SUFFIX, limit=limit).data, path)
    except StorageError:
        # The sidecar may be valid and only temporarily unreadable; to continue would drop it.
        raise
    except SafeloadError:
        # There is no sidecar, or it admits nothing.
        return None
