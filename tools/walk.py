"""Shows the way of one call through the package: which functions of which files, in order.

    python tools/walk.py            # counts for a load, and for a store's load of latest
    python tools/walk.py --calls    # every call too

Both calls are warm: what is looked up or imported once has been. The file changes where a call is of a
function in another file than the call before it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import safeload

PACKAGE = os.path.dirname(safeload.__file__) + os.sep


def walked(call: Callable[[], object]) -> list[tuple[str, str]]:
    """Return the file and the name of every function of the package that a call runs, in order."""
    calls: list[tuple[str, str]] = []

    def profile(frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGE):
            calls.append((file.removeprefix(PACKAGE), frame.f_code.co_qualname))

    for _ in range(3):
        call()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return calls


def changes(calls: list[tuple[str, str]]) -> int:
    """Return how often the file changes from call to call; the first call changes it too."""
    files = [file for file, _ in calls]
    return sum(one != other for one, other in zip(["", *files], files, strict=False))


@contextmanager
def scene() -> Iterator[dict[str, Callable[[], object]]]:
    """Make a small artifact and a store, with an HMAC key in a keyring file, and yield the calls."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SAFELOAD_KEYRING"] = os.path.join(folder, "keys", "keyring.json")
        Path(folder, "keys").mkdir()
        Path(folder, "models").mkdir()
        safeload.Keyring.of(safeload.HmacKey.generate()).save(os.environ["SAFELOAD_KEYRING"])
        path = os.path.join(folder, "models", "churn.joblib")
        safeload.dump({"coef": [0.5] * 20}, path)
        store = safeload.Store(os.path.join(folder, "store"), state=os.path.join(folder, "state"))
        store.dump({"coef": [0.5] * 20}, "churn", "2026-11-23")
        yield {
            "safeload.load": lambda: safeload.load(path),
            "Store.load of latest": lambda: store.load("churn"),
        }


def main() -> None:
    """Print what each call walks through."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--calls", action="store_true", help="print every call")
    shown = arguments.parse_args().calls
    with scene() as calls:
        for name, call in calls.items():
            found = walked(call)
            files = {file for file, _ in found}
            print(f"{name}: {len(found)} calls, {len(files)} files, {changes(found)} changes of file")
            if shown:
                print("\n".join(f"  {file}: {function}" for file, function in found))


if __name__ == "__main__":
    main()
