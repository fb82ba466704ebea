"""Files that attack and files that do not, made by generators: see :mod:`corpus.entry`."""

from __future__ import annotations

from functools import lru_cache

from corpus.entry import Technique, installed


@lru_cache(maxsize=1)
def techniques() -> tuple[Technique, ...]:
    """Return every technique that can be made with what is installed, by category."""
    from corpus import (
        arrays,
        calls,
        compression,
        containers,
        delayed,
        evaluation,
        files,
        gadgets,
        memo,
        opcodes,
        packages,
        processes,
        skops_files,
        state,
    )
    from corpus import globals as names

    modules = (
        processes,
        evaluation,
        calls,
        files,
        packages,
        gadgets,
        delayed,
        names,
        memo,
        opcodes,
        state,
        arrays,
        compression,
        containers,
        skops_files,
    )
    found = [technique for module in modules for technique in module.TECHNIQUES]
    doubled = {one.name for one in found if sum(other.name == one.name for other in found) > 1}
    assert not doubled, f"two techniques of one name: {doubled}"
    return tuple(technique for technique in found if installed(technique.needs))
