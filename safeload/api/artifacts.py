"""One artifact and its sidecar: dump, load, sign, verify, for a path or in memory.

Every way to an object ends in the same two lines: the gate makes a VerifiedArtifact of bytes, and a format
makes an object of that. Nothing here decides about trust.

A plain path is signed under the name of its file, so that a pair of files can move to another folder
together, and cannot take another's place in the same one.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, get_args

from safeload import formats
from safeload.api import folder_signing, folders
from safeload.api.folders import Progress
from safeload.api.signed_writing import SigningRequest, put, sidecar_of
from safeload.attestation import statement
from safeload.attestation.digests import digest_of
from safeload.attestation.statement import Source, Statement
from safeload.attestation.subjects import File
from safeload.errors import LimitExceeded, MalformedError
from safeload.parsers import magic
from safeload.storage.blob import Blob
from safeload.storage.reader import read, read_below
from safeload.storage.replacement import put_sidecar, refuse_present
from safeload.storage.sealed import AVAILABLE as SEALING
from safeload.trust import environment, gate, signing
from safeload.trust.gate import Expectation, VerifiedArtifact
from safeload.trust.keys import sources
from safeload.trust.keys.base import SigningKey
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import Policy, allowlist
from safeload.trust.policy import resolve as resolve_policy
from safeload.trust.reading import signed_artifact, verified_artifact

PathLike = str | os.PathLike[str]
PolicySource = Policy | PathLike
MapMode = Literal["r", "c"]

IN_MEMORY_NAME = "in-memory"


def dump(
    obj: Any,
    path: PathLike,
    *,
    format: str = "joblib",
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
    expires: datetime | None = None,
    signer: SigningKey | None = None,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
    source: Source | None = None,
    **options: Any,
) -> Statement:
    """Store an object with a signature sidecar, atomically.

    An object that stands there already is replaced; a reader, or a crash at any moment, finds the old one or
    the new one.

    Parameters
    ----------
    obj
        The object.
    path
        Where the artifact goes; its sidecar goes to ``<path>.sig``.
    format
        ``"joblib"``, or another of ``docs/formats.md``: ``pickle``, ``skops``, ``onnx``, ``safetensors``,
        ``numpy``, ``parquet``, ``arrow``, ``torch``, ``keras``. ``"auto"`` takes the safest that keeps the
        object exactly; which, and why, stands in what is returned, as `format` and `remarks`.
    name
        Under which it is signed; None means the file's name.
    metadata
        Anything in JSON to be signed along.
    expires
        With a time zone. After it the artifact is refused.
    signer
        The key to sign with; None means the keyring's.
    keyring
        A keyring, a key, or the path of a keyring file; None looks at ``SAFELOAD_KEYRING``,
        ``SAFELOAD_KEY`` and the user's configuration folder, in this order.
    policy
        A policy or the path of one; None looks at ``SAFELOAD_POLICY``.
    source
        What the object was made of, to be signed along; see :func:`safeload.convert`.
    **options
        The format's own: ``compress`` and ``protocol`` as in ``joblib.dump``, ``protocol`` for pickle,
        ``sample`` and ``tolerance`` for onnx.

    Returns
    -------
    Statement
        What was signed.

    Raises
    ------
    NoKeyError, KeyNotAllowed, KeyringError
        There is no key that may sign this name.
    SerializationError
        The object cannot be stored in this format.
    StorageError, NotFound
        The operating system refused, or there is no such folder. What was there before is unharmed.
    InvalidName, TypeError, ValueError
        A name, metadata, time or option that cannot be.

    Examples
    --------
    >>> import safeload
    >>> safeload.dump(model, "churn.joblib", compress=3)  # doctest: +SKIP
    """
    location, rules = os.fspath(path), resolve_policy(policy)
    given = SigningRequest(
        name=name,
        metadata=metadata,
        expires=expires,
        signer=signer,
        keyring=keyring,
        rules=rules,
        source=source,
    )
    return put(formats.prepare(format, obj, options, where=location), location, given)


def dumps(
    obj: Any,
    *,
    format: str = "joblib",
    name: str = IN_MEMORY_NAME,
    metadata: dict[str, Any] | None = None,
    expires: datetime | None = None,
    signer: SigningKey | None = None,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
    **options: Any,
) -> tuple[bytes, bytes]:
    """Return the artifact and the sidecar of an object, for a queue or a database.

    Parameters and errors are those of :func:`dump`. Give each object a `name` of its own, and ask
    :func:`loads` for that name; otherwise two of them can be exchanged.
    """
    rules = resolve_policy(policy)
    statement.check_name(name)
    key, _ = sources.resolve_signer(name, signer, keyring)
    buffer = io.BytesIO()
    prepared = formats.prepare(format, obj, options, where=name)
    written = prepared.write(buffer)
    artifact = buffer.getvalue()
    signed = signing.describe(
        name=name,
        digest=digest_of(rules.digest_algorithm, artifact),
        size=len(artifact),
        format=prepared.format,
        referred=written.globals,
        metadata=metadata,
        expires=expires,
        remarks=written.remarks,
    )
    return artifact, sidecar_of(signed, key, rules.limits)


def load(
    path: PathLike,
    *,
    trusted: Iterable[str] | None = None,
    allow: Iterable[str] | None = None,
    mmap_mode: MapMode | None = None,
    name: str | None = None,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
    **options: Any,
) -> Any:
    """Verify an artifact, then make the object.

    Parameters
    ----------
    path
        The artifact; its sidecar is ``<path>.sig``.
    trusted
        For a skops file without a sidecar: exact names of the types that it may contain. A sidecar that is
        present must verify all the same.
    allow
        For a signed joblib or pickle file: exact names of all that it may refer to, and presets such as
        ``"preset:sklearn"``. The file is held against the list before any of it is made, and again while it
        is. It comes after the signature, never in its place.
    mmap_mode
        For joblib's format: ``"r"`` gives large arrays that cannot be written to, ``"c"`` such as can, where
        what is written stays in memory. They look into a copy of the file that was made while it was
        verified: a sealed memory file on Linux, so that several processes can have it (:func:`share`), and
        private memory elsewhere. What becomes of the file afterwards is no matter to them.
    name
        Under which it must have been signed; None means the file's name.
    keyring, policy
        As for :func:`dump`.
    **options
        The format's own. ``copy=True`` for joblib: each large array in memory of its own; otherwise they
        share the artifact's, which stays as long as one of them does. ``as_`` and ``providers`` for onnx,
        ``as_`` for safetensors, parquet and arrow, ``map_location`` for torch; see ``docs/formats.md``.

    Raises
    ------
    VerificationError
        It is not what was signed under this name; see :mod:`safeload.errors`.
    PolicyError
        The policy, a limit or the allowlist does not admit it.
    MalformedError, NotFound, StorageError, NoKeyError, KeyringError
        It, or the keyring, cannot be read as it must.
    DeserializationError
        It verified, and no object could be made of it.
    TypeError, ValueError
        An option is not the format's; ``"r+"`` and ``"w+"`` are none, since they would write to the artifact.
    """
    rules = resolve_policy(policy)
    if mmap_mode is not None:
        options["mmap_mode"] = check_mode(mmap_mode)
    if os.path.isdir(path):
        raise MalformedError(
            "it is a folder, which other libraries load by its path",
            where=os.fspath(path),
            hint="safeload.open_verified gives a verified copy whose path they can be given.",
        )
    verified = verified_artifact(
        os.fspath(path),
        name,
        rules.allowlist_for(trusted),
        keyring,
        rules,
        allow=None if allow is None else allowlist(allow, field="allow"),
        sealed=mmap_mode is not None and SEALING,
    )
    return deserialize(verified, rules, options)


def loads(
    artifact: bytes,
    sidecar: bytes | None,
    *,
    trusted: Iterable[str] | None = None,
    allow: Iterable[str] | None = None,
    name: str = IN_MEMORY_NAME,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
    **options: Any,
) -> Any:
    """Verify what :func:`dumps` returned, then make the object. Options and errors: see :func:`load`."""
    rules = resolve_policy(policy)
    blob = Blob(bytes(artifact), name)
    if blob.size > rules.limits.artifact_bytes:
        raise LimitExceeded(
            f"the artifact has {blob.size} bytes, {rules.limits.artifact_bytes} are allowed", where=name
        )
    expected = Expectation(
        name=name,
        trusted=rules.allowlist_for(trusted),
        allow=None if allow is None else allowlist(allow, field="allow"),
    )
    ring = None if sidecar is None else sources.resolve(keyring)
    signature = None if sidecar is None else bytes(sidecar)
    return deserialize(gate.verify(blob, signature, expected, ring, rules), rules, options)


def verify(
    path: PathLike,
    *,
    name: str | None = None,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
    progress: Progress | None = None,
) -> Statement:
    """Verify an artifact or a model folder and return what was signed, without making the object.

    Other parameters, and errors, are those of :func:`load`; a file without a sidecar is always refused.

    Parameters
    ----------
    progress
        For a folder: is called with the number of bytes of each file that is done.
    """
    location, rules = os.fspath(path), resolve_policy(policy)
    if os.path.isdir(location):
        return folders.verified(folders.location_of(location), name, keyring, rules, progress)[0]
    return signed_artifact(location, name, keyring, rules)[1]


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

    Signing says that you vouch for it. Make sure of where it comes from first.

    Parameters
    ----------
    path
        The artifact, or a folder, of which every file is signed (SavedModel, Hugging Face, mlflow).
    format
        How it is to be read; None tells it by its first bytes (a plain pickle is called joblib, which reads
        it too). Files that an ONNX model keeps its weights in are signed along.
    overwrite
        Replace a sidecar that is there.
    name, metadata, expires, signer, keyring, policy
        As for :func:`dump`.
    progress
        For a folder: is called with the number of bytes of each file that is done.

    Raises
    ------
    AlreadyExists
        It has a sidecar and `overwrite` is false.
    MalformedError
        Its format cannot be told.
    SafeloadError
        As for :func:`dump`.
    """
    location = os.fspath(path)
    rules = resolve_policy(policy)
    given = SigningRequest(
        name=name, metadata=metadata, expires=expires, signer=signer, keyring=keyring, rules=rules
    )
    if os.path.isdir(location) and format in (None, statement.FOLDER):
        return folder_signing.sign(location, given, overwrite=overwrite, progress=progress)
    name, key, _ = given.resolved(location)
    if not overwrite:
        refuse_present(location)
    blob = read(location, limit=rules.limits.artifact_bytes, algorithm=rules.digest_algorithm)
    # Taken once: of a large file it is a copy.
    data = blob.data
    chosen = format or magic.identify(data)
    if format is None and chosen == "skops":
        chosen = magic.identify_archive(data)
    if chosen is None:
        raise MalformedError(
            "its format cannot be told by its first bytes", where=location, hint="Name it: format=…"
        )
    referred = formats.globals_of(chosen, data, rules.limits, where=location)
    beside = formats.files_of(chosen, data, rules.limits, where=location)
    files = _files(location, blob.size, beside, rules)
    signed = Statement(
        name=name,
        digest=blob.digest(rules.digest_algorithm),
        size=blob.size,
        format=chosen,
        created=signing.now(),
        expires=signing.expiry(expires),
        globals=referred,
        metadata=metadata or {},
        files=files,
    )
    put_sidecar(location, sidecar_of(signed, key, rules.limits), blob.version, overwrite=overwrite)
    return signed


