"""One verified artifact for many processes: verified once, in memory once, altered by none (Linux)."""

from __future__ import annotations

import os
from typing import Any, Self

from safeload import formats
from safeload.api.artifacts import MapMode, PathLike, check_mode
from safeload.attestation.statement import Statement
from safeload.errors import StorageError
from safeload.storage.sealed import AVAILABLE
from safeload.trust import gate
from safeload.trust.gate import Handle, VerifiedArtifact
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import PolicySource, resolve
from safeload.trust.reading import read_verified
from safeload.trust.rules import LoadRequest


class SharedArtifact:
    """A verified artifact in a sealed memory file, which can be pickled to worker processes.

    Made by :func:`share`; a context manager. Keep it until every worker has loaded it. Loaded objects stay
    valid afterwards.

    Attributes
    ----------
    statement : Statement or None
        What was signed; None for a file that an allowlist admitted.

    Examples
    --------
    >>> statement = safeload.dump(model, "churn.joblib")
    >>> with safeload.share("churn.joblib") as shared:
    ...     shared.load()
    LogisticRegression(max_iter=1000)
    """

    def __init__(self, verified: VerifiedArtifact) -> None:
        self._verified = verified

    @property
    def statement(self) -> Statement | None:
        """What was signed; None for a file that an allowlist admitted."""
        return self._verified.statement

    def load(self, *, mmap_mode: MapMode = "r", policy: PolicySource | None = None, **options: Any) -> Any:
        """Make the object, in the time of an unpickle.

        Parameters
        ----------
        mmap_mode : {"r", "c"}
            ``"r"``: large arrays of a joblib artifact are read-only, and all processes share their memory.
            ``"c"``: each process sees its own changes only. Other formats ignore it.
        policy, **options : optional
            As for :func:`safeload.load`.

        Returns
        -------
        object
            The object; its large arrays are views of the shared memory.

        Raises
        ------
        PolicyError, DeserializationError, TypeError, ValueError
            As :func:`safeload.load`.
        """
        check_mode(mmap_mode)
        if self._verified.format == "joblib":
            options["mmap_mode"] = mmap_mode
        return formats.deserialize(self._verified, resolve(policy), options)

    def close(self) -> None:
        """Make it unavailable to further workers; loaded objects stay valid."""
        sealed = self._verified.blob.sealed
        if sealed is not None:
            sealed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _taken_over, (gate.to_handle(self._verified),)


def share(
    path: PathLike,
    *,
    name: str | None = None,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
) -> SharedArtifact:
    """Verify an artifact into memory that worker processes can map and nothing can change.

    Parameters
    ----------
    path : str or os.PathLike
        The artifact; its sidecar is ``<path>.sig``.
    name, keyring, policy : optional
        As for :func:`safeload.load`.

    Returns
    -------
    SharedArtifact
        To be passed to the workers of joblib, multiprocessing or concurrent.futures.

    Raises
    ------
    StorageError
        The system has no sealed memory files (only Linux has), or the artifact has further files.
    SafeloadError
        As :func:`safeload.load`.

    Examples
    --------
    >>> import joblib
    >>> def score(shared, rows):
    ...     return len(shared.load().predict(rows))
    >>> statement = safeload.dump(model, "churn.joblib")
    >>> with safeload.share("churn.joblib") as shared:
    ...     joblib.Parallel(2, backend="threading")(joblib.delayed(score)(shared, X[i::2]) for i in range(2))
    [75, 75]
    """
    location = os.fspath(path)
    if not AVAILABLE:
        raise StorageError(
            "this system has no sealed memory files", where=location, hint="Load it in each process."
        )
    verified = read_verified(LoadRequest.of(location, name=name, keyring=keyring, policy=policy), sealed=True)
    if verified.files:
        raise StorageError(
            "it keeps a part of itself in further files, which are not shared",
            where=location,
            hint="Load it in each process, or store it anew in one file.",
        )
    return SharedArtifact(verified)


def _taken_over(handle: Handle) -> SharedArtifact:
    return SharedArtifact(gate.from_handle(handle))
