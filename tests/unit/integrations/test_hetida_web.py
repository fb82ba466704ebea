"""The web service: each endpoint's exact JSON, and the path of a click from it to the runtime."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from support.hetida_standin import Filtered, hand_on, stand_in
from support.hetida_web import NAMES, PUMP, Get, client
from support.places import FolderPlace

import safeload
from safeload import Keyring, Store
from safeload.integrations import hetida
from safeload.integrations.hetida.web import application, router

TAG = {"tag": {"name": "Tag", "type": "free_text", "required": False}}
NAME = {"name": {"name": "Name", "type": "free_text", "required": True}}


@pytest.fixture
def get(place: FolderPlace) -> Get:
    """Return a function that asks the web service of that store."""
    return client(place.open())


def node(id: str, parent: str | None, name: str, description: str) -> dict[str, Any]:
    return {"id": id, "parentId": parent, "name": name, "description": description}


def source(node_id: str, name: str, tag: str, encoded: str) -> dict[str, Any]:
    return {
        "id": f"{node_id}~t{encoded}",
        "thingNodeId": node_id,
        "name": tag,
        "type": "metadata(any)",
        "visible": True,
        "path": f"{name}/{tag}",
        "metadataKey": tag,
        "filters": {},
    }


def sink(node_id: str, name: str, path: str, filters: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{node_id}~s",
        "thingNodeId": node_id,
        "name": name,
        "type": "metadata(any)",
        "visible": True,
        "path": path,
        "metadataKey": "new",
        "filters": filters,
    }


PUMP_SOURCES = [
    source(PUMP, "plant-a/pump", "latest", "latest"),
    source(PUMP, "plant-a/pump", "v/2", "v~2F2"),
    source(PUMP, "plant-a/pump", "v 1", "v~201"),
]
PUMP_SINK = sink(PUMP, "New version", "plant-a/pump", TAG)
PLANT_SINK = sink("~nplant-a", "New object", "plant-a/", NAME | TAG)
ROOT_SINK = sink("~r", "New object", "safeload", NAME | TAG)
ROOT = node("~r", None, "safeload", "All signed objects")
PLANT_A = node("~nplant-a", "~r", "plant-a", "Namespace")


def level(**given: Any) -> dict[str, Any]:
    return {"id": "safeload", "name": "safeload", "thingNodes": [], "sources": [], "sinks": []} | given


EXACT = {
    "/info": {"id": "safeload", "name": "safeload", "version": safeload.__version__},
    "/structure": level(thingNodes=[ROOT]),
    "/structure?parentId=~r": level(
        thingNodes=[
            node("~n", "~r", "/", "Namespace"),
            PLANT_A,
            node("a_b", "~r", "a_b", "Signed object"),
            node("churn", "~r", "churn", "Signed object"),
            node("x" * 200, "~r", "x" * 200, "Signed object"),
        ],
        sinks=[ROOT_SINK],
    ),
    "/structure?parentId=~nplant-a": level(
        thingNodes=[
            node("~nplant-a~2Fsub_x", "~nplant-a", "sub_x", "Namespace"),
            node("plant-a~2FGr~C3~B6~C3~9Fe~207", "~nplant-a", "Größe 7", "Signed object"),
            node(PUMP, "~nplant-a", "pump", "Signed object"),
        ],
        sinks=[PLANT_SINK],
    ),
    f"/structure?parentId={PUMP}": level(sources=PUMP_SOURCES, sinks=[PUMP_SINK]),
    "/sources?filter=PUMP": {"resultCount": 3, "sources": PUMP_SOURCES},
    "/sources?filter=pump/v%201": {"resultCount": 1, "sources": [PUMP_SOURCES[2]]},
    "/sources?filter=nowhere": {"resultCount": 0, "sources": []},
    "/sinks?filter=PUMP": {"resultCount": 1, "sinks": [PUMP_SINK]},
    "/sinks?filter=nowhere": {"resultCount": 0, "sinks": []},
    f"/sources/{PUMP}~tlatest": PUMP_SOURCES[0],
    f"/sources/{PUMP}~tv~2F2": PUMP_SOURCES[1],
    f"/sources/{PUMP}~tv~2F2/metadata": [],
    f"/sinks/{PUMP}~s": PUMP_SINK,
    "/sinks/~nplant-a~s": PLANT_SINK,
    "/sinks/~r~s": ROOT_SINK,
    "/sinks/~r~s/metadata": [],
    "/thingNodes/~r": ROOT,
    "/thingNodes/~nplant-a": PLANT_A,
    f"/thingNodes/{PUMP}": node(PUMP, "~nplant-a", "pump", "Signed object"),
    f"/thingNodes/{PUMP}/metadata": [],
}


@pytest.mark.parametrize("path", EXACT)
def test_each_endpoint_answers_exactly_this(path: str, get: Get) -> None:
    """It does so with and without a slash at the end of the path, without redirects."""
    before, question, after = path.partition("?")
    for spelling in (path, f"{before}/{question}{after}"):
        answer = get(spelling)
        assert answer.status_code == 200
        assert answer.json() == EXACT[path]
        assert answer.headers["content-type"] == "application/json"


def test_a_search_without_a_text_finds_all(get: Get) -> None:
    """It finds every source and sink, and the counts match."""
    for path in ("/sources", "/sources?filter="):
        found = get(path).json()
        assert found["resultCount"] == len(found["sources"]) == 3 * len(NAMES)
    found = get("/sinks").json()
    # Of each name, of the root, and of the namespaces "", plant-a and plant-a/sub_x.
    assert found["resultCount"] == len(found["sinks"]) == len(NAMES) + 4
    assert len({one["id"] for one in found["sinks"]}) == len(NAMES) + 4


@pytest.mark.parametrize(
    "path",
    [
        "/structure?parentId=",
        "/structure?parentId=nobody",
        "/structure?parentId=~nnobody",
        "/structure?parentId=plant-a",  # that is the namespace, and no name
        "/structure?parentId=plant-a~2fpump",
        "/structure?parentId=plant-a/pump",
        "/structure?parentId=~r~s",
        "/structure?parentId=churn~tlatest",
        "/structure?parentId=churn&parentId=~r",
        "/sources?filter=a&filter=b",
        "/sources/churn",
        "/sources/churn~t3",
        "/sources/churn~tLATEST",
        "/sources/churn~s",
        "/sources/..~2Fchurn~tlatest",
        "/sinks/churn",
        "/sinks/nobody~s",
        "/sinks/churn~tlatest",
        "/thingNodes/churn~tlatest",
        "/thingNodes/~nplant",
        "/thingNodes/nobody",
        "/thingNodes/nobody/metadata/",
        "/sources/nobody~tlatest/metadata/",
        "/sinks/nobody~s/metadata/",
        "/thingNodes/",
        "/thingNodes/plant-a%2Fpump",
        "/docs",
        "/openapi.json",
        "/",
    ],
)
def test_all_other_ids_are_not_found(path: str, get: Get) -> None:
    """Unknown ids, ids of another kind, non-canonical ids, and parameters given twice."""
    assert get(path).status_code == 404


def test_it_only_reads(get: Get, place: FolderPlace) -> None:
    """Only GET is allowed, and no file of the store changes."""
    before = place.files()
    for path in EXACT:
        get(path)
        for method in ("POST", "PUT", "DELETE"):
            assert get(path, method).status_code == 405
    assert place.files() == before


def test_the_round_trip_of_the_front_end(
    get: Get, place: FolderPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """List a level, load by ``thingNodeId`` and ``metadataKey``, and find the entry again by its id."""
    runtime = stand_in(monkeypatch)
    hetida.register(place.open())
    loaded, pending = [], ["/structure"]
    while pending:
        structure = get(pending.pop()).json()
        pending += [f"/structure?parentId={found['id']}" for found in structure["thingNodes"]]
        for one in structure["sources"]:
            wiring = Filtered(one["thingNodeId"], "THINGNODE", one["metadataKey"], one["type"])
            answer = runtime.run(hand_on, sources={"x": wiring})
            value = answer["output_results_by_output_name"]["x"]
            expected = "v/2" if one["name"] == "latest" else one["name"]
            assert value["tag"] == expected
            loaded.append((value["name"], one["name"]))
            again = get(f"/structure?parentId={wiring.ref_id}").json()["sources"]
            assert [other for other in again if other["metadataKey"] == wiring.ref_key] == [one]
            assert get(f"/sources/{one['id']}").json() == one
        for one in structure["sinks"]:
            wiring = Filtered(one["thingNodeId"], "THINGNODE", one["metadataKey"], one["type"])
            wiring.filters = {key: f"new {key}" for key in one["filters"]}
            assert runtime.run(hand_on, values={"x": 1}, sinks={"x": wiring})["result"] == "ok"
            assert get(f"/sinks/{one['id']}").json() == one
    # Objects that the sinks stored in the meantime are listed too.
    assert set(loaded) >= {(name, tag) for name in NAMES for tag in ("latest", "v 1", "v/2")} - {
        (name, "latest") for name in NAMES
    }
    assert "new tag" in {found.tag for found in place.open().check("plant-a/new name")}


def test_an_empty_store_has_a_root_with_a_sink(keyring: Keyring, tmp_path: Path) -> None:
    """The first object can be stored through the adapter."""
    get = client(Store(tmp_path / "nothing", keyring=keyring, state=tmp_path / "state"))
    assert get("/structure").json()["thingNodes"] == [ROOT]
    assert get("/structure?parentId=~r").json() == level(sinks=[ROOT_SINK])
    assert get("/sources").json() == {"resultCount": 0, "sources": []}


def test_it_lies_under_any_prefix_and_serves_the_origins_that_are_named(place: FolderPlace) -> None:
    """Pages of other origins cannot read it."""
    get = client(place.open(), prefix="/adapters/safeload", origin="http://designer", adapter_key="models")
    assert get("/info").json()["id"] == "models"
    assert get("/structure").json()["id"] == "models"
    for origin, allowed in (("http://designer", "http://designer"), ("http://evil", None)):
        answer = get("/info", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed
    assert "access-control-allow-origin" not in client(place.open())("/info").headers


def test_it_answers_under_its_own_names_only(place: FolderPlace) -> None:
    """A page whose name resolves to this address would otherwise have the same origin."""
    app = application(router(place.open()), allow_hosts=["adapter"])

    def status(host: str) -> int:
        async def ask() -> int:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as asking:
                return (await asking.get("/sources")).status_code

        return asyncio.run(ask())

    assert [status(host) for host in ("adapter", "adapter:8093", "evil", "evil.adapter")] == [
        200,
        200,
        400,
        400,
    ]


def test_ids_need_no_encoding_in_a_path(get: Get) -> None:
    """The same after what a client would make of them."""
    for one in get("/sources").json()["sources"]:
        for text in (one["id"], one["thingNodeId"]):
            assert quote(text, safe="") == text
