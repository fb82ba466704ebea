"""Reading one artifact and its sidecar through the gate, while others may be replacing them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from safeload.attestation import sidecar
from safeload.attestation.digests import DigestAlgorithm
from safeload.attestation.statement import Statement
from safeload.errors import (
    DigestMismatch,
    InvalidName,
    LimitExceeded,
    MalformedError,
    NotFound,
    SignatureMissing,
)
from safeload.limits import Limits
from safeload.storage.blob import Blob
from safeload.storage.reader import read, read_below, read_start
from safeload.trust import gate
from safeload.trust.gate import Authenticated, Expectation, VerifiedArtifact
from safeload.trust.keys import sources
from safeload.trust.keys.keyring import Keyring
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import Policy

# How often a reader tries again while a writer is replacing the pair of files under it.
_ATTEMPTS = 20
# What may be read for that in all, in bytes; a large artifact is not read twenty times.
_RETRY_BYTES = 1 << 28
# Enough to tell the format of a file without a sidecar.
_START_BYTES = 16


def verified_artifact(
    location: str,
    name: str | None,
    trusted: frozenset[str] | None,
    keyring: KeyringSource | None,
    rules: Policy,
    *,
    allow: frozenset[str] | None = None,
    sealed: bool = False,
    signed: bool = False,
) -> VerifiedArtifact:
    """Read an artifact and its sidecar and pass both through the gate.

    A writer may exchange the two files between the two reads. So where they do not fit each other they are
    read again, as long as they are not the very files of the attempt before; each attempt passes the whole
    gate.
    """
    expected = Expectation(
        name=name_of(location) if name is None else name, trusted=trusted, allow=allow, signed=signed
    )
    ring: Keyring | None = None
    before: tuple[object, ...] | None = None
    spent = 0
    for attempt in range(_ATTEMPTS):
        blob: Blob | None = None
        files: dict[str, Blob] = {}
        signature = read_sidecar(location, rules.limits)
        if signature is not None and ring is None:
            ring = sources.resolve(keyring)
        try:
            if signature is None:
                blob = read_start(location, size=_START_BYTES)
                gate.require_admissible(blob.view, expected, rules)
                blob = read(location, limit=rules.limits.artifact_bytes, sealed=sealed)
                return gate.verify(blob, None, expected, None, rules)
            authentic = gate.authenticate(
                signature.data, expected, ring, rules, folder=signature.folder, where=location
            )
            algorithm = authentic.algorithm

            def read_up_to(limit: int, algorithm: DigestAlgorithm = algorithm) -> Blob:
                return read(location, limit=limit, algorithm=algorithm, sealed=sealed)

            blob = read_as_signed(read_up_to, authentic.size, rules.limits, where=location)
            files = _files(os.path.dirname(location), authentic, rules.limits)
            return gate.admit(blob, authentic, files)
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


def _files(folder: str, authentic: Authenticated, limits: Limits) -> dict[str, Blob]:
    """Read the files that the statements say belong to the artifact; the gate refuses if one is missing."""
    wanted = authentic.files
    if len(wanted) > limits.members:
        raise LimitExceeded(f"{len(wanted)} files belong to it, {limits.members} are allowed", where=folder)
    if authentic.size + sum(wanted.values()) > limits.artifact_bytes:
        raise LimitExceeded(
            f"it has more than the {limits.artifact_bytes} bytes that are allowed, with the files that "
            "belong to it",
            where=folder,
        )
    found = {}
    for path, size in wanted.items():

        def read_up_to(limit: int, path: str = path) -> Blob:
            return read_below(folder, path, limit=limit, algorithm=authentic.algorithm)

        with contextlib.suppress(NotFound):
            found[path] = read_as_signed(read_up_to, size, limits, where=os.path.join(folder, path))
    return found


def signed_artifact(
    location: str, name: str | None, keyring: KeyringSource | None, rules: Policy
) -> tuple[VerifiedArtifact, Statement]:
    """Read an artifact that must have a signature, as :func:`verified_artifact` does, with what was signed.

    Raises
    ------
    SignatureMissing
        There is none, whatever the policy admits without one.
    """
    verified = verified_artifact(location, name, None, keyring, rules, signed=True)
    if verified.statement is None:
        # The gate has refused it; this stands here for whoever changes the gate.
        raise SignatureMissing("there is no signature for it", where=location)
    return verified, verified.statement


def read_as_signed(read_up_to: Callable[[int], Blob], size: int, limits: Limits, *, where: str) -> Blob:
    """Read an artifact, but no more bytes of it than were signed.

    Parameters
    ----------
    read_up_to
        Reads a file of at most so many bytes, or raises LimitExceeded.
    size
        The signed size.
    limits
        Its `artifact_bytes` counts too.

    Raises
    ------
    LimitExceeded
        More was signed than is allowed.
    DigestMismatch
        There are more bytes than were signed.
    """
    if size > limits.artifact_bytes:
        raise LimitExceeded(f"it has {size} bytes, {limits.artifact_bytes} are allowed", where=where)
    try:
        return read_up_to(size)
    except LimitExceeded as error:
        raise DigestMismatch(
            f"{error.problem}, as signed",
            where=where,
            hint="It was altered after signing. Do not load it; get it again from its source.",
        ) from None


def read_sidecar(location: str, limits: Limits) -> Blob | None:
    """Return the sidecar of an artifact or folder, None if there is none; a broken link is one."""
    path = location + sidecar.SUFFIX
    try:
        # Two envelopes while the artifact is being replaced, each within the limit.
        return read(path, limit=2 * limits.sidecar_bytes)
    except NotFound:
        if os.path.islink(path):
            raise MalformedError("the sidecar is a link that leads nowhere", where=path) from None
        return None
    except LimitExceeded:
        raise MalformedError(f"the sidecar has over {limits.sidecar_bytes} bytes", where=path) from None


def name_of(location: str) -> str:
    """Return the name of the file that a path is of."""
    name = os.path.basename(location)
    if name in ("", os.curdir, os.pardir):
        raise InvalidName("this is not the path of a file", where=location)
    return name
