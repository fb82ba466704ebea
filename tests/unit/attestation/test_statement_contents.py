"""What a statement may say: digests, times, numbers, names and metadata."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from safeload import InvalidName, MalformedError, Statement
from safeload.attestation import statement, subjects
from safeload.attestation.digests import Digest

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
HEX = "0123456789abcdef" * 4
PLAIN = Statement(
    name="churn.joblib",
    digest=Digest("blake3", HEX),
    size=2143,
    format="joblib",
    created=NOW,
    expires=NOW,
    tag="2026-11-23",
    sequence=1,
)


def changed(**fields: Any) -> Statement:
    """Return a statement with fields changed."""
    return msgspec.structs.replace(PLAIN, **fields)


def payload_of(*, digest: Any = None, **predicate: Any) -> bytes:
    """Return the payload of the statement with fields of its predicate, or its digest, changed."""
    document = json.loads(statement.encode(PLAIN))
    document["predicate"].update(predicate)
    document["subject"][0]["name"] = document["predicate"]["name"]
    if digest is not None:
        document["subject"][0]["digest"] = digest
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def refuse(payload: bytes) -> None:
    """See that a payload is refused."""
    with pytest.raises(MalformedError):
        statement.parse(payload)


def test_the_payload_that_is_altered_below_is_read() -> None:
    """The control for every test below."""
    assert payload_of() == statement.encode(PLAIN)
    assert statement.parse(payload_of(digest={"sha256": HEX})).digest == Digest("sha256", HEX)


@pytest.mark.parametrize(
    "algorithm", ["md5", "sha1", "sha512", "SHA256", "sha-256", "blake2b", "", "blake3 "]
)
def test_another_digest_algorithm_is_refused(algorithm: str) -> None:
    """There are two, and no third."""
    refuse(payload_of(digest={algorithm: HEX}))
    with pytest.raises(MalformedError):
        Digest(algorithm, HEX)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", HEX[:-1], HEX + "0", HEX.upper(), "g" * 64, HEX[:-1] + "\n", "\u0660" * 64]
)
def test_another_spelling_of_a_digest_is_refused(text: str) -> None:
    """64 lower-case hexadecimal characters."""
    refuse(payload_of(digest={"sha256": text}))
    with pytest.raises(MalformedError):
        Digest("sha256", text)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-23", "2026-11-23T09:00:00", "2026-11-23 09:00:00Z", "2026-11-23T09:00:00z", "1795424400"),
        *(
            "2026-11-23T09:00:00+00:00",
            "2026-11-23T09:00:00-00:00",
            "2026-11-23T09:00:00.0Z",
            "2026-11-23T09:00Z",
        ),
        *("2026-02-30T09:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T09:00:60Z", "0000-01-01T00:00:00Z", ""),
        *("20261123T090000Z", "+2026-11-23T09:00:00Z", "2026-11-23T09:00:00Z ", "2026-11-23T09:00:00UTC"),
        # A moment in another zone, or with fractions.
        *("2026-11-23T10:00:00+01:00", "2026-11-23T09:00:00.500000Z"),
        *("0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00"),
    ],
)
@pytest.mark.parametrize("name", ["created", "expires"])
def test_another_spelling_of_a_time_is_refused(name: str, text: str) -> None:
    """Times are in UTC, to the second; another spelling of a moment is another statement."""
    refuse(payload_of(**{name: text}))


@pytest.mark.parametrize(
    "moment",
    [NOW.replace(tzinfo=timezone(timedelta(hours=1))), NOW.replace(microsecond=1), NOW.replace(tzinfo=None)],
    ids=["zone", "fraction", "naive"],
)
@pytest.mark.parametrize("name", ["created", "expires"])
def test_a_time_that_would_not_be_read_back_is_not_written(name: str, moment: datetime) -> None:
    """Better that the signer learns it than every loader."""
    with pytest.raises((TypeError, ValueError)):
        statement.encode(changed(**{name: moment}))


def test_a_time_is_brought_to_utc_and_to_the_second() -> None:
    """As statements carry it; one without a zone is misuse."""
    east = timezone(timedelta(hours=5, minutes=30))
    assert statement.utc_seconds(datetime(2026, 11, 23, 14, 30, 0, 999_999, tzinfo=east)) == NOW
    assert statement.utc_seconds(NOW).tzinfo is UTC
    with pytest.raises(ValueError, match="time zone"):
        statement.utc_seconds(NOW.replace(tzinfo=None))


@pytest.mark.parametrize("name", ["size", "sequence"])
def test_numbers_of_any_length_end_in_a_value_or_a_refusal(name: str) -> None:
    """Negative ones and fractions are refused; thousands of digits cost nothing."""
    for text in ("-1", "-0", "00", "01", "1.0", "1e3", "1e400", "0x1", "NaN", "9" * 5000, "-" + "9" * 5000):
        refuse(payload_of(**{name: "HERE"}).replace(b'"HERE"', text.encode()))
    for number in (0, 2**53 + 1, 2**63 - 1, 2**64 - 1):
        made = changed(**{name: number})
        assert statement.parse(statement.encode(made)) == made


@pytest.mark.parametrize(
    "fields", [{"size": -1}, {"sequence": -1}, {"size": 10**5000}, {"sequence": 10**5000}], ids=list
)
def test_a_number_that_would_not_be_read_back_is_not_written(fields: dict[str, int]) -> None:
    """As a ValueError; it is the program's mistake."""
    with pytest.raises((TypeError, ValueError)):
        statement.encode(changed(**fields))


