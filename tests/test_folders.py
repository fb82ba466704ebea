"""Model folders: they come back whole, and whatever is altered in one refuses all of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.every_format import contents_of, sidecar_of

import safeload
from safeload import (
    AlreadyExists,
    DigestMismatch,
    Expired,
    FormatNotAllowed,
    HmacKey,
    InvalidName,
    Keyring,
    KeyringError,
    LimitExceeded,
    Limits,
    MalformedError,
    NotFound,
    Policy,
    SafeloadError,
    SignatureMissing,
    StorageError,
    SubjectMismatch,
    UnknownKey,
)
from safeload.keys import Entry

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders need the descriptors of POSIX")

FILES = {"config.json": b"{}", "sub/weights.bin": b"w" * 1000, "sub/deep/empty": b"", "sub/größe 模型": b"u"}


@pytest.fixture
def model(tmp_path: Path, key: HmacKey) -> Path:
    """Return a signed folder."""
    return signed(tmp_path / "model", FILES, key)


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


def test_a_folder_comes_back_file_by_file(model: Path, key: HmacKey) -> None:
    """Nested folders, empty files and names in any script; and the statement names each file."""
    assert opened(model, key) == FILES
    found = safeload.verify(model, keyring=key)
    assert (found.name, found.format, found.size) == ("model", "folder", sum(map(len, FILES.values())))
    assert [file.path for file in found.files] == sorted(FILES)
    assert found.globals is None


def test_thousands_of_small_files_come_back(tmp_path: Path, key: HmacKey) -> None:
    """As many as a sidecar of the allowed size can name."""
    files = {f"{number % 50}/{number}": b"%d" % number for number in range(4_000)}
    assert opened(signed(tmp_path / "model", files, key), key) == files


def test_more_files_than_a_sidecar_has_room_for_are_not_signed(tmp_path: Path, key: HmacKey) -> None:
    """The signer learns it, and no loader."""
    (tmp_path / "model").mkdir()
    for number in range(300):
        (tmp_path / "model" / f"{number}").touch()
    with pytest.raises(LimitExceeded, match="sidecar"):
        safeload.sign(tmp_path / "model", signer=key, policy=Policy(limits=Limits(sidecar_bytes=20_000)))


def test_a_slash_at_the_end_of_the_path_changes_nothing(model: Path, key: HmacKey) -> None:
    """The sidecar lies beside the folder, and never in it."""
    safeload.sign(f"{model}//", signer=key, overwrite=True)
    assert opened(f"{model}/", key) == FILES
    assert set(contents_of(model.parent)) == {"model.sig", *(f"model/{path}" for path in FILES)}


def test_an_empty_folder_within_is_nothing(model: Path, key: HmacKey) -> None:
    """It is neither signed nor copied."""
    (model / "nothing" / "at all").mkdir(parents=True)
    with safeload.open_verified(model, keyring=key) as copy:
        assert not (Path(copy.path) / "nothing").exists()


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


def _of_a_terabyte(model: Path) -> None:
    os.truncate(model / "config.json", 1 << 40)


def _filled(model: Path) -> None:
    (model / "sub" / "deep" / "empty").write_bytes(b"x")


def _exchanged(model: Path) -> None:
    (model / "config.json").rename(model / "spare")
    (model / "sub" / "weights.bin").rename(model / "config.json")
    (model / "spare").rename(model / "sub" / "weights.bin")


def _a_folder_for_a_file(model: Path) -> None:
    (model / "config.json").unlink()
    (model / "config.json").mkdir()


def _a_fifo(model: Path) -> None:
    (model / "config.json").unlink()
    os.mkfifo(model / "config.json")


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
        (_missing, DigestMismatch),
        (_extra, DigestMismatch),
        (_renamed, DigestMismatch),
        (_altered, DigestMismatch),
        (_shorter, DigestMismatch),
        (_larger, DigestMismatch),
        (_of_a_terabyte, LimitExceeded),
        (_filled, DigestMismatch),
        (_exchanged, DigestMismatch),
        (_a_folder_for_a_file, DigestMismatch),
        (_a_fifo, MalformedError),
        (_a_socket, StorageError),
        (_linked("/dev/zero"), MalformedError),
        (_linked("/dev/null"), MalformedError),
        (_linked("{model}/sub/deep/empty"), MalformedError),
        (_linked("../model/sub/deep/empty"), MalformedError),
        (_linked("sub/../sub/deep/empty"), MalformedError),
        (_linked("nowhere"), NotFound),
        (_linked("config.json"), StorageError),
        (_linked("sub"), DigestMismatch),
        (_linked("sub/weights.bin"), DigestMismatch),
        (_a_folder_that_links_out, DigestMismatch),
        (_a_folder_that_links_in, DigestMismatch),
    ],
    ids=lambda value: value.__name__,
)
def test_whatever_is_altered_refuses_the_folder(
    alter: Callable[[Path], None], error: type[SafeloadError], model: Path, key: HmacKey
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
        (lambda path: path.symlink_to(tmp_path / "secret"), MalformedError),
        (lambda path: path.symlink_to("../secret"), MalformedError),
        (lambda path: path.symlink_to("."), MalformedError),
        (lambda path: path.symlink_to("nothing"), NotFound),
        (os.mkfifo, MalformedError),
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
    error = refused(model, InvalidName, key)
    assert str(error).isprintable()
    with pytest.raises(InvalidName):
        safeload.sign(model, signer=key, overwrite=True)


def test_limits_hold_for_files_depth_and_bytes(model: Path, key: HmacKey) -> None:
    """Each is looked at before a file is opened."""
    for limits in (Limits(members=3), Limits(nesting=2), Limits(artifact_bytes=1002)):
        refused(model, LimitExceeded, key, policy=Policy(limits=limits))
        with pytest.raises(LimitExceeded):
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
    refused(model, LimitExceeded, key)


def test_a_folder_and_a_file_are_not_taken_for_each_other(model: Path, tmp_path: Path, key: HmacKey) -> None:
    """The sidecar of the one is none for the other, also under the same name."""
    (tmp_path / "other").mkdir()
    file = tmp_path / "other" / "model"
    safeload.dump([1], file, signer=key)
    sidecars = sidecar_of(model).read_bytes(), sidecar_of(file).read_bytes()
    sidecar_of(file).write_bytes(sidecars[0])
    for way in (safeload.load, safeload.verify, safeload.share):
        with pytest.raises(SubjectMismatch, match="folder"):
            way(file, keyring=key)
    with pytest.raises(SubjectMismatch, match="folder"):
        safeload.loads(file.read_bytes(), sidecars[0], name="model", keyring=key)
    sidecar_of(model).write_bytes(sidecars[1])
    refused(model, SubjectMismatch, key)
    with pytest.raises(MalformedError, match="open_verified"):
        safeload.load(model, keyring=key)
    with pytest.raises(StorageError):
        safeload.open_verified(file, keyring=key)


def test_a_folder_is_opened_under_the_name_it_was_signed_for(model: Path, key: HmacKey) -> None:
    """A folder that was renamed together with its sidecar is refused, unless its name is asked for."""
    moved = model.with_name("moved")
    model.rename(moved)
    sidecar_of(model).rename(sidecar_of(moved))
    refused(moved, SubjectMismatch, key)
    refused(moved, SubjectMismatch, key, name="other")
    assert opened(moved, key, name="model") == FILES


def test_an_unsigned_folder_is_refused_and_so_is_one_that_is_not_there(tmp_path: Path, key: HmacKey) -> None:
    """No policy admits a folder without a signature; an empty one is not signed."""
    (tmp_path / "model").mkdir()
    with pytest.raises(FormatNotAllowed, match="no files"):
        safeload.sign(tmp_path / "model", signer=key)
    (tmp_path / "model" / "x").touch()
    refused(tmp_path / "model", SignatureMissing, key)
    with pytest.raises(safeload.PolicyError):
        Policy(unsigned_formats=frozenset({"folder"}))
    with pytest.raises(NotFound):
        safeload.sign(tmp_path / "nothing", signer=key)
    with pytest.raises(SignatureMissing):
        safeload.open_verified(tmp_path / "nothing", keyring=key)


@pytest.mark.parametrize("where", ["model", "model/sub/deep", "."])
def test_a_keyring_in_the_folder_or_beside_it_is_refused(where: str, model: Path, key: HmacKey) -> None:
    """Whoever can write the folder could exchange the keyring (rule 1), so nothing is signed so either."""
    ring = model.parent / where / "ring.json"
    Keyring.of(key).save(ring)
    refused(model, KeyringError, ring)
    with pytest.raises(KeyringError):
        safeload.sign(model, keyring=ring, overwrite=True)


def test_policy_expiry_and_keys_hold_for_folders(model: Path, key: HmacKey) -> None:
    """FIPS, formats, the number of signatures, expiry, and keys that are not the signer's."""
    refused(model, FormatNotAllowed, key, policy=Policy(fips=True))
    refused(model, FormatNotAllowed, key, policy=Policy(formats=frozenset({"joblib"})))
    refused(model, UnknownKey, key, policy=Policy(signatures=2))
    refused(model, UnknownKey, HmacKey.generate())
    refused(model, safeload.KeyNotAllowed, Keyring([Entry(key=key, state="revoked")]))
    safeload.sign(model, signer=key, overwrite=True, policy=Policy(fips=True))
    assert safeload.verify(model, keyring=key, policy=Policy(fips=True)).digest.algorithm == "sha256"
    safeload.sign(model, signer=key, overwrite=True, expires=datetime.now(UTC) - timedelta(seconds=2))
    refused(model, Expired, key)


def test_signing_twice_asks_for_overwrite(model: Path, key: HmacKey) -> None:
    """A sidecar that is there is somebody's word."""
    before = sidecar_of(model).read_bytes()
    with pytest.raises(AlreadyExists):
        safeload.sign(model, signer=key)
    assert sidecar_of(model).read_bytes() == before
    (model / "new").touch()
    safeload.sign(model, signer=key, overwrite=True, metadata={"second": True})
    assert safeload.verify(model, keyring=key).metadata == {"second": True}


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
    refused(model, LimitExceeded, key, policy=Policy(limits=Limits(members=10)))
    assert len(looked_at) <= 2 * 22
