"""Whatever is altered in a model folder refuses all of it: files, links, names, and too many of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.every_format import contents_of, sidecar_of
from support.model_folders import (
    FILES,
    a_fifo,
    a_folder_for_a_file,
    a_terabyte,
    at,
    exchanged,
    opened,
    refused,
)

import safeload
from safeload import HmacKey, Limits, Policy

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders need the descriptors of POSIX")


def _missing(model: Path) -> None:
    (model / "config.json").unlink()


def _extra(model: Path) -> None:
    (model / "sub" / "hook.py").write_bytes(b"")


def _renamed(model: Path) -> None:
    (model / "config.json").rename(model / "Config.json")


def _altered(model: Path) -> None:
    (model / "sub" / "weights.bin").write_bytes(b"w" * 999 + b"v")


def _shorter(model: Path) -> None:
    (model / "sub" / "weights.bin").write_bytes(b"w" * 999)


def _larger(model: Path) -> None:
    (model / "sub" / "weights.bin").write_bytes(b"w" * 1001)


def _filled(model: Path) -> None:
    (model / "sub" / "deep" / "empty").write_bytes(b"x")


def _a_socket(model: Path) -> None:
    (model / "config.json").unlink()
    here = os.getcwd()
    os.chdir(model)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("config.json")
    finally:
        os.chdir(here)


def _linked(target: str) -> Callable[[Path], None]:
    def put(model: Path) -> None:
        (model / "config.json").unlink()
        (model / "config.json").symlink_to(target.format(model=model))

    put.__name__ = f"_link_to_{target}"
    return put


def _a_folder_that_links_out(model: Path) -> None:
    (model / "sub").rename(model.parent / "away")
    (model / "sub").symlink_to("../away")


def _a_folder_that_links_in(model: Path) -> None:
    (model / "sub").rename(model / "kept")
    (model / "sub").symlink_to("kept")


@pytest.mark.parametrize(
    ("alter", "error"),
    [
        (_missing, safeload.DigestMismatch),
        (_extra, safeload.DigestMismatch),
        (_renamed, safeload.DigestMismatch),
        (_altered, safeload.DigestMismatch),
        (_shorter, safeload.DigestMismatch),
        (_larger, safeload.DigestMismatch),
        (at("config.json", a_terabyte), safeload.LimitExceeded),
        (_filled, safeload.DigestMismatch),
        (exchanged("config.json", "sub/weights.bin"), safeload.DigestMismatch),
        (at("config.json", a_folder_for_a_file), safeload.DigestMismatch),
        (at("config.json", a_fifo), safeload.MalformedError),
        (_a_socket, safeload.StorageError),
        (_linked("/dev/zero"), safeload.MalformedError),
        (_linked("/dev/null"), safeload.MalformedError),
        (_linked("{model}/sub/deep/empty"), safeload.MalformedError),
        (_linked("../model/sub/deep/empty"), safeload.MalformedError),
        (_linked("sub/../sub/deep/empty"), safeload.MalformedError),
        (_linked("nowhere"), safeload.NotFound),
        (_linked("config.json"), safeload.StorageError),
        (_linked("sub"), safeload.DigestMismatch),
        (_linked("sub/weights.bin"), safeload.DigestMismatch),
        (_a_folder_that_links_out, safeload.DigestMismatch),
        (_a_folder_that_links_in, safeload.DigestMismatch),
    ],
    ids=lambda value: value.__name__,
)
def test_whatever_is_altered_refuses_the_folder(
    alter: Callable[[Path], None], error: type[safeload.SafeloadError], model: Path, key: HmacKey
) -> None:
    """Each by its own error, by both ways, and at once."""
    alter(model)
    refused(model, error, key)


def test_links_to_files_that_stay_in_their_folder_count_as_the_files(tmp_path: Path, key: HmacKey) -> None:
    """The copy has files in their place; exchanging the link for its file changes nothing."""
    model = tmp_path / "model"
    (model / "blobs").mkdir(parents=True)
    (model / "blobs" / "1").write_bytes(b"weights")
    (model / "weights.bin").symlink_to("blobs/1")
    safeload.sign(model, signer=key)
    with safeload.open_verified(model, keyring=key) as copy:
        assert contents_of(Path(copy.path)) == {"blobs/1": b"weights", "weights.bin": b"weights"}
        assert not (Path(copy.path) / "weights.bin").is_symlink()
    (model / "weights.bin").unlink()
    (model / "weights.bin").write_bytes(b"weights")
    assert safeload.verify(model, keyring=key).size == 14


def test_links_that_lead_out_are_not_signed(tmp_path: Path, key: HmacKey) -> None:
    """Nor are links to folders, links to nothing, and what is no file."""
    for put, error in (
        (lambda path: path.symlink_to(tmp_path / "secret"), safeload.MalformedError),
        (lambda path: path.symlink_to("../secret"), safeload.MalformedError),
        (lambda path: path.symlink_to("."), safeload.MalformedError),
        (lambda path: path.symlink_to("nothing"), safeload.NotFound),
        (os.mkfifo, safeload.MalformedError),
    ):
        (tmp_path / "secret").write_bytes(b"secret")
        model = tmp_path / "model"
        model.mkdir()
        put(model / "file")
        with pytest.raises(error) as caught:
            safeload.sign(model, signer=key)
        assert type(caught.value) is error
        assert not sidecar_of(model).exists()
        (model / "file").unlink()
        model.rmdir()


@pytest.mark.parametrize(
    "name", [b"a\nb", b"a\x1b[2J", b"a\\b", b"c:x", b"\xff\xfe", b"\xed\xa0\x80", b"a\x7f"]
)
def test_a_name_that_cannot_be_signed_is_refused(name: bytes, model: Path, key: HmacKey) -> None:
    """When it is signed, and when it is found in a folder that was signed without it."""
    Path(os.fsdecode(os.fsencode(model) + b"/sub/" + name)).write_bytes(b"")
    error = refused(model, safeload.InvalidName, key)
    assert str(error).isprintable()
    with pytest.raises(safeload.InvalidName):
        safeload.sign(model, signer=key, overwrite=True)


def test_limits_hold_for_files_depth_and_bytes(model: Path, key: HmacKey) -> None:
    """Each is looked at before a file is opened."""
    for limits in (Limits(members=3), Limits(nesting=2), Limits(artifact_bytes=1002)):
        refused(model, safeload.LimitExceeded, key, policy=Policy(limits=limits))
        with pytest.raises(safeload.LimitExceeded):
            safeload.sign(model, signer=key, overwrite=True, policy=Policy(limits=limits))
    just_enough = Policy(limits=Limits(members=4, nesting=3, artifact_bytes=1003))
    assert opened(model, key, policy=just_enough) == FILES


def test_folders_within_folders_without_end_are_refused(model: Path, key: HmacKey) -> None:
    """By their depth, and not by the interpreter's stack or the system's descriptors."""
    here = os.open(model, os.O_RDONLY)
    # No more than what clears up after the tests can remove.
    for _ in range(300):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    refused(model, safeload.LimitExceeded, key)


@pytest.mark.parametrize("make", [os.mkdir, lambda path: Path(path).touch()], ids=["folders", "files"])
def test_more_names_than_are_allowed_are_not_even_listed(
    make: Callable[[str], None], model: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and folders, empty ones too: whoever can write the folder can put millions of either there."""
    for number in range(50):
        make(str(model / f"{number}"))
    real, looked_at = os.scandir, []

    class Counted:
        def __init__(self, folder: int) -> None:
            self.entries = real(folder)

        def __enter__(self) -> Counted:
            return self

        def __exit__(self, *_: object) -> None:
            self.entries.close()

        def __iter__(self) -> Iterator[os.DirEntry[str]]:
            for entry in self.entries:
                looked_at.append(entry.name)
                yield entry

    monkeypatch.setattr(os, "scandir", Counted)
    monkeypatch.setattr(os, "supports_fd", {*os.supports_fd, Counted})
    refused(model, safeload.LimitExceeded, key, policy=Policy(limits=Limits(members=10)))
    assert len(looked_at) <= 2 * 22
