"""The real runtime of hetida designer, through its HTTP API, where its source is at hand.

``SAFELOAD_HETIDA_CHECKOUT`` names a checkout of hetida designer 0.9.8, ``SAFELOAD_HETIDA_PYTHON`` a Python
with what its runtime and safeload require. The process that is started serves on the loopback interface,
with a database in memory.
"""

from __future__ import annotations

import os
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.attacks import marker_pickle
from support.processes import PATIENCE, free_port

import safeload
from safeload import HmacKey, Keyring, Store
from safeload.integrations import hetida
from safeload.integrations.hetida import ids
from safeload.integrations.hetida.ids import ROOT, Name

CHECKOUT = os.environ.get("SAFELOAD_HETIDA_CHECKOUT")
PYTHON = os.environ.get("SAFELOAD_HETIDA_PYTHON")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHECKOUT or not PYTHON,
        reason="the source of hetida designer is not at hand: set SAFELOAD_HETIDA_CHECKOUT to a checkout of "
        "0.9.8 and SAFELOAD_HETIDA_PYTHON to a Python with its requirements",
    ),
]

STORE, LOAD = "26d99461-38a9-5e92-df4f-d0fd2752879e", "eb8e8d6b-ba7d-dc88-14dc-6839a471d5e0"

CONFIG = """
import os

import safeload
from safeload.integrations import hetida

hetida.harden()
hetida.register(safeload.Store(os.environ["MODEL_REPO_PATH"]))
"""

OWN = "6f6e1f5a-2d0f-5f8e-9d58-0d2f7a1f1c11"


def with_a_class_of_its_own(code: str, id: str) -> str:
    """Return another component made of Store Object, which stores an object of a class that it defines."""
    changes = {
        id: OWN,
        "Store Object (safeload)": "Store an object of an own class",
        "# ***** DO NOT EDIT LINES B": "class Own:\n    weights = [1]\n\n\n# ***** DO NOT EDIT LINES B",
        "dump_obj(obj, name, tag)": "dump_obj([Own(), obj], name, tag)",
    }
    for before, after in changes.items():
        assert before in code
        code = code.replace(before, after)
    return code


class Api:
    """The API of a running designer."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/transformations"
        self._client = httpx.Client(timeout=PATIENCE)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def put(self, *documents: Any) -> None:
        """Import components."""
        answer = self._client.put(self._url, json=list(documents))
        assert answer.status_code == 207, answer.text
        assert {one["status"] for one in answer.json().values()} == {"SUCCESS"}, answer.text

    def execute(
        self,
        component: str,
        values: dict[str, str],
        sources: dict[str, dict[str, Any]] | None = None,
        sinks: dict[str, dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Execute a component and return the answer, which is never a bare 500."""
        inputs = [
            {"workflow_input_name": name, "adapter_id": "direct_provisioning", "filters": {"value": value}}
            for name, value in values.items()
        ]
        inputs += [{"workflow_input_name": name, **given} for name, given in (sources or {}).items()]
        outputs = [{"workflow_output_name": name, **given} for name, given in (sinks or {}).items()]
        wiring = {"input_wirings": inputs, "output_wirings": outputs}
        answer = self._client.post(f"{self._url}/execute", json={"id": component, "wiring": wiring})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document


