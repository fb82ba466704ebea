"""Statements that are not in their one spelling are refused even when the real key has signed them.

So another signer's software, or a version that is to come, cannot be understood otherwise than it was meant.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from support.auditing import no_unpickler_runs
from support.forgery import payload_of, sidecar_of

import safeload
from safeload import Environment, HmacKey, Keyring, MalformedError

NAME = "churn.joblib"
ARTIFACT = pickle.dumps("value")

PAYLOAD = payload_of(
    ARTIFACT,
    NAME,
    sequence=7,
    expires=datetime(2999, 1, 1, tzinfo=UTC),
    environment=Environment(python="3.11.7", packages={}),
    globals=("a.B",),
    metadata={"m": 1},
)
FIELDS: dict[str, Any] = json.loads(PAYLOAD)

# Where the fields of a statement stand: the path to each.
PATHS: list[tuple[Any, ...]] = [
    *((name,) for name in FIELDS),
    *(("subject", 0, name) for name in FIELDS["subject"][0]),
    *(("predicate", name) for name in FIELDS["predicate"]),
    *(("predicate", "environment", name) for name in FIELDS["predicate"]["environment"]),
]
OBJECTS: list[tuple[Any, ...]] = [(), ("subject", 0), ("predicate",), ("predicate", "environment")]
# Values of every type of JSON; each field accepts some of them.
VALUES: list[Any] = [None, True, 0, -1, 1.5, 1 << 70, "", "text", [], [1], {}, {"a": 1}]


def at(fields: Any, path: tuple[Any, ...]) -> Any:
    """Return what stands at a path."""
    for step in path:
        fields = fields[step]
    return fields


def changed(path: tuple[Any, ...], change: Callable[[dict[str, Any], Any], None]) -> bytes:
    """Return the payload after `change` was made to the object that holds the field at `path`."""
    fields = json.loads(PAYLOAD)
    change(at(fields, path[:-1]), path[-1])
    return json.dumps(fields, separators=(",", ":")).encode()


def refuse(payload: bytes, key: HmacKey, keyring: Keyring) -> None:
    """See that a payload that the real key signed is malformed."""
    assert payload != PAYLOAD
    with no_unpickler_runs(), pytest.raises(MalformedError):
        safeload.loads(ARTIFACT, sidecar_of(payload, key), name=NAME, keyring=keyring)


def test_the_statement_that_is_altered_below_loads(key: HmacKey, keyring: Keyring) -> None:
    """All its fields are there, and its spelling is the one that the tests below write."""
    assert json.dumps(FIELDS, separators=(",", ":")).encode() == PAYLOAD
    assert len(PATHS) == 4 + 2 + 10 + 2
    policy = safeload.Policy(environment="ignore")
    sidecar = sidecar_of(PAYLOAD, key)
    assert safeload.loads(ARTIFACT, sidecar, name=NAME, keyring=keyring, policy=policy) == "value"


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_signed_statement_without_a_field_is_malformed(
    path: tuple[Any, ...], key: HmacKey, keyring: Keyring
) -> None:
    """No field has a default."""
    refuse(changed(path, lambda holder, name: holder.pop(name)), key, keyring)


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_signed_statement_with_a_doubled_field_is_malformed(
    path: tuple[Any, ...], key: HmacKey, keyring: Keyring
) -> None:
    """Neither the first nor the last of two counts."""
    holder, name = at(FIELDS, path[:-1]), path[-1]
    original = json.dumps(holder, separators=(",", ":"))
    field = json.dumps({name: holder[name]}, separators=(",", ":"))[1:-1]
    for value in (field, f'"{name}":null', f'"{name}":"other"'):
        for doubled in (f"{{{value},{original[1:]}", f"{original[:-1]},{value}}}"):
            payload = PAYLOAD.decode().replace(original, doubled, 1)
            refuse(payload.encode(), key, keyring)


@pytest.mark.parametrize("path", OBJECTS, ids=str)
@pytest.mark.parametrize("name", ["extra", "Name", "alg", "", "name ", "tag\0"])
def test_a_signed_statement_with_an_extra_field_is_malformed(
    name: str, path: tuple[Any, ...], key: HmacKey, keyring: Keyring
) -> None:
    """A field that this version does not know could be a restriction that it would overlook."""
    for value in (None, 1, "x"):
        refuse(
            changed((*path, name), lambda holder, field, value=value: holder.update({field: value})),
            key,
            keyring,
        )


ADMITTED: dict[str, tuple[type, ...]] = {
    "tag": (str, type(None)),
    "sequence": (int, type(None)),
    "size": (int,),
    "expires": (type(None),),
    "environment": (type(None),),
    "globals": (type(None),),
    "metadata": (dict,),
    "format": (str,),
    "python": (str,),
}


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_signed_statement_with_an_ill_typed_field_is_malformed(
    path: tuple[Any, ...], key: HmacKey, keyring: Keyring
) -> None:
    """Nothing is converted: not a number from text, not a truth value from a number."""
    tried = 0
    for value in VALUES:
        fitting = type(value) in ADMITTED.get(path[-1], ()) and value != -1
        empty = value in ([], {}) and path[-1] in ("globals", "packages")
        if fitting or empty:
            continue
        refuse(changed(path, lambda holder, name, value=value: holder.update({name: value})), key, keyring)
        tried += 1
    assert tried >= 7


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("urn:safeload:artifact:1", "urn:safeload:artifact:2", id="a later predicate"),
        pytest.param("urn:safeload:artifact:1", "urn:safeload:latest:1", id="another predicate"),
        pytest.param("urn:safeload:artifact:1", "https://slsa.dev/provenance/v1", id="a provenance"),
        pytest.param("Statement/v1", "Statement/v0.1", id="an older statement"),
        pytest.param('"blake3":', '"md5":', id="another digest"),
        pytest.param('"blake3":', '"BLAKE3":', id="an upper-case digest"),
        pytest.param(f'"subject":[{{"name":"{NAME}"', '"subject":[{"name":"other"', id="two names"),
        pytest.param('"size":', '"size": ', id="a space"),
        pytest.param("2026-11-23T09:00:00Z", "2026-11-23T09:00:00", id="no time zone"),
        pytest.param("2026-11-23T09:00:00Z", "2026-11-23T09:00:00+00:00", id="an offset"),
        pytest.param("2026-11-23T09:00:00Z", "2026-11-23 09:00:00Z", id="no T"),
        pytest.param("2026-11-23T09:00:00Z", "1795424400", id="a number for a time"),
        pytest.param('"m":1', '"m":1,"m":1', id="doubled metadata"),
        pytest.param('"m":1', '"m":NaN', id="no number"),
        pytest.param('"m":1', '"m":1e400', id="an endless number"),
        pytest.param('"m":1', '"\\u006d":1', id="an escape"),
        pytest.param(NAME, "churn\\u002ejoblib", id="an escape in the name"),
    ],
)
def test_a_signed_statement_in_another_spelling_is_malformed(
    before: str, after: str, key: HmacKey, keyring: Keyring
) -> None:
    """What a lenient reader would take for the same, or for something near, is refused."""
    text = PAYLOAD.decode()
    assert before in text
    refuse(text.replace(before, after, 1).encode(), key, keyring)


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"{}", b'""', b"0", b"\xff", PAYLOAD + b"\n"])
def test_a_signed_payload_that_is_no_statement_is_malformed(
    payload: bytes, key: HmacKey, keyring: Keyring
) -> None:
    """Whatever the key signed."""
    refuse(payload, key, keyring)


SUBJECT, DIGESTS = ("subject",), ("subject", 0, "digest")
ONE_FILE: list[tuple[tuple[Any, ...], Callable[[Any], object]]] = [
    *((SUBJECT, lambda subjects: []), (SUBJECT, lambda subjects: subjects * 2)),
    *((DIGESTS, lambda digests: {}), (DIGESTS, lambda digests: {"blake3": "0" * 64, "sha256": "0" * 64})),
    ((*DIGESTS, "blake3"), str.upper),
    ((*DIGESTS, "blake3"), lambda text: text[:-1]),
    ((*DIGESTS, "blake3"), lambda text: text + "0"),
    ((*DIGESTS, "blake3"), lambda text: "g" * 64),
]


@pytest.mark.parametrize(("path", "change"), ONE_FILE)
def test_a_signed_statement_about_other_than_one_file_and_one_digest_is_malformed(
    path: tuple[Any, ...], change: Callable[[Any], object], key: HmacKey, keyring: Keyring
) -> None:
    """One subject, with one digest of 64 lower-case hexadecimal characters."""
    refuse(changed(path, lambda holder, name: holder.update({name: change(holder[name])})), key, keyring)


@pytest.mark.parametrize(
    "payload_type",
    [
        "",
        "application/json",
        "application/vnd.in-toto+json ",
        "application/vnd.in-toto",
        "APPLICATION/VND.IN-TOTO+JSON",
    ],
)
def test_a_payload_signed_under_another_type_is_malformed(
    payload_type: str, key: HmacKey, keyring: Keyring
) -> None:
    """A signature made for another purpose with the same key does not count here."""
    sidecar = sidecar_of(PAYLOAD, key, payload_type=payload_type)
    with pytest.raises(MalformedError):
        safeload.loads(ARTIFACT, sidecar, name=NAME, keyring=keyring)
