"""The envelope has one spelling, and a sidecar is one envelope a line, one or two of them."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest

from safeload import MalformedError
from safeload.attestation import envelope
from safeload.attestation.envelope import MAX_SIGNATURES, Envelope, EnvelopeSignature

# In base64 it has every character that is spelled otherwise elsewhere, padding, and spare bits.
PAYLOAD = b"\xfb\xff\xbe" * 3 + b"!"
SIGNATURE = EnvelopeSignature("0" * 64, b"\xff\xfe\xfd\xfc")
HONEST = Envelope(PAYLOAD, "application/vnd.in-toto+json", (SIGNATURE,))
TEXT = envelope.encode(HONEST)
LIMIT = 1 << 20


def signatures(number: int) -> tuple[EnvelopeSignature, ...]:
    """Return signatures of different keys."""
    return tuple(EnvelopeSignature(f"{index:064x}", b"\1" * 32) for index in range(number))


def refuse(data: bytes, match: str | None = None) -> None:
    """See that an envelope is refused, by itself and as a sidecar."""
    with pytest.raises(MalformedError, match=match):
        envelope.parse(data)
    with pytest.raises(MalformedError):
        envelope.parse_sidecar(data + b"\n", limit=max(LIMIT, 2 * len(data)))


def test_the_envelope_that_is_altered_below_is_read() -> None:
    """The control, and the spelling itself."""
    assert envelope.parse(TEXT) == HONEST
    assert (
        b'{"payload":"%b","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"%b","sig":"%b"}]}'
        % (b64encode(PAYLOAD), b"0" * 64, b64encode(SIGNATURE.sig))
    ) == TEXT


@pytest.mark.parametrize("number", [1, 2, MAX_SIGNATURES])
def test_one_to_sixteen_signatures_are_read(number: int) -> None:
    """In their order."""
    made = Envelope(PAYLOAD, "type", signatures(number))
    assert envelope.parse(envelope.encode(made)) == made


@pytest.mark.parametrize("number", [0, MAX_SIGNATURES + 1, 1000])
def test_another_number_of_signatures_is_refused(number: int) -> None:
    """None proves nothing, and each costs a verification."""
    assert MAX_SIGNATURES == 16
    refuse(envelope.encode(Envelope(PAYLOAD, "type", signatures(number))), f"has {number} signatures")


def test_a_key_that_is_named_twice_is_refused() -> None:
    """A key counts once, whatever the signatures."""
    for second in (SIGNATURE, EnvelopeSignature(SIGNATURE.keyid, b"other")):
        refuse(envelope.encode(Envelope(PAYLOAD, "type", (SIGNATURE, second))), "names a key twice")
    three = (*signatures(2), EnvelopeSignature(signatures(1)[0].keyid, b"other"))
    refuse(envelope.encode(Envelope(PAYLOAD, "type", three)), "names a key twice")


def fields() -> dict[str, Any]:
    """Return the honest envelope's JSON."""
    loaded: dict[str, Any] = json.loads(TEXT)
    return loaded


def written(value: Any) -> bytes:
    """Write JSON as envelopes are written."""
    return json.dumps(value, separators=(",", ":")).encode()


def test_an_unknown_field_is_refused() -> None:
    """Of the envelope and of a signature, whatever it is called."""
    assert written(fields()) == TEXT
    for name in ("alg", "extra", "", "Payload", "payload ", "payload_type", "keyid", "sig"):
        refuse(written({**fields(), name: "x"}))
        refuse(written({name: "x", **fields()}))
    for name in ("alg", "cert", "payload", "Sig"):
        changed = fields()
        changed["signatures"][0][name] = "x"
        refuse(written(changed))


@pytest.mark.parametrize("name", ["payload", "payloadType", "signatures"])
def test_a_missing_field_is_refused(name: str) -> None:
    """There are no defaults."""
    refuse(written({key: value for key, value in fields().items() if key != name}))


@pytest.mark.parametrize("name", ["keyid", "sig"])
def test_a_signature_without_a_field_is_refused(name: str) -> None:
    """There are no defaults there either."""
    changed = fields()
    del changed["signatures"][0][name]
    refuse(written(changed))


@pytest.mark.parametrize("name", ["payload", "payloadType", "signatures"])
@pytest.mark.parametrize("value", [None, 7, 1.5, True, [], {}, ["x"], [None], [[]], [{}]], ids=str)
def test_a_field_of_another_type_is_refused(name: str, value: Any) -> None:
    """Also where it could be converted."""
    refuse(written({**fields(), name: value}))


@pytest.mark.parametrize("name", ["keyid", "sig"])
@pytest.mark.parametrize("value", [None, 7, True, [], {}], ids=str)
def test_a_signatures_field_of_another_type_is_refused(name: str, value: Any) -> None:
    """Also where it could be converted."""
    changed = fields()
    changed["signatures"][0][name] = value
    refuse(written(changed))


@pytest.mark.parametrize("name", ["payload", "payloadType", "signatures"])
def test_a_doubled_field_is_refused(name: str) -> None:
    """The same twice, or another value first or last: readers differ on which one counts."""
    own = written(fields()[name])
    other = {"payload": b'"AAAA"', "payloadType": b'"other"', "signatures": b"[]"}[name]
    for first in (own, other):
        refuse(b'{"%b":%b,' % (name.encode(), first) + TEXT[1:])
        refuse(TEXT[:-1] + b',"%b":%b}' % (name.encode(), first))


@pytest.mark.parametrize("name", ["keyid", "sig"])
def test_a_doubled_field_of_a_signature_is_refused(name: str) -> None:
    """First or last."""
    doubled = b'"%b":"AAAA"' % name.encode()
    refuse(TEXT.replace(b'{"keyid"', b"{" + doubled + b',"keyid"'))
    refuse(TEXT.replace(b'"}]}', b'",' + doubled + b"}]}"))


