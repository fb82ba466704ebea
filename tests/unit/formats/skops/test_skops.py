"""skops files: signed, or by an allowlist of exact names; kept exactly, or declined."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.tree import DecisionTreeClassifier

import safeload
from safeload import HmacKey, Limits, Policy, PolicyError, SafeloadError, SerializationError, SignatureMissing

TREE = "sklearn.tree._tree.Tree"


@pytest.fixture(scope="module")
def unsigned() -> bytes:
    """Return a skops file that needs one type."""
    data: bytes = skops.io.dumps(DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1]))
    assert skops.io.get_untrusted_types(data=data) == [TREE]
    return data


def test_without_a_list_an_unsigned_file_is_refused(unsigned: bytes) -> None:
    """No list is not an empty list."""
    with pytest.raises(SignatureMissing, match="allowlist"):
        safeload.loads(unsigned, None)


def test_an_empty_list_admits_what_skops_admits_by_itself(unsigned: bytes) -> None:
    """Plain data load; a type beyond that is named exactly."""
    assert safeload.loads(skops.io.dumps({"a": [1, "x"]}), None, trusted=[]) == {"a": [1, "x"]}
    with pytest.raises(safeload.UntrustedType) as caught:
        safeload.loads(unsigned, None, trusted=["collections.OrderedDict"])
    assert caught.value.types == (TREE,)
    assert TREE in str(caught.value)


def test_the_list_of_a_call_and_of_the_policy_add_up(unsigned: bytes) -> None:
    """Either may name the type; a policy that does not list the format admits none."""
    for trusted, policy in (([TREE], None), (None, Policy(trusted=frozenset({TREE})))):
        model = safeload.loads(unsigned, None, trusted=trusted, policy=policy)
        assert model.predict([[1.0]]) == [1]
    with pytest.raises(SignatureMissing):
        safeload.loads(unsigned, None, trusted=[TREE], policy=Policy(unsigned_formats=frozenset()))
    with pytest.raises(safeload.FormatNotAllowed):
        safeload.loads(unsigned, None, trusted=[TREE], policy=Policy(formats=frozenset({"joblib"})))


@pytest.mark.parametrize(
    "names", [["sklearn.*"], ["*"], ["sklearn"], [""], ["sklearn.tree..Tree"], ["a b.c"]]
)
def test_a_wildcard_is_refused(names: list[str], unsigned: bytes) -> None:
    """A list holds whole names; anything that could mean more than one is an error."""
    with pytest.raises(PolicyError):
        safeload.loads(unsigned, None, trusted=names)
    with pytest.raises(PolicyError):
        Policy(trusted=frozenset(names))


@pytest.mark.parametrize("trusted", [True, TREE, b"x", [object], 5])
def test_what_is_no_list_of_names_is_the_callers_mistake(trusted: object, unsigned: bytes) -> None:
    """`True` above all, which once meant everything in skops (CVE-2024-37065)."""
    with pytest.raises(TypeError):
        safeload.loads(unsigned, None, trusted=trusted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "obj",
    [
        {True: 1, False: 2},
        {1: "a", "1": "b"},
        deque([1, 2]),
        np.ma.array([1.0, 2.0], mask=[0, 1], fill_value=-5.0),
        {"deep": [{"er": deque([3])}]},
    ],
    ids=str,
)
def test_what_skops_would_alter_in_silence_is_declined(obj: object, key: HmacKey, tmp_path: Path) -> None:
    """The round trip is compared before anything is written."""
    with pytest.raises(SerializationError, match="exactly"):
        safeload.dump(obj, tmp_path / "x.skops", format="skops", signer=key)
    assert not list(tmp_path.iterdir())


def test_a_signed_file_needs_no_list(key: HmacKey, unsigned: bytes) -> None:
    """The statement names what the signer's dump needed."""
    model = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    artifact, sidecar = safeload.dumps(model, format="skops", signer=key)
    assert safeload.loads(artifact, sidecar, keyring=key).predict([[1.0]]) == [1]


def archive(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as made:
        warnings.simplefilter("ignore")  # of members that are there twice
        for name, data in members:
            made.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
    return file.getvalue()


SCHEMA = json.dumps({"__class__": "int", "__module__": "builtins", "__loader__": "JsonNode", "content": "1"})
GOOD = [("schema.json", json.dumps({**json.loads(SCHEMA), "protocol": 1}).encode())]


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


BROKEN = {
    "cut": archive(GOOD)[:-10],
    "cut in the middle": archive(GOOD)[:60],
    "no schema": archive([("other.json", b"{}")]),
    "two schemas": archive([*GOOD, *GOOD]),
    "a member twice": archive([*GOOD, ("x.npy", b"1"), ("x.npy", b"2")]),
    "schema is no JSON": archive([("schema.json", b"{")]),
    "schema is no object": archive([("schema.json", b"[]")]),
    "schema is empty": archive([("schema.json", b"")]),
    "schema is null": archive([("schema.json", b"null")]),
    "schema is a number": archive([("schema.json", b"1" * 5000)]),
    "schema is not UTF-8": archive([("schema.json", b"\xff\xfe\xff")]),
    "protocol from the future": archive([("schema.json", b'{"protocol": 99}')]),
    "nested deep": archive([("schema.json", deep(100_000))]),
    "many members": archive([*GOOD, *((f"m{index}", b"") for index in range(300))]),
    "bomb": archive([*GOOD, ("zeros", bytes(40 << 20))], zipfile.ZIP_DEFLATED),
    "unknown loader": archive([("schema.json", SCHEMA.replace("JsonNode", "NoNode").encode())]),
    "missing member": archive(
        [
            (
                "schema.json",
                b'{"protocol":1,"__loader__":"NdArrayNode","__class__":"ndarray","__module__":"numpy",'
                b'"type":"numpy","file":"gone.npy"}',
            )
        ]
    ),
    "only the magic": b"PK\x03\x04",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_archive_is_a_safeload_error(case: str) -> None:
    """Whatever zipfile, json or skops would have raised."""
    policy = Policy(limits=Limits(members=200, ratio_floor_bytes=1 << 20))
    with pytest.raises(SafeloadError):
        safeload.loads(BROKEN[case], None, trusted=[], policy=policy)


def test_a_file_that_is_an_archive_and_a_pickle_is_refused(unsigned: bytes) -> None:
    """With bytes before it an archive is no skops file; unsigned it is refused, list or no list."""
    for prefix in (b"\x80\x04K\x01.", b"cos\nsystem\n", b"junk"):
        with pytest.raises(SignatureMissing):
            safeload.loads(prefix + unsigned, None, trusted=[TREE])
    # Bytes between the magic and the archive that zipfile finds from the end.
    with pytest.raises(SafeloadError):
        safeload.loads(b"PK\x03\x04" + unsigned, None, trusted=[TREE])
    with pytest.raises(SafeloadError):
        safeload.loads(archive([("decoy", b"x")]) + unsigned, None, trusted=[TREE])


def test_an_encrypted_archive_is_refused(unsigned: bytes) -> None:
    """The flag alone is enough."""
    data = bytearray(unsigned)
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(SafeloadError):
        safeload.loads(bytes(data), None, trusted=[TREE])