def _files(location: str, size: int, paths: tuple[str, ...], rules: Policy) -> tuple[File, ...]:
    """Return the digests of the files beside an artifact that belong to it; none is kept in memory."""
    folder, algorithm = os.path.dirname(location), rules.digest_algorithm
    # Loaders hold all of it together against the limit.
    left = rules.limits.artifact_bytes - size
    found = []
    for path in paths:
        blob = read_below(folder, path, limit=left, algorithm=algorithm)
        left -= blob.size
        found.append(File(path, blob.digest(algorithm), blob.size))
    return tuple(sorted(found))


def deserialize(verified: VerifiedArtifact, rules: Policy, options: dict[str, Any] | None = None) -> Any:
    """Compare the environment, then make the object; the one way from verified bytes to it."""
    if verified.statement is not None:
        environment.check(verified.statement, rules.environment, where=verified.blob.location)
    return formats.load(verified, rules.limits, options or {})


def check_mode(mode: str) -> str:
    """Return `mode` if an artifact can be mapped in it; ValueError otherwise."""
    if mode in ("r+", "w+"):
        raise ValueError(
            f"mmap_mode={mode!r} would write to the artifact, which then is no longer what was signed; load "
            'it with "c", and store what you change anew'
        )
    if mode not in get_args(MapMode):
        raise ValueError(f"mmap_mode is one of {', '.join(get_args(MapMode))}")
    return mode
