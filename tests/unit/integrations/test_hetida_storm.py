"""Four server processes, two thousand requests, and a key that rotates meanwhile."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import processes
from support.attacks import marker_pickle
from support.paths import environment

from safeload import HmacKey, Keyring, Store
from safeload.integrations.hetida import ids
from safeload.integrations.hetida.ids import Name, Namespace, Source

PROCESSES, REQUESTS, AT_ONCE, NAMES, TAGS = 4, 2000, 12, 8, 3


def name_of(number: int) -> str:
    return f"plant-{number % 2}/model {number}"


def stored(name: str, tag: str) -> dict[str, Any]:
    return {"name": name, "tag": tag, "weights": list(range(300))}


@contextmanager
def process(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a role of ``support.hetida_server``; it ends with its input, or is killed."""
    started = subprocess.Popen(
        [sys.executable, "-m", "support.hetida_server", *map(str, arguments)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
        started.communicate(timeout=processes.PATIENCE)
    finally:
        started.kill()
        started.wait()


def wiring(node: ids.Node, key: str, **filters: str) -> dict[str, Any]:
    return {"ref_id": ids.encode(node), "ref_id_type": "THINGNODE", "ref_key": key, "filters": filters}


class Storm:
    """The requests and their outcomes."""

    def __init__(self, ports: list[int], planted: list[str]) -> None:
        self._ports = ports
        self._planted = planted
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def run(self) -> None:
        """Ask all, some at once."""
        pending = iter(range(REQUESTS))
        async with httpx.AsyncClient(timeout=processes.PATIENCE) as client:

            async def ask() -> None:
                for number in pending:
                    base = f"http://127.0.0.1:{self._ports[number % len(self._ports)]}"
                    await self._one(client, base, number)

            await asyncio.gather(*(ask() for _ in range(AT_ONCE)))

    async def _one(self, client: httpx.AsyncClient, base: str, number: int) -> None:
        kind = number % 10
        name, tag = name_of(number // 10 % NAMES), f"v{number // 7 % TAGS}"
        if kind in (0, 1, 2, 3):
            await self._load(client, base, name, "latest")
        elif kind in (4, 5):
            await self._load(client, base, name, tag)
        elif kind == 6:
            text = self._planted[number // 10 % len(self._planted)]
            answer = await self._execute(client, base, sources={"x": wiring(Name(text), "1")})
            self._check(
                "refused",
                answer["result"] == "failure" and "[safeload 1" in answer["error"]["message"],
                answer,
            )
        elif kind == 7:
            new = f"new-{number}"
            sink = wiring(Name(name), "new", tag=new)
            answer = await self._execute(client, base, values={"x": stored(name, new)}, sinks={"x": sink})
            self._check("stored", answer["result"] == "ok", answer)
        elif kind == 8:
            question = ids.encode(Namespace(name.partition("/")[0]) if number % 20 == 8 else Name(name))
            found = (await client.get(f"{base}/structure?parentId={question}")).json()
            listed = {one["metadataKey"] for one in found["sources"]} or {
                one["name"] for one in found["thingNodes"]
            }
            expected = {f"v{tag}" for tag in range(TAGS)} | {"latest"} if found["sources"] else set()
            self._check("listed", bool(listed) and expected <= listed and "planted" not in str(found), found)
        else:
            answer = await client.get(f"{base}/sources/{ids.encode(Source(name, tag))}")
            self._check("listed", answer.status_code == 200, answer.text)

    async def _load(self, client: httpx.AsyncClient, base: str, name: str, tag: str) -> None:
        answer = await self._execute(client, base, sources={"x": wiring(Name(name), tag)})
        value = answer["output_results_by_output_name"].get("x", {})
        right = stored(name, value.get("tag", "")) == value and tag in ("latest", value["tag"])
        self._check("loaded", answer["result"] == "ok" and right, answer)

    async def _execute(self, client: httpx.AsyncClient, base: str, **asked: Any) -> dict[str, Any]:
        answer = await client.post(f"{base}/execute", json=asked)
        if answer.status_code != 200:
            return {"result": answer.text, "error": {"message": ""}, "output_results_by_output_name": {}}
        document: dict[str, Any] = answer.json()
        return document

    def _check(self, what: str, right: bool, answer: object) -> None:
        self.outcomes[what] += 1
        if not right:
            self.wrong.append(f"{what}: {str(answer)[:300]}")


def plant(folder: Path, stranger: Store, marker: Path) -> list[str]:
    """Plant objects that must not be loaded in the store; return their names."""
    hostile = marker_pickle(marker)
    stranger.dump("x", "planted-by-another-key", "1")
    for name in ("planted-file", "planted-copy"):
        (folder / name).mkdir()
    (folder / "planted-file" / "1.sig").write_bytes(hostile)
    (folder / "planted-file" / "1.0123456789abcdef.joblib").write_bytes(hostile)
    good = folder / "plant-0%2Fmodel%200"
    for path in good.iterdir():
        (folder / "planted-copy" / path.name.replace("v0", "1")).write_bytes(path.read_bytes())
    return ["planted-by-another-key", "planted-file", "planted-copy"]


@pytest.mark.slow
def test_a_storm_on_a_rotating_key_fails_no_load_and_makes_no_unverified_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every object that should load does and is the one asked for; none of the planted ones ever does."""
    folder, keys, marker = tmp_path / "store", tmp_path / "keys" / "keyring.json", tmp_path / "marker"
    keys.parent.mkdir()
    Keyring.of(HmacKey.generate()).save(keys)
    monkeypatch.setenv("SAFELOAD_KEYRING", str(keys))
    monkeypatch.setenv("SAFELOAD_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("MODEL_REPO_PATH", str(folder))
    store = Store(folder)
    for number in range(NAMES):
        for tag in range(TAGS):
            name = name_of(number)
            store.dump(stored(name, f"v{tag}"), name, f"v{tag}")
    stranger = Store(folder, keyring=HmacKey.generate(), state=tmp_path / "stranger")
    planted = plant(folder, stranger, marker)
    stop = tmp_path / "stop"
    began = time.monotonic()
    with ExitStack() as stack:
        servers = [stack.enter_context(process("serve")) for _ in range(PROCESSES)]
        ports = [int(server.stdout.readline()) for server in servers if server.stdout is not None]
        rotator = stack.enter_context(process("rotate", stop))
        storm = Storm(ports, planted)
        try:
            asyncio.run(asyncio.wait_for(storm.run(), processes.PATIENCE))
        finally:
            stop.touch()
        rotated = rotator.stdout.read() if rotator.stdout is not None else ""
    took = time.monotonic() - began
    with capsys.disabled():
        print(f"\n  {dict(storm.outcomes)} in {took:.0f} s, {rotated.strip()}", end="")
    assert storm.wrong == []
    assert sum(storm.outcomes.values()) == REQUESTS
    assert '"refused": []' in rotated
    assert not marker.exists()
    # Every object is still there, signed by the remaining keys.
    checked = [found for found in store.check() if not found.name.startswith("planted")]
    assert [str(found.refusal) for found in checked if found.refusal is not None] == []
    assert len(checked) == NAMES * TAGS + storm.outcomes["stored"]
