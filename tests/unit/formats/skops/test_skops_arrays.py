"""Arrays and sparse matrices of skops files are what their headers say."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
import skops.io
from support import archives
from support.skops_loading import load, npy, refused
from support.skops_schemas import Node, changed, file_of, node

TREE = "sklearn.tree._tree.Tree"


def array_file(member: bytes) -> bytes:
    """Return the file of one array."""
    return file_of(node("NdArrayNode", "ndarray", "numpy", type="numpy", file="a.npy"), {"a.npy": member})


EIGHT = np.arange(8.0)
ARRAYS = {
    "objects": npy(np.array([1, "a"], object)),
    "objects by the header alone": npy(EIGHT, descr="|O"),
    "objects within": npy(EIGHT, descr=[("a", "<f4"), ("b", "|O")], shape=(4,)),
    "a larger shape": npy(EIGHT, shape=(1 << 40,)),
    "a smaller shape": npy(EIGHT, shape=(7,)),
    "a shape beyond all": npy(EIGHT, shape=(1 << 62, 1 << 62)),
    "a negative shape": npy(EIGHT, shape=(-8,)),
    "two negatives": npy(EIGHT, shape=(-2, -4)),
    "a shape of fractions": npy(EIGHT, shape=(8.0,)),
    "a shape of truth": npy(EIGHT, shape=(True, 8)),
    "a shape that is a list": npy(EIGHT, shape=[8]),
    "many dimensions": npy(EIGHT, shape=(1,) * 100 + (8,)),
    "items of no size": npy(EIGHT[:0], descr="|V0", shape=(1 << 40,)),
    "an order of another type": npy(EIGHT, fortran_order=2),
    "no type": npy(EIGHT, descr="nonsense"),
    "a type that is a call": npy(EIGHT, descr="__import__('os')"),
    "another key": npy(EIGHT, extra=1),
    "a header that nests": b"\x93NUMPY\x01\x00" + (5000).to_bytes(2, "little") + b"(" * 5000,
    "a header without an end": b"\x93NUMPY\x02\x00" + (1 << 31).to_bytes(4, "little") + b"{",
    "a header longer than numpy reads": b"\x93NUMPY\x02\x00" + (20_000).to_bytes(4, "little") + b" " * 20_000,
    "another version": b"\x93NUMPY\x09\x00" + npy(EIGHT)[8:],
    "bytes after": npy(EIGHT) + b"x",
    "cut": npy(EIGHT)[:-1],
    "nothing": b"",
    "only the magic": b"\x93NUMPY",
    "an archive": archives.archive_of({"a.npy": npy(EIGHT)}),
    "a pickle": pickle.dumps(EIGHT),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_an_array_is_what_its_header_says(case: str) -> None:
    """And holds nothing that a pickle would have to make."""
    assert (load(array_file(npy(EIGHT))) == EIGHT).all()
    refused(array_file(ARRAYS[case]))


def test_every_kind_of_array_survives() -> None:
    """Types, orders, shapes and versions of the header."""
    for array in (
        *(np.zeros(3, code) for code in "?bhilqBHILQefdgFDG"),
        *(
            np.array(1.0),
            np.zeros((0, 3)),
            np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            np.array(["ä", ""]),
        ),
        *(
            np.array([b"a"]),
            np.array(["2026-01-01"], "M8[ns]"),
            np.zeros(2, [("a", "i4"), ("ä", "f8", (2,))]),
        ),
        np.zeros(2, [("x" * 70 + str(number), "i1") for number in range(50)]),
    ):
        loaded = load(skops.io.dumps(array))
        assert loaded.dtype == array.dtype
        assert loaded.shape == array.shape
        assert loaded.tobytes() == array.tobytes()


SPARSE = scipy.sparse.csr_matrix(np.eye(4))


def sparse(**arrays: Any) -> bytes:
    """Return the file of a sparse matrix with arrays replaced."""

    def change(_: Node, members: dict[str, bytes]) -> None:
        (name,) = members
        inner = {"format": np.array(b"csr"), "shape": np.array([4, 4]), "data": SPARSE.data}
        inner |= {"indices": SPARSE.indices, "indptr": SPARSE.indptr, **arrays}
        members[name] = archives.archive_of(
            {f"{key}.npy": npy(value) for key, value in inner.items() if value is not None}
        )

    return changed(SPARSE, change)


SPARSE_CASES = {
    "indices beyond": {"indices": np.array([0, 1, 2, 1 << 30])},
    "negative indices": {"indices": np.array([0, 1, 2, -1])},
    "pointers beyond": {"indptr": np.array([0, 1, 2, 3, 1 << 30])},
    "pointers that fall": {"indptr": np.array([0, 3, 1, 3, 4])},
    "pointers that start late": {"indptr": np.array([1, 1, 2, 3, 4])},
    "fewer pointers": {"indptr": np.array([0, 4])},
    "fewer data": {"data": np.ones(3)},
    "indices that are fractions": {"indices": np.arange(4.0)},
    "another format": {"format": np.array(b"csc")},
    "a format that is no such": {"format": np.array(b"random")},
    "a format that is a number": {"format": np.array(7)},
    "an array and not a matrix": {"_is_array": np.array(True)},
    "no shape": {"shape": None},
    "a shape of one": {"shape": np.array([4, 4, 4])},
    "objects": {"data": np.array([1, 2, 3, "x"], object)},
    "one more": {"other": np.ones(1)},
}


@pytest.mark.parametrize("case", SPARSE_CASES)
def test_a_sparse_matrix_points_into_itself(case: str) -> None:
    """Native code follows its indices."""
    name = "scipy.sparse._csr.csr_matrix"
    assert (load(sparse(), name) != SPARSE).nnz == 0
    refused(sparse(**SPARSE_CASES[case]), name)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("suffix", ["matrix", "array"])
def test_every_sparse_format_survives(kind: str, suffix: str) -> None:
    """Empty and not, square and not."""
    for shape in ((4, 6), (6, 4), (3, 0), (1, 1)):
        value = getattr(scipy.sparse, f"{kind}_{suffix}")(np.arange(np.prod(shape)).reshape(shape) % 3)
        loaded = load(skops.io.dumps(value), f"{type(value).__module__}.{type(value).__name__}")
        assert type(loaded) is type(value)
        assert (loaded.toarray() == value.toarray()).all()
