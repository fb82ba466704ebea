"""The faults of hetida's built-in ways to store objects, each shown to be fixed.

Through the hardened components and through the adapter, in a stand-in for the runtime; races and hostile
files in processes of their own.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import processes
from support.attacks import marker_pickle
from support.hetida_process import value
from support.hetida_standin import Filtered, Runtime, hand_on, load_object, stand_in, store_object

import safeload
from safeload import HmacKey, Store
from safeload.integrations import hetida
from safeload.integrations.hetida import ids
from safeload.integrations.hetida.ids import ROOT, Name, Namespace

TIMES = 100


@pytest.fixture
def runtime(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Return a hardened runtime with the adapter."""
    made = stand_in(monkeypatch, repo)
    hetida.harden()
    hetida.register(Store(repo))
    return made


def store(runtime: Runtime, name: str, tag: str, obj: Any) -> dict[str, Any]:
    return runtime.run(store_object, values={"name": name, "tag": tag, "obj": obj})


def load(runtime: Runtime, name: str, tag: str) -> dict[str, Any]:
    return runtime.run(load_object, values={"name": name, "tag": tag})


def loaded(runtime: Runtime, name: str, tag: str) -> Any:
    """Return what the component and the adapter load, which must be the same."""
    answer = load(runtime, name, tag)
    assert answer["error"] is None
    source = Filtered(ids.encode(Name(name)), "THINGNODE", tag)
    wired = runtime.run(hand_on, sources={"obj": source})
    assert wired["output_results_by_output_name"] == answer["output_results_by_output_name"]
    return answer["output_results_by_output_name"]["obj"]


def send(runtime: Runtime, node: ids.Node, obj: Any, **filters: str) -> Any:
    reference = Filtered(ids.encode(node), "THINGNODE", "new", filters=filters)
    return runtime.run(hand_on, values={"x": obj}, sinks={"x": reference})["error"]


def outside(tmp_path: Path) -> dict[str, bytes]:
    """Return every file outside the repository and the state folder."""
    return {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and path.relative_to(tmp_path).parts[0] not in ("repo", "state")
    }


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("../outside", "1"),
        ("churn", "../../outside"),
        ("churn", "/../outside"),
        ("..", ".."),
        ("/etc/outside", "1"),
        ("a/../../outside", "x"),
        ("..\\outside", "..\\1"),
    ],
)
def test_no_name_or_tag_leaves_the_folder(name: str, tag: str, runtime: Runtime, tmp_path: Path) -> None:
    """Writing, reading and deleting take them as names, not as paths."""
    (tmp_path / "outside_1").write_bytes(b"precious")
    (tmp_path / "outside").write_bytes(b"precious")
    before = outside(tmp_path)
    assert store(runtime, name, tag, "mine")["error"] is None
    assert send(runtime, ROOT, "mine too", name=name, tag=f"{tag}b") is None
    assert loaded(runtime, name, tag) == "mine"
    assert loaded(runtime, name, "latest") == "mine too"
    Store(tmp_path / "repo").delete(name, tag)
    assert outside(tmp_path) == before
    assert not Path("/etc/outside").exists()


def test_a_sibling_folder_with_a_longer_name_is_not_reached(
    runtime: Runtime, repo: Path, tmp_path: Path
) -> None:
    """An object signed by the same key in ``repo2`` is not reachable from ``repo`` by any name."""
    Store(tmp_path / "repo2").dump("other", "churn", "1")
    for name in ("../repo2/churn", "2/churn", str(tmp_path / "repo2" / "churn")):
        assert load(runtime, name, "1")["error"]["error_code"] == 131
    (repo / "churn").mkdir(parents=True)
    (repo / "linked").symlink_to(tmp_path / "repo2" / "churn")
    assert load(runtime, "linked", "1")["error"] is not None


def test_names_and_tags_do_not_meet(runtime: Runtime) -> None:
    """``a_b`` with ``c`` differs from ``a`` with ``b_c``; so do names in another case, and namespaces."""
    pairs = [
        ("a_b", "c"),
        ("a", "b_c"),
        ("A", "b_c"),
        ("a/b", "c"),
        ("a", "b/c"),
        ("a", "B_C"),
        ("a%2Fb", "c"),
    ]
    for pair in pairs:
        assert store(runtime, *pair, list(pair))["error"] is None
    assert [loaded(runtime, *pair) for pair in pairs] == [list(pair) for pair in pairs]


