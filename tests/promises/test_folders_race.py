"""Folders that change while they are opened or signed: between listing, hashing and copying."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.every_format import contents_of, sidecar_of
from support.model_folders import signed

import safeload
from safeload import DigestMismatch, HmacKey, MalformedError, NotFound, StorageError
from safeload.api import folders, signing
from safeload.storage import beneath, private_folder, replacement, tree

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders need the descriptors of POSIX")

FILES = {"a": b"1" * 10, "sub/b": b"2" * 10, "sub/c": b"3" * 10}
HOSTILE = b"9" * 10


@pytest.fixture
def model(tmp_path: Path, key: HmacKey) -> Path:
    """Return a signed folder."""
    return signed(tmp_path / "model", FILES, key)


def _write_over(model: Path) -> None:
    for relative in FILES:
        with (model / relative).open("r+b") as file:
            file.write(HOSTILE)


def _replace(model: Path) -> None:
    for relative in FILES:
        (model / "spare").write_bytes(HOSTILE)
        (model / "spare").replace(model / relative)


def _link_out(model: Path) -> None:
    outside = model.parent / "outside"
    outside.write_bytes(FILES["sub/b"])
    (model / "sub" / "b").unlink()
    (model / "sub" / "b").symlink_to(outside)


def _exchange_a_folder(model: Path) -> None:
    (model / "sub").rename(model.parent / "away")
    (model / "sub").mkdir()
    for name in "bc":
        (model / "sub" / name).write_bytes(HOSTILE)


def _exchange_all(model: Path) -> None:
    hostile = model.parent / "hostile"
    shutil.copytree(model, hostile)
    _write_over(hostile)
    model.rename(model.parent / "away")
    hostile.rename(model)


ATTACKS = [_write_over, _replace, _link_out, _exchange_a_folder, _exchange_all]


def once(function: Callable[..., Any], attack: Callable[[], None], *, before: bool) -> Callable[..., Any]:
    """Return `function` with an attack before or after its first call."""
    struck = threading.Event()

    def call(*arguments: Any, **named: Any) -> Any:
        if before and not struck.is_set():
            struck.set()
            attack()
        result = function(*arguments, **named)
        if not before and not struck.is_set():
            struck.set()
            attack()
        return result

    return call


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    ("home", "name", "before"),
    [
        (folders, "listing", True),
        (folders, "listing", False),
        (folders, "PrivateFolder", False),
        (tree, "open_below", True),
        (tree, "open_below", False),
        (tree, "write_all", True),
        (tree, "write_all", False),
        (tree, "file_version", True),
        (folders, "hash_files", False),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_at_no_moment_does_an_exchange_get_an_unsigned_byte_into_the_copy(
    home: Any,
    name: str,
    before: bool,
    attack: Callable[[Path], None],
    model: Path,
    key: HmacKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between listing, opening, reading and copying: the copy is whole and signed, or there is none."""
    monkeypatch.setattr(home, name, once(getattr(home, name), lambda: attack(model), before=before))
    try:
        copy = safeload.open_verified(model, keyring=key)
    except (DigestMismatch, MalformedError, NotFound):
        return
    with copy:
        assert contents_of(Path(copy.path)) == FILES


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_was_opened_stays_as_it_was_signed(
    attack: Callable[[Path], None], model: Path, key: HmacKey
) -> None:
    """Whatever is done to the original afterwards; which is refused from then on."""
    with safeload.open_verified(model, keyring=key) as copy:
        attack(model)
        assert contents_of(Path(copy.path)) == FILES
        with pytest.raises((DigestMismatch, MalformedError)):
            safeload.open_verified(model, keyring=key)


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (lambda model: (model / "new").touch(), True),
        (lambda model: (model / "a").unlink(), True),
        (lambda model: (model / "a").rename(model / "z"), True),
        (lambda model: (model / "sub" / "b").write_bytes(HOSTILE), False),
        (lambda model: (model / "sub" / "new").touch(), False),
    ],
)
def test_a_folder_that_changes_while_it_is_signed_is_not_vouched_for(
    change: Callable[[Path], None], refused: bool, model: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not signed; or what is signed is what was read, which the folder no longer is."""
    real = signing.hash_files
    before = sidecar_of(model).read_bytes()

    def hash_then_change(*arguments: Any, **named: Any) -> Any:
        found = real(*arguments, **named)
        change(model)
        return found

    monkeypatch.setattr(signing, "hash_files", hash_then_change)
    if refused:
        with pytest.raises(StorageError, match="changed"):
            safeload.sign(model, signer=key, overwrite=True)
        assert sidecar_of(model).read_bytes() == before
    else:
        safeload.sign(model, signer=key, overwrite=True)
    monkeypatch.undo()
    with pytest.raises(DigestMismatch):
        safeload.open_verified(model, keyring=key)


def test_a_file_that_changes_while_it_is_hashed_is_not_signed(
    model: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it opened; whether it grows, shrinks, or is written over with as many bytes."""
    sidecar_of(model).unlink()
    for data in (HOSTILE, HOSTILE + b"9", b""):
        attack = lambda data=data: (model / "sub" / "b").write_bytes(data)  # noqa: E731
        with monkeypatch.context() as patched:
            patched.setattr(tree, "hasher", once(tree.hasher, attack, before=True))
            patched.setattr(tree, "processors", lambda: 1)
            # The largest is first, and the others follow by their names.
            (model / "sub" / "b").write_bytes(b"2" * 50)
            with pytest.raises(MalformedError, match="changed while it was read"):
                safeload.sign(model, signer=key)
        assert not sidecar_of(model).exists()


def test_the_moments_of_the_attacks_are_there() -> None:
    """What the tests above hook into is what the code calls."""
    assert folders.listing is tree.listing
    assert folders.hash_files is tree.hash_files
    assert folders.PrivateFolder is private_folder.PrivateFolder
    assert tree.open_below is beneath.open_below
    assert signing.write_sidecar is replacement.write_sidecar
