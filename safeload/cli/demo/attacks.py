"""The attacks of the demo.

An attack returns the error that refused it, or None if it was not refused. The user sees its docstring.
"""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import safeload
from safeload.cli.demo.scene import Scene
from safeload.errors import SafeloadError

Attack = Callable[[Scene], SafeloadError | str | None]


def flip_a_byte_of_the_artifact(scene: Scene) -> SafeloadError | None:
    """Flip one byte of the model."""
    path = scene.copy_of_production("flipped-artifact")
    _flip(path)
    return _load(scene, path)


def flip_a_byte_of_the_sidecar(scene: Scene) -> SafeloadError | None:
    """Flip one byte of its signature file."""
    path = scene.copy_of_production("flipped-sidecar")
    _flip(path.with_name(path.name + ".sig"))
    return _load(scene, path)


def swap_in_another_signed_model(scene: Scene) -> SafeloadError | None:
    """Put another model, validly signed, in its place."""
    path = scene.copy_of_production("swapped")
    shutil.copy(scene.models / "forest.joblib", path)
    shutil.copy(scene.models / "forest.joblib.sig", path.with_name(path.name + ".sig"))
    return _load(scene, path)


def remove_the_sidecar(scene: Scene) -> SafeloadError | None:
    """Remove the signature file."""
    path = scene.copy_of_production("no-sidecar")
    path.with_name(path.name + ".sig").unlink()
    return _load(scene, path)


def plant_a_pickle_that_acts(scene: Scene) -> str | None:
    """Plant a pickle whose loading would create a file."""
    path = scene.copy_of_production("planted")
    marker = scene.root / "the-attack-worked"
    path.write_bytes(pickle.dumps(_Creates(marker)))
    # Loaded in another process, as a service would do.
    loading = (
        "import sys, safeload\n"
        "try: safeload.load(sys.argv[1], keyring=sys.argv[2])\n"
        "except safeload.SafeloadError as error: print(error.code)"
    )
    answer = subprocess.run(  # noqa: S603  this interpreter, with our own arguments
        [sys.executable, "-c", loading, str(path), str(scene.keyring)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return None if marker.exists() or not answer else answer


def bring_an_unsigned_skops_file(scene: Scene) -> SafeloadError | None:
    """Try an unsigned skops file without an allowlist."""
    return _load(scene, _unsigned_skops(scene, "skops-no-list"))


def bring_a_skops_file_with_other_types(scene: Scene) -> SafeloadError | None:
    """Try one with a type that is not allowed."""
    return _load(scene, _unsigned_skops(scene, "skops-short-list"), trusted=["collections.OrderedDict"])


ATTACKS: tuple[Attack, ...] = (
    flip_a_byte_of_the_artifact,
    flip_a_byte_of_the_sidecar,
    swap_in_another_signed_model,
    remove_the_sidecar,
    plant_a_pickle_that_acts,
    bring_an_unsigned_skops_file,
    bring_a_skops_file_with_other_types,
)


def load_skops_by_allowlist(scene: Scene) -> bool:
    """Load the same skops file with an allowlist that names its types; return whether predictions agree."""
    path = _unsigned_skops(scene, "skops-full-list")
    model = safeload.load(path, trusted=["sklearn.tree._tree.Tree"], keyring=scene.keyring)
    return bool((scene.predictions(model) == scene.predictions(scene.forest)).all())


class _Creates:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def _load(scene: Scene, path: Path, trusted: list[str] | None = None) -> SafeloadError | None:
    try:
        safeload.load(path, trusted=trusted, keyring=scene.keyring)
    except SafeloadError as error:
        return error
    return None


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x01
    path.write_bytes(data)


def _unsigned_skops(scene: Scene, folder: str) -> Path:
    import skops.io

    target = scene.root / folder
    target.mkdir()
    path = target / "forest.skops"
    skops.io.dump(scene.forest, path)
    return path
