"""ECDSA signatures have one form: r and s of one length each, in range, with a low s."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from support.ecdsa import numbers_of, raw_signature

import safeload
from safeload import EcdsaP256PrivateKey, EcdsaP384PrivateKey, SignatureInvalid
from safeload.attestation import envelope

MESSAGE = b"a message"
ECDSA = [EcdsaP256PrivateKey, EcdsaP384PrivateKey]
# The order of each curve's group (FIPS 186-5, SEC 2).
ORDERS = {
    EcdsaP256PrivateKey: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    EcdsaP384PrivateKey: int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
    ),
}
NUMBER_BYTES = {EcdsaP256PrivateKey: 32, EcdsaP384PrivateKey: 48}


@pytest.mark.parametrize("kind", ECDSA)
def test_ecdsa_numbers_with_other_leading_zeros_are_refused(kind: Any) -> None:
    """Each number has one length; its value alone does not make a signature."""
    key = kind.generate()
    size = NUMBER_BYTES[kind]
    signature = key.sign(MESSAGE)
    with pytest.raises(SignatureInvalid):
        key.public.verify(MESSAGE, signature[:size] + b"\0" + signature[size:])
    for number in range(10_000):
        message = b"%d" % number
        signature = key.sign(message)
        if signature[size] == 0:
            break
    key.public.verify(message, signature)
    with pytest.raises(SignatureInvalid):
        key.public.verify(message, signature[:size] + signature[size + 1 :])


@pytest.mark.parametrize("kind", ECDSA)
def test_an_ecdsa_signature_in_der_is_refused(kind: Any) -> None:
    """DER can encode one signature in several ways."""
    key = kind.generate()
    with pytest.raises(SignatureInvalid):
        key.public.verify(MESSAGE, encode_dss_signature(*numbers_of(key, key.sign(MESSAGE))))


@pytest.mark.parametrize("kind", ECDSA)
def test_ecdsa_numbers_that_are_zero_or_out_of_range_are_refused(kind: Any) -> None:
    """Both lie between 1 and the order less 1; zero in both once fooled several libraries."""
    key = kind.generate()
    r, s = numbers_of(key, key.sign(MESSAGE))
    order, largest = ORDERS[kind], 256 ** NUMBER_BYTES[kind] - 1
    key.public.verify(MESSAGE, raw_signature(key, r, s))
    for bad in [(0, 0), (0, s), (r, 0), (order, s), (r, order), (order, order), (largest, largest), (s, r)]:
        with pytest.raises(SignatureInvalid):
            key.public.verify(MESSAGE, raw_signature(key, *bad))


@pytest.mark.parametrize("kind", ECDSA)
def test_of_the_two_ecdsa_signatures_over_a_message_one_is_made_and_accepted(kind: Any) -> None:
    """FIPS 186-5 accepts (r, order - s) as well, which anyone can compute from (r, s)."""
    key = kind.generate()
    order = ORDERS[kind]
    assert key.public.order == order
    for number in range(32):
        message = b"%d" % number
        r, s = numbers_of(key, key.sign(message))
        assert 1 <= s <= order // 2
        key.public.verify(message, raw_signature(key, r, s))
        for verifier in (key, key.public):
            with pytest.raises(SignatureInvalid):
                verifier.verify(message, raw_signature(key, r, order - s))


@pytest.mark.parametrize("kind", ECDSA)
def test_a_signature_by_other_software_is_accepted_with_a_low_s_only(kind: Any) -> None:
    """About half of the signatures that other software makes have a high s. Those are refused."""
    key = kind.generate()
    order = ORDERS[kind]
    found = set()
    for number in range(64):
        message = b"%d" % number
        made = key.export_raw().sign(message, ec.ECDSA(key.public.hash()))
        r, s = decode_dss_signature(made)
        found.add(s > order // 2)
        key.public.verify(message, raw_signature(key, r, min(s, order - s)))
        with pytest.raises(SignatureInvalid):
            key.public.verify(message, raw_signature(key, r, max(s, order - s)))
    assert found == {True, False}


@pytest.mark.parametrize("kind", ECDSA)
def test_a_sidecar_with_an_altered_ecdsa_signature_is_refused(kind: Any, tmp_path: Path) -> None:
    """The altered signature has the other s."""
    key, path = kind.generate(), tmp_path / "a.joblib"
    safeload.dump([1], path, signer=key)
    sidecar = tmp_path / "a.joblib.sig"
    (found,) = envelope.parse_sidecar(sidecar.read_bytes(), limit=1 << 20)
    (signature,) = found.signatures
    r, s = numbers_of(key, signature.sig)
    twin = envelope.EnvelopeSignature(signature.keyid, raw_signature(key, r, ORDERS[kind] - s))
    assert safeload.load(path, keyring=key.public) == [1]
    sidecar.write_bytes(envelope.encode_sidecar(envelope.Envelope(found.payload, found.payloadType, (twin,))))
    with pytest.raises(SignatureInvalid):
        safeload.load(path, keyring=key.public)
