"""Files that change while they are read, for every format and for folders: only signed objects come out.

``test_race.py`` does the same at length for one format, between threads and between processes.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.attacks import marker_pickle
from support.every_format import KINDS, Kind, contents_of, sidecar_of

import safeload
from safeload import DigestMismatch, HmacKey, MalformedError, NotFound, SafeloadError, StorageError, folders
from safeload.storage import beneath, private_folder, replacement, tree

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be replaced there")

LOADS = 400
SECONDS = 20
FILES = {"a": b"1" * 10, "sub/b": b"2" * 10, "sub/c": b"3" * 10}
HOSTILE = b"9" * 10


class Attacker(threading.Thread):
    """Exchanges a signed object and its sidecar again and again, for the other one or for rubbish."""

    def __init__(self, kind: Kind, key: HmacKey, folder: Path) -> None:
        super().__init__()
        self.kind, self.folder, self.random = kind, folder, random.Random(5)
        self.path, self.stop, self.attacks = folder / "model", threading.Event(), 0
        kind.store(self.path, key)
        self.target, self.sidecar = kind.altered_file(self.path), sidecar_of(self.path)
        self.pairs = []
        for label in (0, 1):
            # A folder's labels differ in two files; one is exchanged, so that it is never the second.
            (folder / f"spare{label}").mkdir()
            made = kind.store(folder / f"spare{label}" / "model", key, label)
            self.pairs.append((kind.altered_file(made).read_bytes(), sidecar_of(made).read_bytes()))
        honest = self.pairs[0][0]
        hostile = marker_pickle(folder / "marker")
        self.rubbish = [hostile, hostile + honest[len(hostile) :], honest[:-1], b"", honest + b"\0"]

    def run(self) -> None:
        """Attack until told to stop."""
        while not self.stop.is_set():
            self.put(self.target, self.random.choice([*self.rubbish, self.flipped(), self.pairs[1][0]]))
            if self.random.random() < 0.2:
                self.put(self.sidecar, self.random.choice([b"", self.pairs[1][1], self.pairs[0][1][:-1]]))
            time.sleep(self.random.choice([0, 0.0005]))
            artifact, sidecar = self.pairs[self.random.random() < 0.3]
            self.put(self.sidecar, sidecar)
            self.put(self.target, artifact)
            time.sleep(self.random.choice([0.0005, 0.003]))
            self.attacks += 1

    def flipped(self) -> bytes:
        """Return the honest bytes with one bit changed."""
        altered = bytearray(self.pairs[0][0])
        altered[self.random.randrange(len(altered))] ^= 1 << self.random.randrange(8)
        return bytes(altered)

    def put(self, target: Path, data: bytes) -> None:
        """Replace a file at once, or write over it in two steps."""
        if self.random.random() < 0.5:
            (self.folder / "spare").write_bytes(data)
            (self.folder / "spare").replace(target)
            return
        with target.open("r+b", buffering=0) as file:
            file.write(data[: len(data) // 2])
            file.write(data[len(data) // 2 :])
            file.truncate()


@pytest.fixture
def _turns() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_turns")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_a_thread_that_exchanges_the_files_gets_nothing_unsigned_loaded(
    kind: Kind, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every load gives one of the signed objects, or a refusal."""
    attacker, outcomes = Attacker(kind, key, tmp_path), Counter[str]()
    until = time.monotonic() + SECONDS
    attacker.start()
    try:
        while outcomes.total() < LOADS or len(outcomes) < 2:
            assert time.monotonic() < until, outcomes
            try:
                loaded = kind.load(attacker.path, key)
            except SafeloadError as error:
                outcomes[error.code] += 1
            else:
                assert kind.same(loaded, 0) or (kind.same(loaded, 1) and not kind.is_folder)
                outcomes["loaded"] += 1
    finally:
        attacker.stop.set()
        attacker.join()
    assert outcomes["loaded"] > 0
    refusals = {"DigestMismatch", "MalformedError", "SignatureInvalid", "LimitExceeded", "NotFound"}
    assert set(outcomes) - {"loaded"} <= refusals
    assert not (tmp_path / "marker").exists()
    with capsys.disabled():
        print(
            f"\n  {kind.id}: {attacker.attacks} attacks, {outcomes.total()} loads: {dict(outcomes)}", end=""
        )


@pytest.fixture
def model(tmp_path: Path, key: HmacKey) -> Path:
    """Return a signed folder."""
    for relative, data in FILES.items():
        (tmp_path / "model" / relative).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / relative).write_bytes(data)
    safeload.sign(tmp_path / "model", signer=key)
    return tmp_path / "model"


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


@pytest.mark.usefixtures("_turns")
def test_a_thread_that_writes_in_a_large_file_gets_no_byte_into_the_copy(
    key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of several pieces, of which any may change while another is read."""
    model, size = tmp_path / "model", 5 << 20
    model.mkdir()
    honest = bytes(size)
    (model / "weights").write_bytes(honest)
    safeload.sign(model, signer=key)
    stop, outcomes, chance = threading.Event(), Counter[str](), random.Random(7)

    def write() -> None:
        with (model / "weights").open("r+b", buffering=0) as file:
            while not stop.is_set():
                place = chance.randrange(size)
                for data in (b"x", b"\0"):
                    os.pwrite(file.fileno(), data, place)
                    time.sleep(chance.choice([0, 0.002, 0.01]))

    attacker = threading.Thread(target=write)
    attacker.start()
    try:
        for _ in range(40):
            try:
                copy = safeload.open_verified(model, keyring=key)
            except (DigestMismatch, MalformedError) as error:
                outcomes[error.code] += 1
                continue
            with copy:
                outcomes["opened"] += 1
                assert (Path(copy.path) / "weights").read_bytes() == honest
    finally:
        stop.set()
        attacker.join()
    with capsys.disabled():
        print(f"\n  a large file: {dict(outcomes)}", end="")


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
    real = folders.hash_files
    before = sidecar_of(model).read_bytes()

    def hash_then_change(*arguments: Any, **named: Any) -> Any:
        found = real(*arguments, **named)
        change(model)
        return found

    monkeypatch.setattr(folders, "hash_files", hash_then_change)
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
    assert folders.put_sidecar is replacement.put_sidecar
