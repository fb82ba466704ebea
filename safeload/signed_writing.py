"""What dumping and signing have in common: sealing a statement, and the sidecar that was there before."""

from __future__ import annotations

import os

from safeload import checks, envelope, sidecar, signing, statement
from safeload.errors import LimitExceeded, StorageError
from safeload.keys.base import SigningKey
from safeload.keys.keyring import Keyring
from safeload.limits import Limits
from safeload.policy import Policy
from safeload.statement import Statement
from safeload.storage.beneath import folder_id
from safeload.storage.reader import read, wrapped
from safeload.storage.replacement import Former


def sidecar_of(signed: Statement, key: SigningKey, limits: Limits) -> bytes:
    """Return the plain sidecar of an artifact.

    Raises
    ------
    LimitExceeded
        It would be larger than a loader accepts.
    """
    return signing.seal(statement.encode(signed), key, limits, where=signed.name)


def former(limits: Limits) -> Former:
    """Return what reduces a sidecar in place to the envelope of the artifact in place.

    Nothing is verified here and nothing needs to be: the envelope is copied as it is, and counts for a
    reader only if the gate admits it.
    """

    def reduce(present: bytes, path: str) -> bytes | None:
        envelopes = sidecar.parse(present, limit=limits.sidecar_bytes)
        if len(envelopes) == 1:
            return present
        try:
            blob = read(path, limit=limits.artifact_bytes)
        except LimitExceeded as error:
            # Loaders may allow more than this writer; what cannot be looked at is not dropped.
            raise StorageError(error.problem, where=path) from None
        for candidate in envelopes:
            described = statement.parse(candidate.payload)
            if described.digest == blob.digest(described.digest.algorithm):
                return envelope.encode(candidate) + b"\n"
        return None

    return reduce


def refuse_own_folder(folder: str, ring: Keyring | None, rules: Policy) -> None:
    """Refuse to sign with a keyring or policy where the gate would not load it: rule 1.

    Raises
    ------
    KeyringError
        They lie in the folder of the artifact, or below it.
    NotFound, StorageError
        There is no such folder.
    """
    if all(origin is None for origin in (ring.origin if ring else None, rules.origin)):
        return
    try:
        here = folder_id(os.stat(folder or os.curdir))
    except (OSError, ValueError) as error:
        raise wrapped(error, folder) from error
    checks.refuse_own_folder(here, ring, rules)
