"""Runs a module of this folder in a process of its own, where warnings are errors."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from safeload import HmacKey
from support.paths import environment

# Seconds after which a process counts as hung: far more than any takes, since nothing is measured by it.
PATIENCE = 900

# The numerical libraries start no threads in a process that forks.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def start(module: str, *arguments: object, key: HmacKey) -> subprocess.Popen[str]:
    """Start ``support.<module>`` with the key in its environment."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", f"support.{module}", *map(str, arguments)],
        env=environment(SAFELOAD_KEY=b64encode(key.export_secret()).decode(), **ONE_THREAD),
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


@contextmanager
def free_port() -> Iterator[int]:
    """Provide a TCP port of the loopback interface for a server; no other caller gets it meanwhile.

    The UDP port of the same number is held for it, which the system gives to one process at a time.
    """
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as claim:
            claim.bind(("127.0.0.1", 0))
            port = int(claim.getsockname()[1])
            try:
                with socket.socket() as listening:
                    listening.bind(("127.0.0.1", port))
            except OSError:
                continue
            yield port
            return