def test_another_order_of_the_fields_is_refused() -> None:
    """Of the envelope and of a signature."""
    refuse(written(dict(reversed(fields().items()))))
    changed = fields()
    changed["signatures"] = [dict(reversed(changed["signatures"][0].items()))]
    refuse(written(changed))


BASE64: dict[str, Callable[[str], str]] = {
    "spare bits": lambda text: text[:-3] + chr(ord(text[-3]) + 1) + "==",
    "no padding": lambda text: text.rstrip("="),
    "half the padding": lambda text: text[:-1],
    "too much padding": lambda text: text + "=",
    "padding within": lambda text: "AA==" + text,
    "the alphabet of URLs": lambda text: text.replace("+", "-").replace("/", "_"),
    "a line feed": lambda text: text[:4] + "\n" + text[4:],
    "a blank": lambda text: text + " ",
    "another character": lambda text: "*" + text[1:],
    "cut": lambda text: text[:-5] + "=",
}


@pytest.mark.parametrize("spelling", BASE64)
@pytest.mark.parametrize("name", ["payload", "sig"])
def test_another_spelling_of_base64_is_refused(name: str, spelling: str) -> None:
    """The bytes may be the same; the text is not."""
    changed = fields()
    place = changed if name == "payload" else changed["signatures"][0]
    assert place[name].endswith("==")
    before = place[name]
    place[name] = BASE64[spelling](before)
    assert place[name] != before
    refuse(written(changed))


def test_padding_alone_is_no_base64() -> None:
    """Nothing decodes to nothing in one way only."""
    empty = envelope.encode(Envelope(b"", "type", (SIGNATURE,)))
    assert envelope.parse(empty).payload == b""
    for padding in (b"=", b"==", b"====", b"A===", b" "):
        refuse(empty.replace(b'"payload":""', b'"payload":"' + padding + b'"'))


@pytest.mark.parametrize(
    "space", [b" ", b"\t", b"\n", b"\r", b"\r\n", b"\0", b"\xef\xbb\xbf", b"\xa0", b"\x0b"]
)
def test_white_space_is_refused_wherever_json_allows_it(space: bytes) -> None:
    """And what is no white space, too."""
    for place in (0, 1, TEXT.index(b":"), TEXT.index(b":") + 1, TEXT.index(b","), len(TEXT) - 1, len(TEXT)):
        refuse(TEXT[:place] + space + TEXT[place:])


@pytest.mark.parametrize(
    "rest", [b"x", b"{}", b",", b"}", b"\0", b"//", TEXT, b"\n" + TEXT, b"\n\n"], ids=repr
)
def test_bytes_after_the_envelope_are_refused(rest: bytes) -> None:
    """What is left over at the end is an error."""
    with pytest.raises(MalformedError):
        envelope.parse(TEXT + rest)


@pytest.mark.parametrize(
    "escape", ["\\u0061", "\\u0041", "\\/", "\\u002b", "\\n", "\\ud800", "\\udc00", "\\x61", "\\"]
)
def test_an_escape_in_a_string_is_refused(escape: str) -> None:
    """Where the character itself would do, and where there is none."""
    for name in (b'"payload":"', b'"payloadType":"', b'"keyid":"', b'"sig":"'):
        if escape == "\\n" and name in (b'"payloadType":"', b'"keyid":"'):
            continue  # A line feed has no other spelling; the gate compares the type, the keyring the id.
        refuse(TEXT.replace(name, name + escape.encode()))
    for key in (b"payload", b"payloadType", b"signatures", b"keyid", b"sig"):
        refuse(TEXT.replace(b'"' + key + b'"', b'"\\u00%02x' % key[0] + key[1:] + b'"'))


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x82", b"\xf5\x80\x80\x80"], ids=repr
)
def test_invalid_utf_8_is_refused(bad: bytes) -> None:
    """In every string, and outside of them."""
    for name in (b'"payload":"', b'"payloadType":"', b'"keyid":"', b'"sig":"', b"{"):
        refuse(TEXT.replace(name, name + bad))


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"true", b"7", b'"x"', b"{", b"}", b"[" + TEXT + b"]", b"\x80\x05N."],
    ids=repr,
)
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    """Whatever else it is."""
    refuse(data)


@pytest.mark.parametrize("depth", [100, 10_000, 1_000_000])
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"signatures":[', b'{"payload":'], ids=repr)
def test_deep_nesting_is_refused(opening: bytes, depth: int) -> None:
    """Without a RecursionError, or worse."""
    refuse(opening * depth)


def test_every_part_of_an_envelope_is_refused() -> None:
    """Whatever it was cut to."""
    for length in range(len(TEXT)):
        with pytest.raises(MalformedError):
            envelope.parse(TEXT[:length])


def test_another_encoding_is_refused() -> None:
    """UTF-16 and UTF-32 are JSON to some."""
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7"):
        if TEXT.decode().encode(encoding) != TEXT:
            refuse(TEXT.decode().encode(encoding))


def test_other_spellings_of_the_payload_that_decode_alike_are_all_refused() -> None:
    """Of all texts of that length that differ in the last group, one is read."""
    alphabet = b64encode(bytes(range(256))).decode() + "+/-_="
    accepted = set()
    changed = fields()
    head = changed["payload"][:-3]
    for character in set(alphabet):
        changed["payload"] = f"{head}{character}=="
        try:
            accepted.add(envelope.parse(written(changed)).payload)
        except MalformedError:
            continue
    # Four of the 64 characters have no spare bit set.
    assert len(accepted) == 4
    assert urlsafe_b64encode(PAYLOAD) != b64encode(PAYLOAD)