def wiring(node: ids.Node, key: str, **filters: str) -> dict[str, Any]:
    return {
        "adapter_id": "safeload",
        "ref_id": ids.encode(node),
        "ref_id_type": "THINGNODE",
        "ref_key": key,
        "type": "metadata(any)",
        "filters": filters,
    }


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Return the folder of the repository."""
    return tmp_path / "repo"


@pytest.fixture
def port() -> Iterator[int]:
    """Return a port for the server, held for this test."""
    with free_port() as held:
        yield held


@pytest.fixture
def api(repo: Path, port: int, key: HmacKey, tmp_path: Path) -> Iterator[Api]:
    """Run backend and runtime in one process, as hetida's development server does."""
    runtime = Path(str(CHECKOUT)) / "runtime"
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "hetdesrun_config.py").write_text(CONFIG, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            [str(tmp_path / "config"), str(Path(safeload.__file__).parent.parent), str(runtime)]
        ),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HD_DATABASE_URL": "sqlite+pysqlite:///:memory:",
        "HD_USE_AUTH": "false",
        "LOG_LEVEL": "WARNING",
        "MODEL_REPO_PATH": str(repo),
        "SAFELOAD_STATE": str(tmp_path / "state"),
        "SAFELOAD_KEY": b64encode(key.export_secret()).decode(),
    }
    # The runtime's own hetdesrun_config.py lies in its working folder, which must not come first.
    command = (PYTHON, "-P", "-m", "uvicorn", "main:app", "--app-dir", tmp_path / "config", "--port", port)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*map(str, command)], cwd=runtime, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/api/info")
                break
            except httpx.TransportError:
                assert process.poll() is None, (tmp_path / "log").read_text()[-3000:]
                assert time.monotonic() < until, "it does not start"
                time.sleep(0.2)
        running = Api(port)
        yield running
        running.close()
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def test_the_released_components_and_the_adapter_run_in_the_real_runtime(
    api: Api, repo: Path, key: HmacKey, tmp_path: Path
) -> None:
    """Stored and loaded by component and adapter; refusals arrive with number and reason; nothing runs."""
    store = Store(repo, keyring=Keyring.of(key), state=tmp_path / "mine")
    assert api.execute(STORE, {"name": "churn", "tag": "1", "obj": '{"a": 1}'})["result"] == "ok"
    assert store.load("churn", "1") == {"a": 1}
    loaded = api.execute(LOAD, {"name": "churn", "tag": "latest"})
    assert loaded["output_results_by_output_name"] == {"obj": {"a": 1}}

    # safeload's own components, imported as code and by their ids.
    codes = [
        (hetida.COMPONENTS / file).read_text(encoding="utf-8")
        for file in ("store_object.py", "load_object.py")
    ]
    info = [code.partition('"id": "')[2][:36] for code in codes]
    api.put(*codes)
    assert api.execute(info[0], {"name": "plant-a/pump", "tag": "1", "obj": "[2]"})["result"] == "ok"
    loaded = api.execute(info[1], {"name": "plant-a/pump", "tag": "1"})
    assert loaded["output_results_by_output_name"] == {"obj": [2]}

    # From a source through a component to the store, and from a component to sinks.
    copied = api.execute(STORE, {"name": "copy", "tag": "1"}, {"obj": wiring(Name("plant-a/pump"), "latest")})
    assert copied["result"] == "ok"
    for node, filters in ((ROOT, {"name": "sunk", "tag": ""}), (Name("copy"), {"tag": "2"})):
        sunk = api.execute(LOAD, {"name": "copy", "tag": "1"}, sinks={"obj": wiring(node, "new", **filters)})
        assert sunk["result"] == "ok"
    assert store.load("sunk") == store.load("copy", "2") == [2]
    signed = store.statement("sunk", store.latest("sunk"))
    assert signed.tag is not None
    assert signed.tag.endswith(str(signed.metadata["hetida"]["job_id"]))

    # A class that is defined in a component.
    api.put(with_a_class_of_its_own(codes[0], info[0]))
    assert api.execute(OWN, {"name": "own", "tag": "1", "obj": "1"})["result"] == "ok"
    referred = store.statement("own", "1").globals or ()
    assert any(name.startswith("hetdesrun_loaded_components.") for name in referred)
    copied = api.execute(STORE, {"name": "own copy", "tag": "1"}, {"obj": wiring(Name("own"), "latest")})
    assert copied["result"] == "ok", copied

    # Refusals.
    for values, kind, code_ in (
        ({"name": "churn", "tag": "2"}, "NotFound", 131),
        ({"name": "", "tag": "2"}, "InvalidName", 134),
    ):
        error = api.execute(LOAD, values)["error"]
        assert (error["type"], error["error_code"]) == (kind, code_)
        assert error["extra_information"]["error"] == kind
    error = api.execute(STORE, {"name": "churn", "tag": "latest", "obj": "1"})["error"]
    assert (error["type"], error["error_code"]) == ("InvalidName", 134)
    marker = tmp_path / "marker"
    artifact = next((repo / "churn").glob("1.*.joblib"))
    artifact.write_bytes(marker_pickle(marker))
    (repo / "churn_2").write_bytes(marker_pickle(marker))
    error = api.execute(LOAD, {"name": "churn", "tag": "latest"})["error"]
    assert (error["type"], error["error_code"]) == ("DigestMismatch", 116)
    assert api.execute(LOAD, {"name": "churn", "tag": "2"})["result"] == "failure"
    target = {"name": "never", "tag": "1"}
    for key_text, kind, problem in (
        ("latest", "AdapterOutputDataError", "[safeload 116 DigestMismatch]"),
        ("2", "AdapterClientWiringInvalidError", "[safeload 131 NotFound]"),
        ("LATEST", "AdapterClientWiringInvalidError", "[safeload 134 InvalidName]"),
    ):
        answer = api.execute(STORE, target, {"obj": wiring(Name("churn"), key_text)})
        assert answer["result"] == "failure"
        assert answer["error"]["type"] == kind
        assert problem in answer["error"]["message"]
    taken = api.execute(
        LOAD, {"name": "copy", "tag": "1"}, sinks={"obj": wiring(Name("copy"), "new", tag="2")}
    )
    assert "[safeload 132 TagExists]" in taken["error"]["message"]
    assert "never" not in set(store.names())
    assert not marker.exists()
