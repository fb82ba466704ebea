"""Every small alteration of one real artifact, and of its sidecar, is refused before anything is unpickled.

Nothing here is a sample unless its name says so: every bit, every length, every position and, where bytes
are put in, every value. The numbers of cases are printed.
"""

from __future__ import annotations

import io
import itertools
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.auditing import no_unpickler_runs, watching
from support.objects import pipeline

import safeload
from safeload import EcdsaP256PrivateKey, Ed25519PrivateKey, HmacKey, Keyring, SafeloadError, formats

NAME = "churn.joblib"

Mutation = Callable[[bytes], Iterator[bytes]]


def bit_flips(data: bytes) -> Iterator[bytes]:
    """Yield `data` with each bit flipped."""
    altered = bytearray(data)
    for position in range(len(data)):
        for bit in range(8):
            altered[position] ^= 1 << bit
            yield bytes(altered)
            altered[position] ^= 1 << bit


def truncations(data: bytes) -> Iterator[bytes]:
    """Yield `data` cut to each shorter length, nothing at all included."""
    for length in range(len(data)):
        yield data[:length]


def insertions(data: bytes) -> Iterator[bytes]:
    """Yield `data` with each of the 256 byte values put in at each position, both ends included."""
    for position in range(len(data) + 1):
        before, after = data[:position], data[position:]
        for value in range(256):
            yield b"%b%c%b" % (before, value, after)


def deletions(data: bytes) -> Iterator[bytes]:
    """Yield `data` without each of its bytes."""
    for position in range(len(data)):
        yield data[:position] + data[position + 1 :]


def substitutions(data: bytes) -> Iterator[bytes]:
    """Yield `data` with each byte replaced by each other value."""
    altered = bytearray(data)
    for position, original in enumerate(data):
        for value in range(256):
            if value != original:
                altered[position] = value
                yield bytes(altered)
        altered[position] = original


@pytest.fixture(scope="module")
def pair(key: HmacKey) -> tuple[bytes, bytes]:
    """Return a fitted pipeline's artifact and sidecar, signed with an HMAC key."""
    return safeload.dumps(pipeline(), name=NAME, signer=key)


@pytest.fixture
def deserialized(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that grows with every artifact that gets past the gate."""
    passed: list[Any] = []
    real = formats.deserialize

    def deserialize(verified: Any, policy: Any, options: Any) -> Any:
        passed.append(verified)
        return real(verified, policy, options)

    monkeypatch.setattr(formats, "deserialize", deserialize)
    return passed


def refuse_all(attempts: Iterable[Callable[[], object]]) -> Counter[str]:
    """Make every attempt; each must be refused. Count the refusals by their kind."""
    kinds: Counter[str] = Counter()
    with no_unpickler_runs():
        for number, attempt in enumerate(attempts):
            try:
                attempt()
            except SafeloadError as error:
                kinds[error.code] += 1
            else:
                pytest.fail(f"alteration {number} was loaded")
    return kinds


def report(capsys: pytest.CaptureFixture[str], what: str, kinds: Counter[str]) -> None:
    """Print how many cases there were, past pytest's capture."""
    split = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
    with capsys.disabled():
        print(f"\n  {what}: {kinds.total():,} refused ({split})", end="")


def test_the_watch_sees_an_unpickler(
    pair: tuple[bytes, bytes], keyring: Keyring, deserialized: list[Any]
) -> None:
    """The honest pair loads, and both watches that stay silent below see it."""
    with watching("pickle.find_class") as lookups:
        loaded = safeload.loads(*pair, name=NAME, keyring=keyring)
    assert type(loaded) is type(pipeline())
    assert ("sklearn.pipeline", "Pipeline") in lookups
    assert len(deserialized) == 1
    assert 2_000 < len(pair[0]) < 3_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "mutation"),
    [
        *itertools.product(["artifact", "sidecar"], [bit_flips, truncations, insertions, deletions]),
        ("sidecar", substitutions),
    ],
)
def test_every_small_alteration_is_refused(
    part: str,
    mutation: Mutation,
    pair: tuple[bytes, bytes],
    keyring: Keyring,
    deserialized: list[Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No altered artifact or sidecar loads with its honest other half, and none reaches an unpickler."""
    honest = dict(zip(("artifact", "sidecar"), pair, strict=True))
    kinds = refuse_all(
        lambda altered=altered: safeload.loads(
            *{**honest, part: altered}.values(), name=NAME, keyring=keyring
        )
        for altered in mutation(honest[part])
    )
    if part == "artifact":
        assert set(kinds) == {"DigestMismatch"}
    else:
        assert set(kinds) <= {"MalformedError", "SignatureInvalid", "UnknownKey"}
    assert kinds.total() >= len(honest[part])
    assert deserialized == []
    report(capsys, f"{mutation.__name__} of the {part} ({len(honest[part]):,} bytes)", kinds)


@pytest.mark.slow
@pytest.mark.parametrize("altered_part", ["artifact", "sidecar"])
@pytest.mark.parametrize("mutation", [bit_flips, truncations])
def test_every_bit_flip_and_truncation_on_disk_is_refused(
    mutation: Mutation,
    altered_part: str,
    pair: tuple[bytes, bytes],
    keyring: Keyring,
    deserialized: list[Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What holds in memory holds for files, read through the reader."""
    path = tmp_path / NAME
    names = {"artifact": path, "sidecar": path.with_name(NAME + ".sig")}
    for file, data in zip(names.values(), pair, strict=True):
        file.write_bytes(data)
    safeload.load(path, keyring=keyring)
    deserialized.clear()
    original = names[altered_part].read_bytes()

    with io.FileIO(names[altered_part], "r+") as file:

        def attempt(altered: bytes) -> object:
            file.seek(0)
            file.write(altered)
            file.truncate()
            return safeload.load(path, keyring=keyring)

        kinds = refuse_all(lambda altered=altered: attempt(altered) for altered in mutation(original))
    assert kinds.total() >= len(original)
    assert deserialized == []
    report(capsys, f"{mutation.__name__} of the {altered_part} on disk", kinds)


@pytest.mark.parametrize("kind", [Ed25519PrivateKey, EcdsaP256PrivateKey])
def test_every_bit_of_an_asymmetric_signature_and_its_key_id_counts(
    kind: type[Ed25519PrivateKey] | type[EcdsaP256PrivateKey],
    deserialized: list[Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A sample for public keys: every bit of the fields keyid and sig as text, and of the signature."""
    signer = kind.generate()
    public = Keyring.of(signer.public)
    artifact, sidecar = safeload.dumps(pipeline(), name=NAME, signer=signer)
    safeload.loads(artifact, sidecar, name=NAME, keyring=public)
    deserialized.clear()

    start = sidecar.index(b'"signatures":')
    signature = safeload.attestation.envelope.parse(sidecar.rstrip(b"\n")).signatures[0].sig
    text = b64encode(signature)
    assert sidecar.count(text) == 1
    altered = [sidecar[:start] + tail for tail in bit_flips(sidecar[start:])]
    altered += [sidecar.replace(text, b64encode(flipped)) for flipped in bit_flips(signature)]
    altered += [sidecar.replace(text, b64encode(cut)) for cut in truncations(signature)]

    kinds = refuse_all(
        lambda candidate=candidate: safeload.loads(artifact, candidate, name=NAME, keyring=public)
        for candidate in altered
    )
    assert kinds["SignatureInvalid"] >= 8 * len(signature)
    assert deserialized == []
    report(capsys, f"bits of keyid and signature, {signer.algorithm}", kinds)
