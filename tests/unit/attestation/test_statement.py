"""The statement: what it may say, and that it is read as it was written or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from safeload import Environment, MalformedError, Statement
from safeload.attestation import statement
from safeload.attestation.digests import Digest

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
HEX = "0123456789abcdef" * 4
PLAIN = Statement(name="churn.joblib", digest=Digest("blake3", HEX), size=2143, format="joblib", created=NOW)
FULL = Statement(
    name="größe/✓ 😀",
    tag="2026-11-23",
    digest=Digest("sha256", HEX),
    size=0,
    format="skops",
    created=NOW,
    expires=NOW + timedelta(days=1),
    sequence=0,
    environment=Environment(python="3.11.7", packages={"numpy": "2.4.6", "scikit-learn": "1.9.1"}),
    globals=("a.B", "c.D"),
    metadata={
        "text": 'a "quoted" \\ /\n\t\0✓',
        "numbers": [0, -1, 0.5, 12.25],
        "none": None,
        "deep": {"a": [{}]},
    },
)


def written(document: Any) -> bytes:
    """Write JSON as statements are written."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def refuse(payload: bytes) -> None:
    """See that a payload is refused."""
    with pytest.raises(MalformedError):
        statement.parse(payload)


@pytest.mark.parametrize("made", [PLAIN, FULL], ids=["plain", "full"])
def test_a_statement_comes_back_as_it_was(made: Statement) -> None:
    """Every field, and the bytes again."""
    payload = statement.encode(made)
    assert statement.parse(payload) == made
    assert statement.encode(statement.parse(payload)) == payload
    assert written(json.loads(payload)) == payload


def test_a_statement_is_an_in_toto_statement() -> None:
    """With one subject and our predicate."""
    document = json.loads(statement.encode(FULL))
    assert list(document) == ["_type", "subject", "predicateType", "predicate"]
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["subject"] == [{"name": FULL.name, "digest": {"sha256": HEX}}]
    assert document["predicateType"] == "urn:safeload:artifact:1"
    assert document["predicate"]["created"] == "2026-11-23T09:00:00Z"


FIELDS = {
    (): ["_type", "subject", "predicateType", "predicate"],
    ("subject", 0): ["name", "digest"],
    ("predicate",): [
        *(
            "name",
            "tag",
            "sequence",
            "format",
            "size",
            "created",
            "expires",
            "environment",
            "globals",
            "metadata",
        )
    ],
    ("predicate", "environment"): ["python", "packages"],
}
PLACES = [(where, name) for where, names in FIELDS.items() for name in names]
MAY_BE_NULL = {"tag", "sequence", "expires", "environment", "globals"}


@dataclass
class Place:
    """A field within the full statement's JSON."""

    document: Any
    inner: Any


def opened(where: tuple[Any, ...]) -> Place:
    """Return the full statement's JSON and the object at a place in it."""
    document = json.loads(statement.encode(FULL))
    inner = document
    for step in where:
        inner = inner[step]
    return Place(document, inner)


def test_the_fields_below_are_all_there_are() -> None:
    """The control for the tests that change each of them."""
    for where, names in FIELDS.items():
        assert list(opened(where).inner) == names


@pytest.mark.parametrize(("where", "name"), PLACES)
def test_a_missing_field_is_refused(where: tuple[Any, ...], name: str) -> None:
    """There are no defaults, so that nothing can be left out unnoticed."""
    place = opened(where)
    del place.inner[name]
    refuse(written(place.document))


@pytest.mark.parametrize(("where", "name"), PLACES)
def test_null_stands_only_where_something_may_be_absent(where: tuple[Any, ...], name: str) -> None:
    """A field that is null says that there is none."""
    place = opened(where)
    place.inner[name] = None
    if where == ("predicate",) and name in MAY_BE_NULL:
        assert getattr(statement.parse(written(place.document)), name) is None
    else:
        refuse(written(place.document))


VALUES = [True, 1, 1.5, "x", "", [], {}, [None], {"a": None}, ["x", 1]]
# By position in the list above, since True equals 1.
FITTING = {
    # A file of a tag is called otherwise than the object.
    "name": {3},
    "tag": {3, 4},
    "format": {3, 4},
    "python": {3, 4},
    "sequence": {1},
    "size": {1},
    "globals": {5},
    "packages": {6},
    "metadata": {6, 8},
}