def test_a_tag_that_looks_like_the_link_is_a_tag(runtime: Runtime) -> None:
    """``v1_latest`` does not write through the ``latest`` of ``churn_v1``."""
    store(runtime, "churn_v1", "1", "good")
    store(runtime, "churn", "v1_latest", "other")
    store(runtime, "churn_v1_latest", "x", "third")
    assert loaded(runtime, "churn_v1", "latest") == loaded(runtime, "churn_v1", "1") == "good"
    assert loaded(runtime, "churn", "latest") == loaded(runtime, "churn", "v1_latest") == "other"


def test_a_tag_is_written_once_through_the_adapter(runtime: Runtime, repo: Path) -> None:
    """An old tag does not move ``latest`` back; for the component it is the last one stored."""
    for tag in ("1", "2"):
        assert send(runtime, ROOT, tag, name="churn", tag=tag) is None
    refused = send(runtime, Name("churn"), "other", tag="1")
    assert "[safeload 132 TagExists]" in refused["message"]
    assert (loaded(runtime, "churn", "1"), loaded(runtime, "churn", "latest")) == ("1", "2")
    before = Store(repo).statement("churn", "2").sequence or 0
    store(runtime, "churn", "1", "again")
    assert loaded(runtime, "churn", "latest") == "again"
    assert (Store(repo).statement("churn", "1").sequence or 0) > before


def test_an_object_that_cannot_be_stored_leaves_the_good_version(runtime: Runtime, repo: Path) -> None:
    """The error has a number, and no file is left behind."""
    store(runtime, "churn", "1", "good")
    files = sorted(repo.rglob("*"))
    error = store(runtime, "churn", "1", [list(range(100_000)), lambda: None])["error"]
    assert error["error_code"] == 170
    assert send(runtime, Name("churn"), lambda: None, tag="2") is not None
    assert loaded(runtime, "churn", "1") == loaded(runtime, "churn", "latest") == "good"
    assert sorted(repo.rglob("*")) == files


