"""The canonical encoding: what decodes is written back to the same bytes, and nothing else decodes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.strategies import json_values, mutations, text

from safeload import MalformedError
from safeload.attestation import envelope, pointer, statement
from safeload.attestation.envelope import decode_canonical, encode_canonical

MANY = settings(max_examples=200, deadline=None)


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A type of every kind of value that is signed."""

    name: str
    count: int
    data: bytes
    extra: dict[str, Any]
    tags: tuple[str, ...] = ()


DECODER = msgspec.json.Decoder(Sample)
DECODERS = [DECODER, envelope._decoder, statement._decoder, pointer._decoder]

samples = st.builds(
    Sample,
    name=text(max_size=8),
    count=st.integers(-(2**63), 2**63 - 1),
    data=st.binary(max_size=8),
    extra=st.dictionaries(text(max_size=8), json_values(), max_size=4),
    tags=st.lists(text(max_size=4), max_size=3).map(tuple),
)


def decode(data: bytes) -> Sample:
    return decode_canonical(DECODER, data, what="sample")


def refuse(data: bytes) -> None:
    """See that bytes are refused, and that the message does not quote them."""
    with pytest.raises(MalformedError, match=r"^the sample (is not in its canonical|cannot be read)"):
        decode(data)


@MANY
@given(samples)
def test_what_is_encoded_decodes_to_the_same_value(sample: Sample) -> None:
    """JSON that can be written can be read; a number too large for a float is the one that cannot."""
    assert encode_canonical(decode(encode_canonical(sample))) == encode_canonical(sample)


@MANY
@given(st.data())
def test_what_decodes_encodes_to_the_same_bytes(data: st.DataObject) -> None:
    """Whatever the bytes are: mutated encodings, JSON, or noise; and for every type that is signed."""
    valid = samples.map(encode_canonical)
    candidates = valid.flatmap(mutations) | json_values().map(lambda value: json.dumps(value).encode())
    candidate = data.draw(candidates | st.binary(max_size=40))
    for decoder in DECODERS:
        try:
            value = decode_canonical(decoder, candidate, what="sample")
        except MalformedError:
            continue
        assert encode_canonical(value) == candidate


@MANY
@given(samples, st.permutations(["name", "count", "data", "extra", "tags"]))
def test_fields_in_another_order_are_refused(sample: Sample, order: list[str]) -> None:
    """An object has one order of fields."""
    fields = msgspec.json.decode(encode_canonical(sample))
    changed = encode_canonical({name: fields[name] for name in order})
    assume(changed != encode_canonical(sample))
    refuse(changed)


@MANY
@given(samples, st.sampled_from([b" ", b"\n", b"\t", b"\r"]))
def test_white_space_is_refused(sample: Sample, space: bytes) -> None:
    """Before, after and within."""
    data = encode_canonical(sample)
    for changed in (space + data, data + space, data.replace(b',"count"', b"," + space + b'"count"', 1)):
        refuse(changed)


@MANY
@given(samples)
def test_a_doubled_or_an_unknown_key_is_refused(sample: Sample) -> None:
    """With the same value too, and within free JSON as within the type's own fields."""
    data = encode_canonical(sample)
    name = encode_canonical(sample.name)
    refuse(data.replace(b'{"name":', b'{"name":' + name + b',"name":', 1))
    refuse(data[:-1] + b',"name":' + name + b"}")
    refuse(data[:-1] + b',"more":1}')
    refuse(
        encode_canonical(msgspec.structs.replace(sample, extra={"a": 1})).replace(b'{"a":1', b'{"a":1,"a":1')
    )


@MANY
@given(samples, st.integers(1, 10**6))
def test_another_form_of_a_number_is_refused(sample: Sample, number: int) -> None:
    """Exponents, fractions of zero, signs and leading zeros, for whole numbers and for others."""
    whole = encode_canonical(msgspec.structs.replace(sample, count=number, extra={"x": number + 0.5}))
    assert decode(whole).count == number
    field, value = b'"count":%d' % number, b'"x":%d.5' % number
    for form in (b"%d.0", b"%de0", b"%dE+0", b"+%d", b"0%d", b"%d0e-1"):
        refuse(whole.replace(field, b'"count":' + form % number, 1))
    for form in (b"%d.50", b"%d.5e0", b"+%d.5", b"0%d.5", b"%d5e-1"):
        refuse(whole.replace(value, b'"x":' + form % number, 1))


@pytest.mark.parametrize(
    "changed",
    [
        b'{"name":"\\u0061","count":1,"data":"AA==","extra":{}}',
        b'{"name":"a","count":1,"data":"AB==","extra":{}}',
        b'{"name":"a","count":1,"data":"AA","extra":{}}',
        b'{"name":"a","count":1,"data":"AA==","extra":{},"tags":[]}}',
        b'\xef\xbb\xbf{"name":"a","count":1,"data":"AA==","extra":{},"tags":[]}',
        b'{"name":"a\xff","count":1,"data":"AA==","extra":{},"tags":[]}',
        b'{"name":"a","count":1,"data":"AA==","extra":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b"",
    ],
)
def test_other_texts_for_the_same_value_are_refused(changed: bytes) -> None:
    """Escapes, loose base64, a default left out, trailing and leading bytes, no Unicode, no end, nothing."""
    assert decode(b'{"name":"a","count":1,"data":"AA==","extra":{},"tags":[]}').data == b"\0"
    refuse(changed)