@pytest.mark.parametrize(("where", "name"), PLACES)
def test_a_field_of_another_type_is_refused(where: tuple[Any, ...], name: str) -> None:
    """Also where it could be converted."""
    for position, value in enumerate(VALUES):
        if position not in FITTING.get(name, ()):
            place = opened(where)
            place.inner[name] = value
            refuse(written(place.document))


@pytest.mark.parametrize("where", FIELDS)
def test_an_unknown_field_is_refused(where: tuple[Any, ...]) -> None:
    """A loader that does not know what it demands must not load."""
    place = opened(where)
    place.inner["extra"] = None
    refuse(written(place.document))


@pytest.mark.parametrize(("where", "name"), PLACES)
def test_a_doubled_field_is_refused(where: tuple[Any, ...], name: str) -> None:
    """Two readers could take either."""
    place = opened(where)
    own = f"{json.dumps(name)}:{written(place.inner[name]).decode()}"
    place.inner["HERE"] = 1
    refuse(written(place.document).replace(b'"HERE":1', own.encode()))


@pytest.mark.parametrize("where", FIELDS)
def test_another_order_of_the_fields_is_refused(where: tuple[Any, ...]) -> None:
    """One spelling."""
    place = opened(where)
    items = list(place.inner.items())
    place.inner.clear()
    place.inner.update(reversed(items))
    refuse(written(place.document))


def test_white_space_escapes_and_other_bytes_are_refused() -> None:
    """One spelling, here as well."""
    payload = statement.encode(FULL)
    for other in (
        b" " + payload,
        payload + b"\n",
        payload + b"\0",
        payload.replace(b":", b": ", 1),
        payload.replace("✓".encode(), b"\\u2713"),
        payload.replace(b"joblib", b"\\u006aoblib").replace(b"/", b"\\/"),
        payload.replace(b"0.5", b"0.50"),
        payload.replace(b"0.5", b"5e-1"),
        payload.replace(b"-1,", b"-01,"),
        payload.replace(b'"sequence":0', b'"sequence":-0'),
        payload.replace("✓".encode(), b"\xff"),
        payload.replace("✓".encode(), b"\xed\xa0\x80"),
        payload.decode().encode("utf-16"),
    ):
        assert other != payload
        refuse(other)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"7", b"\x80\x05N.", b"[" * 100_000], ids=repr)
def test_what_is_no_statement_is_refused(data: bytes) -> None:
    """Without a RecursionError, or worse."""
    refuse(data[:100_000])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("_type", "https://in-toto.io/Statement/v1 "),
        ("predicateType", "urn:safeload:artifact:2"),
        ("predicateType", "https://slsa.dev/provenance/v1"),
    ],
)
def test_a_statement_of_another_type_is_refused(name: str, value: str) -> None:
    """It means something else, whoever signed it."""
    place = opened(())
    place.inner[name] = value
    refuse(written(place.document))


def test_other_than_one_subject_with_one_digest_is_refused() -> None:
    """A signature over two files says nothing of which."""
    place = opened(())
    subject = place.inner["subject"][0]
    for subjects in (
        [],
        [subject, subject],
        [{**subject, "digest": {}}],
        [{**subject, "digest": {"sha256": HEX, "blake3": HEX}}],
        [{**subject, "name": ""}],
    ):
        place.inner["subject"] = subjects
        refuse(written(place.document))


def test_only_a_tags_file_is_called_otherwise_than_the_object() -> None:
    """A plain path is signed under one name, and says it twice."""
    place = opened(())
    place.inner["subject"][0]["name"] = "another"
    assert statement.parse(written(place.document)).file == "another"
    place.inner["predicate"]["tag"] = None
    refuse(written(place.document))


def test_a_statement_does_not_change() -> None:
    """Its fields cannot be assigned to."""
    with pytest.raises(AttributeError):
        PLAIN.name = "another"  # type: ignore[misc]


def test_two_statements_share_no_metadata() -> None:
    """The default is a new object each time."""
    one = Statement(name="a", digest=PLAIN.digest, size=1, format="joblib", created=NOW)
    other = Statement(name="a", digest=PLAIN.digest, size=1, format="joblib", created=NOW)
    assert one.metadata is not other.metadata


def test_a_time_that_has_no_year_in_utc_is_misuse() -> None:
    """The last hours of the last year lie beyond it elsewhere."""
    west = timezone(timedelta(hours=-10))
    with pytest.raises(ValueError, match="out of range"):
        statement.utc_seconds(datetime(9999, 12, 31, 23, tzinfo=west))
