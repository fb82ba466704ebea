"""Writers and loaders that meet in one store, each a process of its own.

``python -m support.store_racing <role> <store as JSON> <arguments>`` runs one of `ROLES` and prints what it
returns as JSON. The store is given as ``{"location": ..., "config": {...}, "state": ...}``.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import safeload
from safeload import Store
from safeload.errors import SafeloadError, TagExists
from support.processes import PATIENCE

NAME = "churn"


def _open(given: dict[str, Any]) -> Store:
    return Store(given["location"], state=given["state"], **given["config"])


def _await(gate: str) -> None:
    """Start together with the others."""
    until = time.monotonic() + PATIENCE
    while not Path(gate).exists() and time.monotonic() < until:
        time.sleep(0.001)


def value(writer: Any, number: Any) -> dict[str, Any]:
    """Return an object that says who stored it."""
    return {"writer": writer, "number": number, "weights": list(range(200))}


def same_tags(store: Store, gate: str, writer: str, count: str) -> dict[str, Any]:
    """Try to store tags 0, 1, … that all others try to store too; return those that were got."""
    _await(gate)
    won, lost, wrong = [], [], []
    for number in range(int(count)):
        try:
            store.dump(value(writer, number), NAME, str(number))
            won.append(number)
        except TagExists:
            lost.append(number)
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")
    return {"writer": writer, "won": won, "lost": lost, "wrong": wrong}


def own_tags(store: Store, gate: str, writer: str, count: str) -> dict[str, Any]:
    """Store tags of one's own under the common name; each is the latest at some time."""
    _await(gate)
    sequences, wrong = [], []
    for number in range(int(count)):
        try:
            signed = store.dump(value(writer, number), NAME, f"{writer}-{number}")
            sequences.append(signed.sequence)
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")
    return {"writer": writer, "sequences": sequences, "wrong": wrong}


def overwrite(store: Store, gate: str, writer: str, count: str) -> dict[str, Any]:
    """Store one tag again and again, as all others do."""
    _await(gate)
    wrong = []
    for number in range(int(count)):
        try:
            store.dump(value(writer, number), NAME, "same", overwrite=True)
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")
    return {"writer": writer, "wrong": wrong}


def load(store: Store, gate: str, tag: str, stop: str) -> dict[str, Any]:
    """Load until a file appears and one load succeeded; report refusals, and objects that were not stored."""
    _await(gate)
    outcomes: Counter[str] = Counter()
    wrong = []
    until = time.monotonic() + PATIENCE
    while not (Path(stop).exists() and outcomes["loaded"]) and time.monotonic() < until:
        try:
            loaded = store.load(NAME, tag)
        except safeload.NotFound:
            # Only before the first is there.
            outcomes["NotFound after loads" if outcomes["loaded"] else "NotFound"] += 1
        except SafeloadError as error:
            outcomes[error.code] += 1
            wrong.append(str(error))
        except BaseException as error:
            wrong.append(f"{type(error).__name__}: {error}")
        else:
            outcomes["loaded"] += 1
            if loaded != value(loaded["writer"], loaded["number"]):
                wrong.append("an object that nobody stored")
    return {"outcomes": dict(outcomes), "wrong": wrong}


ROLES = {role.__name__: role for role in (same_tags, own_tags, overwrite, load)}

if __name__ == "__main__":
    print(json.dumps(ROLES[sys.argv[1]](_open(json.loads(sys.argv[2])), *sys.argv[3:])))
