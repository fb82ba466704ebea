"""Writes the test vectors: ``python tests/vectors/regenerate.py``.

One file for each algorithm, with a key that everybody knows, the payload, its pre-authentication encoding and
the whole envelope, so that other implementations can be held against the same bytes. ECDSA signatures are
deterministic (RFC 6979); where the installed cryptography does not make such, they are not written anew.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from safeload import (
    EcdsaP256PrivateKey,
    EcdsaP384PrivateKey,
    Ed25519PrivateKey,
    Environment,
    HmacKey,
    Keyring,
)
from safeload.attestation import envelope, statement
from safeload.attestation.digests import digest_of
from safeload.attestation.envelope import Envelope, EnvelopeSignature
from safeload.attestation.statement import PAYLOAD_TYPE, Statement
from safeload.trust.keys import SigningKey, jwk

FOLDER = Path(__file__).parent
ARTIFACT = b"the bytes of an artifact"

# RFC 8032, 7.1, test 1; RFC 6979, A.2.5 and A.2.6.
_ED25519 = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
_P256 = int("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", 16)
_P384 = int(
    "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5", 16
)


def keys() -> dict[str, SigningKey]:
    """Return the fixed keys, by algorithm."""
    return {
        "hmac-sha256": HmacKey(bytes(range(32))),
        "ed25519": Ed25519PrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(_ED25519)),
        "ecdsa-p256": EcdsaP256PrivateKey(ec.derive_private_key(_P256, ec.SECP256R1())),
        "ecdsa-p384": EcdsaP384PrivateKey(ec.derive_private_key(_P384, ec.SECP384R1())),
    }


def deterministic() -> bool:
    """Return whether ECDSA is deterministic here."""
    try:
        ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except (TypeError, UnsupportedAlgorithm):
        return False
    return True


def described() -> Statement:
    """Return the statement that is signed: every field has a value, and the name is not ASCII."""
    return Statement(
        name="größe.joblib",
        tag="2026-11-23",
        digest=digest_of("blake3", ARTIFACT),
        size=len(ARTIFACT),
        format="joblib",
        created=datetime(2026, 11, 23, 9, tzinfo=UTC),
        expires=datetime(2036, 11, 23, 9, tzinfo=UTC),
        sequence=7,
        environment=Environment(python="3.11.7", packages={"scikit-learn": "1.9.1"}),
        globals=("sklearn.linear_model._logistic.LogisticRegression",),
        metadata={"note": 'a "quoted" ✓', "scores": [0.5, 1, None, True]},
    )


def vector(key: SigningKey) -> dict[str, Any]:
    """Return the vector of a key."""
    payload = statement.encode(described())
    message = envelope.pae(PAYLOAD_TYPE.encode(), payload)
    signed = Envelope(payload, PAYLOAD_TYPE, (EnvelopeSignature(key.key_id, key.sign(message)),))
    (members,) = json.loads(jwk.encode(Keyring.of(key).entries))["keys"]
    return {
        "algorithm": key.algorithm,
        "key": members,
        "key_id": key.key_id,
        "artifact": base64.b64encode(ARTIFACT).decode(),
        "payload_type": PAYLOAD_TYPE,
        "payload": payload.decode(),
        "pae": base64.b64encode(message).decode(),
        "envelope": envelope.encode(signed).decode(),
    }


def texts() -> Iterator[tuple[Path, str]]:
    """Return each vector's file and what it holds."""
    for algorithm, key in keys().items():
        yield FOLDER / f"{algorithm}.json", json.dumps(vector(key), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the files."""
    for path, text in texts():
        if "ecdsa" not in path.name or deterministic():
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
