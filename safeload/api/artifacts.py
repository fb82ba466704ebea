"""One artifact and its sidecar: dump, load, verify, for a path or in memory.

Every way to an object ends in the same two lines: the gate makes a VerifiedArtifact of bytes, and a format
makes an object of that. Nothing here decides about trust.

A plain path is signed under the name of its file, so that a pair of files can move to another folder
together, and cannot take another's place in the same one.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import IO, Any, Literal, get_args

from safeload import formats
from safeload.api import folders
from safeload.attestation.digests import digest_of
from safeload.attestation.statement import Source, Statement
from safeload.attestation.subjects import check_name
from safeload.errors import LimitExceeded, MalformedError
from safeload.storage.blob import Blob
from safeload.storage.replacement import replace
from safeload.storage.sealed import AVAILABLE as SEALING
from safeload.storage.writer import stage
from safeload.trust import gate, reading, signing
from safeload.trust.keys import sources
from safeload.trust.keys.base import SigningKey
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import PolicySource, resolve
from safeload.trust.rules import LoadRequest
from safeload.trust.signing import SigningRequest

PathLike = str | os.PathLike[str]
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

    An object that is stored there already is replaced. A reader, or a crash at any moment, finds the old one
    or the new one.

    Parameters
    ----------
    obj : object
        The object.
    path : str or os.PathLike
        Where the artifact goes; its sidecar goes to ``<path>.sig``.
    format : str
        ``"joblib"``, or another format of ``docs/formats.md``: ``pickle``, ``skops``, ``onnx``,
        ``safetensors``, ``numpy``, ``parquet``, ``arrow``, ``torch``, ``keras``. ``"auto"`` takes the safest
        one that keeps the object exactly; `format` and `remarks` of the result say which one, and why.
    name : str, optional
        Name under which it is signed; the default is the file's name.
    metadata : dict, optional
        JSON to be signed with the artifact.
    expires : datetime.datetime, optional
        Time, with a time zone, after which the artifact is refused.
    signer : SigningKey, optional
        Key to sign with; the default is the keyring's.
    keyring : Keyring, SigningKey, str or os.PathLike, optional
        A keyring, a key, or the path of a keyring file. The default is looked up in ``SAFELOAD_KEYRING``,
        ``SAFELOAD_KEY`` and the user's configuration folder, in this order.
    policy : Policy, str or os.PathLike, optional
        A policy or the path of one; the default is looked up in ``SAFELOAD_POLICY``.
    source : Source, optional
        What the object was made of, to be signed with it; see :func:`safeload.convert`.
    **options
        Options of the format: ``compress`` and ``protocol`` as in ``joblib.dump``, ``protocol`` for pickle,
        ``sample`` and ``tolerance`` for onnx.

    Returns
    -------
    Statement
        What was signed.

    Raises
    ------
    NoKeyError, KeyNotAllowed, KeyringError
        No key may sign this name.
    SerializationError
        The object cannot be stored in this format.
    StorageError, NotFound
        The operating system refused, or the folder does not exist. The former artifact is unharmed.
    InvalidName, TypeError, ValueError
        An impossible name, metadata, time or option.

    Examples
    --------
    >>> statement = safeload.dump(model, "churn.joblib", metadata={"auc": 0.93}, compress=3)
    >>> statement.name, statement.format, statement.metadata
    ('churn.joblib', 'joblib', {'auc': 0.93})
    """
    location = os.fspath(path)
    request = SigningRequest(
        name=name,
        metadata=metadata,
        expires=expires,
        signer=signer,
        keyring=keyring,
        policy=resolve(policy),
        source=source,
    )
    return write_signed(formats.prepare(format, obj, options, where=location), location, request)


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

    Parameters
    ----------
    obj : object
        The object.
    format, metadata, expires, signer, keyring, policy, **options : optional
        As for :func:`dump`.
    name : str
        Name under which it is signed. Give each object a name of its own, and ask :func:`loads` for that
        name; otherwise two objects can be exchanged.

    Returns
    -------
    artifact, sidecar : bytes
        Both belong together.

    Raises
    ------
    SafeloadError, TypeError, ValueError
        As :func:`dump`.

    Examples
    --------
    >>> artifact, sidecar = safeload.dumps([1, 2], name="row/42")
    >>> safeload.loads(artifact, sidecar, name="row/42")
    [1, 2]
    """
    policy = resolve(policy)
    check_name(name)
    key, _ = sources.resolve_signer(name, signer, keyring)
    buffer = io.BytesIO()
    prepared = formats.prepare(format, obj, options, where=name)
    written = prepared.write(buffer)
    artifact = buffer.getvalue()
    signed = signing.describe(
        name=name,
        digest=digest_of(policy.digest_algorithm, artifact),
        size=len(artifact),
        format=prepared.format,
        globals=written.globals,
        requires=formats.get(prepared.format).requires,
        metadata=metadata,
        expires=expires,
        remarks=written.remarks,
    )
    return artifact, signing.sidecar_of(signed, key, policy.limits)


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
    path : str or os.PathLike
        The artifact; its sidecar is ``<path>.sig``.
    trusted : iterable of str, optional
        For a skops file without a sidecar: exact names of the types that it may contain. A sidecar that is
        present must verify all the same.
    allow : iterable of str, optional
        For a signed joblib or pickle file: exact names of all that it may refer to, and presets such as
        ``"preset:sklearn"``. The file is checked against the list before any object is made, and again while
        objects are made. The list is checked in addition to the signature, never instead of it.
    mmap_mode : {"r", "c"}, optional
        For joblib's format: ``"r"`` makes large arrays read-only; with ``"c"`` they are writable, and changes
        stay in memory. The arrays are views of a copy of the file that was made while it was verified: a
        sealed memory file on Linux, which several processes can map (:func:`share`), and private memory
        elsewhere. Later changes of the file do not affect them.
    name : str, optional
        Name under which it must have been signed; the default is the file's name.
    keyring, policy : optional
        As for :func:`dump`.
    **options
        Options of the format. ``copy=True`` for joblib gives each large array memory of its own; otherwise
        arrays share the artifact's memory, which lives as long as one of them does. ``as_`` and ``providers``
        for onnx, ``as_`` for safetensors, parquet and arrow, ``map_location`` for torch; see
        ``docs/formats.md``.

    Returns
    -------
    object
        The object.

    Raises
    ------
    VerificationError
        It is not what was signed under this name; see :mod:`safeload.errors`.
    PolicyError
        The policy, a limit or the allowlist does not admit it.
    MalformedError, NotFound, StorageError, NoKeyError, KeyringError
        The artifact, its sidecar or the keyring cannot be read.
    DeserializationError
        It verified, and no object could be made of it.
    TypeError, ValueError
        The format has no such option. ``mmap_mode="r+"`` and ``"w+"`` are refused, since they would write to
        the artifact.

    Examples
    --------
    >>> statement = safeload.dump(model, "churn.joblib")
    >>> safeload.load("churn.joblib", allow=["preset:sklearn"])
    LogisticRegression(max_iter=1000)
    """
    location = os.fspath(path)
    if mmap_mode is not None:
        options["mmap_mode"] = check_mode(mmap_mode)
    if os.path.isdir(location):
        raise MalformedError(
            "it is a folder, which other libraries load by its path",
            where=location,
            hint="safeload.open_verified gives a verified copy whose path they can be given.",
        )
    request = LoadRequest.of(
        location, name=name, keyring=keyring, policy=policy, trusted=trusted, allow=allow
    )
    verified = reading.read_verified(request, sealed=mmap_mode is not None and SEALING)
    return formats.deserialize(verified, request.policy, options)


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
    """Verify what :func:`dumps` returned, then make the object.

    Parameters
    ----------
    artifact : bytes
        The artifact.
    sidecar : bytes or None
        Its sidecar; None for a skops file without a signature.
    trusted, allow, keyring, policy, **options : optional
        As for :func:`load`.
    name : str
        Name under which it must have been signed.

    Returns
    -------
    object
        What :func:`dumps` was given.

    Raises
    ------
    SafeloadError, TypeError, ValueError
        As :func:`load`.

    Examples
    --------
    >>> artifact, sidecar = safeload.dumps([1, 2], name="row/42")
    >>> safeload.loads(artifact, sidecar, name="row/43")
    Traceback (most recent call last):
    ...
    safeload.errors.SubjectMismatch: row/43: it was signed for the name 'row/42' and not for 'row/43'. ...
    """
    request = LoadRequest.of(name, name=name, keyring=keyring, policy=policy, trusted=trusted, allow=allow)
    blob, limit = Blob(bytes(artifact), name), request.policy.limits.artifact_bytes
    if blob.size > limit:
        raise LimitExceeded(f"the artifact has {blob.size} bytes, {limit} are allowed", where=name)
    if sidecar is None:
        verified = gate.verify(blob, None, request, None)
    else:
        verified = gate.verify(blob, bytes(sidecar), request, sources.resolve(keyring))
    return formats.deserialize(verified, request.policy, options)


