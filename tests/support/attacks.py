"""Files that attack. Loading one does nothing but create a marker file that the test looks for.

They are deserialized in subprocesses only, if at all.
"""

from __future__ import annotations

import pickle
from pathlib import Path


class _CreatesMarker:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.marker,)  # type: ignore[return-value]


def marker_pickle(marker: Path) -> bytes:
    """Return a pickle whose loading creates the file `marker`."""
    return pickle.dumps(_CreatesMarker(marker))
