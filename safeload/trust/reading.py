"""Reading one artifact and its sidecar through the gate, while others may be replacing them."""

from __future__ import annotations

import contextlib
import os

from safeload.attestation import envelope, statement
from safeload.attestation.statement import Statement
from safeload.errors import (
    DigestMismatch,
    LimitExceeded,
    MalformedError,
    NotFound,
    SignatureMissing,
)
from safeload.limits import Limits
from safeload.storage.blob import Blob
from safeload.storage.reader import read, read_below, read_start
from safeload.trust import gate, rules
from safeload.trust.gate import Authenticated, VerifiedArtifact
from safeload.trust.keys import sources
from safeload.trust.keys.keyring import Keyring
from safeload.trust.rules import LoadRequest

# How often a reader tries again while a writer is replacing the pair of files under it.
_ATTEMPTS = 20
# The most that is read for that in all, in bytes; a large artifact is not read twenty times.
_RETRY_BYTES = 1 << 28
# Enough to tell the format of a file without a sidecar.
_START_BYTES = 16


def read_verified(request: LoadRequest, *, sealed: bool = False) -> VerifiedArtifact:
    """Read the artifact at the request's location and its sidecar, and pass both through the gate.

    A writer may exchange the two files between the two reads. So where they do not fit each other they are
    read again, unless they are the very files of the attempt before; each attempt passes the whole gate.

    With `sealed` the artifact goes into a sealed memory file, which other processes can map. Errors are those
    of :func:`safeload.load`.
    """
    location, policy = request.location, request.policy
    keyring: Keyring | None = None
    before: tuple[object, ...] | None = None
    spent = 0
    for attempt in range(_ATTEMPTS):
        blob: Blob | None = None
        files: dict[str, Blob] = {}
        signature = read_sidecar(location, policy.limits)
        if signature is not None and keyring is None:
            keyring = sources.resolve(request.keyring)
        try:
            if signature is None:
                rules.require_admissible(read_start(location, size=_START_BYTES).view, request)
                blob = read(location, limit=policy.limits.artifact_bytes, sealed=sealed)
                return gate.verify(blob, None, request, None)
            authenticated = gate.authenticate(
                signature.data, request, keyring, statement.parse, folder=signature.folder
            )
            limit, algorithm, has_files = authenticated.limit, authenticated.algorithm, authenticated.files
            try:
                blob = read(location, limit=limit, algorithm=algorithm, sealed=sealed)
            except LimitExceeded as error:
                raise rules.altered(f"{error.problem}, as signed", location) from None
            if has_files:
                files = _read_files(os.path.dirname(location), authenticated, policy.limits)
            return gate.admit(blob, authenticated, files)
        except (DigestMismatch, SignatureMissing) as error:
            error.where = error.where or location
            read_now = [part for part in (blob, *files.values()) if part is not None]
            seen = (
                None if signature is None else signature.version,
                *(part.version for part in read_now),
            )
            spent += sum(part.size for part in read_now)
            if seen == before or spent > _RETRY_BYTES or attempt == _ATTEMPTS - 1:
                raise
            before = seen
    raise AssertionError("unreachable: the last attempt returns or raises")


def read_signed(request: LoadRequest) -> tuple[VerifiedArtifact, Statement]:
    """Read an artifact as :func:`read_verified` does, and return with it what was signed.

    The request has ``signed=True``: without a sidecar SignatureMissing is raised, whatever the policy admits.
    """
    verified = read_verified(request)
    if verified.statement is None:
        # The gate refuses this already; the check guards against a change of the gate.
        raise SignatureMissing("there is no signature for it", where=request.location)
    return verified, verified.statement


def _read_files(folder: str, authenticated: Authenticated[Statement], limits: Limits) -> dict[str, Blob]:
    """Read the files that the statements say belong to the artifact; the gate refuses if one is missing."""
    wanted = authenticated.files
    if len(wanted) > limits.members:
        raise LimitExceeded(f"{len(wanted)} files belong to it, {limits.members} are allowed", where=folder)
    if authenticated.limit + sum(wanted.values()) > limits.artifact_bytes:
        raise LimitExceeded(
            f"it has more than the {limits.artifact_bytes} bytes that are allowed, with the files that "
            "belong to it",
            where=folder,
        )
    found = {}
    for path, size in wanted.items():
        try:
            with contextlib.suppress(NotFound):
                found[path] = read_below(folder, path, limit=size, algorithm=authenticated.algorithm)
        except LimitExceeded as error:
            raise rules.altered(f"{error.problem}, as signed", os.path.join(folder, path)) from None
    return found


def read_sidecar(location: str, limits: Limits) -> Blob | None:
    """Return the sidecar of an artifact or folder, or None if it has none; a broken link counts as one."""
    path = location + envelope.SIDECAR_SUFFIX
    try:
        # Two envelopes while the artifact is being replaced, each within the limit.
        return read(path, limit=2 * limits.sidecar_bytes)
    except NotFound:
        if os.path.islink(path):
            raise MalformedError("the sidecar is a link that leads nowhere", where=path) from None
        return None
    except LimitExceeded:
        raise MalformedError(f"the sidecar has over {limits.sidecar_bytes} bytes", where=path) from None
