"""Verification of many files: keyring and policy are looked up once, and processes share the work."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safeload.attestation.digests import processors
from safeload.cli.common import refused_row, statement_row
from safeload.errors import SafeloadError

if TYPE_CHECKING:
    from safeload.trust.keys.keyring import Keyring
    from safeload.trust.policy import Policy

# Fewer files are verified sooner than other processes start.
_SHARED_FROM = 2_000
_CHUNK = 500


class _Verifier:
    """The keyring and policy of one process."""

    def __init__(self, keyring: Path | None, policy: Path | None) -> None:
        from safeload.trust.keys import sources
        from safeload.trust.policy import resolve

        self._keyring: Keyring | Path | None = keyring
        # A policy that cannot be read refuses every file.
        self._policy: Policy | SafeloadError
        try:
            self._policy = resolve(policy)
        except SafeloadError as error:
            self._policy = error
        # A keyring that cannot be read refuses every file that has a signature.
        with contextlib.suppress(SafeloadError):
            self._keyring = sources.resolve(keyring)

    def row(self, file: str, progress: Callable[[int], object] | None = None) -> dict[str, Any]:
        """Return the row about a file or a model folder."""
        from safeload.api import folders
        from safeload.trust.reading import read_signed
        from safeload.trust.rules import LoadRequest

        try:
            if isinstance(self._policy, SafeloadError):
                raise self._policy
            if os.path.isdir(file):
                request = folders.request_of(file, None, self._keyring, self._policy)
                statement, keys = folders.verified(request, progress)
            else:
                found, statement = read_signed(
                    LoadRequest.of(file, name=None, keyring=self._keyring, policy=self._policy, signed=True)
                )
                keys = found.keys
        except SafeloadError as error:
            return {"path": file, **refused_row(error)}
        return {"path": file, "name": statement.name, **statement_row(statement), "keys": list(keys)}


def folder_row(
    folder: str, keyring: Path | None, policy: Path | None, progress: Callable[[int], object]
) -> dict[str, Any]:
    """Return the row about a model folder, whose files are hashed by several threads."""
    return _Verifier(keyring, policy).row(folder, progress)


def rows(files: list[str], keyring: Path | None, policy: Path | None) -> Iterator[dict[str, Any]]:
    """Yield the row about each file, in order."""
    with _pool(len(files), keyring, policy) as pool:
        if pool is None:
            yield from map(_Verifier(keyring, policy).row, files)
        else:
            yield from pool.map(_row, files, chunksize=_CHUNK)


def _pool(count: int, keyring: Path | None, policy: Path | None) -> AbstractContextManager[Any]:
    if count < _SHARED_FROM or processors() < 2 or "fork" not in multiprocessing.get_all_start_methods():
        return nullcontext()
    from concurrent.futures import ProcessPoolExecutor

    # All processes are forked before this one has a second thread. If one dies, that is an error, not a hang.
    context = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(processors(), context, _start, (keyring, policy))


_verifier: _Verifier | None = None


def _start(keyring: Path | None, policy: Path | None) -> None:
    """Set the verifier of this worker process."""
    global _verifier
    _verifier = _Verifier(keyring, policy)


def _row(file: str) -> dict[str, Any]:
    assert _verifier is not None  # noqa: S101  set when the process started
    return _verifier.row(file)
