"""What a load takes of memory, from /proc, in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import safeload
from benchmarks import objects
from benchmarks.measure import Row, in_process
from safeload import HmacKey, Keyring

MEBIBYTES = 512
WORKERS = 8

_START = """
import json, sys, joblib, numpy, safeload
key = safeload.HmacKey(bytes.fromhex(sys.argv[2]))
safeload.loads(*safeload.dumps([1, numpy.arange(3)], signer=key), keyring=key)
def memory():
    lines = (line.split() for line in open("/proc/self/smaps_rollup"))
    found = {line[0][:-1]: int(line[1]) * 1024 for line in lines if len(line) == 3}
    return {"pss": found["Pss"], "private": found["Private_Clean"] + found["Private_Dirty"]}
def peak():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["VmHWM"].split()[0]) * 1024
open("/proc/self/clear_refs", "w").write("5")
before, low = memory(), peak()
"""
_LOAD = _START + "kept = safeload.load(sys.argv[1], keyring=key); print(json.dumps({'peak': peak() - low}))"
_PLAIN = _START + "kept = joblib.load(sys.argv[1]); print(json.dumps({'peak': peak() - low}))"
_MAPPED = (
    _START
    + """
kept = safeload.load(sys.argv[1], keyring=key, mmap_mode="r")
total = sum(float(array[::64].sum()) for array in kept.values())
after = memory()
print(json.dumps({"pss": after["pss"] - before["pss"]}))
"""
)
_SHARED = (
    _START
    + f"""
import os
shared = safeload.share(sys.argv[1], keyring=key)
pipes = [os.pipe() for _ in range({WORKERS} + 1)]
go, done = pipes[-1], pipes[:-1]
for number in range({WORKERS}):
    if not os.fork():
        was = memory()["private"]
        kept = shared.load()
        total = sum(float(array[::64].sum()) for array in kept.values())
        os.write(done[number][1], b"%d" % (memory()["private"] - was))
        os.read(go[0], 1)
        os._exit(0)
added = [int(os.read(pipe[0], 32)) for pipe in done]
own = memory()
os.write(go[1], b"x" * {WORKERS})
size = shared._verified.blob.size
print(json.dumps({{"workers": sum(added), "once": size, "parent": own["private"] - before["private"]}}))
"""
)


def peak_of_a_load(folder: Path) -> Iterator[Row]:
    """Compare the peak of a load with the artifact's size."""
    path, secret, size = _artifact(folder)
    for what, code in (("safeload.load", _LOAD), ("joblib.load", _PLAIN)):
        found = in_process(code, path, secret)
        ratio = found["peak"] / size
        ours = what == "safeload.load"
        yield Row(
            f"peak memory of {what}, {MEBIBYTES} MiB / size",
            f"{ratio:.3f}",
            "<= 1.10" if ours else "",
            ratio <= 1.10 if ours else None,
        )


def memory_of_a_map(folder: Path) -> Iterator[Row]:
    """Tell what a load with ``mmap_mode="r"`` adds, all pages having been looked at."""
    path, secret, size = _artifact(folder)
    once = in_process(_MAPPED, path, secret)["pss"] / size
    yield Row('mmap_mode="r": memory / size', f"{once:.3f}", "the artifact once", once <= 1.05)


def memory_of_workers(folder: Path) -> Iterator[Row]:
    """Add up what eight workers on one shared artifact take: the sealed memory once, and what each adds."""
    path, secret, size = _artifact(folder)
    found = in_process(_SHARED, path, secret)
    total = (found["workers"] + found["once"] + found["parent"]) / size
    yield Row(
        f"{WORKERS} workers on one shared {MEBIBYTES} MiB artifact: memory / size",
        f"{total:.3f}",
        "<= 1.30",
        total <= 1.30,
    )


def _artifact(folder: Path) -> tuple[Path, str, int]:
    key = HmacKey.generate()
    path = folder / "arrays"
    safeload.dump(objects.arrays(MEBIBYTES), path, keyring=Keyring.of(key))
    return path, key.export_secret().hex(), path.stat().st_size
