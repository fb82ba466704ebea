"""Artifact and sidecar as every kind of file that can stand under a name.

Whoever can write the folder can put a directory, a FIFO, a device or a link there. Nothing of it may hang,
lead out of the folder, or fill the memory.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support import signed_folder
from support.signed_folder import NAME, PARTS, VALUE, file_of

import safeload
from safeload import HmacKey, Keyring

pytestmark = pytest.mark.skipif(os.name == "nt", reason="FIFOs, devices and links are those of POSIX")


def a_directory(path: Path) -> None:
    """Put a directory there."""
    path.mkdir()


def a_link_to_a_fifo_within_the_folder(path: Path) -> None:
    """Put a link to a FIFO there."""
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to("fifo")


def a_link_to_the_folder(path: Path) -> None:
    """Put a link to the folder itself there."""
    path.symlink_to(".")


def two_links_in_a_loop(path: Path) -> None:
    """Put a link there that comes back by another."""
    path.symlink_to("loop")
    path.with_name("loop").symlink_to(path.name)


def a_chain_of_many_links(path: Path) -> None:
    """Put the first of forty links there, the last of which names a file."""
    for number in range(40):
        path.with_name(f"{number}").symlink_to(f"{number + 1}")
    path.with_name("40").write_bytes(b"x")
    path.symlink_to("0")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "put",
    [
        a_directory,
        signed_folder.a_fifo,
        signed_folder.a_link_to_an_endless_device,
        a_link_to_a_fifo_within_the_folder,
        a_link_to_the_folder,
        signed_folder.a_link_to_itself,
        two_links_in_a_loop,
        a_chain_of_many_links,
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(
    put: Callable[[Path], None], part: str, folder: Path, keyring: Keyring
) -> None:
    """Loading and verifying refuse it, and do not wait for it; a folder was not signed as one."""
    target = file_of(folder, part)
    target.unlink()
    put(target)
    is_folder = put in (a_directory, a_link_to_the_folder) and target == folder / NAME
    for way, refusal in (
        (safeload.load, safeload.MalformedError),
        (safeload.verify, safeload.SubjectMismatch if is_folder else safeload.MalformedError),
    ):
        with pytest.raises(refusal) as caught:
            way(folder / NAME, keyring=keyring)
        assert caught.value.where == str(target)


@pytest.mark.parametrize("part", PARTS)
def test_a_socket_is_refused(
    part: str, folder: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket cannot be opened as a file."""
    target = file_of(folder, part)
    target.unlink()
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(target.name)
        with pytest.raises(safeload.StorageError):
            safeload.load(folder / NAME, keyring=keyring)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_artifact(device: str, keyring: Keyring) -> None:
    """A device is refused where it stands, before a byte is read."""
    with pytest.raises(safeload.MalformedError, match="not a regular file"):
        safeload.load(device, keyring=keyring)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make a device")
@pytest.mark.parametrize("part", PARTS)
def test_a_device_within_the_folder_is_refused(part: str, folder: Path, keyring: Keyring) -> None:
    """A device under the name of one of the files is refused."""
    target = file_of(folder, part)
    target.unlink()
    try:
        os.mknod(target, 0o666 | 0o020000, os.makedev(1, 5))
    except PermissionError:  # mknod(2), EPERM: a container without CAP_MKNOD
        pytest.skip("no CAP_MKNOD, so root cannot make a device; the devices of /dev are tested all the same")
    with pytest.raises(safeload.SafeloadError):
        safeload.load(folder / NAME, keyring=keyring)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", ["absolute", "relative", "through a folder", "absolute into the folder"])
def test_a_link_that_leaves_the_folder_is_refused(
    kind: str, part: str, folder: Path, elsewhere: Path, keyring: Keyring
) -> None:
    """Not even to a file with the very same, validly signed content."""
    target = file_of(folder, part)
    kept = target.with_name("kept")
    target.rename(kept)
    links = {
        "absolute": str(elsewhere / target.name),
        "relative": f"../elsewhere/{target.name}",
        "through a folder": f"away/{target.name}",
        "absolute into the folder": str(kept),
    }
    (folder / "away").symlink_to(elsewhere)
    target.symlink_to(links[kind])
    with pytest.raises(safeload.MalformedError, match="leads out of its folder"):
        safeload.load(folder / NAME, keyring=keyring)


@pytest.mark.parametrize("part", PARTS)
def test_a_link_down_and_up_again_is_refused(part: str, folder: Path, keyring: Keyring) -> None:
    """Every ``..`` is refused, since what is above depends on what is a link below."""
    target = file_of(folder, part)
    (folder / "below").mkdir()
    target.rename(folder / "kept")
    target.symlink_to("below/../kept")
    with pytest.raises(safeload.MalformedError, match="leads out of its folder"):
        safeload.load(folder / NAME, keyring=keyring)


