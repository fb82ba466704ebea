"""Signing a model folder as a whole: one that is there, or one that this process has made."""

from __future__ import annotations

from collections.abc import Mapping

from safeload.api.folders import PathLike, Progress, files_in, location_of
from safeload.api.signed_writing import SigningRequest, refuse_own_folder, sidecar_of
from safeload.attestation.digests import Digest, DigestAlgorithm
from safeload.attestation.statement import FOLDER, Statement
from safeload.attestation.subjects import File, digest_of_files
from safeload.storage.replacement import put_sidecar, refuse_present, version_of
from safeload.storage.staged_folder import put_folder, refuse_taken
from safeload.storage.tree import hash_files
from safeload.trust import signing


def sign(
    path: PathLike, given: SigningRequest, *, overwrite: bool, progress: Progress | None = None
) -> Statement:
    """Write the sidecar of a folder; see :func:`safeload.sign`."""
    location, rules = location_of(path), given.rules
    name, key, ring = given.resolved(location)
    refuse_own_folder(location, ring, rules)
    if not overwrite:
        refuse_present(location)
    version = version_of(location)
    sizes, _ = files_in(location, rules.limits)
    # As long as the real one, so that what loaders would not accept is found out before all is hashed.
    unread = _unread(sizes, rules.digest_algorithm)
    sidecar_of(_described(name, unread, given, ()), key, rules.limits)
    found = hash_files(location, sizes, rules.digest_algorithm, progress=progress)
    signed = _described(name, found, given, ())
    put_sidecar(location, sidecar_of(signed, key, rules.limits), version, overwrite=overwrite)
    return signed


def put(made: str, path: PathLike, given: SigningRequest, remarks: tuple[str, ...]) -> Statement:
    """Put a folder in place that this process has made in private, signed as it was made.

    Parameters
    ----------
    made
        The folder, of which a copy is put in place.
    path
        Where nothing may be yet.
    given
        What it is signed with.
    remarks
        How it was made.

    Raises
    ------
    AlreadyExists
        There is something, a sidecar perhaps.
    SafeloadError
        As :func:`safeload.sign`.
    """
    location, rules = location_of(path), given.rules
    name, key, _ = given.resolved(location)
    refuse_taken(location)
    sizes, _ = files_in(made, rules.limits)
    found = hash_files(made, sizes, rules.digest_algorithm)
    signed = _described(name, found, given, remarks)
    put_folder(made, list(sizes), location, sidecar_of(signed, key, rules.limits))
    return signed


def _unread(sizes: Mapping[str, int], algorithm: DigestAlgorithm) -> list[File]:
    return [File(path, Digest(algorithm, "0" * 64), size) for path, size in sorted(sizes.items())]


def _described(name: str, found: list[File], given: SigningRequest, remarks: tuple[str, ...]) -> Statement:
    return Statement(
        name=name,
        digest=digest_of_files(found),
        size=sum(file.size for file in found),
        format=FOLDER,
        created=signing.now(),
        expires=signing.expiry(given.expires),
        metadata=given.metadata or {},
        files=tuple(found),
        source=given.source,
        remarks=remarks,
    )
