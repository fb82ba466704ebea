"""A large safetensors file: a verified load beside the library's own, which checks no signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import safeload
from benchmarks.measure import Row, side_by_side
from safeload import HmacKey, Keyring

TENSORS = 8
MEGABYTES = 500


def loading_safetensors(folder: Path) -> Iterator[Row]:
    """Compare a verified load of 500 MB of tensors with ``safetensors.numpy.load_file`` of the same file.

    Both give arrays that can be written to and have been read as a whole: the library copies each tensor out
    of its map of the file, safeload reads the file into memory that the arrays look into. So one element of
    each array costs neither another page; what reading all of them costs is told as well.
    """
    from safetensors.numpy import load_file

    ring, path = Keyring.of(HmacKey.generate()), folder / "tensors.safetensors"
    items = MEGABYTES * 1_000_000 // TENSORS // 4
    tensors = {f"layer.{n}": np.random.default_rng(n).random(items, dtype=np.float32) for n in range(TENSORS)}
    safeload.dump(tensors, path, format="safetensors", keyring=ring)
    del tensors

    def ours() -> Any:
        return safeload.load(path, keyring=ring)

    def theirs() -> Any:
        return load_file(path)

    def one_element(load: Callable[[], Any]) -> Callable[[], float]:
        return lambda: sum(float(array[-1]) for array in load().values())

    def all_elements(load: Callable[[], Any]) -> Callable[[], float]:
        return lambda: sum(float(array.sum()) for array in load().values())

    what = f"load {MEGABYTES} MB of safetensors, {{}} / safetensors load_file"
    once = side_by_side(one_element(ours), one_element(theirs))
    yield once.row(what.format("one element of each used"), 1.30)
    whole = side_by_side(all_elements(ours), all_elements(theirs))
    yield whole.row(what.format("all summed"))
