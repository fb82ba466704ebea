"""Files that change while they are read, and objects that are replaced while they are loaded.

What attacks and what loads is in ``support/racing.py``. It runs in processes of its own.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from support import processes, racing

import safeload
from safeload import HmacKey
from safeload.api import signing
from safeload.trust import reading

ATTACKS = 2_000
LOADS = 4_000
DUMPS = 500
# A process each.
THREADS_OF_READERS = (1, 2)
READERS = sum(THREADS_OF_READERS)


def report(capsys: pytest.CaptureFixture[str], line: str) -> None:
    """Print a line past pytest's capture."""
    with capsys.disabled():
        print(f"\n  {line}", end="")


def wait_for(file: Path) -> None:
    """Wait until a file appears."""
    until = time.monotonic() + processes.PATIENCE
    while not file.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def assert_only_signed_objects(result: dict[str, Any], attacks: int, folder: Path) -> None:
    """Look at what a loader found while it was attacked."""
    assert result["wrong"] == []
    assert result["loads"] == sum(result["outcomes"].values()) >= LOADS
    assert attacks >= ATTACKS
    assert set(result["labels"]) == {racing.A, racing.B}
    refusals = set(result["outcomes"]) - {"loaded"}
    assert result["outcomes"]["loaded"] > 0
    assert refusals >= {"DigestMismatch", "SignatureMissing"}
    assert refusals <= {"DigestMismatch", "MalformedError", "SignatureInvalid", "SignatureMissing"}
    assert not (folder / "marker").exists()


@pytest.mark.slow
def test_a_thread_that_exchanges_the_files_gets_no_unsigned_byte_loaded(
    key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within one process: every load gives one of the signed objects or a refusal."""
    result = processes.run("racing", "attack_and_load_in_threads", tmp_path, ATTACKS, LOADS, key=key)
    assert_only_signed_objects(result, result["attacks"], tmp_path)
    report(capsys, f"a thread: {result['attacks']} attacks, {result['loads']} loads: {result['outcomes']}")


@pytest.mark.slow
def test_a_process_that_exchanges_the_files_gets_no_unsigned_byte_loaded(
    key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Between processes: every load gives one of the signed objects or a refusal."""
    attacker = processes.start("racing", "attack", tmp_path, ATTACKS, key=key)
    try:
        wait_for(tmp_path / "ready")
        result = processes.run("racing", "load", tmp_path, LOADS, key=key)
    finally:
        (tmp_path / "stop").touch()
        attacks = processes.finish(attacker)["attacks"]
    assert_only_signed_objects(result, attacks, tmp_path)
    report(capsys, f"a process: {attacks} attacks, {result['loads']} loads: {result['outcomes']}")


def dump_and_load(
    key: HmacKey, folder: Path, writers: list[tuple[object, ...]]
) -> tuple[int, list[dict[str, Any]]]:
    """Run writers while several threads and processes load; return the dumps and the loaders' results."""
    safeload.dump(racing.value([0, -1]), folder / racing.NAME, signer=key)
    loading = [
        processes.start("racing", "load_in_threads", folder, threads, key=key)
        for threads in THREADS_OF_READERS
    ]
    try:
        running = [processes.start("racing", role, folder, *rest, key=key) for role, *rest in writers]
        dumps = sum(processes.finish(process)["dumps"] for process in running)
    finally:
        (folder / "stop").touch()
        results = [result for process in loading for result in processes.finish(process)]
    return dumps, results


def assert_never_unloadable(results: list[dict[str, Any]]) -> None:
    """Every single load succeeded and gave an object that somebody stored."""
    for result in results:
        assert result["wrong"] == []
        assert set(result["outcomes"]) == {"loaded"}, (result["outcomes"], result["refusal"])
        assert result["loads"] > racing.LOADS


@pytest.mark.slow
def test_an_object_that_is_replaced_again_and_again_is_loadable_at_every_moment(
    key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While version after version is dumped, every load gives a version, and never an older one."""
    dumps, results = dump_and_load(key, tmp_path, [("dump", 0, DUMPS, "", READERS)])
    assert_never_unloadable(results)
    for result in results:
        assert result["labels"] == sorted(result["labels"])
        assert len(result["labels"]) > racing.VERSIONS
    loads = sum(result["loads"] for result in results)
    report(capsys, f"one writer: {dumps} dumps, {loads} loads by {len(results)} threads, all loaded")


@pytest.mark.slow
def test_two_objects_that_alternate_are_loadable_at_every_moment(
    key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same two objects, dumped in turns, have the same sidecars again and again; every load succeeds."""
    dumps, results = dump_and_load(key, tmp_path, [("dump", 0, DUMPS, 2, READERS)])
    assert_never_unloadable(results)
    loads = sum(result["loads"] for result in results)
    report(capsys, f"two objects in turns: {dumps} dumps, {loads} loads, all loaded")


@pytest.mark.slow
def test_many_writers_of_one_path_leave_it_loadable_throughout(
    key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Threads and processes dump to one path at once; every load succeeds, and so does the last."""
    each = 60
    writers = [("in_threads", "1,2,3", each), ("in_threads", "4,5,6", each), ("dump", 7, each)]
    dumps, results = dump_and_load(key, tmp_path, writers)
    assert dumps == 7 * each
    assert_never_unloadable(results)
    last = safeload.load(tmp_path / racing.NAME, keyring=key)
    assert last == racing.value(last["label"])
    assert last["label"][1] == each - 1
    left = {file.name for file in tmp_path.iterdir() if file.suffix != ".enough"}
    assert left == {racing.NAME, f"{racing.NAME}.sig", "stop"}
    loads = sum(result["loads"] for result in results)
    report(capsys, f"seven writers: {dumps} dumps, {loads} loads, all loaded")


def test_a_load_between_whose_reads_two_objects_alternate_does_not_fail(
    key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That a misfitting pair is read twice does not mean that nobody was writing."""
    path = tmp_path / racing.NAME
    safeload.dump("one", path, signer=key)
    pairs = {}
    for value in ("one", "two"):
        safeload.dump(value, path, signer=key)
        pairs[value] = (path.read_bytes(), path.with_name(f"{path.name}.sig").read_bytes())
    real, reads = reading.read, 0

    def read(location: str, **named: Any) -> Any:
        nonlocal reads
        reads += 1
        if reads <= 4:
            # Between each two reads a writer replaced both files, as quickly as it could.
            for file, data in zip(
                (path, path.with_name(f"{path.name}.sig")), pairs[_turn(location)], strict=True
            ):
                spare = tmp_path / "spare"
                spare.write_bytes(data)
                spare.replace(file)
        return real(location, **named)

    monkeypatch.setattr(reading, "read", read)
    assert safeload.load(path, keyring=key) in ("one", "two")


def _turn(location: str) -> str:
    return "one" if location.endswith(".sig") else "two"


def test_signing_a_file_that_is_replaced_meanwhile_does_not_harm_the_new_one(
    key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump between the look at a file and the writing of its sidecar keeps its own sidecar."""
    path = tmp_path / "churn.joblib"
    safeload.dump("old", path, signer=key)
    genuine = signing.read

    def read_then_replaced(location: str, **arguments: int) -> object:
        blob = genuine(location, **arguments)
        safeload.dump("new", path, signer=key)
        return blob

    monkeypatch.setattr(signing, "read", read_then_replaced)
    with pytest.raises(safeload.StorageError, match="changed"):
        safeload.sign(path, overwrite=True, signer=key)
    monkeypatch.undo()
    assert safeload.load(path, keyring=key) == "new"
