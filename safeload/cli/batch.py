"""Verifying many files: the keyring and policy are looked up once, and the work is shared among processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safeload.attestation.digests import processors
from safeload.cli.stores import refused
from safeload.errors import SafeloadError

if TYPE_CHECKING:
    from safeload.trust.keys.keyring import Keyring
    from safeload.trust.policy import Policy

# Fewer files are done before other processes have started.
_SHARED_FROM = 2_000
_CHUNK = 500


class _Verifier:
    """One process's keyring and policy."""

    def __init__(self, keyring: Path | None, policy: Path | None) -> None:
        from safeload.trust.keys import sources
        from safeload.trust.policy import resolve

        self._policy: Policy | None = None
        # A policy that cannot be read refuses every file.
        self._refusal: SafeloadError | None = None
        self._keyring: Keyring | Path | None = keyring
        try:
            self._policy = resolve(policy)
        except SafeloadError as error:
            self._refusal = error
        # A keyring that cannot be read refuses every file that has a signature.
        with contextlib.suppress(SafeloadError):
            self._keyring = sources.resolve(keyring)

    def row(self, file: str, progress: Callable[[int], object] | None = None) -> dict[str, Any]:
        """Return what is said of a file or a model folder."""
        from safeload.api import folders
        from safeload.trust.reading import read_signed
        from safeload.trust.rules import LoadRequest

        try:
            if self._refusal is not None:
                raise self._refusal
            assert self._policy is not None  # noqa: S101  or there is a refusal
            if os.path.isdir(file):
                request = folders.request_of(file, None, self._keyring, self._policy)
                statement, keys = folders.verified(request, progress)
            else:
                found, statement = read_signed(
                    LoadRequest.of(file, name=None, keyring=self._keyring, policy=self._policy, signed=True)
                )
                keys = found.keys
        except SafeloadError as error:
            return {"path": file, **refused(error)}
        return {
            "path": file,
            "status": "verified",
            "error": None,
            "name": statement.name,
            "format": statement.format,
            "size": statement.size,
            "digest": str(statement.digest),
            "created": statement.created.isoformat(),
            "expires": statement.expires.isoformat() if statement.expires else None,
            "keys": list(keys),
        }


def folder_row(
    folder: str, keyring: Path | None, policy: Path | None, progress: Callable[[int], object]
) -> dict[str, Any]:
    """Return what is said of a model folder, whose files are shared among threads."""
    return _Verifier(keyring, policy).row(folder, progress)


def rows(files: list[str], keyring: Path | None, policy: Path | None) -> Iterator[dict[str, Any]]:
    """Yield what is said of each file, in order."""
    with _pool(len(files), keyring, policy) as pool:
        if pool is None:
            yield from map(_Verifier(keyring, policy).row, files)
        else:
            yield from pool.map(_row, files, chunksize=_CHUNK)


def _pool(count: int, keyring: Path | None, policy: Path | None) -> AbstractContextManager[Any]:
    if count < _SHARED_FROM or processors() < 2 or "fork" not in multiprocessing.get_all_start_methods():
        return nullcontext()
    from concurrent.futures import ProcessPoolExecutor

    # All are forked at once, before there is any thread. If one dies, that is an error and not a wait.
    context = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(processors(), context, _start, (keyring, policy))


_verifier: _Verifier | None = None


def _start(keyring: Path | None, policy: Path | None) -> None:
    """Make this process's verifier; it serves nothing else."""
    global _verifier
    _verifier = _Verifier(keyring, policy)


def _row(file: str) -> dict[str, Any]:
    assert _verifier is not None  # noqa: S101  made when the process started
    return _verifier.row(file)
