"""Stops or fails a dump at every call that it makes to the operating system.

Runs as a process of its own (``python -m support.faults <mode> <state> <folder>``) that has one thread only
and forks a child for each stop, so that a child dies as a killed program does: no handler, no ``finally``.
It prints a list with one entry a stop, as JSON.

Modes: ``before`` and ``after`` end the child right before and right after the k-th call; ``torn`` lets the
k-th write get half of its bytes to the file and ends the child; ``short`` lets it write half and go on;
``error`` makes the k-th call fail with ENOSPC, or EIO where nothing is written; ``error-stop`` does, and ends
the child right after the next rename if there is one; ``trace`` writes down the calls; ``kill`` sends SIGKILL
at random moments to a child that dumps one object after the other.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import safeload
from safeload.attestation import digests
from safeload.errors import SafeloadError
from safeload.formats.pickles import picklers
from safeload.storage import writer

# Everything of os that the storage layer calls, and that a path function calls for it.
CALLS = (
    *("open", "read", "write", "close", "fsync", "replace", "rename", "unlink"),
    *("stat", "lstat", "fstat", "dup", "readlink", "ftruncate", "link", "mkdir"),
)
NAME = "churn.joblib"
OLD, NEW, NEXT = 1, 2, 3
STOPPED, REFUSED, RAW = 70, 71, 72
_exit, _write, _close = os._exit, os.write, os.close


def value(version: int) -> dict[str, Any]:
    """Return an object that is a few buffers long."""
    return {"version": version, "weights": [b"%d %d " % (version, i) * 20_000 for i in range(3)]}


def dump(version: int, folder: Path) -> None:
    """Store a version where all of them are stored."""
    # Each of the large parts is a write of its own.
    safeload.dump(value(version), folder / NAME)


def outcome(folder: Path) -> Any:
    """Load, and return the version or the name of the error."""
    try:
        loaded = safeload.load(folder / NAME)
    except SafeloadError as error:
        return error.code
    return loaded["version"] if loaded == value(loaded["version"]) else "something else"


class Faults:
    """Counts calls, and strikes at one of them."""

    def __init__(self, mode: str, at: int, report: int) -> None:
        self.mode, self.at, self.report, self.count = mode, at, report, 0
        self.armed = True

    def install(self) -> None:
        """Wrap the calls of this process."""
        for name in CALLS:
            setattr(os, name, self.wrapped(name, getattr(os, name)))
        fcntl.flock = self.wrapped("flock", fcntl.flock)

    def wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return `real` with a fault in it."""

        def call(*arguments: Any, **named: Any) -> Any:
            if not self.armed or (self.mode in ("torn", "short") and name != "write"):
                return real(*arguments, **named)
            self.count += 1
            if self.mode == "trace":
                result = real(*arguments, **named)
                self.tell(
                    [name, [str(part) for part in arguments if not isinstance(part, memoryview)], result]
                )
                return result
            if self.mode == "error-stop" and self.count > self.at and name == "replace":
                real(*arguments, **named)
                _exit(STOPPED)
            if self.count != self.at:
                return real(*arguments, **named)
            self.tell(name)
            return self.strike(name, real, arguments, named)

        return call

    def strike(self, name: str, real: Callable[..., Any], arguments: Any, named: Any) -> Any:
        """Do what the mode says."""
        if self.mode in ("torn", "short"):
            descriptor, data = arguments
            written = real(descriptor, memoryview(data)[: (len(data) + 1) // 2])
            if self.mode == "short":
                return written
            _exit(STOPPED)
        if self.mode == "after" or name == "close":
            # A descriptor is gone even when close fails.
            real(*arguments, **named)
        if self.mode in ("error", "error-stop"):
            number = errno.ENOSPC if name in ("open", "write", "fsync", "replace") else errno.EIO
            raise OSError(number, os.strerror(number))
        return _exit(STOPPED)

    def tell(self, what: Any) -> None:
        """Send something to the parent."""
        _write(self.report, json.dumps(what, default=str).encode() + b"\n")


def child(mode: str, at: int, folder: Path, version: int, report: int) -> NoReturn:
    """Dump with a fault, and end."""
    faults = Faults(mode, at, report)
    faults.install()
    status = RAW
    try:
        dump(version, folder)
        status = 0
    except SafeloadError:
        status = REFUSED
    except BaseException as error:
        faults.armed = False
        faults.tell(f"raw {type(error).__name__}")
    finally:
        _exit(status)


def struck(mode: str, at: int, folder: Path, version: int) -> tuple[int, list[Any]]:
    """Fork a child that dumps with a fault; return how it ended and what it reported."""
    threads = Path("/proc/self/task")
    assert not threads.exists() or len(list(threads.iterdir())) == 1
    receiving, report = os.pipe()
    process = os.fork()
    if process == 0:
        _close(receiving)
        child(mode, at, folder, version, report)
    _close(report)
    with os.fdopen(receiving) as lines:
        told = [json.loads(line) for line in lines]
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), told


def prepare(state: str, folder: Path) -> None:
    """Bring a folder into the state that the dump finds."""
    folder.mkdir()
    if state == "nothing":
        return
    dump(OLD - 1 if state.startswith("interrupted") else OLD, folder)
    if state.startswith("interrupted"):
        # An earlier dump was stopped right after its first rename (the sidecar's), or its second.
        wanted = {"interrupted-early": 1, "interrupted-late": 2}[state]
        _, calls = struck("trace", 0, _copy(folder, "traced"), OLD)
        renames = [at for at, (name, _, _) in enumerate(calls, 1) if name == "replace"]
        ended, _ = struck("after", renames[wanted - 1], folder, OLD)
        assert ended == STOPPED
        sidecar = (folder / f"{NAME}.sig").read_bytes()
        assert sidecar.count(b"\n") == 2


def _copy(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(folder, folder.parent / name))


def stops(mode: str, state: str, root: Path) -> list[dict[str, Any]]:
    """Strike at each call in turn until a dump runs through."""
    template = root / "template"
    prepare(state, template)
    before, present = outcome(template), set(os.listdir(template))
    done: list[dict[str, Any]] = []
    for at in range(1, 1000):
        folder = _copy(template, f"at-{at}")
        ended, told = struck(mode, at, folder, NEW)
        if ended == 0 and not told:
            return done
        entry = {"at": at, "call": told[0], "told": told[1:], "ended": ended, "before": before}
        entry["loads"] = outcome(folder)
        left = set(os.listdir(folder)) - present
        entry["left"] = sorted(name for name in left if name.endswith(".tmp"))
        try:
            dump(NEXT, folder)
        except Exception as error:
            entry["next"] = type(error).__name__
        else:
            entry["next"] = outcome(folder)
        done.append(entry)
        shutil.rmtree(folder)
    raise AssertionError("a dump does not end")


def killed(write: Callable[[int], None], lines: int) -> list[bytes]:
    """Kill a forked writer at a random moment, and return the lines that it had written until then.

    The moment comes after a number of lines, not after a time, so that a writer gets as far on a slow
    machine as on a fast one. The rest of the wait is random, up to twice the longest time between two lines.

    Parameters
    ----------
    write : callable
        Writes lines to the descriptor that it is given, and never returns.
    lines : int
        How many lines to wait for.
    """
    receiving, report = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            write(report)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    _close(report)
    with os.fdopen(receiving, "rb") as written:
        found, between, last = [], 0.02, time.monotonic()
        for _ in range(lines):
            found.append(written.readline())
            now = time.monotonic()
            between, last = max(between, now - last), now
        time.sleep(random.uniform(0, 2 * between))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        return [*found, *written]


def kills(times: int, root: Path) -> list[dict[str, Any]]:
    """Kill a child that dumps version after version, again and again."""
    folder = root / "killed"
    folder.mkdir()
    version, done = 0, []

    def write(report: int) -> None:
        for number in itertools.count(version + 1):
            dump(number, folder)
            _write(report, b"%d\n" % number)

    for attempt in range(times):
        acknowledged = max(map(int, killed(write, attempt % 4)), default=version)
        loads = outcome(folder)
        done.append({"acknowledged": acknowledged, "loads": loads})
        version = loads if isinstance(loads, int) else acknowledged
    return done


def main(mode: str, state: str, root: str) -> None:
    """Run one series and print it."""
    if not hasattr(writer, "_BUFFER_BYTES") or not hasattr(picklers, "_CAPACITY"):
        raise SystemExit("the writer's buffers have other names now")
    # Several writes for a small object; and no threads, since this process forks.
    digests._MAX_THREADS = 1
    writer._BUFFER_BYTES = picklers._CAPACITY = 512
    warm = Path(root) / "warm"
    warm.mkdir()
    dump(OLD, warm)
    outcome(warm)
    if mode == "trace":
        prepare(state, Path(root) / "template")
        result: Any = struck("trace", 0, Path(root) / "template", NEW)[1]
    elif mode == "kill":
        result = kills(int(state), Path(root))
    else:
        result = stops(mode, state, Path(root))
    print(json.dumps(result, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
