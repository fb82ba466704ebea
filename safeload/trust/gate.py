"""The gate: bytes come out of it verified, or do not come out.

Rules, in the order in which they are applied to an artifact with a sidecar. Each is a function in
:mod:`safeload.trust.rules`:

 1. The sidecar is one envelope, or two during a replacement, each in its canonical encoding.
 2. The keyring and the policy lie neither in the artifact's own folder nor in one below it.
 3. The payload type is ours. For each signature the key is found by its id, and is an entry of the keyring
    whose state, window and name patterns admit the name asked for.
 4. The key verifies the signature over the payload's bytes, by the algorithm that belongs to the key. A
    signature that names a key of the keyring and does not fit refuses the whole sidecar. Signatures by
    unknown keys neither help nor harm. Enough different keys must have signed.
 5. Only now the payload is parsed. Name, tag and format are those asked for.
 6. The policy admits the format and the digest algorithm.
 7. Size and digest are those of the bytes in memory. So are those of every file that belongs to the artifact;
    none of them is missing and none is left over.
 8. The statement has not expired.

A sidecar that is present must pass; nothing falls back to the allowlist. Of two envelopes one must pass all
rules. If the other one is by an unknown key, for another name or not admitted by the policy (rules 3 to 6),
it is passed over. If it is malformed or its signature does not fit, both are refused.

:func:`authenticate` applies rules 1 to 6 to a sidecar, for an artifact, a folder and a record of a store
alike; the parser of the payload is an argument. So a reader knows how many bytes were signed before it reads
the artifact, and reads no more. Rules 7 and 8 come with the bytes (:func:`admit`), or with the files of a
folder (:func:`admit_folder`).

Without a sidecar, a file is admitted in a data-only format that the policy lists; a format that names types
needs an allowlist too, given by the policy or the call, and holds every type against it. Everything else is
:class:`~safeload.errors.SignatureMissing`.

Bytes in a sealed memory file cannot be altered any more. Another process takes them over from the one that
verified them (:func:`to_handle`, :func:`from_handle`).

The gate returns a :class:`VerifiedArtifact`. It is made nowhere else, and formats take nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, InitVar, dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Generic, NoReturn, TypeVar

from safeload.attestation import statement
from safeload.attestation.digests import DigestAlgorithm
from safeload.attestation.envelope import Envelope, parse_sidecar
from safeload.attestation.pointer import Pointer
from safeload.attestation.statement import Statement
from safeload.attestation.subjects import File
from safeload.errors import (
    DigestMismatch,
    FormatNotAllowed,
    KeyNotAllowed,
    LimitExceeded,
    MalformedError,
    NoKeyError,
    SafeloadError,
    SubjectMismatch,
    UnknownKey,
)
from safeload.storage.blob import Blob, FolderId
from safeload.storage.sealed import Address, SealedMemory
from safeload.trust import rules
from safeload.trust.keys.base import KeyId
from safeload.trust.keys.keyring import Keyring
from safeload.trust.rules import LoadRequest as LoadRequest

Signed = TypeVar("Signed", bound=Statement | Pointer)
Present = TypeVar("Present")

_GATE = object()
_NO_FILES: Mapping[str, Blob] = MappingProxyType({})


@dataclass(slots=True, eq=False, repr=False)
class VerifiedArtifact:
    """Bytes that may be deserialized, and on what grounds.

    Attributes
    ----------
    blob : Blob
        The verified bytes.
    files : Mapping of str to Blob
        The verified bytes of the files that belong to the artifact, by their relative paths.
    format : str
        How to read them.
    statement : Statement or None
        The signed statement; None where an allowlist is the ground.
    trusted : frozenset of str
        Exact names of the types that may be made in addition to what the format admits by itself.
    admitted : frozenset of str or None
        Exact names of everything that a pickle may refer to; None where the statement has no list.
    allowed : frozenset of str or None
        The caller's and the policy's list of the same; None without a list.
    keys : tuple of KeyId
        The ids of the keys whose signatures verified.
    skops_defaults : frozenset of str or None
        To which of the types that skops trusts by itself the policy restricts it; None for all of them.
    """

    proof: InitVar[object]
    _: KW_ONLY
    blob: Blob
    format: str
    statement: Statement | None
    trusted: frozenset[str]
    admitted: frozenset[str] | None
    allowed: frozenset[str] | None
    keys: tuple[KeyId, ...]
    skops_defaults: frozenset[str] | None
    files: Mapping[str, Blob] = field(default_factory=lambda: _NO_FILES)

    def __post_init__(self, proof: object) -> None:
        if proof is not _GATE:
            raise RuntimeError("only the gate makes VerifiedArtifact; call safeload.trust.gate.verify")

    def __reduce_ex__(self, *_: object, **changes: object) -> NoReturn:
        raise TypeError("a VerifiedArtifact is valid in this process only; it is not pickled or copied")

    # For copy.replace; a dataclass would have one of its own.
    __replace__ = __reduce_ex__


class Authenticated(Generic[Signed]):
    """What a sidecar says and keys of the keyring vouch for, before the artifact is looked at.

    `statements` has at least one entry: what was signed for the name asked for, with the keys that signed it.
    """

    __slots__ = ("_keyring", "_moment", "_refusal", "request", "statements")

    def __init__(
        self,
        proof: object,
        statements: tuple[tuple[Signed, tuple[KeyId, ...]], ...],
        refusal: SafeloadError | None,
        request: LoadRequest,
        keyring: Keyring,
        moment: datetime,
    ) -> None:
        if proof is not _GATE:
            raise RuntimeError("only the gate makes Authenticated; call safeload.trust.gate.authenticate")
        self.statements = statements
        self.request = request
        self._refusal = refusal
        self._keyring = keyring
        self._moment = moment

    @property
    def limit(self: Authenticated[Statement]) -> int:
        """The most that is read of an artifact, in bytes: the largest size that was signed.

        LimitExceeded if the policy allows less.
        """
        size = max([signed.size for signed, _ in self.statements])
        allowed = self.request.policy.limits.artifact_bytes
        if size > allowed:
            raise LimitExceeded(f"it has {size} bytes, {allowed} are allowed", where=self.request.location)
        return size

    @property
    def files(self: Authenticated[Statement]) -> dict[str, int]:
        """The files that any of the statements is about, each with the largest size it may have, in bytes."""
        sizes: dict[str, int] = {}
        for signed, _ in self.statements:
            for file in signed.files:
                sizes[file.path] = max(file.size, sizes.get(file.path, 0))
        return sizes

    @property
    def algorithm(self: Authenticated[Statement]) -> DigestAlgorithm:
        """The digest algorithm of the first statement, so that a reader can hash on the way."""
        return self.statements[0][0].digest.algorithm

    def sole(self) -> tuple[Signed, tuple[KeyId, ...]]:
        """Apply rule 8 (Expired) to what was signed, and return it without the bytes that it is about.

        For listings, and to learn where an artifact lies. Nothing is deserialized on these grounds.
        """
        ((signed, keys),) = self.statements
        try:
            if isinstance(signed, Statement) and signed.expires is not None:
                rules.check_expiry(signed, self._moment)
        except SafeloadError as error:
            error.where = error.where or self.request.location
            raise
        return signed, keys

    def fitting(
        self: Authenticated[Statement],
        compare: Callable[[Statement, Present], None],
        present: Present,
        folder: FolderId | None,
    ) -> tuple[Statement, tuple[KeyId, ...]]:
        """Apply rules 2, 7 and 8, and return the first statement that fits, with its keys.

        `compare` is rule 7 for `present`, which lies in `folder`; it raises DigestMismatch where they differ.
        If no statement fits, and the sidecar has another one that is not admitted, the error is the one for
        which that was not admitted.
        """
        mismatch = self._refusal
        try:
            rules.refuse_own_folder(folder, self._keyring, self.request.policy)
            for signed, keys in self.statements:
                try:
                    compare(signed, present)
                except DigestMismatch as error:
                    mismatch = mismatch or error
                    continue
                if signed.expires is not None:
                    rules.check_expiry(signed, self._moment)
                return signed, keys
            assert mismatch is not None  # noqa: S101  there is at least one statement
            raise mismatch
        except SafeloadError as error:
            error.where = error.where or self.request.location
            raise


def authenticate(
    sidecar_bytes: bytes,
    request: LoadRequest,
    keyring: Keyring | None,
    parse: Callable[[bytes], Signed],
    *,
    folder: FolderId | None = None,
    single: bool = False,
    now: datetime | None = None,
) -> Authenticated[Signed]:
    """Apply rules 1 to 6 to a sidecar.

    Parameters
    ----------
    parse : callable
        Reads the payload, once it is verified: :func:`safeload.attestation.statement.parse`, or
        :func:`safeload.attestation.pointer.parse` for the pointer of a store.
    folder : FolderId, optional
        The folder in which the sidecar lies.
    single : bool
        Whether two envelopes are refused: in a store no sidecar is ever replaced beside its artifact.
    now : datetime, optional
        The time for windows and expiry; None means the present.

    Raises
    ------
    VerificationError, PolicyError, MalformedError, KeyringError, NoKeyError
        The first rule that does not hold, with the location asked for.
    """
    moment = now or datetime.now(UTC)
    policy = request.policy
    statements: list[tuple[Signed, tuple[KeyId, ...]]] = []
    refusal: SafeloadError | None = None
    try:
        if keyring is None:
            raise NoKeyError("there is a sidecar and no keyring to verify it with")
        envelopes = parse_sidecar(sidecar_bytes, limit=policy.limits.sidecar_bytes)
        if single and len(envelopes) != 1:
            raise MalformedError("there is more than one envelope")
        messages = list(map(Envelope.signed_bytes, envelopes))
        rules.refuse_own_folder(folder, keyring, policy)
        for envelope, message in zip(envelopes, messages, strict=True):
            try:
                keys = rules.verify_signatures(message, envelope, request, keyring, moment)
                signed = parse(envelope.payload)
                rules.compare_subject(signed, request)
                rules.check_policy(signed, policy)
            except (UnknownKey, KeyNotAllowed, SubjectMismatch, FormatNotAllowed) as error:
                refusal = refusal or error
                continue
            statements.append((signed, keys))
        if refusal is not None and not statements:
            raise refusal
    except SafeloadError as error:
        error.where = error.where or request.location
        raise
    return Authenticated(_GATE, tuple(statements), refusal, request, keyring, moment)


def admit(
    blob: Blob, authenticated: Authenticated[Statement], files: Mapping[str, Blob] = _NO_FILES
) -> VerifiedArtifact:
    """Apply rules 2, 7 and 8 to the bytes of an artifact and of the files that belong to it.

    `files` are by their relative paths; those that the statement does not name are not used. Errors are those
    of :meth:`Authenticated.fitting`.
    """
    signed, keys = authenticated.fitting(rules.compare_artifact, (blob, files), blob.folder)
    request = authenticated.request
    allowed = request.policy.allow
    if request.allow is not None:
        allowed = request.allow | (allowed or frozenset())
    trusted = frozenset(signed.globals or ()) | (request.trusted or frozenset())
    return VerifiedArtifact(
        _GATE,
        blob=blob,
        format=signed.format,
        statement=signed,
        trusted=trusted if allowed is None else trusted & allowed,
        admitted=None if signed.globals is None else frozenset(signed.globals),
        allowed=allowed,
        keys=keys,
        skops_defaults=request.policy.skops_defaults,
        files=MappingProxyType({file.path: files[file.path] for file in signed.files}),
    )


def admit_folder(
    found: Iterable[File], authenticated: Authenticated[Statement], folder: FolderId
) -> tuple[Statement, tuple[KeyId, ...]]:
    """Apply rules 2, 7 and 8 to the files of a folder, and return what was signed of it and by which keys.

    `found` are all files below the folder, hashed on their way into a private copy or where they lie.
    `folder` is the folder itself; neither the keyring nor the policy lies in it. Errors are those of
    :meth:`Authenticated.fitting`.
    """
    return authenticated.fitting(rules.compare_files, tuple(found), folder)


def verify(
    blob: Blob,
    sidecar_bytes: bytes | None,
    request: LoadRequest,
    keyring: Keyring | None,
    *,
    now: datetime | None = None,
) -> VerifiedArtifact:
    """Admit bytes that are in memory already, or raise as :func:`authenticate` and :func:`admit` do.

    Without a sidecar only a data-only format can be admitted; see the module's rules.
    """
    if sidecar_bytes is not None:
        authenticated = authenticate(
            sidecar_bytes, request, keyring, statement.parse, folder=blob.folder, now=now
        )
        return admit(blob, authenticated)
    try:
        rules.refuse_own_folder(blob.folder, keyring, request.policy)
        format_name = rules.require_admissible(blob.view, request)
    except SafeloadError as error:
        error.where = error.where or request.location
        raise
    return VerifiedArtifact(
        _GATE,
        blob=blob,
        format=format_name,
        statement=None,
        trusted=request.trusted or frozenset(),
        admitted=frozenset(),
        allowed=frozenset(),
        keys=(),
        skops_defaults=request.policy.skops_defaults,
    )


@dataclass(frozen=True, slots=True)
class Handle:
    """Where another process of the same program finds verified bytes, and on what grounds they were admitted.

    It is made of what a :class:`VerifiedArtifact` holds. Anyone who can give a process a false handle gives
    it a pickle, and so could run code in it without one.
    """

    address: Address
    location: str
    payload: bytes | None
    grounds: Mapping[str, object]


_GROUNDS = ("format", "trusted", "admitted", "allowed", "keys", "skops_defaults")


def to_handle(verified: VerifiedArtifact) -> Handle:
    """Return where another process finds verified bytes, as long as `verified` lives here.

    RuntimeError if they are not in a sealed memory file, or not all of them.
    """
    sealed = verified.blob.sealed
    if sealed is None or verified.files:
        raise RuntimeError("only the sealed bytes of one file are handed over")
    signed = verified.statement
    return Handle(
        address=sealed.address,
        location=verified.blob.location,
        payload=None if signed is None else statement.encode(signed),
        grounds={name: getattr(verified, name) for name in _GROUNDS},
    )


def from_handle(handle: Handle) -> VerifiedArtifact:
    """Return what another process has verified, mapped here.

    NotFound or StorageError if it is not there any more, or the system refused.
    """
    return VerifiedArtifact(
        _GATE,
        blob=Blob(SealedMemory.at(handle.address), handle.location),
        statement=None if handle.payload is None else statement.parse(handle.payload),
        **handle.grounds,  # type: ignore[arg-type]  # as to_handle took them from one
    )