def test_the_folder_may_be_relative_and_may_move(
    runtime: Runtime, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``latest`` is not a link and does not contain the folder's path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL_REPO_PATH", "repo")
    store(runtime, "churn", "1", "x")
    assert loaded(runtime, "churn", "latest") == "x"
    shutil.move(repo, tmp_path / "moved")
    monkeypatch.setenv("MODEL_REPO_PATH", str(tmp_path / "moved"))
    assert load(runtime, "churn", "latest")["output_results_by_output_name"] == {"obj": "x"}


def test_a_tag_does_not_choose_the_compression(runtime: Runtime, repo: Path) -> None:
    """``v1.gz`` is a tag like any other."""
    for number, tag in enumerate(("v1", "v1.gz", "v1.xz", "v1.z")):
        store(runtime, f"churn{number}", tag, list(range(100)))
        assert loaded(runtime, f"churn{number}", tag) == list(range(100))
    artifacts = list(repo.rglob("*.joblib"))
    assert len(artifacts) == 4
    assert len({path.read_bytes() for path in artifacts}) == 1


@pytest.mark.parametrize("name", ["", "x" * 201, "ü" * 101, "a\0b", "a\nb", "u\u0308", "\ud800"])
def test_impossible_names_are_told_by_number(name: str, runtime: Runtime, repo: Path) -> None:
    """They are not raw errors of the operating system, and nothing is written."""
    for given in ((name, "1"), ("churn", name)):
        for answer in (store(runtime, *given, 1), load(runtime, *given)):
            assert (answer["error"]["type"], answer["error"]["error_code"]) == ("InvalidName", 134)
    assert send(runtime, ROOT, 1, name=name, tag="1") is not None
    assert not repo.exists()


def test_the_key_of_a_source_is_compared_whole(runtime: Runtime) -> None:
    """It is not compared by its end: ``1`` is neither ``11`` nor ``a/1``."""
    for tag in ("11", "a/1"):
        store(runtime, "churn", tag, tag)
    assert load(runtime, "churn", "1")["error"]["error_code"] == 131
    source = Filtered("churn", "THINGNODE", "1")
    assert "[safeload 131 NotFound]" in runtime.run(hand_on, sources={"x": source})["error"]["message"]


def test_neither_planted_nor_swapped_nor_flipped_files_run(
    runtime: Runtime, repo: Path, tmp_path: Path, key: HmacKey
) -> None:
    """Component and source refuse them, in a process that would leave a marker; good objects still load."""
    marker = tmp_path / "marker"
    hostile = marker_pickle(marker)
    for name in ("planted", "swapped", "flipped", "moved", "good"):
        store(runtime, name, "1", name)
    (repo / "planted_2").write_bytes(hostile)
    (repo / "planted_latest").symlink_to("planted_2")
    (repo / "planted" / "2").write_bytes(hostile)
    (repo / "planted" / "2.joblib").write_bytes(hostile)
    (repo / "planted" / "3.sig").write_bytes(hostile)
    artifact = {name: next((repo / name).glob("1.*.joblib")) for name in ("swapped", "flipped")}
    artifact["swapped"].write_bytes(hostile)
    data = bytearray(artifact["flipped"].read_bytes())
    data[-3] ^= 1
    artifact["flipped"].write_bytes(data)
    for path in (repo / "good").iterdir():
        shutil.copy(path, repo / "moved")
    wanted = [
        ("planted", "2"),
        ("planted", "3"),
        ("swapped", "1"),
        ("swapped", "latest"),
        ("flipped", "1"),
        ("moved", "latest"),
        ("planted_2", "1"),
        ("planted", "1"),
        ("good", "latest"),
    ]
    outcomes = processes.run("hetida_process", "attempt", json.dumps(wanted), key=key)
    refused = [[message is not None for message in outcome] for outcome in outcomes]
    assert refused == [[True, True]] * 7 + [[False, False]] * 2
    assert not marker.exists()
    # The control: unpickled without verification, the file does run.
    code = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    subprocess.run([sys.executable, "-c", code, repo / "planted_2"], check=True)
    assert marker.exists()


def race(repo: Path, key: HmacKey, tmp_path: Path, *roles: tuple[str, str]) -> list[dict[str, int]]:
    """Run roles against each other until each has done `TIMES`, and return what each counted."""
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    common = (TIMES, meeting, len(roles) - 1)
    started = [
        processes.start("hetida_process", role, *common, argument, key=key) for role, argument in roles
    ]
    results = [processes.finish(process) for process in started]
    assert all(sum(result.values()) >= TIMES for result in results)
    return results


def test_a_writer_and_readers_at_once_give_no_error(
    runtime: Runtime, repo: Path, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both tag and ``latest`` load, by component and source, while the tag is replaced all the time."""
    store(runtime, "churn", "v1", value("first", 0))
    results = race(repo, key, tmp_path, ("write", "a"), ("read", "latest"), ("read", "v1"))
    assert [set(result) for result in results] == [{"ok"}] * 3
    with capsys.disabled():
        print(
            f"\n  {results[0]['ok']} stored, {results[1]['ok'] + results[2]['ok']} loaded, no error", end=""
        )


def test_two_writers_at_once_give_no_error(
    runtime: Runtime, repo: Path, key: HmacKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both write one tag; the result is complete, and no file is left over."""
    results = race(repo, key, tmp_path, ("write", "a"), ("write", "b"))
    assert [set(result) for result in results] == [{"ok"}] * 2
    last = loaded(runtime, "churn", "latest")
    assert last == loaded(runtime, "churn", "v1") == value(last["who"], last["number"])
    assert list(Store(repo).unreferenced_files()) == []
    with capsys.disabled():
        print(f"\n  {results[0]['ok']} and {results[1]['ok']} stored, no error", end="")


def test_a_killed_writer_leaves_an_object_that_loads(runtime: Runtime, repo: Path, key: HmacKey) -> None:
    """The old or the new one is complete; ``test_store_crash.py`` stops a writer at every instruction."""
    store(runtime, "churn", "v1", value("first", 0))
    for round in range(3):
        process = processes.start("hetida_process", "store_until_killed", f"round {round}", key=key)
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.communicate()
        found = loaded(runtime, "churn", "latest")
        assert found == loaded(runtime, "churn", "v1") == value(found["who"], found["number"])
        assert found["who"] == f"round {round}"
    assert store(runtime, "churn", "v1", "after")["error"] is None


def test_of_two_sinks_of_one_tag_one_wins_and_the_other_is_told(runtime: Runtime) -> None:
    """Check and creation are one step, so that they cannot both win."""
    hetida_sink = Filtered(ids.encode(Namespace("a")), "THINGNODE", "new", filters={"name": "x", "tag": "1"})

    async def both() -> list[dict[str, Any]]:
        return await asyncio.gather(
            *(runtime.execute(hand_on, values={"x": n}, sinks={"x": hetida_sink}) for n in range(8))
        )

    answers = asyncio.run(both())
    assert [answer["result"] for answer in answers].count("ok") == 1
    for answer in answers:
        assert answer["error"] is None or "[safeload 132 TagExists]" in answer["error"]["message"]
    winner = next(number for number, answer in enumerate(answers) if answer["result"] == "ok")
    assert loaded(runtime, "a/x", "1") == winner
    assert safeload.Store(Path(runtime._folder)).latest("a/x") == "1"
