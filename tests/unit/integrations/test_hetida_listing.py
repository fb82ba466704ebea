"""What the hetida adapter's web service lists for hostile stores, under policies, and without a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.attacks import marker_pickle
from support.hetida_web import NAMES, PUMP, client
from support.places import FolderPlace

import safeload
from safeload import HmacKey, Keyring, Store
from safeload.integrations.hetida import AdapterPolicy, NamespacePolicy


@pytest.mark.parametrize("artifacts", [False, True])
def test_only_what_verifies_is_listed(artifacts: bool, place: FolderPlace, tmp_path: Path) -> None:
    """Planted, renamed, foreign and truncated statements are not listed, and neither are their names."""
    marker = tmp_path / "marker"
    hostile = marker_pickle(marker)
    files = place.files()
    sidecar = next(data for path, data in files.items() if path == "churn/v%201.sig")
    stranger = FolderPlace(Keyring.of(HmacKey.generate()), tmp_path / "s", tmp_path / "stranger")
    stranger.open().dump("x", "strange", "1")
    for path, data in {
        "planted/1.sig": hostile,
        "planted/latest.sig": hostile,
        "planted/1.0123456789abcdef.joblib": hostile,
        "planted_latest": hostile,
        "churn_v3": hostile,
        "other/v%201.sig": sidecar,
        "churn/v%203.sig": sidecar,
        "churn/v4.sig": sidecar[:100],
        "churn/%2E%2E%2Fv5.sig": sidecar,
        **stranger.files(),
    }.items():
        place.write(path, data)
    (artifact,) = [path for path in files if path.startswith("churn/v%201.") and not path.endswith(".sig")]
    place.write(artifact, hostile)
    get = client(place.open(), artifacts=artifacts)
    nodes = {one["id"] for one in get("/structure?parentId=~r").json()["thingNodes"]}
    assert nodes == {"~n", "~nplant-a", "a_b", "churn", "x" * 200}
    tags = [one["metadataKey"] for one in get("/structure?parentId=churn").json()["sources"]]
    # The changed artifact is detected when it is loaded, and in the list only if artifacts are read.
    assert tags == (["latest", "v/2"] if artifacts else ["latest", "v/2", "v 1"])
    for path in ("/thingNodes/planted", "/thingNodes/other", "/thingNodes/strange", "/sources/strange~t1"):
        assert get(path).status_code == 404
    for path in ("/sources/churn~tv~203", "/sources/churn~tv4", "/sinks/planted~s"):
        assert get(path).status_code == 404
    assert get("/sources/churn~tv~201").status_code == (404 if artifacts else 200)
    assert get("/sources").json()["resultCount"] == 3 * len(NAMES) - artifacts
    with pytest.raises(safeload.DigestMismatch):
        place.open().load("churn", "v 1")
    assert not marker.exists()


def test_a_latest_that_was_put_back_is_not_listed(place: FolderPlace) -> None:
    """The service has seen the newer one loaded; the tags are still listed."""
    old = place.files()["churn/latest.sig"]
    store = place.open()
    store.dump("3", "churn", "v3")
    assert store.load("churn") == "3"
    place.write("churn/latest.sig", old)
    get = client(place.open())
    tags = [one["metadataKey"] for one in get("/structure?parentId=churn").json()["sources"]]
    assert tags == ["v3", "v/2", "v 1"]
    assert get("/sources/churn~tlatest").status_code == 404


def test_the_policy_decides_what_is_offered(place: FolderPlace) -> None:
    """Loadable names have sources, storable ones have sinks, and others are not listed."""
    policy = AdapterPolicy(
        namespaces={
            "plant-a": NamespacePolicy(loadable=True),
            "plant-a/sub_x": NamespacePolicy(storable=True),
            "empty/inner": NamespacePolicy(storable=True),
            "closed": NamespacePolicy(),
        }
    )
    store = place.open()
    store.dump(1, "closed/x", "1")
    store.dump(1, "plant-a/pump", "plain", format="pickle")
    get = client(store, policy=policy)

    def children(parent: str) -> dict[str, Any]:
        found = get(f"/structure?parentId={parent}").json()
        return {key: [one["id"] for one in found[key]] for key in ("thingNodes", "sources", "sinks")}

    assert children("~r") == {"thingNodes": ["~nempty", "~nplant-a"], "sources": [], "sinks": []}
    assert children("~nempty")["thingNodes"] == ["~nempty~2Finner"]
    assert children("~nempty~2Finner") == {"thingNodes": [], "sources": [], "sinks": ["~nempty~2Finner~s"]}
    assert len(children(PUMP)["sources"]) == 4
    assert children(PUMP)["sinks"] == []
    fan = "plant-a~2Fsub_x~2Ffan"
    assert children(fan) == {"thingNodes": [], "sources": [], "sinks": [f"{fan}~s"]}
    for path in (f"/sources/{fan}~tlatest", "/thingNodes/churn", "/sinks/~r~s", "/thingNodes/~nclosed"):
        assert get(path).status_code == 404
    assert {one["path"].partition("/")[0] for one in get("/sources").json()["sources"]} == {"plant-a"}
    assert [one["id"] for one in get("/sinks").json()["sinks"]] == [
        "~nempty~2Finner~s",
        "~nplant-a~2Fsub_x~s",
        f"{fan}~s",
    ]
    narrowed = AdapterPolicy(default=NamespacePolicy(loadable=True, formats=("pickle",)))
    get = client(store, policy=narrowed)
    assert {one["path"] for one in get("/sources").json()["sources"]} == {
        "plant-a/pump/latest",
        "plant-a/pump/plain",
    }
    assert get("/thingNodes/churn").status_code == 404


def test_a_policy_that_cannot_be_read_closes(place: FolderPlace, tmp_path: Path) -> None:
    """Every listing is an error until it is valid again; the reason is only logged."""
    path = tmp_path / "hetida.toml"
    get = client(place.open(), policy=path)

    def put(text: str) -> None:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    asked = ("/structure", "/sources", "/sinks", f"/sources/{PUMP}~tlatest", f"/thingNodes/{PUMP}")
    for text in ("[default]\nloadable = 'yes'", "[default]\nlodable = true", "not toml"):
        put(text)
        for one in asked:
            answer = get(one)
            assert answer.status_code == 503
            assert answer.json() == {
                "detail": "the store cannot be listed; see the log",
                "error": "PolicyError",
                "error_code": 120,
            }
    path.unlink()
    assert [get(one).json()["error"] for one in asked] == ["KeyringError"] * len(asked)
    put("")
    assert [get(one).status_code for one in asked] == [200, 200, 200, 404, 404]
    assert get("/sources").json()["resultCount"] == get("/sinks").json()["resultCount"] == 0
    put("[default]\nloadable = true")
    assert [get(one).status_code for one in asked] == [200] * len(asked)


def test_without_a_key_nothing_is_listed(place: FolderPlace) -> None:
    """Nothing can be verified then; the answer does not contain the path of the store."""
    get = client(Store(place.location, state=place.state))
    for path in ("/sources", "/structure?parentId=~r", f"/sources/{PUMP}~tlatest", f"/sources/{PUMP}~tv~2F2"):
        answer = get(path)
        assert (answer.status_code, answer.json()["error"]) == (503, "NoKeyError")
        assert str(place.location) not in answer.text
