"""Writers and loaders that meet at one path, as threads or as processes of their own.

``python -m support.racing <function> <folder> <arguments>`` runs one of the functions of `ROLES` and prints
what it returns as JSON. A loader runs until the file ``stop`` appears in the folder, or until it has done its
number of loads; so does a writer. What has to be seen is counted, however long it takes.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import safeload
from safeload.errors import SafeloadError
from support.attacks import marker_pickle
from support.processes import PATIENCE

NAME = "churn.joblib"
A, B = "object A", "object B"
# A thread that loads while others write has seen enough after more loads and more versions than these.
LOADS, VERSIONS = 100, 10


def value(label: Any) -> dict[str, Any]:
    """Return an object that says which one it is."""
    return {"label": label, "weights": list(range(300))}


def _stopped(folder: Path) -> bool:
    return (folder / "stop").exists()


class Attacker:
    """Exchanges the files of a signed artifact, at once and in place, signed ones among them."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.artifact, self.sidecar = folder / NAME, folder / f"{NAME}.sig"
        spare = folder / "spare"
        spare.mkdir()
        self.pairs = []
        for label in (A, B):
            safeload.dump(value(label), spare / NAME)
            self.pairs.append(((spare / NAME).read_bytes(), (spare / f"{NAME}.sig").read_bytes()))
        hostile = marker_pickle(folder / "marker")
        honest = self.pairs[0][0]
        self.bad_artifacts = [
            hostile,
            hostile + honest[len(hostile) :],
            honest[: len(honest) // 2] + hostile,
            honest[:-1],
            b"",
        ]
        self.bad_sidecars = [b"", self.pairs[0][1][:-1], hostile, b"\n", self.pairs[0][1] * 3]
        self.restore()

    def restore(self) -> None:
        """Put a signed pair in place."""
        artifact, sidecar = self.random.choice(self.pairs)
        self.put(self.sidecar, sidecar)
        self.put(self.artifact, artifact)

    def put(self, target: Path, data: bytes) -> None:
        """Replace a file at once."""
        temporary = self.folder / "attack.tmp"
        temporary.write_bytes(data)
        os.replace(temporary, target)

    def overwrite(self, target: Path, data: bytes) -> None:
        """Rewrite a file in place, in two steps."""
        with target.open("r+b", buffering=0) as file:
            file.write(data[: len(data) // 2])
            file.write(data[len(data) // 2 :])
            file.truncate()

    def step(self) -> None:
        """Make one attack, then let a signed pair stand for a moment."""
        way = self.random.choice([self.put, self.overwrite])
        dice = self.random.random()
        if dice < 0.8:
            way(self.artifact, self.random.choice(self.bad_artifacts))
        elif dice < 0.9:
            way(self.sidecar, self.random.choice(self.bad_sidecars))
        else:
            self.put(self.artifact, self.random.choice(self.bad_artifacts))
            self.sidecar.unlink()
            time.sleep(0.0002)
            self.restore()
            return
        if self.random.random() < 0.3:
            time.sleep(0.0002)
        if self.random.random() < 0.5:
            self.restore()
            time.sleep(0.0002)
        else:
            # In place: what is mapped or half read would change under the reader.
            artifact, sidecar = self.random.choice(self.pairs)
            self.overwrite(self.sidecar, sidecar)
            self.overwrite(self.artifact, artifact)

    def run(self, steps: int, stop: threading.Event | None = None) -> int:
        """Attack until told to stop, but at least `steps` times."""
        done = 0
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if done >= steps and (_stopped(self.folder) if stop is None else stop.is_set()):
                break
            self.step()
            done += 1
        return done


def attack(folder: Path, steps: str) -> dict[str, int]:
    """Attack from this process."""
    attacker = Attacker(folder)
    (folder / "ready").touch()
    return {"attacks": attacker.run(int(steps))}


def load(folder: Path, loads: str) -> dict[str, Any]:
    """Load until `loads` loads are done and both outcomes were seen; count the outcomes."""
    return _load_many(folder, int(loads), wanted=2)


def load_until_stopped(folder: Path) -> dict[str, Any]:
    """Load until the file ``stop`` appears; each label is to be no older than the one before it."""
    return _load_many(folder, None, wanted=0)


def readers_that_saw_enough(folder: Path) -> int:
    """Return how many loading threads have loaded often, and seen several versions."""
    return sum(name.endswith(".enough") for name in os.listdir(folder))


def _load_many(folder: Path, loads: int | None, *, wanted: int) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    first_refusal: str | None = None
    seen: list[Any] = []
    done = 0
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        kinds = {kind == "loaded" for kind in outcomes}
        if done >= loads and len(kinds) >= wanted if loads is not None else done > LOADS and _stopped(folder):
            break
        done += 1
        try:
            loaded = safeload.load(folder / NAME)
        except SafeloadError as error:
            outcomes[error.code] += 1
            first_refusal = first_refusal or str(error)
        except BaseException as error:
            wrong.append(f"{type(error).__name__}: {error}")
        else:
            outcomes["loaded"] += 1
            label = loaded.get("label") if isinstance(loaded, dict) else None
            if loaded != value(label):
                wrong.append("an object that nobody stored")
            elif not seen or seen[-1] != label:
                seen.append(label)
        if loads is None and done > LOADS and len(seen) == VERSIONS + 1:
            (folder / f"{os.getpid()}-{threading.get_ident()}.enough").touch()
    return {
        "loads": done,
        "outcomes": dict(outcomes),
        "wrong": wrong,
        "labels": seen,
        "refusal": first_refusal,
    }


def attack_and_load_in_threads(folder: Path, steps: str, loads: str) -> dict[str, Any]:
    """Attack in one thread and load in another, which take turns as often as the interpreter can."""
    sys.setswitchinterval(1e-5)
    attacker, stop, attacks = Attacker(folder), threading.Event(), []
    thread = threading.Thread(target=lambda: attacks.append(attacker.run(int(steps), stop)))
    thread.start()
    try:
        result = load(folder, loads)
    finally:
        stop.set()
        thread.join()
    return {**result, "attacks": attacks[0]}


def dump(folder: Path, writer: str, times: str, labels: str = "", readers: str = "0") -> dict[str, int]:
    """Store at least `times` objects over one path, until `readers` threads have seen enough.

    With `labels` the same few are stored again and again.
    """
    number = 0
    while number < int(times) or readers_that_saw_enough(folder) < int(readers):
        label = number % int(labels) if labels else number
        safeload.dump(value([int(writer), label]), folder / NAME)
        number += 1
    return {"dumps": number}


def in_threads(folder: Path, writers: str, times: str) -> dict[str, int]:
    """Store from several threads at once; `writers` are their numbers."""
    sys.setswitchinterval(1e-4)
    results: list[dict[str, int]] = []
    threads = [
        threading.Thread(target=lambda writer=writer: results.append(dump(folder, writer, times)))
        for writer in writers.split(",")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"dumps": sum(result["dumps"] for result in results)}


def load_in_threads(folder: Path, threads: str) -> list[dict[str, Any]]:
    """Load in several threads until stopped."""
    results: list[dict[str, Any]] = []
    running = [
        threading.Thread(target=lambda: results.append(load_until_stopped(folder)))
        for _ in range(int(threads))
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return results


ROLES = {
    role.__name__: role
    for role in (attack, load, attack_and_load_in_threads, dump, in_threads, load_in_threads)
}

if __name__ == "__main__":
    print(json.dumps(ROLES[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])))
