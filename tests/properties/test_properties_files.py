"""Properties of what is signed of files, and of data formats, for all inputs a search comes up with."""

from __future__ import annotations

import ntpath
import os
from datetime import UTC, datetime
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.auditing import no_unpickler_runs
from support.forgery import payload_of
from support.forgery import sidecar_of as forged_sidecar
from support.numpy_files import npy, npz
from support.safetensors_files import file_of, tensor
from support.strategies import mutations, names, read_back, text

import safeload
from safeload import HmacKey, InvalidName, MalformedError, Policy, SafeloadError, Statement
from safeload.attestation import statement
from safeload.attestation.digests import Digest, digest_of
from safeload.attestation.statement import FOLDER, Source
from safeload.attestation.subjects import File, check_path, digest_of_files, require_order
from safeload.parsers import magic
from safeload.parsers.format_facts import FACTS

MANY = settings(max_examples=300, deadline=None)
KEY = HmacKey(bytes(range(32)))

digests = st.binary(min_size=32, max_size=32).map(lambda data: Digest("blake3", data.hex()))
parts = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\:"), min_size=1, max_size=20
)
paths = (
    st.lists(parts.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4)
    .map("/".join)
    .filter(lambda path: all(len(part.encode()) <= 255 for part in path.split("/")))
)
file_sets = st.lists(
    st.builds(File, paths, digests, st.integers(0, 2**40)), max_size=5, unique_by=lambda file: file.path
).map(lambda files: tuple(sorted(files)))


def statement_of(files: tuple[File, ...], **fields: Any) -> Statement:
    """Return a statement about a folder of these files, or, with another format, about an artifact."""
    folder = fields.get("format", FOLDER) == FOLDER
    return Statement(
        name="model",
        digest=digest_of_files(files) if folder else digest_of("blake3", b""),
        size=sum(file.size for file in files) if folder else 0,
        created=datetime(2026, 11, 23, tzinfo=UTC),
        files=files,
        **{"format": FOLDER, **fields},
    )


@MANY
@given(
    file_sets,
    st.booleans(),
    st.none()
    | st.builds(
        Source, names(), text(max_size=9), st.dictionaries(text(max_size=9), text(max_size=9), max_size=2)
    ),
    st.lists(text(max_size=20), max_size=3).map(tuple),
)
def test_a_statement_about_files_comes_back_as_it_was(
    files: tuple[File, ...], folder: bool, source: Source | None, remarks: tuple[str, ...]
) -> None:
    """``parse(encode(x)) == x``, of a folder and of an artifact; and only of a folder as of one."""
    assume(files or not folder)
    made = statement_of(files, format=FOLDER if folder else "onnx", source=source, remarks=remarks)
    payload = statement.encode(made)
    assert statement.parse(payload) == made
    assert statement.encode(statement.parse(payload)) == payload


BASE = statement.encode(
    statement_of((File("a", digest_of("blake3", b"1"), 1), File("b/c", digest_of("blake3", b"2"), 2)))
)


@MANY
@given(mutations(BASE))
def test_any_bytes_are_a_statement_about_a_folder_or_malformed(data: bytes) -> None:
    """What is one has its paths below the folder, in order, and its one spelling."""
    found = read_back(data, statement.parse, statement.encode, MalformedError)
    if found is None:
        return
    require_order(found.files)
    if found.format == FOLDER:
        assert found.digest == digest_of_files(found.files)
        assert found.size == sum(file.size for file in found.files)


@MANY
@given(st.text(st.sampled_from("ab./\\:~\0\n é"), max_size=12) | st.text(max_size=30) | paths)
def test_a_path_that_may_be_signed_stays_below_its_folder(path: str) -> None:
    """However it is spelled, and on Windows too."""
    try:
        assert check_path(path) == path
    except InvalidName:
        return
    for norm, join, folder in (
        (os.path.normpath, os.path.join, "/folder"),
        (ntpath.normpath, ntpath.join, "C:\\folder"),
    ):
        joined = norm(join(folder, path))
        assert joined.startswith(folder)
        assert len(joined) > len(folder)
    assert os.path.normpath(path) == path


@MANY
@given(file_sets, file_sets)
def test_no_two_sets_of_files_have_one_digest(left: tuple[File, ...], right: tuple[File, ...]) -> None:
    """It can be read in one way only, so that a name cannot be part of another's line."""
    assume(left and right)
    names_and_digests = [[(file.path, file.digest) for file in files] for files in (left, right)]
    same = names_and_digests[0] == names_and_digests[1]
    assert (digest_of_files(left) == digest_of_files(right)) == same


@MANY
@given(
    st.binary(max_size=40)
    | mutations(file_of({"a": tensor(0, 8)}, b"x" * 8))
    | mutations(npy("<f8", (1,), b"x" * 8))
)
def test_any_bytes_are_in_a_known_format_or_in_none(data: bytes) -> None:
    """No first byte is too much."""
    assert magic.identify(data) in (None, *FACTS)


@MANY
@given(
    mutations(
        file_of({"__metadata__": {"a": "b"}, "a": tensor(0, 8), "b": tensor(8, 10, "BOOL")}, b"\0" * 10)
    )
)
def test_an_unsigned_file_of_any_bytes_is_arrays_or_a_typed_error(data: bytes) -> None:
    """Under a policy that admits safetensors."""
    policy = Policy(unsigned_formats=frozenset({"safetensors"}))
    with no_unpickler_runs():
        try:
            loaded = safeload.loads(data, None, policy=policy)
        except SafeloadError:
            return
    assert all(type(array) is np.ndarray and not array.dtype.hasobject for array in loaded.values())


@MANY
@given(mutations(npy("<f8", (2,), b"\0" * 16)) | mutations(npz(("a.npy", npy("<i4", (1,), b"\0" * 4)))))
def test_signed_bytes_of_any_kind_are_arrays_or_a_typed_error(data: bytes) -> None:
    """As numpy's."""
    sidecar = forged_sidecar(payload_of(data, "x", format="numpy"), KEY)
    with no_unpickler_runs():
        try:
            loaded = safeload.loads(data, sidecar, name="x", keyring=KEY)
        except SafeloadError:
            return
    for array in loaded.values() if isinstance(loaded, dict) else [loaded]:
        assert type(array) is np.ndarray
        assert not array.dtype.hasobject
        assert array.nbytes <= len(data)
