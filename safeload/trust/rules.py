"""The rules of the gate, and what a caller asks of it.

Each rule is a function that raises where it does not hold. :mod:`safeload.trust.gate` states in which order
they are applied, and why.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from safeload.attestation.envelope import Envelope
from safeload.attestation.pointer import Pointer
from safeload.attestation.statement import FOLDER, PAYLOAD_TYPE, Statement
from safeload.attestation.subjects import File
from safeload.errors import (
    DigestMismatch,
    Expired,
    FormatNotAllowed,
    InvalidName,
    KeyNotAllowed,
    KeyringError,
    MalformedError,
    SignatureMissing,
    SubjectMismatch,
    UnknownKey,
)
from safeload.parsers import magic
from safeload.storage.blob import Blob, FolderId
from safeload.trust.keys.base import KeyId
from safeload.trust.keys.keyring import Keyring
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import DATA_ONLY_FORMATS, TYPED_FORMATS, Policy, PolicySource, allowlist, resolve

_SHOWN_FILES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """What a caller asks for, and on which grounds it may be admitted.

    Parameters
    ----------
    location : str
        The path to read, which messages name too.
    name, tag : str
        Under which it must have been signed; no tag for a plain path.
    policy : Policy
        What is demanded.
    keyring : Keyring, VerifyingKey, str, os.PathLike or None
        Where the keys come from; looked up when there is a sidecar to verify.
    format : str, optional
        The format it must be in; None for any that the policy admits.
    trusted : frozenset of str, optional
        The allowlist for a data-only file without a signature; None refuses every file without one.
    allow : frozenset of str, optional
        What a signed pickle may refer to, in addition to the policy's list; None for no list of the call's.
    signed : bool
        Whether a signature is demanded, whatever the policy admits without one.
    """

    location: str
    name: str
    policy: Policy
    keyring: KeyringSource | None = None
    tag: str | None = None
    format: str | None = None
    trusted: frozenset[str] | None = None
    allow: frozenset[str] | None = None
    signed: bool = False

    @classmethod
    def of(
        cls,
        location: str,
        *,
        name: str | None,
        keyring: KeyringSource | None,
        policy: PolicySource | None,
        trusted: Iterable[str] | None = None,
        allow: Iterable[str] | None = None,
        format: str | None = None,
        signed: bool = False,
    ) -> Self:
        """Make a request of a call's arguments; without a name it is for the name of the file.

        Errors (InvalidName, PolicyError, KeyringError, NotFound, TypeError) say that the path names no file,
        or that the policy or an allowlist cannot be used.
        """
        asked = name_of(location) if name is None else name
        policy = resolve(policy)
        return cls(
            location=location,
            name=asked,
            policy=policy,
            keyring=keyring,
            format=format,
            # A file that must be signed is admitted by no allowlist.
            trusted=None if signed else policy.allowlist_for(trusted),
            allow=None if allow is None else allowlist(allow, field="allow"),
            signed=signed,
        )


def name_of(location: str) -> str:
    """Return the name of the file that a path leads to; InvalidName if it ends with a separator or dots."""
    name = os.path.basename(location)
    if name in ("", os.curdir, os.pardir):
        raise InvalidName("this is not the path of a file", where=location)
    return name


def require_admissible(start: bytes | memoryview, request: LoadRequest) -> str:
    """Return the format of a file without a sidecar, by its first bytes, if it could be admitted at all.

    Otherwise it raises SignatureMissing or FormatNotAllowed.
    """
    format_name, policy = magic.identify(start), request.policy
    if request.signed or format_name not in policy.unsigned_formats or format_name not in DATA_ONLY_FORMATS:
        raise SignatureMissing(
            "there is no signature for it",
            hint="Get its sidecar (.sig) from its author. If the file is your own and you are sure of it, "
            "`safeload sign` makes one.",
        )
    if format_name in TYPED_FORMATS and request.trusted is None:
        raise SignatureMissing(
            f"there is no signature for it, and no allowlist for an unsigned {format_name} file",
            hint='Sign it, or name the types that it may contain: trusted=["package.module.Class"].',
        )
    if policy.formats is not None and format_name not in policy.formats:
        raise FormatNotAllowed(f"the policy does not admit the format {format_name!r}")
    if request.format is not None and request.format != format_name:
        raise FormatNotAllowed(f"it is a {format_name} file and not {request.format}")
    return format_name


def refuse_own_folder(folder: FolderId | None, keyring: Keyring | None, policy: Policy) -> None:
    """Rule 2: neither the keyring nor the policy lies where the artifact does, or below."""
    for what, origin in (
        ("keyring", keyring.origin if keyring else None),
        ("policy", policy.origin),
    ):
        if origin is not None and folder is not None and folder in origin.folders:
            raise KeyringError(
                f"the {what} lies beside the artifact or below its folder, so anyone who can replace the "
                f"artifact can replace the {what}",
                where=origin.path,
                hint="Move it to a folder of its own.",
            )


def verify_signatures(
    message: bytes, envelope: Envelope, request: LoadRequest, keyring: Keyring, now: datetime
) -> tuple[KeyId, ...]:
    """Rules 3 and 4: return the keys that vouch for the payload; the signatures cover `message`."""
    if envelope.payloadType != PAYLOAD_TYPE:
        raise MalformedError("the envelope's payload is not an in-toto statement")
    demanded = request.policy.signatures
    vouching: list[KeyId] = []
    refusal: KeyNotAllowed | None = None
    for signature in envelope.signatures:
        entry = keyring.by_id.get(KeyId(signature.keyid))
        if entry is None:
            continue
        try:
            entry.admit(request.name, now)
        except KeyNotAllowed as error:
            refusal = refusal or error
            continue
        entry.key.verify(message, signature.sig)
        vouching.append(entry.key.key_id)
    if len(vouching) >= demanded:
        return tuple(vouching)
    if refusal is not None:
        raise refusal
    if vouching:
        raise UnknownKey(
            f"{len(vouching)} of the keyring's keys signed this, and the policy demands {demanded}"
        )
    raise UnknownKey(
        "it was signed with a key that is not in the keyring",
        hint="If you trust the signer, add their public key to your keyring.",
    )


def compare_subject(signed: Statement | Pointer, request: LoadRequest) -> None:
    """Rule 5: the name is the one asked for, and so are the tag and the format of an artifact."""
    if signed.name != request.name:
        raise _for_another("name", signed.name, request.name)
    if isinstance(signed, Pointer):
        return
    if signed.format == FOLDER and request.format != FOLDER:
        raise SubjectMismatch("it was signed as a folder, and is asked for as a file")
    if signed.tag != request.tag:
        raise _for_another("tag", signed.tag, request.tag)
    if request.format is not None and signed.format != request.format:
        raise _for_another("format", signed.format, request.format)


def _for_another(what: str, has: str | None, wanted: str | None) -> SubjectMismatch:
    return SubjectMismatch(
        f"it was signed for the {what} {has!r} and not for {wanted!r}",
        hint="The file or its sidecar was moved or exchanged. Ask for it by the name it was signed for, or "
        "have it signed for this one.",
    )


def check_policy(signed: Statement | Pointer, policy: Policy) -> None:
    """Rule 6: the policy admits an artifact's format, and the digest algorithm."""
    if isinstance(signed, Pointer):
        return
    if policy.formats is not None and signed.format not in policy.formats:
        raise FormatNotAllowed(
            f"the policy does not admit the format {signed.format!r}",
            hint=f"It admits {', '.join(sorted(policy.formats)) or 'none'}.",
        )
    if policy.fips and signed.digest.algorithm != "sha256":
        raise FormatNotAllowed(
            f"the policy demands FIPS algorithms, and the digest is by {signed.digest.algorithm}",
            hint="Have it signed again under a policy with fips = true.",
        )


