"""What can be said of a file without running any of it: its bytes, its sidecar, and whether they verify.

What a sidecar claims is shown only when it verifies; an unverified claim is worth nothing and reads as if it
were.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from safeload import magic, sidecar
from safeload.artifacts import PathLike, PolicySource, verify
from safeload.errors import NotFound, SafeloadError
from safeload.keys.sources import KeyringSource
from safeload.policy import resolve
from safeload.statement import Statement
from safeload.storage.reader import read


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is known of a file.

    Parameters
    ----------
    path
        The file.
    size
        In bytes.
    digest
        BLAKE3, as ``b3sum`` prints it.
    looks_like
        The format that its first bytes tell, or None.
    key_ids
        The keys that the sidecar names, as hints; empty without a readable sidecar.
    statement
        The signed statement, if it verifies.
    refusal
        Why it does not verify, or None if it does.
    """

    path: str
    size: int
    digest: str
    looks_like: str | None
    key_ids: tuple[str, ...]
    statement: Statement | None
    refusal: SafeloadError | None

    @property
    def verified(self) -> bool:
        """Whether the file is what its sidecar says and the keyring accepts it."""
        return self.statement is not None


def inspect(
    path: PathLike,
    *,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
) -> Inspection:
    """Look at a file without deserializing it.

    Raises
    ------
    NotFound, MalformedError, LimitExceeded, StorageError
        The file itself cannot be read.
    """
    location = os.fspath(path)
    limits = resolve(policy).limits
    blob = read(location, limit=limits.artifact_bytes)
    key_ids: tuple[str, ...] = ()
    statement: Statement | None = None
    refusal: SafeloadError | None = None
    try:
        signature = read(location + sidecar.SUFFIX, limit=limits.sidecar_bytes).data
        first = sidecar.parse(signature, limit=limits.sidecar_bytes)[0]
        key_ids = tuple(entry.keyid for entry in first.signatures)
    except NotFound:
        pass
    except SafeloadError as error:
        refusal = error
    try:
        statement = verify(location, keyring=keyring, policy=policy)
    except SafeloadError as error:
        refusal = error
    return Inspection(
        path=location,
        size=blob.size,
        digest=str(blob.digest("blake3")),
        looks_like=magic.identify(blob.data),
        key_ids=key_ids,
        statement=statement,
        refusal=refusal,
    )
