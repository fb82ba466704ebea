"""A server process with both halves of the adapter: its web service, and a runtime that executes.

``python -m support.hetida_server serve`` prints its port on the loopback interface and serves until its
standard input ends. ``... rotate <stop file>`` makes new keys and signs the store anew until that file is
there.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import safeload
from safeload import Entry, HmacKey, Keyring, Store
from safeload.integrations import hetida
from support.hetida_standin import Filtered, Runtime, hand_on
from support.processes import PATIENCE

# A key goes only after so many rotations more: nobody is still signing with it then.
_KEPT = 6


def serve() -> None:
    """Serve until standard input ends."""
    import uvicorn
    from fastapi import Request
    from fastapi.responses import JSONResponse

    from safeload.integrations.hetida.web import application, router

    store = Store(os.environ["MODEL_REPO_PATH"])
    runtime = Runtime(store.location).install()
    hetida.register(store)
    app = application(router(store))

    async def execute(request: Request) -> JSONResponse:
        asked = await request.json()
        wirings = {
            kind: {name: Filtered(**given) for name, given in asked.get(kind, {}).items()}
            for kind in ("sources", "sinks")
        }
        return JSONResponse(
            await runtime.execute(hand_on, values=asked.get("values"), job_id=asked.get("job_id"), **wirings)
        )

    # By hand: a function within a function has no annotations that a framework could look up.
    app.router.add_route("/execute", execute, methods=["POST"])
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"))

    def wait() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=wait, daemon=True).start()
    print(listening.getsockname()[1], flush=True)
    server.run(sockets=[listening])


def rotate(stop: str) -> None:
    """Rotate the key, again and again; print how often, and how many records were signed."""
    path = os.environ["SAFELOAD_KEYRING"]
    store = Store(os.environ["MODEL_REPO_PATH"])
    rounds, signed, refused = 0, 0, []
    until = time.monotonic() + PATIENCE
    while not Path(stop).exists() and time.monotonic() < until:
        keyring = Keyring.load(path)
        key = HmacKey.generate()
        if len(keyring.entries) >= _KEPT:
            keyring = Keyring(keyring.entries[1:])
        keyring.with_entry(Entry(key=key, state="active")).save(path, overwrite=True)
        for outcome in store.rotate(key.key_id):
            signed += outcome.outcome == "signed"
            if outcome.refusal is not None and not outcome.name.startswith("planted"):
                refused.append(str(outcome.refusal))
        rounds += 1
    print(json.dumps({"rounds": rounds, "signed": signed, "refused": refused}))


ROLES: dict[str, Any] = {"serve": serve, "rotate": rotate}

if __name__ == "__main__":
    assert safeload.__version__
    ROLES[sys.argv[1]](*sys.argv[2:])
