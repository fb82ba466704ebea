"""What stands on the interpreter's stack in place of objects.

Numbers, text and bytes stand for themselves, and so do tuples; everything else is one of these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class Mark:
    """Where a group of values starts."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A class or function, by its name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Mapping:
    """A dict; only what stands under text is kept."""

    by_text: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Collection:
    """A list or set, whose elements do not matter here."""


@dataclass(slots=True, eq=False)
class Made:
    """What a call would return."""

    called: Any
    arguments: Any
    state: Any = None


@dataclass(slots=True, eq=False)
class Array:
    """An array whose bytes stood in the stream."""
