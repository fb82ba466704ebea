"""The private copy of a folder: who can look into it, where it is made, and when it is deleted."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import textwrap
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.every_format import contents_of, sidecar_of
from support.processes import PATIENCE

import safeload
from safeload import DigestMismatch, HmacKey, SafeloadError, StorageError
from safeload.storage import private_folder, tree

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders need the descriptors of POSIX")

FILES = {"a": b"1", "deep/er/est/b": b"2", "deep/c": b""}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let copies be made in folders of the test's own: ``memory`` and ``temporary``."""
    for name in ("memory", "temporary"):
        (tmp_path / "places" / name).mkdir(parents=True)
        (tmp_path / "places" / name).chmod(0o700)
    (tmp_path / "places").chmod(0o700)
    monkeypatch.setattr(private_folder, "_IN_MEMORY", str(tmp_path / "places" / "memory"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "places" / "temporary"))
    return tmp_path / "places"


@pytest.fixture
def _wide_open() -> Iterator[None]:
    """Run under a umask that gives everything to everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


def place_of(copy: safeload.VerifiedFolder, places: Path) -> str:
    """Return in which of the places a copy is."""
    return Path(copy.path).relative_to(places).parts[0]


@pytest.mark.usefixtures("_wide_open")
def test_the_copy_is_this_users_alone_and_cannot_be_written_to(
    model: Path, key: HmacKey, places: Path
) -> None:
    """Every folder is 0700 and every file 0400, whatever the umask."""
    with safeload.open_verified(model, keyring=key) as copy:
        base = Path(copy.path).parent
        modes = {
            os.path.relpath(os.path.join(above, name), base): stat.S_IMODE(
                os.stat(os.path.join(above, name)).st_mode
            )
            for above, below, names in os.walk(base)
            for name in (*below, *names)
        }
        assert stat.S_IMODE(base.stat().st_mode) == 0o700
        assert modes == {
            "model": 0o700,
            "model/a": 0o400,
            "model/deep": 0o700,
            "model/deep/c": 0o400,
            "model/deep/er": 0o700,
            "model/deep/er/est": 0o700,
            "model/deep/er/est/b": 0o400,
        }


def test_the_copy_is_a_path_that_bears_the_folders_name(model: Path, key: HmacKey) -> None:
    """Loaders that look at the name see the one that they know."""
    with safeload.open_verified(model, keyring=key) as copy:
        assert os.fspath(copy) == str(copy) == copy.path
        assert Path(copy).name == "model"
        assert contents_of(Path(copy)) == FILES
        assert copy.statement.name == "model"


def test_it_is_deleted_at_the_end_of_with_and_by_close(model: Path, key: HmacKey, places: Path) -> None:
    """Once or twice, and also when the block fails; what is open stays readable."""
    with safeload.open_verified(model, keyring=key) as copy:
        file = (Path(copy.path) / "a").open("rb")
    with file:
        assert file.read() == b"1"
    with pytest.raises(ZeroDivisionError), safeload.open_verified(model, keyring=key):
        raise ZeroDivisionError
    copy = safeload.open_verified(model, keyring=key)
    copy.close()
    copy.close()
    assert contents_of(places) == {}
    assert [list(place.iterdir()) for place in places.iterdir()] == [[], []]


def test_it_outlives_the_object_that_was_dropped(model: Path, key: HmacKey, places: Path) -> None:
    """A loader that was given the path may read it later."""
    path = safeload.open_verified(model, keyring=key).path
    assert contents_of(Path(path)) == FILES


def test_a_refusal_leaves_nothing_behind(
    model: Path, key: HmacKey, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it comes from the bytes, from the system or from the program itself."""
    (model / "deep" / "er" / "est" / "b").write_bytes(b"3")
    with pytest.raises(DigestMismatch):
        safeload.open_verified(model, keyring=key)
    (model / "deep" / "er" / "est" / "b").write_bytes(b"2")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        safeload.open_verified(model, keyring=key, progress=stop)

    def full(*_: object) -> None:
        raise StorageError("the operating system refused: No space left on device")

    monkeypatch.setattr(tree, "write_all", full)
    with pytest.raises(StorageError):
        safeload.open_verified(model, keyring=key)
    assert [list(place.iterdir()) for place in places.iterdir()] == [[], []]


