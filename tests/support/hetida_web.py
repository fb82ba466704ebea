"""Asks the web service of the hetida adapter, and the store that it is asked about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from safeload import Keyring, Store
from safeload.integrations.hetida.web import application, router
from support.places import FolderPlace

Get = Callable[..., httpx.Response]

NAMES = ("churn", "plant-a/pump", "plant-a/Größe 7", "plant-a/sub_x/fan", "a_b", "/odd", "x" * 200)
PUMP = "plant-a~2Fpump"


def stored(keyring: Keyring, folder: Path) -> FolderPlace:
    """Return a store with those names, each with the tags ``v 1`` and ``v/2``."""
    made = FolderPlace(keyring, folder / "state", folder / "store")
    store = made.open()
    for name in NAMES:
        for tag in ("v 1", "v/2"):
            store.dump({"name": name, "tag": tag}, name, tag)
    return made


def client(store: Store, *, prefix: str = "", origin: str | None = None, **given: Any) -> Get:
    """Return a function that asks the web service."""
    app = application(router(store, **given), prefix=prefix, allow_origins=[origin] if origin else [])

    def get(path: str, method: str = "GET", **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://adapter") as asking:
                return await asking.request(method, prefix + path, **options)

        return asyncio.run(ask())

    return get