IMPOSSIBLE = ["", "a\nb", "a\0", "\x7f", "\x80", "\x1b[2J", "a" * 1025, "ü" * 513, "\ud800", "a\udfffb"]


@pytest.mark.parametrize("name", IMPOSSIBLE, ids=ascii)
def test_a_name_that_cannot_be_signed_is_refused(name: str) -> None:
    """As a name and as a tag; the message shows no control characters."""
    for fields in ({"name": name}, {"tag": name}):
        with pytest.raises(InvalidName) as caught:
            statement.encode(changed(**fields))
        assert str(caught.value).isprintable()
    with pytest.raises(InvalidName):
        subjects.check_name(name)


@pytest.mark.parametrize("name", IMPOSSIBLE[:-2], ids=ascii)
def test_a_name_that_would_not_be_written_is_not_read(name: str) -> None:
    """The inverse of writing, also for what others signed."""
    refuse(payload_of(name=name))
    refuse(payload_of(tag=name))


@pytest.mark.parametrize(
    "name", ["a", " ", ".", "..", "a/b", "a" * 1024, "ü" * 512, "\u202e", "\u00e9", "e\u0301", "%00"]
)
def test_any_other_name_can_be_signed(name: str) -> None:
    """What it means to a file system is the store's matter."""
    assert subjects.check_name(name) == name
    assert statement.parse(statement.encode(changed(name=name, tag=name))).name == name


NO_JSON_NUMBERS = [{"a": value} for value in (math.nan, math.inf, -math.inf, [math.nan], {"b": math.nan})]
NO_JSON_KEYS = [
    {1: "a"},
    {1.5: "a"},
    {None: "a"},
    {True: "a"},
    {(1,): "a"},
    {"a": {1: "b"}},
    {b"a": 1},
    {NOW: 1},
]


@pytest.mark.parametrize("metadata", [*NO_JSON_NUMBERS, *NO_JSON_KEYS], ids=repr)
def test_metadata_that_would_come_back_as_something_else_are_not_written(metadata: dict[Any, Any]) -> None:
    """JSON has neither such numbers nor such keys; what is signed is what was given."""
    with pytest.raises((TypeError, ValueError)):
        statement.encode(changed(metadata=metadata))


@pytest.mark.parametrize("value", [{1}, b"bytes", NOW, timedelta(1), Digest("blake3", HEX)], ids=repr)
def test_metadata_that_are_no_json_are_not_written(value: Any) -> None:
    """They would come back as lists and text."""
    with pytest.raises((TypeError, ValueError)):
        statement.encode(changed(metadata={"a": value}))


@pytest.mark.parametrize("value", [object(), 1j, print, "\ud800", ["\udfff"]], ids=type)
def test_metadata_that_nothing_can_write_are_misuse(value: Any) -> None:
    """By a TypeError or a ValueError."""
    for metadata in ({"a": value}, {"\ud800": 1}):
        with pytest.raises((TypeError, ValueError)):
            statement.encode(changed(metadata=metadata))


def test_metadata_without_an_end_are_misuse() -> None:
    """By a ValueError as every other mistake, and not by a RecursionError."""
    cycle: dict[str, Any] = {}
    cycle["again"] = cycle
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    try:
        for metadata in (cycle, {"deep": deep}):
            with pytest.raises((TypeError, ValueError)):
                statement.encode(changed(metadata=metadata))
    finally:
        while deep:
            deep = deep.pop()