@pytest.mark.parametrize(("free", "place"), [(1 << 40, "memory"), (64 << 20, "temporary"), (0, "temporary")])
def test_where_memory_has_no_room_it_is_made_among_the_temporary_files(
    free: int, place: str, model: Path, key: HmacKey, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something must be left there for everybody else."""
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free, f_frsize=1))
    with safeload.open_verified(model, keyring=key) as copy:
        assert place_of(copy, places) == place
        assert contents_of(Path(copy.path)) == FILES


def test_where_there_is_no_memory_file_system_it_is_made_among_the_temporary_files(
    model: Path, key: HmacKey, places: Path
) -> None:
    """As on other systems than Linux."""
    (places / "memory").rmdir()
    with safeload.open_verified(model, keyring=key) as copy:
        assert place_of(copy, places) == "temporary"


def test_where_no_folder_can_be_made_it_is_a_storage_error(
    model: Path, key: HmacKey, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither here nor there."""
    (places / "memory").rmdir()
    monkeypatch.setattr(tempfile, "tempdir", str(places / "nowhere"))
    with pytest.raises(SafeloadError) as caught:
        safeload.open_verified(model, keyring=key)
    assert caught.value.where


def run(script: str, model: Path, key: HmacKey, places: Path) -> Path:
    """Run a script that opens the folder as `copy`; return the path that it prints."""
    start = textwrap.dedent(f"""
        import os, sys, tempfile, safeload
        from safeload.storage import private_folder
        private_folder._IN_MEMORY = {str(places / "memory")!r}
        copy = safeload.open_verified({str(model)!r})
        print(copy.path, flush=True)
    """)
    command = [sys.executable, "-W", "error", "-c", start + textwrap.dedent(script)]
    environment = {**os.environ, "SAFELOAD_KEY": b64encode(key.export_secret()).decode()}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.splitlines()[0])
    assert path.is_relative_to(places / "memory")
    return path


@pytest.mark.parametrize("end", ["", "sys.exit()", "del copy", "copy.close(); copy.close()"])
def test_it_is_deleted_when_the_program_ends(end: str, model: Path, key: HmacKey, places: Path) -> None:
    """However it ends, short of being killed."""
    assert not run(end, model, key, places).parent.exists()


@pytest.mark.parametrize("end", ["sys.exit()", "copy.close()", "os._exit(0)"])
def test_a_forked_child_does_not_take_it_away_from_its_parent(
    end: str, model: Path, key: HmacKey, places: Path
) -> None:
    """The child ends, or closes what it has inherited; the parent still reads, and deletes at its own end."""
    script = f"""
        child = os.fork()
        if child == 0:
            {end}
            sys.exit()
        assert os.waitpid(child, 0)[1] == 0
        assert open(os.path.join(copy.path, "a"), "rb").read() == b"1"
        """
    assert not run(script, model, key, places).parent.exists()


def test_the_copy_does_not_follow_the_original(model: Path, key: HmacKey) -> None:
    """Whatever becomes of the folder and its sidecar after it was opened."""
    with safeload.open_verified(model, keyring=key) as copy:
        (model / "a").write_bytes(b"hostile")
        (model / "extra").write_bytes(b"hostile")
        (model / "deep" / "c").unlink()
        sidecar_of(model).unlink()
        assert contents_of(Path(copy.path)) == FILES


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_copy_is_not_made_where_others_could_exchange_it(
    mode: int, model: Path, key: HmacKey, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that others write, without the sticky bit, they could give it another name."""
    monkeypatch.setattr(private_folder, "_IN_MEMORY", str(places / "nowhere"))
    temporary = places / "temporary"
    temporary.chmod(mode)
    with pytest.raises(safeload.StorageError, match="other users can rename") as caught:
        safeload.open_verified(model, keyring=key)
    assert caught.value.hint is not None
    assert "TMPDIR" in caught.value.hint
    assert not list(temporary.iterdir())
    temporary.chmod(mode | stat.S_ISVTX)
    safeload.open_verified(model, keyring=key).close()


def test_a_umask_that_takes_everything_is_no_hindrance(model: Path, key: HmacKey, places: Path) -> None:
    """The folders are this user's to read and write all the same."""
    before = os.umask(0o777)
    try:
        with safeload.open_verified(model, keyring=key) as copy:
            base = Path(copy.path)
            assert {stat.S_IMODE(path.stat().st_mode) for path in (base.parent, base)} == {0o700}
    finally:
        os.umask(before)
