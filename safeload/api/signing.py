"""Signing files and model folders that are there already, and folders that this process has made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from safeload import formats
from safeload.api.artifacts import PathLike
from safeload.api.folders import Progress, files_in, location_of
from safeload.attestation.digests import Digest, DigestAlgorithm
from safeload.attestation.statement import FOLDER, Statement
from safeload.attestation.subjects import File, digest_of_files
from safeload.errors import MalformedError
from safeload.parsers import magic
from safeload.storage.reader import read, read_below
from safeload.storage.replacement import refuse_present, version_of, write_sidecar
from safeload.storage.staged_folder import create_folder, refuse_taken
from safeload.storage.tree import hash_files
from safeload.trust import signing
from safeload.trust.keys.base import SigningKey
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import Policy, PolicySource, resolve
from safeload.trust.signing import SigningRequest


def sign(
    path: PathLike,
    *,
    format: str | None = None,
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
    expires: datetime | None = None,
    overwrite: bool = False,
    signer: SigningKey | None = None,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
    progress: Progress | None = None,
) -> Statement:
    """Write the sidecar of an existing file or model folder, which is read and never deserialized.

    By signing a file you vouch for it, so find out first where it comes from.

    Parameters
    ----------
    path : str or os.PathLike
        The artifact, or a folder, of which every file is signed (SavedModel, Hugging Face, mlflow).
    format : str, optional
        How the artifact is to be read. The default is told from its first bytes; a plain pickle is called
        joblib, which reads it too. Files in which an ONNX model keeps its weights are signed with it.
    name, metadata, expires, signer, keyring, policy : optional
        As for :func:`dump`.
    overwrite : bool
        Replace an existing sidecar.
    progress : callable, optional
        For a folder: called with the size of each file, in bytes, when it is done.

    Returns
    -------
    Statement
        What the new sidecar holds.

    Raises
    ------
    AlreadyExists
        It has a sidecar, and `overwrite` is false.
    MalformedError
        Its format cannot be told.
    SafeloadError
        As :func:`dump`.

    Examples
    --------
    >>> import joblib
    >>> files = joblib.dump(model, "old.joblib")
    >>> safeload.sign("old.joblib").format
    'joblib'
    """
    location = os.fspath(path)
    request = SigningRequest(
        name=name, metadata=metadata, expires=expires, signer=signer, keyring=keyring, policy=resolve(policy)
    )
    if os.path.isdir(location) and format in (None, FOLDER):
        return sign_folder(location, request, overwrite=overwrite, progress=progress)
    return _sign_file(location, request, format, overwrite=overwrite)


def _sign_file(location: str, request: SigningRequest, format: str | None, *, overwrite: bool) -> Statement:
    policy = request.policy
    name, key, _ = request.resolved(location)
    if not overwrite:
        refuse_present(location)
    blob = read(location, limit=policy.limits.artifact_bytes, algorithm=policy.digest_algorithm)
    # Taken once: of a large file it is a copy.
    data = blob.data
    chosen = format or magic.identify(data)
    if format is None and chosen == "skops":
        chosen = magic.identify_archive(data)
    if chosen is None:
        raise MalformedError(
            "its format cannot be told by its first bytes",
            where=location,
            hint="Name the format: format=… in Python, --format … on the command line.",
        )
    referred = formats.globals_of(chosen, data, policy.limits, where=location)
    beside = formats.files_of(chosen, data, policy.limits, where=location)
    signed = signing.describe(
        name=name,
        digest=blob.digest(policy.digest_algorithm),
        size=blob.size,
        format=chosen,
        globals=referred,
        # Who made it, and with which versions, is not known.
        requires=None,
        metadata=request.metadata,
        expires=request.expires,
        files=_files(location, blob.size, beside, policy),
    )
    sidecar = signing.sidecar_of(signed, key, policy.limits)
    write_sidecar(location, sidecar, blob.version, overwrite=overwrite)
    return signed


def _files(location: str, size: int, paths: tuple[str, ...], policy: Policy) -> tuple[File, ...]:
    """Return the digests of the files beside an artifact that belong to it; none is kept in memory."""
    folder, algorithm = os.path.dirname(location), policy.digest_algorithm
    # Loaders hold all of it together against the limit.
    left = policy.limits.artifact_bytes - size
    found = []
    for path in paths:
        blob = read_below(folder, path, limit=left, algorithm=algorithm)
        left -= blob.size
        found.append(File(path, blob.digest(algorithm), blob.size))
    return tuple(found)


def sign_folder(
    path: PathLike, request: SigningRequest, *, overwrite: bool, progress: Progress | None = None
) -> Statement:
    """Write the sidecar of a folder; see :func:`safeload.sign`."""
    location, policy = location_of(path), request.policy
    name, key, keyring = request.resolved(location)
    signing.refuse_own_folder(location, keyring, policy)
    if not overwrite:
        refuse_present(location)
    version = version_of(location)
    sizes, _ = files_in(location, policy.limits)
    # As long as the real one, so that what loaders would not accept is found out before all is hashed.
    unread = _unread(sizes, policy.digest_algorithm)
    signing.sidecar_of(_described(name, unread, request, ()), key, policy.limits)
    found = hash_files(location, sizes, policy.digest_algorithm, progress=progress)
    signed = _described(name, found, request, ())
    write_sidecar(location, signing.sidecar_of(signed, key, policy.limits), version, overwrite=overwrite)
    return signed


def write_folder(made: str, path: PathLike, request: SigningRequest, remarks: tuple[str, ...]) -> Statement:
    """Put a copy of a folder in place that this process has made in private, signed as it was made.

    `remarks` say how it was made. AlreadyExists if there is something at `path`, a sidecar perhaps; other
    errors are those of :func:`safeload.sign`.
    """
    location, policy = location_of(path), request.policy
    name, key, _ = request.resolved(location)
    refuse_taken(location)
    sizes, _ = files_in(made, policy.limits)
    found = hash_files(made, sizes, policy.digest_algorithm)
    signed = _described(name, found, request, remarks)
    create_folder(made, list(sizes), location, signing.sidecar_of(signed, key, policy.limits))
    return signed


def _unread(sizes: Mapping[str, int], algorithm: DigestAlgorithm) -> list[File]:
    return [File(path, Digest(algorithm, "0" * 64), size) for path, size in sorted(sizes.items())]


def _described(name: str, found: list[File], request: SigningRequest, remarks: tuple[str, ...]) -> Statement:
    return Statement(
        name=name,
        digest=digest_of_files(found),
        size=sum(file.size for file in found),
        format=FOLDER,
        created=signing.now(),
        expires=signing.expiry(request.expires),
        metadata=request.metadata or {},
        files=tuple(found),
        source=request.source,
        remarks=remarks,
    )
