"""A backend that counts what passes through it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from safeload import Store


class CountingBackend:
    """Passes everything on."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.calls: Counter[str] = Counter()
        self.bytes_read = 0
        self.reads: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, path: str, *, limit: int) -> Any:
        self.calls["read"] += 1
        data, version = self._inner.read(path, limit=limit)
        self.bytes_read += len(data)
        self.reads.append(path)
        return data, version

    def read_artifact(self, path: str, **named: Any) -> Any:
        self.calls["read"] += 1
        blob = self._inner.read_artifact(path, **named)
        self.bytes_read += blob.size
        self.reads.append(path)
        return blob

    def conditional_write(self, path: str, data: bytes, **named: Any) -> Any:
        self.calls["conditional_write"] += 1
        return self._inner.conditional_write(path, data, **named)

    def write_artifact(self, *arguments: Any, **named: Any) -> Any:
        self.calls["write_artifact"] += 1
        return self._inner.write_artifact(*arguments, **named)

    def list(self, prefix: str) -> Iterator[str]:
        self.calls["list"] += 1
        for path in self._inner.list(prefix):
            self.calls["listed"] += 1
            yield path

    def folders(self) -> Iterator[str]:
        self.calls["folders"] += 1
        yield from self._inner.folders()


def counted(store: Store) -> CountingBackend:
    """Count what a store does from now on."""
    backend = CountingBackend(store._backend)
    store._backend = backend  # type: ignore[assignment]
    return backend