def verify(
    path: PathLike,
    *,
    name: str | None = None,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
    progress: Callable[[int], object] | None = None,
) -> Statement:
    """Verify an artifact or a model folder and return what was signed, without making the object.

    Parameters
    ----------
    path : str or os.PathLike
        The artifact or folder; its sidecar is ``<path>.sig``.
    name, keyring, policy : optional
        As for :func:`load`.
    progress : callable, optional
        For a folder: called with the size of each file, in bytes, when it is done.

    Returns
    -------
    Statement
        What was signed.

    Raises
    ------
    SafeloadError
        As :func:`load`. A file without a sidecar is always refused.

    Examples
    --------
    >>> statement = safeload.dump(model, "churn.joblib")
    >>> safeload.verify("churn.joblib") == statement
    True
    """
    location = os.fspath(path)
    if os.path.isdir(location):
        location = folders.location_of(location)
        return folders.verified(folders.request_of(location, name, keyring, policy), progress)[0]
    request = LoadRequest.of(location, name=name, keyring=keyring, policy=policy, signed=True)
    return reading.read_signed(request)[1]


def write_signed(prepared: formats.Prepared, location: str, request: SigningRequest) -> Statement:
    """Write an artifact and its sidecar; errors are those of :func:`safeload.dump`."""
    policy = request.policy
    name, key, _ = request.resolved(location)
    written = formats.Written()

    def produce(file: IO[bytes]) -> None:
        nonlocal written
        written = prepared.write(file)

    staged = stage(location, produce, algorithm=policy.digest_algorithm)
    try:
        signed = signing.describe(
            name=name,
            digest=staged.digest,
            size=staged.size,
            format=prepared.format,
            globals=written.globals,
            requires=formats.get(prepared.format).requires,
            metadata=request.metadata,
            expires=request.expires,
            source=request.source,
            remarks=written.remarks,
        )
        replace(
            location,
            staged,
            signing.sidecar_of(signed, key, policy.limits),
            in_place=signing.envelope_in_place(policy.limits),
            limit=2 * policy.limits.sidecar_bytes,
        )
    except BaseException:
        staged.discard()
        raise
    return signed


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
