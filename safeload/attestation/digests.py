"""Digests: the two algorithms that a statement may name, in lower-case hexadecimal.

BLAKE3 is the default: it uses all cores, and a file's digest equals what ``b3sum`` prints. SHA-256
(FIPS 180-4) is for policies that demand FIPS algorithms.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from safeload.errors import MalformedError

DigestAlgorithm = Literal["blake3", "sha256"]
ALGORITHMS: tuple[DigestAlgorithm, ...] = get_args(DigestAlgorithm)

_HEX = re.compile(r"[0-9a-f]{64}")
# Below this size, threads cost more than they save.
_THREADED_BYTES = 1 << 22
_MAX_THREADS = 16


class Hasher(Protocol):
    """A running digest."""

    def update(self, data: bytes | memoryview, /) -> object:
        """Add bytes."""
        ...

    def hexdigest(self) -> str:
        """Return the digest in lower-case hexadecimal."""
        ...


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest as 64 lower-case hexadecimal characters, with its algorithm.

    Raises MalformedError for another algorithm or form.
    """

    algorithm: DigestAlgorithm
    hex: str

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise MalformedError(
                f"the digest algorithm {str(self.algorithm)[:40]!r} is not accepted",
                hint="Only blake3 and sha256 are.",
            )
        if not _HEX.fullmatch(self.hex):
            raise MalformedError("a digest is not 64 lower-case hexadecimal characters")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    def to_set(self) -> dict[str, str]:
        """Return the digest as an in-toto DigestSet of one member."""
        return {self.algorithm: self.hex}

    @classmethod
    def from_set(cls, digests: dict[str, str]) -> Digest:
        """Return the digest of an in-toto DigestSet, or raise MalformedError if it has not exactly one."""
        if len(digests) != 1:
            raise MalformedError("a subject does not have exactly one digest")
        ((algorithm, hexdigest),) = digests.items()
        return cls(algorithm, hexdigest)  # type: ignore[arg-type]  # The constructor refuses all others.


def processors() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Not on every system.
        return os.cpu_count() or 1


def hasher(algorithm: DigestAlgorithm, *, threads: bool = False) -> Hasher:
    """Return a new hasher; `threads` lets BLAKE3 use all cores for large updates.

    Each hasher has its own threads. The library's shared ones do not survive a fork, and the child would wait
    for them forever.
    """
    if algorithm == "sha256":
        return hashlib.sha256()
    import blake3

    return blake3.blake3(max_threads=min(_MAX_THREADS, processors()) if threads else 1)


def digest_of(algorithm: DigestAlgorithm, data: bytes | memoryview) -> Digest:
    """Return the digest of `data`."""
    state = hasher(algorithm, threads=len(data) >= _THREADED_BYTES)
    state.update(data)
    return Digest(algorithm, state.hexdigest())
