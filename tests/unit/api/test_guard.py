"""Under the guard nothing is unpickled but what safeload has verified."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from support.attacks import marker_pickle
from support.processes import PATIENCE

import safeload
from safeload import HmacKey, UnguardedOperation

# Audit hooks stay for the life of a process; each of these runs in one of its own.
START = """
import io, json, os, pickle, sys, warnings
warnings.simplefilter("ignore")
import safeload
path = sys.argv[1]
def tell(call):
    try:
        call()
    except safeload.UnguardedOperation as error:
        return "refused"
    except BaseException as error:
        return type(error).__name__
    return "done"
"""


def run(code: str, path: Path, key: HmacKey, **environment: str) -> Any:
    """Run code that prints JSON."""
    ran = subprocess.run(
        [sys.executable, "-c", START + code, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "SAFELOAD_KEY": b64encode(key.export_secret()).decode(), **environment},
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Return a pickle that creates a marker when it is loaded."""
    (tmp_path / "hostile").write_bytes(marker_pickle(tmp_path / "marker"))
    return tmp_path / "hostile"


WAYS = {
    "C": "pickle.load(open(path, 'rb'))",
    "C, from bytes": "pickle.loads(open(path, 'rb').read())",
    "Python": "pickle._load(open(path, 'rb'))",
    "joblib": "__import__('joblib').load(path)",
    "cloudpickle": "__import__('cloudpickle').load(open(path, 'rb'))",
    "pandas": "__import__('pandas').read_pickle(path)",
    "numpy": "__import__('numpy').load(path, allow_pickle=True)",
    "shelve": "pickle.Unpickler(open(path, 'rb')).load()",
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_else_unpickles(way: str, hostile: Path, key: HmacKey) -> None:
    """Whatever the library; without the guard the same call runs what the file says."""
    code = f"""
import joblib, numpy, pandas, cloudpickle
with safeload.guard():
    refused = tell(lambda: {WAYS[way]})
before = os.path.exists(os.path.join(os.path.dirname(path), "marker"))
without = tell(lambda: {WAYS[way]})
print(json.dumps([refused, before, without]))
"""
    refused, before, without = run(code, hostile, key)
    # pandas tries another reader after an error, which the guard refuses as well.
    assert refused in ("refused", "UnpicklingError")
    assert not before
    assert without == "done"
    assert (hostile.parent / "marker").exists()


def test_a_verified_load_is_let_through(key: HmacKey, tmp_path: Path) -> None:
    """Files, bytes, stores and shared artifacts; and right afterwards the rest is refused as before."""
    import numpy as np

    safeload.dump({"x": np.arange(300_000.0), "s": {1, 2}}, tmp_path / "x", signer=key)
    code = """
import joblib, datetime
with safeload.guard():
    store = safeload.Store(path + "-store", state=path + "-state")
    store.dump(datetime.date(2026, 1, 1), "a", "1")
    pair = safeload.dumps(datetime.date(2026, 1, 1))
    outcomes = [
        tell(lambda: safeload.load(path)),
        tell(lambda: safeload.load(path, mmap_mode="r")),
        tell(lambda: safeload.loads(*pair)),
        tell(lambda: store.load("a")),
        tell(lambda: safeload.share(path).load()),
        tell(lambda: pickle.loads(pair[0])),
    ]
print(json.dumps(outcomes))
"""
    assert run(code, tmp_path / "x", key) == ["done"] * 5 + ["refused"]


def test_other_threads_and_tasks_are_not_let_through(key: HmacKey, tmp_path: Path) -> None:
    """While one is inside a verified load."""
    code = """
import asyncio, datetime, threading
from safeload import guarding
data = pickle.dumps(datetime.date(2026, 1, 1))
found = []
async def other():
    await asyncio.sleep(0.01)
    found.append(tell(lambda: pickle.loads(data)))
async def inside():
    guarding.VERIFIED_LOAD.set(True)  # In this task's own context.
    await asyncio.sleep(0.05)
    found.append(tell(lambda: pickle.loads(data)))
async def main():
    await asyncio.gather(inside(), other())
with safeload.guard():
    asyncio.run(main())
    guarding.VERIFIED_LOAD.set(True)
    thread = threading.Thread(target=lambda: found.append(tell(lambda: pickle.loads(data))))
    thread.start()
    thread.join()
print(json.dumps(found))
"""
    assert run(code, tmp_path, key) == ["refused", "done", "refused"]


def test_marshal_and_ctypes_are_refused(tmp_path: Path, key: HmacKey) -> None:
    """But for the import system, and ctypes' own import."""
    code = """
import marshal, subprocess
data = marshal.dumps(1)
with safeload.guard():
    import ctypes, sqlite3, email.mime.text
    outcomes = [
        tell(lambda: marshal.loads(data)),
        tell(lambda: marshal.load(io.BytesIO(data))),
        tell(lambda: ctypes.CDLL(None)),
        tell(lambda: ctypes.pythonapi.PyRun_SimpleString),
        tell(lambda: ctypes.string_at(id(data))),
        tell(lambda: pickle.loads(pickle.dumps([1, "two", {3.0: None}]))),
    ]
print(json.dumps(outcomes))
"""
    found = run(code, tmp_path, key)
    assert found[:4] == ["refused"] * 4
    # Plain data look nothing up.
    assert found[5] == "done"


def test_multiprocessing_is_refused_unless_it_is_let(tmp_path: Path, key: HmacKey) -> None:
    """What workers send back is unpickled as well."""
    code = """
import datetime, multiprocessing.connection
def through():
    one, other = multiprocessing.connection.Pipe()
    one.send(datetime.date(2026, 1, 1))
    other.recv()
with safeload.guard():
    first = tell(through)
with safeload.guard(multiprocessing=True):
    second = tell(through)
    third = tell(lambda: pickle.loads(pickle.dumps(datetime.date(2026, 1, 1))))
print(json.dumps([first, second, third]))
"""
    assert run(code, tmp_path, key) == ["refused", "done", "refused"]


def test_report_logs_and_lets_it_happen(tmp_path: Path, key: HmacKey) -> None:
    """With the stack; and one that refuses counts, whatever others report."""
    code = """
import datetime, logging
lines = []
class Keep(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
logging.getLogger("safeload.guard").addHandler(Keep())
data = pickle.dumps(datetime.date(2026, 1, 1))
def somewhere():
    pickle.loads(data)
with safeload.guard("report"):
    reported = tell(somewhere)
    with safeload.guard():
        both = tell(somewhere)
    after = tell(somewhere)
off = tell(somewhere)
print(json.dumps([reported, both, after, off, lines]))
"""
    reported, both, after, off, lines = run(code, tmp_path, key)
    assert (reported, both, after, off) == ("done", "refused", "done", "done")
    assert len(lines) == 3
    assert "datetime.date" in lines[0]
    assert "somewhere" in lines[0]


def test_the_guard_stays_on_until_each_is_off(tmp_path: Path, key: HmacKey) -> None:
    """Switched on for good, twice, and off again."""
    code = """
import datetime
data = pickle.dumps(datetime.date(2026, 1, 1))
one, two = safeload.guard().enable(), safeload.guard().enable()
outcomes = [tell(lambda: pickle.loads(data))]
one.disable(), one.disable()
outcomes.append(tell(lambda: pickle.loads(data)))
two.disable()
outcomes.append(tell(lambda: pickle.loads(data)))
print(json.dumps(outcomes))
"""
    assert run(code, tmp_path, key) == ["refused", "refused", "done"]


def test_a_mode_that_there_is_not_is_a_mistake() -> None:
    """A misspelled one must not be taken for off."""
    with pytest.raises(ValueError, match="refuse, report"):
        safeload.guard("refused")  # type: ignore[arg-type]


def test_the_error_says_where_and_is_of_the_tree(
    tmp_path: Path, key: HmacKey, caplog: pytest.LogCaptureFixture
) -> None:
    """Judged without a hook, so that this process stays as it is."""
    with pytest.raises(UnguardedOperation, match=r"test_guard\.py:\d+: an unpickler looks up os\.system"):
        safeload.Guard().judge("pickle.find_class", ("os", "system"), sys._getframe())
    with caplog.at_level(logging.WARNING):
        safeload.Guard("report").judge("marshal.loads", (), sys._getframe())
    assert "marshal.loads is called" in caplog.text
    assert threading.active_count() >= 1
    assert asyncio.iscoroutinefunction(run) is False


SCRIPT = """
import pickle, sys, datetime
print(__name__, sys.argv[1:])
pickle.loads(pickle.dumps(datetime.date(2026, 1, 1)))
print("still here")
"""


@pytest.mark.parametrize("options", [[], ["--report"]])
def test_the_command_runs_a_script_under_the_guard(options: list[str], tmp_path: Path, key: HmacKey) -> None:
    """As a program, with its own arguments."""
    (tmp_path / "script.py").write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, "-m", "safeload", "guard", *options, str(tmp_path / "script.py"), "--its", "own"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "__main__ ['--its', 'own']" in ran.stdout
    if options:
        assert ran.returncode == 0
        assert "still here" in ran.stdout
        assert "datetime.date" in ran.stderr
    else:
        assert ran.returncode != 0
        assert "still here" not in ran.stdout
        assert "UnguardedOperation" in ran.stderr


def test_the_command_wants_a_script(tmp_path: Path) -> None:
    """Wrong usage otherwise."""
    ran = subprocess.run(
        [sys.executable, "-m", "safeload", "guard", str(tmp_path / "none.py")],
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 2
