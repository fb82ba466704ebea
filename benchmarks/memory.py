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
def pss(process="self"):
    lines = (line.split() for line in open(f"/proc/{process}/smaps_rollup"))
    return next(int(line[1]) * 1024 for line in lines if line[0] == "Pss:")
def peak():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["VmHWM"].split()[0]) * 1024
open("/proc/self/clear_refs", "w").write("5")
before, low = pss(), peak()
"""
_LOAD = _START + "kept = safeload.load(sys.argv[1], keyring=key); print(json.dumps({'peak': peak() - low}))"
_PLAIN = _START + "kept = joblib.load(sys.argv[1]); print(json.dumps({'peak': peak() - low}))"
_MAPPED = (
    _START
    + """
kept = safeload.load(sys.argv[1], keyring=key, mmap_mode="r")
loading = peak() - low
total = sum(float(array[::64].sum()) for array in kept.values())
print(json.dumps({"loading": loading, "used": peak() - low}))
"""
)
_SHARED = (
    _START
    + f"""
import os
shared = safeload.share(sys.argv[1], keyring=key)
(looked, tell), (wait, go) = os.pipe(), os.pipe()
workers = []
for number in range({WORKERS}):
    worker = os.fork()
    if not worker:
        kept = shared.load()
        total = sum(float(array[::64].sum()) for array in kept.values())
        os.write(tell, b"x")
        os.read(wait, 1)
        os._exit(0)
    workers.append(worker)
for worker in workers:
    os.read(looked, 1)
print(json.dumps({{"added": sum(pss(process) for process in ["self", *workers]) - before}}))
os.write(go, b"x" * {WORKERS})
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
    """Compare the peak of a load with ``mmap_mode="r"``, and of looking at all pages then, with the size.

    The kernel counts a sealed copy for the process only as far as it is mapped: it is added as a whole to
    the peak of the load, in which nothing need be mapped yet.
    """
    path, secret, size = _artifact(folder)
    found = in_process(_MAPPED, path, secret)
    once = max(size + found["loading"], found["used"]) / size
    yield Row('mmap_mode="r": peak memory / size', f"{once:.3f}", "the artifact once", once <= 1.05)


def memory_of_workers(folder: Path) -> Iterator[Row]:
    """Add up what the workers on one shared artifact and their parent take, all pages looked at by each.

    Of a page that several map, each counts its part, so that the sum counts it once.
    """
    path, secret, size = _artifact(folder)
    found = in_process(_SHARED, path, secret)
    total = found["added"] / size
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
