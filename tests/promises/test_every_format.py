"""The same attacks over every format and over folders: nothing altered or exchanged ever becomes an object.

Which kinds there are stands in ``support/every_format.py``. Whatever is refused is refused by an error of
safeload's, and no unpickler looks anything up.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.attacks import marker_pickle
from support.auditing import no_unpickler_runs
from support.every_format import DATA_KINDS, KINDS, Kind, sidecar_of
from support.forgery import payload_of
from support.forgery import sidecar_of as forged_sidecar

import safeload
from safeload import (
    DigestMismatch,
    HmacKey,
    Keyring,
    SafeloadError,
    SignatureMissing,
    SubjectMismatch,
    UnknownKey,
)
from safeload.attestation.statement import FOLDER

# So many alterations of each way for a kind; where there are fewer, all are made.
SAMPLE = 1_500
# One of these formats reads what the other has written.
PICKLES = {"joblib", "pickle"}

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.id)


@pytest.fixture
def stored(kind: Kind, key: HmacKey, tmp_path: Path) -> Path:
    """Return a signed object of the kind."""
    return kind.store(tmp_path / "model", key)


def bit_flips(data: bytes) -> Iterator[bytes]:
    """Yield `data` with each bit flipped, or with a sample of them."""
    bits = range(8 * len(data))
    for bit in bits if len(bits) <= SAMPLE else random.Random(1).sample(bits, SAMPLE):
        altered = bytearray(data)
        altered[bit // 8] ^= 1 << bit % 8
        yield bytes(altered)


def truncations(data: bytes) -> Iterator[bytes]:
    """Yield `data` cut to each shorter length, or to a sample of them."""
    lengths = range(len(data))
    yield from (
        data[:n] for n in (lengths if len(data) <= SAMPLE else random.Random(2).sample(lengths, SAMPLE))
    )


def insertions(data: bytes) -> Iterator[bytes]:
    """Yield `data` with bytes put in or appended."""
    chance = random.Random(3)
    for _ in range(SAMPLE // 5):
        position = chance.randint(0, len(data))
        yield data[:position] + chance.randbytes(chance.randint(1, 9)) + data[position:]
    yield from (data + extra for extra in (b"\0", b".", b"\n", data[:-1], marker_pickle(Path("/nowhere"))))


def attempts(
    kind: Kind, stored: Path, file: Path, alterations: Iterable[bytes], key: HmacKey
) -> Counter[str]:
    """Load with each alteration of a file; return how often which refusal came."""
    honest, kinds = file.read_bytes(), Counter[str]()
    with file.open("r+b", buffering=0) as target, no_unpickler_runs():
        for altered in alterations:
            assert altered != honest
            target.seek(0)
            target.write(altered)
            target.truncate()
            try:
                kind.load(stored, key)
            except SafeloadError as error:
                kinds[error.code] += 1
            else:
                pytest.fail("an altered file was loaded")
    file.write_bytes(honest)
    return kinds


@every_kind
def test_the_honest_object_comes_back(kind: Kind, stored: Path, key: HmacKey) -> None:
    """The control: it is the object that was stored, and not one of another label."""
    loaded = kind.load(stored, key)
    assert kind.same(loaded, 0)
    assert not kind.same(loaded, 1)
    assert safeload.verify(stored, keyring=key).format == kind.format


@every_kind
@pytest.mark.parametrize("alter", [bit_flips, truncations, insertions])
def test_every_alteration_of_the_bytes_is_refused(
    alter: Any, kind: Kind, stored: Path, key: HmacKey, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its digest, and before anything is made of it."""
    file = kind.altered_file(stored)
    refusals = attempts(kind, stored, file, alter(file.read_bytes()), key)
    assert set(refusals) == {"DigestMismatch"}
    assert refusals.total() >= min(SAMPLE // 5, file.stat().st_size)
    assert kind.same(kind.load(stored, key), 0)
    with capsys.disabled():
        print(f"\n  {kind.id}: {alter.__name__} {refusals.total():,} refused", end="")


@every_kind
@pytest.mark.parametrize("alter", [bit_flips, truncations, insertions])
def test_every_alteration_of_the_sidecar_is_refused(
    alter: Any, kind: Kind, stored: Path, key: HmacKey
) -> None:
    """Whatever the format, there is one way to be signed."""
    file = sidecar_of(stored)
    refusals = attempts(kind, stored, file, alter(file.read_bytes()), key)
    assert set(refusals) <= {"MalformedError", "SignatureInvalid", "UnknownKey"}
    assert refusals.total() >= SAMPLE // 5


@every_kind
def test_without_its_sidecar_nothing_is_loaded(kind: Kind, stored: Path, key: HmacKey) -> None:
    """Also what is data only, unless a policy says so."""
    sidecar_of(stored).unlink()
    with no_unpickler_runs():
        for way in (kind.load, lambda path, ring: safeload.verify(path, keyring=ring)):
            with pytest.raises(SignatureMissing):
                way(stored, key)
        if not kind.is_folder:
            with pytest.raises(SignatureMissing):
                safeload.loads(stored.read_bytes(), None, keyring=key)


@every_kind
def test_the_key_of_a_stranger_is_refused(kind: Kind, stored: Path) -> None:
    """A keyring without the signer's key admits nothing."""
    with no_unpickler_runs(), pytest.raises(UnknownKey):
        kind.load(stored, Keyring.of(HmacKey.generate()))


@every_kind
def test_an_empty_file_is_refused(kind: Kind, stored: Path, key: HmacKey) -> None:
    """In the place of what was signed; and signed itself it is no object of a format that has a form."""
    file = kind.altered_file(stored)
    file.write_bytes(b"")
    with no_unpickler_runs():
        with pytest.raises(DigestMismatch):
            kind.load(stored, key)
        if not kind.is_folder:
            sidecar_of(stored).write_bytes(
                forged_sidecar(payload_of(b"", stored.name, format=kind.format), key)
            )
            with pytest.raises(SafeloadError):
                kind.load(stored, key)


@every_kind
def test_two_signed_objects_cannot_be_exchanged(kind: Kind, key: HmacKey, tmp_path: Path) -> None:
    """Neither their bytes alone, nor their sidecars alone, nor both together."""
    one, two = kind.store(tmp_path / "one", key), kind.store(tmp_path / "two", key, 1)
    for exchanged, refusal in (
        ((one, two), DigestMismatch),
        ((sidecar_of(one), sidecar_of(two)), SubjectMismatch),
        ((one, two, sidecar_of(one), sidecar_of(two)), SubjectMismatch),
    ):
        _exchange(exchanged, tmp_path)
        for path in (one, two):
            with no_unpickler_runs(), pytest.raises(refusal):
                kind.load(path, key)
        _exchange(exchanged, tmp_path)
    assert kind.same(kind.load(one, key), 0)
    assert kind.same(kind.load(two, key), 1)


def _exchange(paths: tuple[Path, ...], spare: Path) -> None:
    for left, right in zip(paths[::2], paths[1::2], strict=True):
        left.rename(spare / "spare")
        right.rename(left)
        (spare / "spare").rename(right)


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        pair
        for pair in itertools.permutations(KINDS, 2)
        # These two write the same bytes of it, and one statement is as true as the other.
        if {one.format for one in pair} != PICKLES
    ],
    ids=lambda kind: getattr(kind, "id", None),
)
def test_the_sidecar_of_another_kind_of_that_name_is_refused(
    kind: Kind, other: Kind, key: HmacKey, tmp_path: Path
) -> None:
    """A name that is signed twice, in two formats: each sidecar admits its own bytes only."""
    for folder, one in (("a", kind), ("b", other)):
        (tmp_path / folder).mkdir()
        one.store(tmp_path / folder / "model", key)
    sidecar_of(tmp_path / "b" / "model").replace(sidecar_of(tmp_path / "a" / "model"))
    # A folder is asked for as a folder, a file as a file.
    refusal = SubjectMismatch if kind.is_folder or other.is_folder else DigestMismatch
    with no_unpickler_runs(), pytest.raises(refusal):
        kind.load(tmp_path / "a" / "model", key)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (kind, named)
        for kind in KINDS
        for named in sorted({other.format for other in KINDS})
        if kind.format != named and {kind.format, named} != PICKLES and FOLDER not in (kind.format, named)
    ],
    ids=lambda value: getattr(value, "id", value),
)
def test_bytes_signed_as_another_format_are_no_object(
    kind: Kind, named: str, stored: Path, key: HmacKey
) -> None:
    """The statement decides how bytes are read, and what is not in that form is refused by a typed error."""
    forged = forged_sidecar(payload_of(stored.read_bytes(), stored.name, format=named), key)
    sidecar_of(stored).write_bytes(forged)
    with no_unpickler_runs(), pytest.raises(SafeloadError):
        kind.load(stored, key)


@pytest.mark.parametrize("kind", DATA_KINDS, ids=lambda kind: kind.id)
def test_a_pickle_that_is_signed_as_data_is_not_unpickled(kind: Kind, key: HmacKey, tmp_path: Path) -> None:
    """Not even where its signature verifies; nor where the data come first, or last."""
    honest = kind.store(tmp_path / "honest", key).read_bytes()
    hostile = marker_pickle(tmp_path / "marker")
    for data in (hostile, hostile + honest, honest + hostile):
        sidecar = forged_sidecar(payload_of(data, "x", format=kind.format), key)
        with no_unpickler_runs():
            try:
                loaded = safeload.loads(data, sidecar, name="x", keyring=key)
            except SafeloadError:
                continue
        # An archive may have something before or after it; what is made is the data, and nothing else.
        assert kind.same(loaded, 0)
    assert not (tmp_path / "marker").exists()
