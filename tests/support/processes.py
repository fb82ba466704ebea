"""Runs a module of this folder in a process of its own, where warnings are errors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from base64 import b64encode
from typing import Any

from safeload import HmacKey
from support.paths import TESTS

_TESTS = str(TESTS)

# After so many seconds a process counts as hung. Nothing is measured by it, so it is far above what any takes.
PATIENCE = 900


def start(module: str, *arguments: object, key: HmacKey) -> subprocess.Popen[str]:
    """Start ``support.<module>`` with the key in its environment."""
    search = os.pathsep.join(filter(None, (_TESTS, os.environ.get("PYTHONPATH"))))
    environment = {
        **os.environ,
        "PYTHONPATH": search,
        "SAFELOAD_KEY": b64encode(key.export_secret()).decode(),
        # One thread in the process, so that it can be forked.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", f"support.{module}", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> Any:
    """Wait for a process and return the JSON that it printed."""
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        raise AssertionError(f"it hangs\n{errors}") from None
    assert process.returncode == 0, errors
    assert errors == ""
    return json.loads(output)


def run(module: str, *arguments: object, key: HmacKey) -> Any:
    """Start and finish."""
    return finish(start(module, *arguments, key=key))


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
