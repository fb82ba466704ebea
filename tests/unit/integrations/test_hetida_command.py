"""``python -m safeload.integrations.hetida``: serving on loopback, and what it refuses to start with."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.processes import PATIENCE, free_port

from safeload import HmacKey, Keyring, Store

get = functools.partial(httpx.get, timeout=PATIENCE)

COMMAND = (sys.executable, "-m", "safeload.integrations.hetida")


def run(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "300", **environment},
    )


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Return a keyring file."""
    path = tmp_path / "keys" / "keyring.json"
    path.parent.mkdir()
    Keyring.of(HmacKey.generate()).save(path)
    return path


@pytest.fixture
def port() -> Iterator[int]:
    """Return a port for the server, held for this test."""
    with free_port() as held:
        yield held


def test_it_serves_on_loopback_and_not_from_the_working_folder(keys: Path, port: int, tmp_path: Path) -> None:
    """Started in the store itself, with a module planted there that must not be imported."""
    folder = tmp_path / "store"
    Store(folder, keyring=keys, state=tmp_path / "state").dump("x", "churn", "1")
    marker = tmp_path / "marker"
    for module in ("uvicorn", "fastapi", "typer", "msgspec"):
        (folder / f"{module}.py").write_text(f"open({str(marker)!r}, 'w')\nraise SystemExit(3)\n")
    arguments = (
        "--store",
        folder,
        "--port",
        port,
        "--keyring",
        keys,
        "--prefix",
        "/hd",
        "--adapter-key",
        "models",
    )
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                answer = get(f"http://127.0.0.1:{port}/hd/info/")
                break
            except httpx.TransportError:
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < until
                time.sleep(0.05)
        assert answer.json()["id"] == "models"
        assert "server" not in answer.headers
        rebound = get(f"http://127.0.0.1:{port}/hd/info", headers={"Host": f"evil:{port}"})
        assert rebound.status_code == 400
        assert get(f"http://localhost:{port}/hd/info").status_code == 200
        structure = get(f"http://127.0.0.1:{port}/hd/structure?parentId=churn").json()
        assert [one["metadataKey"] for one in structure["sources"]] == ["latest", "1"]
        assert get(f"http://127.0.0.1:{port}/info").status_code == 404
        # On no other address of this machine.
        with socket.socket() as asking:
            asking.settimeout(5)
            assert asking.connect_ex(("127.0.0.2", port)) != 0
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert not marker.exists()


def test_it_does_not_start_with_settings_that_cannot_be_used(keys: Path, tmp_path: Path) -> None:
    """A missing folder or key, an invalid policy or one in the store, and a wrong prefix stop it."""
    folder = tmp_path / "store"
    option = ("--keyring", keys)
    missing = run("--store", folder, *option, cwd=tmp_path)
    assert (missing.returncode, "there is no such folder" in missing.stderr) == (1, True)
    Store(folder, keyring=keys, state=tmp_path / "state").dump("x", "churn", "1")
    no_key = run("--store", folder, cwd=tmp_path)
    assert (no_key.returncode, "safeload keygen" in no_key.stderr) == (1, True)
    (tmp_path / "policy.toml").write_text("[default]\nloadable = 1")
    (folder / "policy.toml").write_text("[default]\nloadable = true")
    for policy, problem in (
        (tmp_path / "policy.toml", "loadable and storable must be true or false"),
        (tmp_path / "none.toml", "the adapter's policy file does not exist"),
        (folder / "policy.toml", "inside the store"),
    ):
        policy.exists() and policy.chmod(0o600)
        refused = run("--store", folder, *option, "--namespaces", policy, cwd=tmp_path)
        assert (refused.returncode, problem in refused.stderr) == (1, True), refused.stderr
    wrong = run("--store", folder, *option, "--prefix", "hd", cwd=tmp_path)
    assert (wrong.returncode, "--prefix must begin with /" in wrong.stderr) == (2, True)


def test_without_the_extra_it_says_what_to_install(keys: Path, tmp_path: Path) -> None:
    """It is an error, not a traceback."""
    code = (
        "import sys, runpy\nsys.modules['uvicorn'] = None\n"
        f"sys.argv = ['x', '--store', {str(tmp_path)!r}]\n"
        "runpy.run_module('safeload.integrations.hetida', run_name='__main__')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert ran.returncode == 2
    assert "safeload[hetida]" in ran.stderr