@pytest.mark.parametrize(
    ("value", "name", "error"),
    [
        pytest.param(VALUE, None, safeload.SubjectMismatch, id="the same object under another name"),
        pytest.param("other", NAME, safeload.DigestMismatch, id="another object under this name"),
    ],
)
def test_a_sidecar_that_links_to_another_valid_sidecar_is_refused(
    value: object,
    name: str | None,
    error: type[safeload.SafeloadError],
    folder: Path,
    key: HmacKey,
    keyring: Keyring,
) -> None:
    """Links within the folder are followed; what they lead to must be signed for this name and bytes."""
    safeload.dump(value, folder / "other.joblib", name=name, signer=key)
    file_of(folder, "sidecar").unlink()
    file_of(folder, "sidecar").symlink_to("other.joblib.sig")
    with pytest.raises(error):
        safeload.load(folder / NAME, keyring=keyring)


def test_an_artifact_that_links_to_another_signed_one_is_refused(
    folder: Path, key: HmacKey, keyring: Keyring
) -> None:
    """The bytes of the other do not fit this sidecar."""
    safeload.dump("other", folder / "other.joblib", signer=key)
    file_of(folder, "artifact").unlink()
    file_of(folder, "artifact").symlink_to("other.joblib")
    with pytest.raises(safeload.DigestMismatch):
        safeload.load(folder / NAME, keyring=keyring)


def test_a_file_that_links_to_its_partner_is_refused(folder: Path, keyring: Keyring) -> None:
    """An artifact is no sidecar."""
    file_of(folder, "sidecar").unlink()
    file_of(folder, "sidecar").symlink_to(NAME)
    with pytest.raises(safeload.MalformedError):
        safeload.load(folder / NAME, keyring=keyring)


def test_a_dangling_link_is_no_sidecar_and_no_artifact(folder: Path, keyring: Keyring) -> None:
    """A sidecar that is present must verify, also where it is nothing but a link."""
    file_of(folder, "sidecar").unlink()
    file_of(folder, "sidecar").symlink_to("missing")
    with pytest.raises(safeload.MalformedError):
        safeload.load(folder / NAME, keyring=keyring)
    file_of(folder, "sidecar").unlink()
    with pytest.raises(safeload.SignatureMissing):
        safeload.load(folder / NAME, keyring=keyring)
    file_of(folder, "artifact").unlink()
    file_of(folder, "artifact").symlink_to("missing")
    with pytest.raises(safeload.NotFound):
        safeload.load(folder / NAME, keyring=keyring)


@pytest.mark.parametrize("part", PARTS)
def test_a_link_within_the_folder_is_followed(part: str, folder: Path, keyring: Keyring) -> None:
    """A name may stand for another file of the same folder, or of one below."""
    target = file_of(folder, part)
    (folder / "below").mkdir()
    target.rename(folder / "below" / "kept")
    target.symlink_to("./below//kept")
    assert safeload.load(folder / NAME, keyring=keyring) == VALUE


def test_the_layout_of_a_kubernetes_volume_loads(folder: Path, keyring: Keyring) -> None:
    """Names link to ``..data/<name>``, and ``..data`` to a folder that is exchanged as a whole."""
    version = folder / "..2026_11_23_09_00_00.123"
    version.mkdir()
    for part in PARTS:
        target = file_of(folder, part)
        target.rename(version / target.name)
        target.symlink_to(f"..data/{target.name}")
    (folder / "..data").symlink_to(version.name)
    assert safeload.load(folder / NAME, keyring=keyring) == VALUE
    assert safeload.verify(folder / NAME, keyring=keyring).name == NAME


def test_the_caller_may_reach_the_folder_through_a_link(
    tmp_path: Path, folder: Path, keyring: Keyring
) -> None:
    """The folder part of a path is the caller's word."""
    (tmp_path / "current").symlink_to(folder)
    assert safeload.load(tmp_path / "current" / NAME, keyring=keyring) == VALUE


@pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root can read every file, so none is unreadable"
)
@pytest.mark.parametrize("part", PARTS)
def test_a_file_that_may_not_be_read_is_refused(part: str, folder: Path, keyring: Keyring) -> None:
    """A sidecar that cannot be read is not a missing one."""
    file_of(folder, part).chmod(0)
    with pytest.raises(safeload.StorageError):
        safeload.load(folder / NAME, keyring=keyring)


@pytest.mark.parametrize("part", PARTS)
def test_a_file_of_a_terabyte_of_holes_is_refused_by_its_size(
    part: str, folder: Path, keyring: Keyring
) -> None:
    """The size is looked at before memory is spent."""
    try:
        os.truncate(file_of(folder, part), 1 << 40)
    except OSError as error:
        if error.errno != errno.EFBIG:  # truncate(2): only a file system that has no files of that size
            raise
        pytest.skip("EFBIG: this file system has no files of a terabyte")
    with pytest.raises(safeload.DigestMismatch if part == "artifact" else safeload.MalformedError):
        safeload.load(folder / NAME, keyring=keyring)
