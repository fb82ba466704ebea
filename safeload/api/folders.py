"""Model folders: signed as a whole, verified as a whole, and handed out as a private copy.

A SavedModel, a Hugging Face or an mlflow model is a folder. Its sidecar ``<folder>.sig`` lies beside it, and
its statement has one subject for each file. A file that is missing, left over, renamed or altered refuses the
folder, and so does a link that leads out of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Self

from safeload.attestation import statement
from safeload.attestation.statement import FOLDER, Statement
from safeload.errors import FormatNotAllowed, LimitExceeded, SignatureMissing
from safeload.limits import Limits
from safeload.storage.blob import FolderId
from safeload.storage.private_folder import PrivateFolder
from safeload.storage.tree import hash_files, listing
from safeload.trust import gate, rules
from safeload.trust.gate import Authenticated
from safeload.trust.keys import sources
from safeload.trust.keys.base import KeyId
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import PolicySource
from safeload.trust.reading import read_sidecar
from safeload.trust.rules import LoadRequest

PathLike = str | os.PathLike[str]
Progress = Callable[[int], object]


class VerifiedFolder(os.PathLike[str]):
    """A private copy of a folder that has verified; a context manager, and a path.

    Made by :func:`open_verified`.

    Attributes
    ----------
    path : str
        The path of the copy. Its files and folders belong to this user alone, and the files are read-only.
    statement : Statement
        What was signed.

    Examples
    --------
    >>> import pathlib
    >>> pathlib.Path("bert").mkdir()
    >>> size = pathlib.Path("bert", "config.json").write_text("{}")
    >>> statement = safeload.sign("bert")
    >>> with safeload.open_verified("bert") as folder:
    ...     pathlib.Path(folder, "config.json").read_text()
    '{}'
    """

    def __init__(self, copy: PrivateFolder, signed: Statement) -> None:
        self._copy = copy
        self.path = copy.path
        self.statement = signed

    def close(self) -> None:
        """Delete the copy; what has been read or mapped from it stays."""
        _open.discard(self)
        self._copy.delete()

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# A loader that was given the path may read it long after the object itself was dropped.
_open: set[VerifiedFolder] = set()


def open_verified(
    path: PathLike,
    *,
    name: str | None = None,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
    progress: Progress | None = None,
) -> VerifiedFolder:
    """Verify a signed folder, and return a private copy for loaders that take nothing but a path.

    The original's path is not handed out: anyone who can write the folder could exchange a file after it was
    verified and before the loader reads it. Each file is read once, into the copy and into its digest, and
    the copy is handed out only if all files are what was signed.

    The copy is made in memory if the system has a file system there with enough room, and among the temporary
    files otherwise. It is deleted by :meth:`VerifiedFolder.close`, at the end of a ``with``, or when the
    program ends. A program that is killed leaves it behind, as ``safeload-…``.

    Parameters
    ----------
    path : str or os.PathLike
        The folder; its sidecar is ``<path>.sig``.
    name : str, optional
        Name under which it must have been signed; the default is the folder's name.
    keyring, policy : optional
        As for :func:`safeload.load`.
    progress : callable, optional
        Called with the size of each file, in bytes, when it is done.

    Returns
    -------
    VerifiedFolder
        The copy.

    Raises
    ------
    VerificationError, PolicyError, MalformedError, NotFound, StorageError, NoKeyError, KeyringError
        As :func:`safeload.load`. No copy is left behind.

    Examples
    --------
    >>> import pathlib
    >>> pathlib.Path("saved_model").mkdir()
    >>> size = pathlib.Path("saved_model", "saved_model.pb").write_bytes(b"...")
    >>> statement = safeload.sign("saved_model")
    >>> with safeload.open_verified("saved_model") as folder:  # then tf.saved_model.load(folder.path)
    ...     print(pathlib.Path(folder.path).name)
    saved_model
    """
    request = request_of(location_of(path), name, keyring, policy)
    authenticated, sizes, identity = _listed(request)
    copy = PrivateFolder(sum(sizes.values()), os.path.basename(request.location))
    try:
        found = hash_files(
            request.location, sizes, authenticated.algorithm, copy_to=copy.create, progress=progress
        )
        signed, _ = gate.admit_folder(found, authenticated, identity)
    except BaseException:
        copy.delete()
        raise
    opened = VerifiedFolder(copy, signed)
    _open.add(opened)
    return opened


def request_of(
    location: str, name: str | None, keyring: KeyringSource | None, policy: PolicySource | None
) -> LoadRequest:
    """Return the request for a folder; errors are those of :meth:`LoadRequest.of`."""
    return LoadRequest.of(location, name=name, keyring=keyring, policy=policy, format=FOLDER, signed=True)


def verified(request: LoadRequest, progress: Progress | None = None) -> tuple[Statement, tuple[KeyId, ...]]:
    """Verify a folder where it lies, and return what was signed and by which keys.

    It says what was there at that moment; see :func:`open_verified` for what can be loaded safely.
    """
    authenticated, sizes, identity = _listed(request)
    found = hash_files(request.location, sizes, authenticated.algorithm, progress=progress)
    return gate.admit_folder(found, authenticated, identity)


def size_of(path: PathLike) -> int:
    """Return how many bytes a folder's files have, for a progress bar; errors are those of :func:`sign`."""
    return sum(files_in(location_of(path), Limits())[0].values())


def location_of(path: PathLike) -> str:
    """Return the path of a folder without what may stand at its end."""
    location = os.fspath(path)
    return location.rstrip("/" + (os.sep if os.altsep is None else os.sep + os.altsep)) or location


def _listed(request: LoadRequest) -> tuple[Authenticated[Statement], dict[str, int], FolderId]:
    """Return what the sidecar says, and the files that are there.

    By their names and sizes they can be the signed ones, so that nothing is read of a folder that is refused
    anyway.
    """
    location, limits = request.location, request.policy.limits
    signature = read_sidecar(location, limits)
    if signature is None:
        raise SignatureMissing(
            "there is no signature for it",
            where=location,
            hint="Get its sidecar (.sig) from its author. If the folder is your own and you are sure of it, "
            "`safeload sign` makes one.",
        )
    authenticated = gate.authenticate(
        signature.data,
        request,
        sources.resolve(request.keyring),
        statement.parse,
        folder=signature.folder,
    )
    sizes, identity = files_in(location, limits)
    authenticated.fitting(rules.compare_listing, sizes, identity)
    return authenticated, sizes, identity


def files_in(location: str, limits: Limits) -> tuple[dict[str, int], FolderId]:
    """Return a folder's files with their sizes in bytes, and its identity, within the limits."""
    sizes, identity = listing(location, files=limits.members, depth=limits.nesting)
    if not sizes:
        raise FormatNotAllowed("the folder has no files", where=location)
    if sum(sizes.values()) > limits.artifact_bytes:
        raise LimitExceeded(
            f"its files have {sum(sizes.values())} bytes, {limits.artifact_bytes} are allowed", where=location
        )
    return sizes, identity
