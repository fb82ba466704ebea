"""Replacing an artifact together with its sidecar, so that old or new verifies at every moment.

Two names cannot be changed at once. Write ``A`` and ``a`` for the old artifact and its envelope, ``B`` and
``b`` for the new. The files go through these states, each step being one atomic rename of a file that was
synced before, followed by a sync of the folder:

    ===========  ========  ==================================================
    artifact     sidecar   loads as
    ===========  ========  ==================================================
    ``A``        ``a``     A
    ``A``        ``b, a``  A: the second envelope is the one that fits
    ``B``        ``b, a``  B: the first envelope is the one that fits
    ``B``        ``b``     B
    ===========  ========  ==================================================

So a process that is stopped after any instruction, or a machine that loses power, leaves one of four states
of which each loads. A reader that reads the sidecar first and the artifact after it can straddle a step: it
may hold ``a`` and ``B``. It then reads both again, as long as they keep changing (``api/artifacts.py``); each
attempt passes the whole gate.

Where nothing was there before, the sidecar goes first: until the artifact appears there is, as before,
nothing to load. Where only an unsigned artifact was there, it stops being loadable with the first step.

After a stop in the second state, the sidecar ``b, a`` lies beside ``A``. The next replacement keeps of the
two the envelope that fits the artifact in place, found by its digest, so that a sidecar never grows.

Two writers of one path would interleave these steps. They take turns by an advisory lock on the folder
(``flock``; it ends with the process that held it). The artifact's bytes are staged before the lock is taken.
Where the file system knows no such lock, safety is unharmed, and one writer at a time is the caller's duty.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from safeload.attestation.sidecar import SUFFIX, two_envelope_sidecar
from safeload.errors import AlreadyExists, SafeloadError, StorageError
from safeload.storage.blob import FileVersion, file_version
from safeload.storage.lock import locked
from safeload.storage.reader import read, wrapped
from safeload.storage.writer import Staged, write_bytes

# Given the former sidecar and the path of the artifact in place: the former sidecar reduced to the one
# envelope that fits that artifact, or None where there is nothing worth keeping.
EnvelopeInPlace = Callable[[bytes, str], bytes | None]


def replace(path: str, artifact: Staged, sidecar: bytes, *, former: EnvelopeInPlace, limit: int) -> None:
    """Put a staged artifact and its sidecar in place.

    Parameters
    ----------
    path
        The artifact's final path.
    artifact
        The new artifact, staged beside `path`.
    sidecar
        Its plain sidecar.
    former
        Reduces the sidecar found in place; see :data:`EnvelopeInPlace`.
    limit
        The largest sidecar that is looked at, in bytes.

    Raises
    ------
    StorageError
        The operating system refused; the old artifact or the new one is in place.
    """
    with locked(os.path.dirname(path)):
        kept = _kept(path, former, limit)
        if kept is not None:
            write_bytes(path + SUFFIX, two_envelope_sidecar(sidecar, kept))
            artifact.commit()
            write_bytes(path + SUFFIX, sidecar)
        else:
            write_bytes(path + SUFFIX, sidecar)
            artifact.commit()


def put_sidecar(path: str, sidecar: bytes, version: FileVersion | None, *, overwrite: bool) -> None:
    """Put a sidecar beside an artifact that is in place, unless the artifact has changed since.

    Parameters
    ----------
    path
        The artifact's path.
    sidecar
        Its new sidecar.
    version
        The artifact's, when it was read.
    overwrite
        Replace a sidecar that is there.

    Raises
    ------
    AlreadyExists
        There is one, and `overwrite` is false.
    StorageError
        Another writer replaced the artifact, whose sidecar must not be lost.
    """
    with locked(os.path.dirname(path)):
        if version_of(path) != version:
            raise StorageError(
                "it changed while it was being signed", where=path, hint="Make sure of it and sign it again."
            )
        if not overwrite:
            refuse_present(path)
        write_bytes(path + SUFFIX, sidecar)


def version_of(path: str) -> FileVersion:
    """Return what changes whenever a file is written or replaced, or a name in a folder is.

    Raises
    ------
    NotFound, StorageError
        It is not there, or cannot be looked at.
    """
    try:
        return file_version(os.stat(path))
    except (OSError, ValueError) as error:
        raise wrapped(error, path) from error


def refuse_present(path: str) -> None:
    """Raise AlreadyExists if the artifact at `path` has a sidecar."""
    if os.path.lexists(path + SUFFIX):
        raise AlreadyExists(
            "it has a sidecar already",
            where=path,
            hint="Verify it; replace the sidecar only if you vouch for the file as it is now.",
        )


def _kept(path: str, former: EnvelopeInPlace, limit: int) -> bytes | None:
    """Return the former sidecar's envelope, None if there is nothing that must be kept loadable."""
    try:
        present = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise wrapped(error, path) from error
    if stat.S_ISDIR(present.st_mode):
        # The rename would fail no sooner than after the sidecar was put in place.
        raise StorageError("a folder is in the way", where=path)
    try:
        return former(read(path + SUFFIX, limit=limit).data, path)
    except StorageError:
        # It may be in order, and only unreadable for the moment; to go on would drop it.
        raise
    except SafeloadError:
        # No sidecar, or one that admits nothing.
        return None
