"""Model folders: made and signed, opened, and refused by both ways."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import safeload
from safeload import HmacKey, SafeloadError
from support.every_format import contents_of

FILES = {"config.json": b"{}", "sub/weights.bin": b"w" * 1000, "sub/deep/empty": b"", "sub/größe 模型": b"u"}


def signed(folder: Path, files: dict[str, bytes], key: HmacKey) -> Path:
    """Make a folder of files and sign it."""
    for relative, data in files.items():
        (folder / relative).parent.mkdir(parents=True, exist_ok=True)
        (folder / relative).write_bytes(data)
    safeload.sign(folder, signer=key)
    return folder


def opened(folder: Path | str, keyring: object, **named: object) -> dict[str, bytes]:
    """Open a folder through the gate and return what is in the copy."""
    with safeload.open_verified(folder, keyring=keyring, **named) as copy:  # type: ignore[arg-type]
        return contents_of(Path(copy.path))


def refused(folder: Path | str, error: type[SafeloadError], key: object, **named: object) -> SafeloadError:
    """Both ways refuse it, by this very error."""
    for way in (safeload.open_verified, safeload.verify):
        with pytest.raises(error) as caught:
            way(folder, keyring=key, **named)  # type: ignore[operator]
        assert type(caught.value) is error
    return caught.value


def at(relative: str, alter: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return what alters a folder at one place."""

    def altered(folder: Path) -> None:
        alter(folder / relative)

    altered.__name__ = f"{alter.__name__} at {relative}"
    return altered


def exchanged(one: str, other: str) -> Callable[[Path], None]:
    """Return what exchanges two files of a folder."""

    def altered(folder: Path) -> None:
        (folder / one).rename(folder / "spare")
        (folder / other).rename(folder / one)
        (folder / "spare").rename(folder / other)

    altered.__name__ = f"{one} and {other} exchanged"
    return altered


def a_folder_for_a_file(path: Path) -> None:
    """Put a folder in the place of a file."""
    path.unlink()
    path.mkdir()


def a_fifo(path: Path) -> None:
    """Put a FIFO without a writer in the place of a file."""
    path.unlink()
    os.mkfifo(path)


def a_terabyte(path: Path) -> None:
    """Let a file announce a terabyte."""
    os.truncate(path, 1 << 40)
