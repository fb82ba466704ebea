"""Where stores can be, seen as its owner and as an attacker who can write all of it.

A place opens a store and gives its files by path, so that the same tests run on a folder, in memory and on an
S3 server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
from obstore.store import MemoryStore, S3Store

from safeload import Keyring, Store
from support.processes import PATIENCE

BUCKET = "models"


class Place:
    """A place for one store."""

    # What a store is opened with, and what goes with it.
    location: Any
    config: dict[str, Any]

    def __init__(self, keyring: Keyring, state: Path) -> None:
        self.keyring = keyring
        self.state = state
        self.config = {}

    def open(self, **given: Any) -> Store:
        """Return the store, as a new loader would open it."""
        return Store(self.location, **{"keyring": self.keyring, "state": self.state, **self.config, **given})

    def files(self) -> dict[str, bytes]:
        """Return all files by their paths."""
        raise NotImplementedError

    def write(self, path: str, data: bytes) -> None:
        """Put a file in place."""
        raise NotImplementedError

    def remove(self, path: str) -> None:
        """Remove a file."""
        raise NotImplementedError

    def restore(self, files: dict[str, bytes]) -> None:
        """Bring all files back to what they were."""
        for path in self.files().keys() - files.keys():
            self.remove(path)
        for path, data in files.items():
            self.write(path, data)


class FolderPlace(Place):
    """A folder."""

    def __init__(self, keyring: Keyring, state: Path, root: Path) -> None:
        super().__init__(keyring, state)
        self.location = root

    def files(self) -> dict[str, bytes]:
        root = Path(self.location)
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() or path.is_symlink()
        }

    def write(self, path: str, data: bytes) -> None:
        target = Path(self.location, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def remove(self, path: str) -> None:
        Path(self.location, path).unlink()


class BucketPlace(Place):
    """An object store of obstore's; the attacker has one of their own on the same objects."""

    def __init__(
        self, keyring: Keyring, state: Path, location: Any, config: dict[str, Any], raw: Any
    ) -> None:
        super().__init__(keyring, state)
        self.location, self.config, self.raw = location, config, raw

    def files(self) -> dict[str, bytes]:
        paths = [meta["path"] for batch in obstore.list(self.raw) for meta in batch]
        return {path: bytes(obstore.get(self.raw, path).bytes()) for path in paths}

    def write(self, path: str, data: bytes) -> None:
        obstore.put(self.raw, path, data)

    def remove(self, path: str) -> None:
        obstore.delete(self.raw, path)


def memory_place(keyring: Keyring, state: Path) -> Place:
    """Return a place in memory. Each ``memory://`` is a store of its own, so this one is handed over."""
    store = MemoryStore()
    return BucketPlace(keyring, state, store, {}, store)


def s3_config(endpoint: str) -> dict[str, Any]:
    """Return what obstore needs for a server on this machine."""
    return {
        "endpoint": endpoint,
        "region": "us-east-1",
        "access_key_id": "test",
        "secret_access_key": "test",
        "virtual_hosted_style_request": False,
        "client_options": {"allow_http": True},
    }


def s3_place(keyring: Keyring, state: Path, endpoint: str) -> Place:
    """Return a place of its own in the bucket."""
    prefix = uuid.uuid4().hex
    config = s3_config(endpoint)
    raw = S3Store(BUCKET, prefix=prefix, **config)
    return BucketPlace(keyring, state, f"s3://{BUCKET}/{prefix}", config, raw)


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Run moto's S3 server on the loopback interface; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _await(endpoint, process)
        request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request).close()
        yield endpoint
    finally:
        process.terminate()
        process.wait()


def _await(endpoint: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(endpoint, timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server does not answer")


def copy_of(folder: Path, target: Path) -> Path:
    """Return a copy of a folder."""
    return Path(shutil.copytree(folder, target, symlinks=True))


def is_root() -> bool:
    """Whether permissions bind this process."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
