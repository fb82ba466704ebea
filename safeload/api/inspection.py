"""What can be said of a file without running any of it: its bytes, what they hold, its sidecar.

What a sidecar claims is shown only if it verifies: an unverified claim would look like a verified one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from safeload import formats, namelists
from safeload.api.artifacts import PathLike
from safeload.attestation.envelope import SIDECAR_SUFFIX, parse_sidecar
from safeload.attestation.statement import Statement
from safeload.errors import MalformedError, SafeloadError
from safeload.limits import Limits
from safeload.parsers import magic
from safeload.scanning import STANDARD, Report, contents
from safeload.storage.blob import Blob
from safeload.storage.reader import read
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import PolicySource
from safeload.trust.reading import read_signed
from safeload.trust.rules import LoadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is known of a file.

    Parameters
    ----------
    path : str
        The file.
    size : int
        In bytes.
    digest : str
        BLAKE3, as ``b3sum`` prints it.
    looks_like : str or None
        The format that its first bytes tell.
    key_ids : tuple of str
        The keys that the sidecar names, as hints; empty without a readable sidecar.
    statement : Statement or None
        The signed statement, if it verifies.
    refusal : SafeloadError or None
        Why it does not verify.
    report : Report or None
        What the bytes hold; None if the report was not asked for.

    Examples
    --------
    >>> statement = safeload.dump(model, "churn.joblib")
    >>> found = safeload.inspect("churn.joblib")
    >>> found.verified, found.looks_like, found.statement == statement
    (True, 'joblib', True)
    """

    path: str
    size: int
    digest: str
    looks_like: str | None
    key_ids: tuple[str, ...]
    statement: Statement | None
    refusal: SafeloadError | None
    report: Report | None = None

    @property
    def verified(self) -> bool:
        """Whether the file is what its sidecar says and the keyring accepts it."""
        return self.statement is not None


def inspect(
    path: PathLike,
    *,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
    report: bool = True,
) -> Inspection:
    """Read a file and its contents without deserializing it; nothing in it is run or imported.

    The report's verdict says what the file would do, whoever made it. `verified` says who made it.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    keyring, policy : optional
        As for :func:`safeload.load`.
    report : bool
        Whether to look into the file too.

    Returns
    -------
    Inspection
        What was found.

    Raises
    ------
    NotFound, MalformedError, LimitExceeded, StorageError
        The file itself cannot be read.

    Examples
    --------
    >>> statement = safeload.dump(model, "churn.joblib")
    >>> report = safeload.inspect("churn.joblib").report
    >>> str(report.verdict), "sklearn.linear_model._logistic.LogisticRegression" in report.globals
    ('known types', True)
    """
    location = os.fspath(path)
    if os.path.isdir(location):
        raise MalformedError(
            "it is a folder, and inspect takes a file",
            where=location,
            hint="`safeload verify` takes signed folders, and any folder with --recursive.",
        )
    request = LoadRequest.of(location, name=None, keyring=keyring, policy=policy, signed=True)
    limits = request.policy.limits
    try:
        verified, statement = read_signed(request)
    except SafeloadError as refusal:
        # Read once more, to be looked at and no longer to be trusted.
        return _of(
            read(location, limit=limits.artifact_bytes),
            _claimed_keys(location, limits.sidecar_bytes),
            None,
            refusal,
            limits if report else None,
        )
    return _of(verified.blob, verified.keys, statement, None, limits if report else None)


def _of(
    blob: Blob,
    key_ids: tuple[str, ...],
    statement: Statement | None,
    refusal: SafeloadError | None,
    limits: Limits | None,
) -> Inspection:
    return Inspection(
        path=blob.location,
        size=blob.size,
        digest=str(blob.digest("blake3")),
        looks_like=magic.identify(blob.view),
        key_ids=key_ids,
        statement=statement,
        refusal=refusal,
        report=None
        if limits is None
        else contents.examine(blob.data, limits, namelists.known() | STANDARD, skops_types=_skops_types),
    )


def _skops_types(data: bytes, limits: Limits) -> tuple[str, ...]:
    return formats.globals_of("skops", data, limits, where="") or ()


def _claimed_keys(location: str, limit: int) -> tuple[str, ...]:
    """Return the key ids that a sidecar names; none if it cannot be read."""
    try:
        first = parse_sidecar(read(location + SIDECAR_SUFFIX, limit=2 * limit).data, limit=limit)[0]
    except SafeloadError:
        return ()
    return tuple(signature.keyid for signature in first.signatures)
