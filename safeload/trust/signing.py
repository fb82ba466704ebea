"""Making a signed statement of what was written: one place for artifacts, stores and pointers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from safeload import formats
from safeload.attestation import sidecar, statement
from safeload.attestation.digests import Digest
from safeload.attestation.envelope import Envelope, EnvelopeSignature
from safeload.attestation.statement import Source, Statement
from safeload.attestation.subjects import File
from safeload.errors import LimitExceeded
from safeload.limits import Limits
from safeload.trust import environment
from safeload.trust.keys.base import SigningKey


def describe(
    *,
    name: str,
    tag: str | None = None,
    file: str | None = None,
    sequence: int | None = None,
    digest: Digest,
    size: int,
    format: str,
    referred: Iterable[str] | None,
    metadata: dict[str, Any] | None,
    expires: datetime | None,
    files: Iterable[File] = (),
    source: Source | None = None,
    remarks: Iterable[str] = (),
) -> Statement:
    """Return the statement about an object that was just written in this environment.

    Parameters
    ----------
    referred
        What the format says that the object refers to; None for bytes that were not looked into.
    files, source, remarks
        See :class:`Statement`.
    """
    names = None if referred is None else tuple(referred)
    requires = formats.get(format).requires
    needed = None if names is None or requires is None else (*names, *requires)
    return Statement(
        name=name,
        tag=tag,
        file=file,
        sequence=sequence,
        digest=digest,
        size=size,
        format=format,
        created=now(),
        expires=expiry(expires),
        environment=None if needed is None else environment.capture(needed),
        globals=names,
        metadata=metadata or {},
        files=tuple(sorted(files)),
        source=source,
        remarks=tuple(remarks),
    )


def seal(payload: bytes, key: SigningKey, limits: Limits, *, where: str) -> bytes:
    """Return the sidecar of a payload, signed with `key`.

    Raises
    ------
    LimitExceeded
        It would be larger than a loader accepts.
    """
    unsigned = Envelope(payload, statement.PAYLOAD_TYPE, ())
    signature = EnvelopeSignature(key.key_id, key.sign(unsigned.signed_bytes()))
    encoded = sidecar.encode(Envelope(payload, statement.PAYLOAD_TYPE, (signature,)))
    if len(encoded) > limits.sidecar_bytes:
        raise LimitExceeded(
            f"the sidecar would have {len(encoded)} bytes, {limits.sidecar_bytes} are allowed",
            where=where,
            hint="Keep large metadata in a file of their own, or sign fewer files at once. Policies of who "
            "signs and who loads may allow more: [limits] sidecar_bytes.",
        )
    return encoded


def now() -> datetime:
    """Return the present as statements carry it."""
    return statement.utc_seconds(datetime.now(UTC))


def expiry(expires: datetime | None) -> datetime | None:
    """Return an expiry as statements carry it."""
    return None if expires is None else statement.utc_seconds(expires)
