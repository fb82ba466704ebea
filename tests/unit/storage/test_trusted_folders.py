"""Keyrings and policies are refused if another user could replace them through a folder above them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from safeload import HmacKey, Keyring, KeyringError, NotFound, Policy, StorageError
from safeload.storage.trusted_file import read_settings, refuse_changeable_folder
from safeload.trust.keys import sources

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes and owners are POSIX's")

STICKY = stat.S_ISVTX
RING = Keyring.of(HmacKey(bytes(range(32))))


def load_keyring(path: Path) -> object:
    """Read the file as a keyring, written before."""
    return Keyring.load(path)


def look_up_keyring(path: Path) -> object:
    """Read it as calls do, which keep the parsed keyring."""
    return sources.resolve(path)


def load_policy(path: Path) -> object:
    """Read an empty file as a policy."""
    return Policy.load(path)


def load_settings(path: Path) -> object:
    """Read an empty file as any other settings, such as those of an adapter."""
    return read_settings(path, lambda values, _: values, what="settings")


USES: list[Callable[[Path], object]] = [
    load_keyring,
    look_up_keyring,
    load_policy,
    load_settings,
    refuse_changeable_folder,
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder within a folder."""
    made = tmp_path / "outer" / "inner"
    made.mkdir(parents=True)
    (tmp_path / "outer").chmod(0o755)
    made.chmod(0o755)
    return made


def write(use: Callable[[Path], object], path: Path) -> Path:
    """Write what `use` reads."""
    if use in (load_keyring, look_up_keyring):
        RING.save(path)
    else:
        path.write_bytes(b"")
        path.chmod(0o600)
    return path


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o770, 0o702, 0o720, 0o2775])
@pytest.mark.parametrize("level", [0, 1])
def test_a_folder_that_others_can_write_is_refused_at_every_level(
    use: Callable[[Path], object], mode: int, level: int, folder: Path
) -> None:
    """Others can rename the files in it and add their own. The sticky bit prevents the renaming."""
    path = write(use, folder / "file")
    use(path)
    wide = [folder, folder.parent][level]
    wide.chmod(mode)
    with pytest.raises(KeyringError, match="other users can replace it") as caught:
        use(path)
    assert "\n" not in str(caught.value)
    assert f"the folder {wide} can be written by its group or by others" in str(caught.value)
    assert f"`chmod go-w {wide}`" in str(caught.value)
    wide.chmod(mode | STICKY)
    use(path)
    wide.chmod(mode & ~0o022)
    use(path)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("mode", [0o755, 0o700, 0o777 | STICKY])
def test_a_folder_of_another_user_is_refused(
    use: Callable[[Path], object], level: int, mode: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner of a folder can rename the files in it, even in one that is read-only or sticky."""
    path = write(use, folder / "file")
    use(path)
    foreign = [folder, folder.parent][level]
    foreign.chmod(mode)
    disown(foreign, monkeypatch)
    with pytest.raises(KeyringError, match=f"the folder {foreign} belongs to another user"):
        use(path)


def disown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a file, folder or link to another user, or let it seem so."""
    if os.geteuid() == 0:
        os.chown(path, 12345, -1, follow_symlinks=False)
        return
    genuine = os.lstat

    def lstat_of(looked_at: str) -> os.stat_result:
        found = genuine(looked_at)
        return os.stat_result((*found[:4], 12345, *found[5:])) if looked_at == str(path) else found

    monkeypatch.setattr(os, "lstat", lstat_of)


@pytest.mark.parametrize("use", USES)
def test_the_folders_along_a_link_count(use: Callable[[Path], object], folder: Path, tmp_path: Path) -> None:
    """The folders above the link and the folders above its target are checked."""
    path = write(use, folder / "file")
    links = tmp_path / "links"
    links.mkdir(mode=0o755)
    (links / "absolute").symlink_to(folder.parent)
    (links / "relative").symlink_to("../outer/./inner//")
    for way in (links / "absolute" / "inner" / "file", links / "relative" / "file"):
        use(way)
        for wide in (folder, folder.parent, links):
            wide.chmod(0o777)
            with pytest.raises(KeyringError, match=f"the folder {wide} can be written"):
                use(way)
            wide.chmod(0o755)
        use(way)
    use(path)


def test_a_link_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with the sticky bit, any user can make a link, and its owner can replace it."""
    RING.save(folder / "file")
    shared = folder.parent.parent / "shared"
    shared.mkdir()
    shared.chmod(0o777 | STICKY)
    (shared / "link").symlink_to(folder)
    refuse_changeable_folder(shared / "link" / "file")
    disown(shared / "link", monkeypatch)
    with pytest.raises(
        KeyringError, match=f"the folder {shared} holds {shared}/link, which belongs to another"
    ):
        refuse_changeable_folder(shared / "link" / "file")


@pytest.mark.parametrize("use", USES[:4])
def test_a_hard_link_is_refused_where_others_could_have_made_it(
    use: Callable[[Path], object], folder: Path
) -> None:
    """Users who can write the folder could link another file of this user into it."""
    path = write(use, folder / "file")
    os.link(path, folder / "other")
    for mode in (0o700, 0o755):
        folder.chmod(mode)
        # A second hard link gives no other user the right to write the file.
        use(path)
    folder.chmod(0o777 | STICKY)
    with pytest.raises(KeyringError, match="several hard links") as caught:
        use(path)
    assert str(folder) in str(caught.value)
    folder.chmod(0o777)
    with pytest.raises(KeyringError, match="can be written by its group or by others"):
        use(path)
    folder.chmod(0o777 | STICKY)
    (folder / "other").unlink()
    use(path)


def test_the_mount_of_a_kubernetes_secret_is_accepted(folder: Path) -> None:
    """The folder is 1777, the file a link over another link in it."""
    (folder / "..2026").mkdir(mode=0o755)
    RING.save(folder / "..2026" / "ring.json")
    (folder / "..data").symlink_to("..2026")
    (folder / "ring.json").symlink_to("..data/ring.json")
    folder.chmod(0o777 | STICKY)
    assert Keyring.load(folder / "ring.json").entries == RING.entries


def test_what_is_missing_or_leads_in_a_circle_is_an_error(folder: Path) -> None:
    """A path that cannot be checked is refused."""
    with pytest.raises(NotFound):
        refuse_changeable_folder(folder / "missing" / "file")
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    with pytest.raises(StorageError, match="symbolic links"):
        refuse_changeable_folder(folder / "one" / "file")


def test_a_path_that_needs_quoting_is_quoted_in_the_command(folder: Path) -> None:
    """The hint can be pasted into a shell, and is one line."""
    odd = folder / "two words\nand $(touch x)"
    odd.mkdir()
    odd.chmod(0o777)
    with pytest.raises(KeyringError) as caught:
        refuse_changeable_folder(odd)
    assert "\n" not in str(caught.value)
    assert "`chmod go-w '" in str(caught.value)
