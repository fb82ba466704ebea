"""A process of hetida's runtime, hardened and with the adapter, that stores or loads until told otherwise.

``python -m support.hetida_process <role> <arguments>`` runs one of `ROLES` with key and folder from the
environment, and prints what it returns as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safeload
from safeload.integrations import hetida
from safeload.integrations.hetida import ids
from support.hetida_standin import Filtered, Runtime, hand_on, load_object, store_object
from support.processes import PATIENCE

NAME = "churn"


def start() -> Runtime:
    """Return a runtime as it is after its ``hetdesrun_config.py``."""
    folder = os.environ["MODEL_REPO_PATH"]
    runtime = Runtime(folder).install()
    hetida.harden()
    hetida.register(safeload.Store(folder))
    return runtime


def value(who: str, number: int) -> dict[str, Any]:
    """Return an object that says who stored it; large enough that half of it could be seen."""
    return {"who": who, "number": number, "weights": list(range(2000))}


def _repeat(times: str, folder: str, others: str, once: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    """Start together with the others, go on until each has done its number of times, and count."""

    def all_have(mark: str) -> bool:
        return len(list(Path(folder).glob(f"*.{mark}"))) > int(others)

    def mark(what: str) -> None:
        (Path(folder) / f"{os.getpid()}.{what}").touch()

    mark("ready")
    until = time.monotonic() + PATIENCE
    while not all_have("ready") and time.monotonic() < until:
        time.sleep(0.001)
    outcomes: Counter[str] = Counter()
    while not all_have("done") and time.monotonic() < until:
        answer = once(outcomes.total())
        outcomes["ok" if answer["error"] is None else answer["error"]["message"]] += 1
        if outcomes.total() == int(times):
            mark("done")
    return dict(outcomes)


def write(times: str, folder: str, others: str, who: str) -> dict[str, Any]:
    """Store one tag again and again by the component."""
    runtime = start()

    def once(number: int) -> dict[str, Any]:
        return runtime.run(store_object, values={"name": NAME, "tag": "v1", "obj": value(who, number)})

    return _repeat(times, folder, others, once)


def read(times: str, folder: str, others: str, tag: str) -> dict[str, Any]:
    """Load by the component and by a source in turn."""
    runtime = start()
    source = Filtered(ids.encode(ids.Name(NAME)), "THINGNODE", tag)

    def once(number: int) -> dict[str, Any]:
        if number % 2:
            answer = runtime.run(hand_on, sources={"obj": source})
        else:
            answer = runtime.run(load_object, values={"name": NAME, "tag": tag})
        if answer["error"] is None:
            loaded = answer["output_results_by_output_name"]["obj"]
            assert loaded == value(loaded["who"], loaded["number"])
        return answer

    return _repeat(times, folder, others, once)


def attempt(wanted: str) -> list[Any]:
    """Try to load each name and tag by the component and by a source; return the errors' messages."""
    runtime = start()
    outcomes = []
    for name, tag in json.loads(wanted):
        by_component = runtime.run(load_object, values={"name": name, "tag": tag})
        source = Filtered(ids.encode(ids.Name(name)), "THINGNODE", tag)
        by_source = runtime.run(hand_on, sources={"obj": source})
        outcomes.append(
            [answer["error"] and answer["error"]["message"] for answer in (by_component, by_source)]
        )
    return outcomes


def store_until_killed(who: str) -> None:
    """Store one tag again and again, and never end."""
    runtime = start()
    number = 0
    while True:
        runtime.run(store_object, values={"name": NAME, "tag": "v1", "obj": value(who, number)})
        number += 1
        print(number, flush=True)


ROLES: dict[str, Callable[..., Any]] = {
    role.__name__: role for role in (write, read, attempt, store_until_killed)
}

if __name__ == "__main__":
    print(json.dumps(ROLES[sys.argv[1]](*sys.argv[2:])))
