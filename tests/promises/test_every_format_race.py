"""Files that change while they are read, for every format and for folders: only signed objects come out.

``test_race.py`` does the same at length for one format, between threads and between processes.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.attacks import marker_pickle
from support.every_format import KINDS, Kind, sidecar_of

import safeload
from safeload import DigestMismatch, HmacKey, MalformedError, SafeloadError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be replaced there")

LOADS = 400
# After so many loads without both outcomes something is wrong.
MOST_LOADS = 50 * LOADS


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


@pytest.mark.slow
@pytest.mark.usefixtures("_turns")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)
def test_a_thread_that_exchanges_the_files_gets_nothing_unsigned_loaded(
    kind: Kind, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every load gives one of the signed objects, or a refusal."""
    attacker, outcomes = Attacker(kind, key, tmp_path), Counter[str]()
    attacker.start()
    try:
        while outcomes.total() < LOADS or len(outcomes) < 2:
            assert outcomes.total() < MOST_LOADS, outcomes
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


@pytest.mark.slow
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
