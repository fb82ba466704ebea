"""Creating a folder and its sidecar at once, at a path where nothing was before.

The folder is copied beside its target, synced, and renamed. An attacker who can write there may rename or
replace the copy at any moment. So it is made through descriptors that are held open, no existing file in it
is opened, and no link is followed. If the attacker still puts another folder in place, it does not fit the
sidecar.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from contextlib import ExitStack, suppress

from safeload.attestation.envelope import SIDECAR_SUFFIX
from safeload.errors import AlreadyExists, SafeloadError, StorageError
from safeload.storage.beneath import FOLDER, FOLDER_BELOW, NEW_FILE, READ_FILE, folder_id, write_all
from safeload.storage.lock import locked
from safeload.storage.reader import wrapped
from safeload.storage.replacement import refuse_present
from safeload.storage.writer import write_bytes

_MAX_STEM = 40
_PIECE_BYTES = 1 << 20


def create_folder(source: str, files: Iterable[str], target: str, sidecar: bytes) -> None:
    """Copy files from a private folder into a new folder at `target`, with its sidecar beside it.

    The sidecar is written first: until the folder appears there is still nothing to load.

    Raises
    ------
    AlreadyExists
        A file or folder is at `target`, or a sidecar beside it.
    NotFound, StorageError
        The operating system refused. Nothing is left behind.
    """
    parent, name = os.path.split(target)
    temporary = f".{name[:_MAX_STEM]}.{secrets.token_hex(8)}.tmp"
    with ExitStack() as stack, locked(parent):
        try:
            refuse_taken(target)
            above = os.open(parent or os.curdir, FOLDER)
            stack.callback(os.close, above)
            os.mkdir(temporary, dir_fd=above)
            stack.callback(shutil.rmtree, temporary, ignore_errors=True, dir_fd=above)
            folder = os.open(temporary, FOLDER_BELOW, dir_fd=above)
            stack.callback(os.close, folder)
            for path in files:
                _copy(os.path.join(source, *path.split("/")), path.split("/"), folder)
            os.fsync(folder)
            write_bytes(target + SIDECAR_SUFFIX, sidecar, new=True)
            try:
                there = os.stat(temporary, dir_fd=above, follow_symlinks=False)
                if folder_id(there) != folder_id(os.fstat(folder)):
                    raise StorageError("the folder was replaced while it was written", where=target)
                os.rename(temporary, name, src_dir_fd=above, dst_dir_fd=above)
            except BaseException:
                os.unlink(target + SIDECAR_SUFFIX)
                raise
            os.fsync(above)
        except SafeloadError:
            raise
        except OSError as error:
            raise wrapped(error, target) from error


def refuse_taken(target: str) -> None:
    """Raise AlreadyExists if a file, a folder or a sidecar is at the path of a new folder."""
    if os.path.lexists(target):
        raise AlreadyExists("the path is taken", where=target, hint="Choose another path.")
    refuse_present(target)


def _copy(source: str, parts: list[str], folder: int) -> None:
    """Copy a file below an open folder, making the folders on the way."""
    *folders, name = parts
    with ExitStack() as stack:
        for part in folders:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=folder)
            folder = os.open(part, FOLDER_BELOW, dir_fd=folder)
            stack.callback(os.close, folder)
        target = os.open(name, NEW_FILE, 0o666, dir_fd=folder)
        stack.callback(os.close, target)
        origin = os.open(source, READ_FILE)
        stack.callback(os.close, origin)
        while piece := os.read(origin, _PIECE_BYTES):
            write_all(target, memoryview(piece))
        os.fsync(target)
        os.fsync(folder)