def compare_artifact(signed: Statement, found: tuple[Blob, Mapping[str, Blob]]) -> None:
    """Rule 7 for an artifact and the files that belong to it, by their bytes in memory.

    Of two statements each has files of its own, so files that this one does not name are not looked at.
    """
    blob, files = found
    algorithm = signed.digest.algorithm
    if signed.size != blob.size or blob.digest(algorithm) != signed.digest:
        raise DigestMismatch(
            f"its {blob.size} bytes are not the {signed.size} bytes that were signed",
            hint="It was altered, or cut, after signing. Do not load it; get it again from its source.",
        )
    if signed.files:
        own = [(file.path, files[file.path]) for file in signed.files if file.path in files]
        compare_files(signed, [File(path, file.digest(algorithm), file.size) for path, file in own])


def compare_listing(signed: Statement, present: Mapping[str, int]) -> None:
    """Rule 7 for the files of a folder, by their names and largest sizes, before any of them is read."""
    wanted = signed.sizes
    _refuse_files(
        dict.fromkeys(wanted.keys() - present.keys(), "is missing")
        | dict.fromkeys(present.keys() - wanted.keys(), "was not signed")
        | {
            path: "is larger than what was signed"
            for path in wanted.keys() & present.keys()
            if present[path] > wanted[path]
        }
    )


def compare_files(signed: Statement, found: Iterable[File]) -> None:
    """Rule 7 for the files of an artifact or of a folder: they are those that were signed."""
    present = {file.path: file for file in found}
    compare_listing(signed, {path: file.size for path, file in present.items()})
    _refuse_files(
        {file.path: "is not what was signed" for file in signed.files if file != present[file.path]}
    )


def _refuse_files(wrong: dict[str, str]) -> None:
    if wrong:
        shown = ", ".join(f"{path} {what}" for path, what in sorted(wrong.items())[:_SHOWN_FILES])
        more = f", and {len(wrong) - _SHOWN_FILES} more" if len(wrong) > _SHOWN_FILES else ""
        raise altered(f"{shown}{more}")


def altered(problem: str, where: str | None = None) -> DigestMismatch:
    """Return the refusal of what is not what was signed."""
    return DigestMismatch(
        problem,
        where=where,
        hint="It was altered after signing. Do not load it; get it again from its source.",
    )


def check_expiry(signed: Statement, now: datetime) -> None:
    """Rule 8: an artifact's statement has not expired."""
    if signed.expires is not None and now > signed.expires:
        raise Expired(
            f"the signed statement expired at {signed.expires:%Y-%m-%d %H:%M:%S %Z}",
            hint="Get a newer version, or have it signed again.",
        )
