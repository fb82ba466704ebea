"""The rules of the gate, each a function that raises where its rule does not hold.

In which order they are applied, and why, stands in ``trust/gate.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from safeload.attestation import sidecar
from safeload.attestation.envelope import Envelope
from safeload.attestation.statement import FOLDER, PAYLOAD_TYPE, Statement
from safeload.attestation.subjects import File
from safeload.errors import (
    DigestMismatch,
    Expired,
    FormatNotAllowed,
    KeyNotAllowed,
    KeyringError,
    MalformedError,
    SubjectMismatch,
    UnknownKey,
)
from safeload.storage.blob import Blob, FolderId
from safeload.trust.expectation import Expectation
from safeload.trust.keys.base import KeyId
from safeload.trust.keys.keyring import Keyring
from safeload.trust.policy import Policy

_SHOWN_FILES = 5


def parse_plain(data: bytes, policy: Policy) -> tuple[Envelope]:
    """Rule 2, where nothing is being replaced: exactly one envelope."""
    envelopes = sidecar.parse(data, limit=policy.limits.sidecar_bytes)
    if len(envelopes) != 1:
        raise MalformedError("there is more than one envelope")
    return (envelopes[0],)


def refuse_own_folder(folder: FolderId | None, keyring: Keyring | None, policy: Policy) -> None:
    """Rule 1: neither keyring nor policy lies where the artifact does."""
    for what, origin in (
        ("keyring", keyring.origin if keyring else None),
        ("policy", policy.origin),
    ):
        if origin is not None and folder is not None and folder in origin.folders:
            raise KeyringError(
                f"the {what} lies beside the artifact or below its folder, where whoever can replace the "
                "one can replace the other",
                where=origin.path,
                hint="Move it to a folder of its own.",
            )


def verify_signatures(
    envelope: Envelope, expected: Expectation, keyring: Keyring, policy: Policy, now: datetime
) -> tuple[KeyId, ...]:
    """Rules 3 and 4: return the keys that vouch for the envelope's payload."""
    if envelope.payloadType != PAYLOAD_TYPE:
        raise MalformedError("the envelope's payload is not an in-toto statement")
    message = envelope.signed_bytes()
    vouching: list[KeyId] = []
    refusal: KeyNotAllowed | None = None
    for signature in envelope.signatures:
        entry = keyring.find(signature.keyid)
        if entry is None:
            continue
        try:
            entry.admit(expected.name, now)
        except KeyNotAllowed as error:
            refusal = refusal or error
            continue
        entry.key.verify(message, signature.sig)
        vouching.append(entry.key.key_id)
    if len(vouching) >= policy.signatures:
        return tuple(vouching)
    if refusal is not None:
        raise refusal
    if vouching:
        raise UnknownKey(
            f"{len(vouching)} of the keyring's keys signed this, and the policy demands {policy.signatures}"
        )
    raise UnknownKey(
        "it was signed with a key that is not in the keyring",
        hint="If you trust whoever signed it, add their public key to your keyring.",
    )


def compare_subject(signed: Statement, expected: Expectation) -> None:
    """Rule 5: name, tag and format are those asked for."""
    if signed.format == FOLDER and expected.format != FOLDER:
        raise SubjectMismatch("it was signed as a folder, and is asked for as a file")
    for what, has, wanted in (
        ("name", signed.name, expected.name),
        ("tag", signed.tag, expected.tag),
        ("format", signed.format, expected.format or signed.format),
    ):
        if has != wanted:
            raise SubjectMismatch(
                f"it was signed for the {what} {has!r} and not for {wanted!r}",
                hint="The file or its sidecar was moved or exchanged. Ask for it by the name it was "
                "signed for, or have it signed for this one.",
            )


def check_policy(signed: Statement, policy: Policy) -> None:
    """Rule 6: the policy admits the format and the digest algorithm."""
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


def compare_bytes(signed: Statement, blob: Blob) -> None:
    """Rule 7: size and digest are those of the bytes in memory."""
    if signed.size != blob.size or blob.digest(signed.digest.algorithm) != signed.digest:
        raise DigestMismatch(
            f"its {blob.size} bytes are not the {signed.size} bytes that were signed",
            hint="It was altered, or cut, after signing. Do not load it; get it again from its source.",
        )


def compare_listing(wanted: Mapping[str, int], present: Mapping[str, int], *, where: str | None) -> None:
    """Rule 7 for the files of a folder, by their names and largest sizes, before any of them is read."""
    _refuse(
        dict.fromkeys(wanted.keys() - present.keys(), "is missing")
        | dict.fromkeys(present.keys() - wanted.keys(), "was not signed")
        | {
            path: "is larger than what was signed"
            for path in wanted.keys() & present.keys()
            if present[path] > wanted[path]
        },
        where,
    )


def compare_files(signed: Statement, found: Iterable[File]) -> None:
    """Rule 7 for the files of an artifact or of a folder: they are those that were signed."""
    wanted = {file.path: file for file in signed.files}
    present = {file.path: file for file in found}
    compare_listing(
        {path: file.size for path, file in wanted.items()},
        {path: file.size for path, file in present.items()},
        where=None,
    )
    _refuse({path: "is not what was signed" for path in wanted if wanted[path] != present[path]}, None)


def _refuse(wrong: dict[str, str], where: str | None) -> None:
    if wrong:
        shown = ", ".join(f"{path} {what}" for path, what in sorted(wrong.items())[:_SHOWN_FILES])
        more = f", and {len(wrong) - _SHOWN_FILES} more" if len(wrong) > _SHOWN_FILES else ""
        raise DigestMismatch(
            f"{shown}{more}",
            where=where,
            hint="It was altered after signing. Do not load it; get it again from its source.",
        )


def check_expiry(signed: Statement, now: datetime) -> None:
    """Rule 8: the statement has not expired."""
    if signed.expires is not None and now > signed.expires:
        raise Expired(
            f"the signed statement expired at {signed.expires:%Y-%m-%d %H:%M:%S %Z}",
            hint="Get a newer version, or have it signed again.",
        )
