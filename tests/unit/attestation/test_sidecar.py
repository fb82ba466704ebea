"""A sidecar is one envelope on one line, or two while an artifact is being replaced."""

from __future__ import annotations

import pytest

from safeload import MalformedError
from safeload.attestation import envelope
from safeload.attestation.envelope import Envelope, EnvelopeSignature

ONE, OTHER, THIRD = (
    Envelope(b"payload %d" % number, "type", (EnvelopeSignature("0" * 64, b"signature"),))
    for number in range(3)
)
LINE, SECOND, LAST = (
    envelope.encode_sidecar(ONE),
    envelope.encode_sidecar(OTHER),
    envelope.encode_sidecar(THIRD),
)
LIMIT = 1 << 20


def refuse(data: bytes, limit: int = LIMIT) -> None:
    """See that a sidecar is refused."""
    with pytest.raises(MalformedError):
        envelope.parse_sidecar(data, limit=limit)


def test_a_sidecar_is_an_envelope_and_a_line_feed() -> None:
    """And is read back as it was written."""
    assert envelope.encode(ONE) + b"\n" == LINE
    assert envelope.parse_sidecar(LINE, limit=LIMIT) == (ONE,)


def test_two_lines_are_two_envelopes() -> None:
    """In their order: the new object's first."""
    assert envelope.parse_sidecar(LINE + SECOND, limit=LIMIT) == (ONE, OTHER)
    assert envelope.parse_sidecar(envelope.two_envelope_sidecar(SECOND, LINE), limit=LIMIT) == (OTHER, ONE)


def test_an_empty_sidecar_is_refused() -> None:
    """It says so, as it is what a full disk leaves."""
    with pytest.raises(MalformedError, match="is empty"):
        envelope.parse_sidecar(b"", limit=LIMIT)


@pytest.mark.parametrize("data", [LINE + SECOND + LAST, LINE * 3, LINE * 100])
def test_three_lines_are_refused(data: bytes) -> None:
    """A sidecar never grows."""
    refuse(data)


@pytest.mark.parametrize("data", [LINE, LINE + SECOND])
def test_a_sidecar_without_its_final_line_feed_is_refused(data: bytes) -> None:
    """It was cut, if by one byte."""
    refuse(data[:-1])


@pytest.mark.parametrize("data", [LINE, LINE + SECOND])
def test_other_line_ends_are_refused(data: bytes) -> None:
    """Those of Windows, and those that Unicode adds."""
    for end in (
        *(b"\r\n", b"\r", b"\n\n", b"\0\n", b" \n", b"\x0b", b"\x0c"),
        "\u2028".encode(),
        "\x85".encode(),
    ):
        refuse(data.replace(b"\n", end))
        refuse(data[:-1] + end)


@pytest.mark.parametrize(
    "data", [b"\n", b"\n\n", b"\n" + LINE, LINE + b"\n", LINE + b"\n" + SECOND, b" " + LINE]
)
def test_empty_lines_are_refused(data: bytes) -> None:
    """Before, between and after."""
    refuse(data)


@pytest.mark.parametrize("rest", [b"x", b"\0", b"{}", b"\x1a", LINE[:-1]])
def test_bytes_after_the_last_line_are_refused(rest: bytes) -> None:
    """After one line and after two."""
    refuse(LINE + rest)
    refuse(LINE + SECOND + rest)


def test_of_two_lines_each_must_be_in_order() -> None:
    """A good first one does not make up for the second, nor the other way round."""
    for bad in (b"{}\n", b"x\n", LINE.replace(b":", b": ", 1)):
        refuse(LINE + bad)
        refuse(bad + LINE)


def test_a_sidecar_over_the_limit_is_refused() -> None:
    """At the limit it is read."""
    assert envelope.parse_sidecar(LINE, limit=len(LINE)) == (ONE,)
    refuse(LINE, limit=len(LINE) - 1)
    # During a replacement there are two, each of which was within the limit.
    longer = max(len(LINE), len(SECOND))
    assert envelope.parse_sidecar(LINE + SECOND, limit=longer) == (ONE, OTHER)
    refuse(LINE + SECOND, limit=longer - 1)


def test_the_limit_is_looked_at_first() -> None:
    """Whatever the bytes are."""
    with pytest.raises(MalformedError, match="over 9 bytes"):
        envelope.parse_sidecar(b"\xff" * 10, limit=9)


def test_a_transitional_sidecar_is_made_of_plain_ones() -> None:
    """Otherwise it would have three lines, and no reader."""
    for new, former in [(LINE + SECOND, LINE), (LINE, SECOND + LAST), (LINE[:-1], SECOND), (LINE, b"")]:
        with pytest.raises(ValueError, match="two sidecars of one envelope"):
            envelope.two_envelope_sidecar(new, former)


@pytest.mark.parametrize("depth", [10_000])
def test_a_deep_line_is_refused(depth: int) -> None:
    """As the envelope alone is."""
    refuse(b"[" * depth + b"\n")
    refuse(LINE + b"[" * depth + b"\n")
