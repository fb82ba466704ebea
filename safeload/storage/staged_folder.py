"""Putting a folder under a name at once: copied beside it, synced, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from safeload.storage.reader import wrapped
from safeload.storage.writer import sync_folder

_MAX_STEM = 40


@contextmanager
def staged_copy(source: str, files: Iterable[str], target: str) -> Iterator[Callable[[], None]]:
    """Copy files into a new folder beside `target`, and give what renames it to that.

    Parameters
    ----------
    source
        A folder of this process's own.
    files
        The POSIX paths of the files below it.
    target
        Where the folder will stand. What is not renamed is removed.

    Raises
    ------
    NotFound, StorageError
        The operating system refused; or something is there by now, other than an empty folder.
    """
    parent, name = os.path.split(target)
    temporary = os.path.join(parent, f".{name[:_MAX_STEM]}.{secrets.token_hex(8)}.tmp")

    def commit() -> None:
        try:
            os.rename(temporary, target)
            sync_folder(parent)
        except OSError as error:
            raise wrapped(error, target) from error

    try:
        try:
            os.mkdir(temporary)
            for path in files:
                parts = path.split("/")
                os.makedirs(os.path.join(temporary, *parts[:-1]), exist_ok=True)
                _copy(os.path.join(source, *parts), os.path.join(temporary, *parts))
        except OSError as error:
            raise wrapped(error, target) from error
        yield commit
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    descriptor = os.open(target, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(os.path.dirname(target))
