"""The gate: bytes come out of it verified, or do not come out.

Rules, in the order in which they are applied to an artifact with a sidecar (each is a function in
``rules.py``):

 1. The keyring and the policy lie neither in the artifact's own folder nor in one below it.
 2. The sidecar is one envelope, or two during a replacement, each in its one spelling.
 3. The payload type is ours. For each signature the key is found by its id, and is an entry of the keyring
    whose state, window and name patterns admit the name asked for.
 4. The key verifies the signature over the payload's bytes, by the algorithm that belongs to the key. A
    signature that names a key of the keyring and does not fit refuses the whole sidecar. Signatures by
    unknown keys neither help nor harm. Enough different keys must have signed.
 5. Only now the payload is parsed. Name, tag and format are those asked for.
 6. The policy admits the format and the digest algorithm.
 7. Size and digest are those of the bytes in memory; so are those of every file that belongs to the artifact,
    of which none is missing and none is left over.
 8. The statement has not expired.

A sidecar that is present must pass; nothing falls back to the allowlist. Of two envelopes one must pass all
rules. That one of them is by an unknown key, for another name or not admitted by the policy (rules 3 to 6)
says nothing against the other; that it is malformed or its signature does not fit refuses both.

Rules 1 to 6 need the sidecar only (:func:`authenticate`), so that no more of an artifact need be read than
the number of bytes that was signed; rules 7 and 8 come with the bytes (:func:`admit`).

What was verified in a sealed memory file, which nobody can alter any more, stays so: another process takes it
over from who verified it (:func:`to_handle`, :func:`from_handle`).

Without a sidecar: a data-only format that the policy lists; and for one that names types an allowlist, given
by the policy or the call, that the format will hold every type against. All else is
:class:`~safeload.errors.SignatureMissing`.

:class:`VerifiedArtifact` is what the gate hands out. It is made nowhere else, and formats take nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NoReturn

from safeload.attestation import sidecar, statement
from safeload.attestation.digests import DigestAlgorithm
from safeload.attestation.statement import Statement
from safeload.attestation.subjects import File
from safeload.errors import (
    DigestMismatch,
    FormatNotAllowed,
    KeyNotAllowed,
    NoKeyError,
    SafeloadError,
    SignatureMissing,
    SubjectMismatch,
    UnknownKey,
)
from safeload.parsers import magic
from safeload.storage.blob import Blob, FolderId
from safeload.storage.sealed import Address, SealedMemory
from safeload.trust import rules
from safeload.trust.expectation import Expectation as Expectation
from safeload.trust.keys.base import KeyId
from safeload.trust.keys.keyring import Keyring
from safeload.trust.policy import DATA_ONLY_FORMATS, TYPED_FORMATS, Policy

_GATE = object()
_NO_FILES: Mapping[str, Blob] = MappingProxyType({})


class VerifiedArtifact:
    """Bytes that may be deserialized, and on what grounds.

    Attributes
    ----------
    blob
        The verified bytes.
    files
        The verified bytes of the files that belong to the artifact, by their relative paths.
    format
        How to read them.
    statement
        The signed statement, or None where an allowlist is the ground.
    trusted
        Exact names of the types that may be made in addition to what the format admits by itself.
    admitted
        Exact names of all that a pickle may refer to; None where the statement has no list.
    allowed
        The caller's and the policy's list of the same; None where there is none.
    keys
        The ids of the keys whose signatures verified.
    skops_defaults
        To which of the types that skops trusts by itself the policy restricts it; None for all of them.
    """

    __slots__ = (
        "admitted",
        "allowed",
        "blob",
        "files",
        "format",
        "keys",
        "skops_defaults",
        "statement",
        "trusted",
    )

    def __init__(
        self,
        proof: object,
        *,
        blob: Blob,
        format: str,
        statement: Statement | None,
        trusted: frozenset[str],
        admitted: frozenset[str] | None,
        allowed: frozenset[str] | None,
        keys: tuple[KeyId, ...],
        skops_defaults: frozenset[str] | None,
        files: Mapping[str, Blob] = _NO_FILES,
    ) -> None:
        if proof is not _GATE:
            raise RuntimeError("only the gate makes VerifiedArtifact; call safeload.trust.gate.verify")
        self.blob = blob
        self.files = files
        self.format = format
        self.statement = statement
        self.trusted = trusted
        self.admitted = admitted
        self.allowed = allowed
        self.keys = keys
        self.skops_defaults = skops_defaults

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("what was verified here is verified here only; it is not pickled or copied")


def verify(
    blob: Blob,
    sidecar_bytes: bytes | None,
    expected: Expectation,
    keyring: Keyring | None,
    policy: Policy,
    *,
    now: datetime | None = None,
) -> VerifiedArtifact:
    """Admit bytes or raise; the module's docstring states the rules.

    Parameters
    ----------
    blob
        The artifact's bytes in private memory.
    sidecar_bytes
        The bytes of its sidecar, or None if there is no such file.
    expected
        What the caller asked for.
    keyring
        The keys that are accepted; None only where there is no sidecar.
    policy
        What is demanded.
    now
        The time for windows and expiry; None means the present.

    Raises
    ------
    VerificationError, PolicyError, MalformedError, KeyringError, NoKeyError
        The first rule that does not hold, with the file's name.
    """
    if sidecar_bytes is not None:
        authentic = authenticate(
            sidecar_bytes, expected, keyring, policy, folder=blob.folder, where=blob.location, now=now
        )
        return admit(blob, authentic)
    try:
        rules.refuse_own_folder(blob.folder, keyring, policy)
        return _admit_unsigned(blob, expected, policy)
    except SafeloadError as error:
        error.where = error.where or blob.location
        raise


class Authenticated:
    """What a sidecar says and keys of the keyring vouch for, before the artifact is looked at.

    Attributes
    ----------
    claims
        Statements for what was asked, each with the keys that signed it; at least one.
    """

    __slots__ = ("_expected", "_keyring", "_moment", "_policy", "_refusal", "statements")

    def __init__(
        self,
        proof: object,
        claims: tuple[tuple[Statement, tuple[KeyId, ...]], ...],
        refusal: SafeloadError | None,
        expected: Expectation,
        keyring: Keyring,
        policy: Policy,
        moment: datetime,
    ) -> None:
        if proof is not _GATE:
            raise RuntimeError("only the gate makes Authenticated; call safeload.trust.gate.authenticate")
        self.statements = claims
        self._refusal = refusal
        self._expected = expected
        self._keyring = keyring
        self._policy = policy
        self._moment = moment

    @property
    def size(self) -> int:
        """The largest size that an artifact may have to fit one of the statements, in bytes."""
        return max(signed.size for signed, _ in self.statements)

    @property
    def files(self) -> dict[str, int]:
        """The files that any of the statements is about, each with the largest size it may have, in bytes."""
        sizes: dict[str, int] = {}
        for signed, _ in self.statements:
            for file in signed.files:
                sizes[file.path] = max(file.size, sizes.get(file.path, 0))
        return sizes

    @property
    def algorithm(self) -> DigestAlgorithm:
        """The digest algorithm of the first statement, so that a reader can hash on the way."""
        return self.statements[0][0].digest.algorithm


def authenticate(
    sidecar_bytes: bytes,
    expected: Expectation,
    keyring: Keyring | None,
    policy: Policy,
    *,
    where: str,
    folder: FolderId | None = None,
    now: datetime | None = None,
) -> Authenticated:
    """Apply rules 1 to 6 to a sidecar.

    Parameters
    ----------
    where
        The artifact's location, for messages.
    folder
        The folder in which sidecar and artifact lie, if they lie in one.
    sidecar_bytes, expected, keyring, policy, now
        As for :func:`verify`.

    Raises
    ------
    VerificationError, PolicyError, MalformedError, KeyringError, NoKeyError
    """
    moment = now or datetime.now(UTC)
    claims: list[tuple[Statement, tuple[KeyId, ...]]] = []
    refusal: SafeloadError | None = None
    try:
        if keyring is None:
            raise NoKeyError("there is a sidecar and no keyring to verify it with")
        rules.refuse_own_folder(folder, keyring, policy)
        for envelope in sidecar.parse(sidecar_bytes, limit=policy.limits.sidecar_bytes):
            try:
                keys = rules.verify_signatures(envelope, expected, keyring, policy, moment)
                signed = statement.parse(envelope.payload)
                rules.compare_subject(signed, expected)
                rules.check_policy(signed, policy)
            except (UnknownKey, KeyNotAllowed, SubjectMismatch, FormatNotAllowed) as error:
                refusal = refusal or error
                continue
            claims.append((signed, keys))
        if refusal is not None and not claims:
            raise refusal
    except SafeloadError as error:
        error.where = error.where or where
        raise
    return Authenticated(_GATE, tuple(claims), refusal, expected, keyring, policy, moment)


def admit(blob: Blob, authentic: Authenticated, files: Mapping[str, Blob] = _NO_FILES) -> VerifiedArtifact:
    """Apply rules 1, 7 and 8 to the bytes of an artifact.

    Parameters
    ----------
    blob
        The artifact's bytes in private memory.
    authentic
        What its sidecar says.
    files
        The bytes of the files that belong to it, by their relative paths; others among them are not used.

    Raises
    ------
    DigestMismatch, Expired, KeyringError
        They do not hold.
    VerificationError, PolicyError
        The bytes are not those of an admitted statement, and the sidecar has another that is not admitted.
    """
    mismatch: SafeloadError | None = authentic._refusal
    try:
        rules.refuse_own_folder(blob.folder, authentic._keyring, authentic._policy)
        for signed, keys in authentic.statements:
            try:
                rules.compare_bytes(signed, blob)
                algorithm = signed.digest.algorithm
                # Of two statements each has files of its own.
                own = {file.path: files[file.path] for file in signed.files if file.path in files}
                rules.compare_files(
                    signed, [File(path, file.digest(algorithm), file.size) for path, file in own.items()]
                )
            except DigestMismatch as error:
                mismatch = mismatch or error
                continue
            rules.check_expiry(signed, authentic._moment)
            trusted = frozenset(signed.globals or ()) | (authentic._expected.trusted or frozenset())
            allowed = _allowed(authentic._expected, authentic._policy)
            return VerifiedArtifact(
                _GATE,
                blob=blob,
                format=signed.format,
                statement=signed,
                trusted=trusted if allowed is None else trusted & allowed,
                admitted=None if signed.globals is None else frozenset(signed.globals),
                allowed=allowed,
                keys=keys,
                skops_defaults=authentic._policy.skops_defaults,
                files=MappingProxyType(own),
            )
        assert mismatch is not None  # noqa: S101  there is at least one claim
        raise mismatch
    except SafeloadError as error:
        error.where = error.where or blob.location
        raise


def admit_folder(
    found: Iterable[File], authentic: Authenticated, folder: FolderId, *, where: str
) -> tuple[Statement, tuple[KeyId, ...]]:
    """Apply rules 1, 7 and 8 to the files of a folder, and return what was signed of it and by which keys.

    Parameters
    ----------
    found
        All files below the folder, as they were hashed: on their way into a private copy, or where they lie.
    folder
        The folder itself; neither keyring nor policy lies in it.
    where
        The folder's location, for messages.

    Raises
    ------
    DigestMismatch, Expired, KeyringError, VerificationError, PolicyError
        As :func:`admit`.
    """
    present = tuple(found)
    mismatch: SafeloadError | None = authentic._refusal
    try:
        rules.refuse_own_folder(folder, authentic._keyring, authentic._policy)
        for signed, keys in authentic.statements:
            try:
                rules.compare_files(signed, present)
            except DigestMismatch as error:
                mismatch = mismatch or error
                continue
            rules.check_expiry(signed, authentic._moment)
            return signed, keys
        assert mismatch is not None  # noqa: S101  there is at least one claim
        raise mismatch
    except SafeloadError as error:
        error.where = error.where or where
        raise


@dataclass(frozen=True, slots=True)
class Handle:
    """What was verified in a sealed memory file, on its way to another process of the same program.

    It is made of what a :class:`VerifiedArtifact` holds. Whoever can hand a false one to a process hands it a
    pickle, and so can make it do anything without one.
    """

    address: Address
    location: str
    format: str
    payload: bytes | None
    trusted: frozenset[str]
    admitted: frozenset[str] | None
    allowed: frozenset[str] | None
    keys: tuple[KeyId, ...]
    skops_defaults: frozenset[str] | None


def to_handle(verified: VerifiedArtifact) -> Handle:
    """Say where another process finds verified bytes, as long as `verified` lives here.

    Raises
    ------
    RuntimeError
        They are not in a sealed memory file, or not all of them.
    """
    sealed = verified.blob.sealed
    if sealed is None or verified.files:
        raise RuntimeError("only sealed bytes are handed over, and those of one file")
    signed = verified.statement
    return Handle(
        address=sealed.address,
        location=verified.blob.location,
        format=verified.format,
        payload=None if signed is None else statement.encode(signed),
        trusted=verified.trusted,
        admitted=verified.admitted,
        allowed=verified.allowed,
        keys=verified.keys,
        skops_defaults=verified.skops_defaults,
    )


def from_handle(handle: Handle) -> VerifiedArtifact:
    """Return what another process has verified, mapped here.

    Raises
    ------
    NotFound, StorageError
        It is not there any more, or the system refused.
    """
    return VerifiedArtifact(
        _GATE,
        blob=Blob(SealedMemory.at(handle.address), handle.location),
        format=handle.format,
        statement=None if handle.payload is None else statement.parse(handle.payload),
        trusted=handle.trusted,
        admitted=handle.admitted,
        allowed=handle.allowed,
        keys=handle.keys,
        skops_defaults=handle.skops_defaults,
    )


def _allowed(expected: Expectation, policy: Policy) -> frozenset[str] | None:
    """Return the policy's list together with the call's; None if there is neither."""
    if expected.allow is None:
        return policy.allow
    return expected.allow | (policy.allow or frozenset())


def require_admissible(start: bytes | memoryview, expected: Expectation, policy: Policy) -> str:
    """Return the format of a file without a sidecar, by its first bytes, if it could be admitted at all.

    Raises
    ------
    SignatureMissing, FormatNotAllowed
        It could not.
    """
    format_name = magic.identify(start)
    if expected.signed or format_name not in policy.unsigned_formats or format_name not in DATA_ONLY_FORMATS:
        raise SignatureMissing(
            "there is no signature for it",
            hint="Get the sidecar (.sig) from who made it. If the file is your own and you are sure of it, "
            "`safeload sign` makes one.",
        )
    if format_name in TYPED_FORMATS and expected.trusted is None:
        raise SignatureMissing(
            f"there is no signature for it, and no allowlist for an unsigned {format_name} file",
            hint='Sign it, or name the types that it may contain: trusted=["package.module.Class"].',
        )
    if policy.formats is not None and format_name not in policy.formats:
        raise FormatNotAllowed(f"the policy does not admit the format {format_name!r}")
    if expected.format is not None and expected.format != format_name:
        raise FormatNotAllowed(f"it is a {format_name} file and not {expected.format}")
    return format_name


def _admit_unsigned(blob: Blob, expected: Expectation, policy: Policy) -> VerifiedArtifact:
    format_name = require_admissible(blob.view, expected, policy)
    return VerifiedArtifact(
        _GATE,
        blob=blob,
        format=format_name,
        statement=None,
        trusted=expected.trusted or frozenset(),
        admitted=frozenset(),
        allowed=frozenset(),
        keys=(),
        skops_defaults=policy.skops_defaults,
    )
