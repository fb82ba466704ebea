"""What is measured of stores: loading the latest among few and many tags, and signing a store anew."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, side_by_side
from safeload import HmacKey, Keyring, Store
from safeload.trust.keys import Entry

FEW, MANY = 10, 10_000
ROTATED = 5_000


class Counting:
    """A store's backend that counts reads and their bytes on the way."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.seen: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def read(self, path: str, *, limit: int) -> Any:
        data, version = self._backend.read(path, limit=limit)
        self.seen.update(reads=1, bytes=len(data))
        return data, version

    def read_artifact(self, path: str, **named: Any) -> Any:
        blob = self._backend.read_artifact(path, **named)
        self.seen.update(reads=1, bytes=blob.size)
        return blob


def counted(store: Store) -> Counter[str]:
    """Count what a store reads from now on."""
    backend = Counting(store._backend)
    store._backend = backend  # type: ignore[assignment]
    return backend.seen


def latest_among_many_tags(folder: Path) -> Iterator[Row]:
    """Compare `load` of the latest in stores with 10 and with 10,000 tags."""
    ring = Keyring.of(HmacKey.generate())
    stores, reads = [], []
    for tags in (MANY, FEW):
        store = Store(folder / str(tags), keyring=ring, state=folder / "state")
        for number in range(tags):
            store.dump(number, "churn", str(number))
        stores.append(store)
    pair = side_by_side(lambda: stores[0].load("churn"), lambda: stores[1].load("churn"), 100)
    for store in stores:
        seen = counted(store)
        store.load("churn")
        reads.append(seen["reads"])
    figure = f"x {pair.ratio:.2f}, {reads[0]} and {reads[1]} reads"
    yield Row(f"load latest of {MANY:,} tags / of {FEW}", figure, "the same reads", reads[0] == reads[1])


def rotating(folder: Path) -> Iterator[Row]:
    """Sign 5,000 artifacts of 1 MB anew, and as many of 1 KB."""
    old, new = HmacKey.generate(), HmacKey.generate()
    before = Keyring.of(old)
    both = before.with_entry(Entry(key=new, state="active"))
    seconds, read = [], []
    for size in (1_000_000, 1_000):
        place = folder / str(size)
        writer = Store(place, keyring=before, state=folder / "state")
        for number in range(ROTATED):
            writer.dump(bytes(size), f"name-{number % 50}", str(number))
        store = Store(place, keyring=both, state=folder / "state")
        seen = counted(store)
        start = time.perf_counter()
        assert sum(done.outcome == "signed" for done in store.rotate(new.key_id)) == ROTATED + 50
        seconds.append(time.perf_counter() - start)
        read.append(seen["bytes"])
        shutil.rmtree(place)
    figure = f"x {seconds[0] / seconds[1]:.2f}, {read[0] / 1e6:.1f} and {read[1] / 1e6:.1f} MB read"
    what = f"rotate {ROTATED:,} artifacts of 1 MB / of 1 KB"
    yield Row(what, figure, "the same bytes read", abs(read[0] / read[1] - 1) < 0.01)
