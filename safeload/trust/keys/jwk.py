"""Keyrings as JWK Sets (RFC 7517; ``oct``, ``OKP`` and ``EC``), so that other tools can make and read them.

joserfc reads and writes the key material. The other fields of an entry use members that exist elsewhere:
``key_ops`` (RFC 7517) with ``sign`` marks the key that signs; ``nbf``, ``exp`` and ``revoked`` are those of
OpenID Federation 1.0, section 8.7 (seconds since 1970; an object with ``revoked_at`` and ``reason``). Only
``safeload_names``, a list of patterns, is safeload's own.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OctKey, OKPKey

from safeload.errors import KeyringError
from safeload.parsers import strict_json
from safeload.trust.keys.asymmetric import PrivateKey, PublicKey, private_key, public_key
from safeload.trust.keys.base import VerifyingKey, opaque, parse_key_id
from safeload.trust.keys.entry import Entry, State
from safeload.trust.keys.hmac_key import HmacKey

_NAMES = "safeload_names"
_ALGORITHM_NAMES = {
    "hmac-sha256": ("HS256",),
    "ed25519": ("Ed25519", "EdDSA"),
    "ecdsa-p256": ("ES256",),
    "ecdsa-p384": ("ES384",),
}


@opaque
def encode(entries: Iterable[Entry]) -> bytes:
    """Write the entries of a keyring as a JWK Set, with their secrets."""
    return json.dumps({"keys": [_to_jwk(entry) for entry in entries]}, indent=2).encode() + b"\n"


@opaque
def parse(data: bytes, *, where: str | None = None) -> list[Entry]:
    """Read the entries of a keyring from a JWK Set, in the order of the file; `where` is for messages.

    KeyringError if it is not a JWK Set, or a key in it cannot be used. The message gives the key's number and
    none of its material.
    """
    try:
        document = json.loads(data.decode(), object_pairs_hook=strict_json.unique_members)
    except (ValueError, RecursionError):
        raise KeyringError("the keyring is not a JWK Set in JSON", where=where) from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not keys:
        raise KeyringError("the keyring has no list of keys", where=where)
    entries: list[Entry] = []
    may_sign: list[int] = []
    for number, jwk in enumerate(keys, 1):
        try:
            entry, explicit = _from_jwk(jwk)
        except KeyringError as error:
            raise KeyringError(
                f"key number {number}: {error.problem}", where=where, hint=error.hint
            ) from None
        if entry.state == "active" and not explicit:
            may_sign.append(number)
        entries.append(entry)
    if may_sign and sum(entry.state == "active" for entry in entries) > 1:
        raise KeyringError(
            "several keys of the keyring could sign, and it does not say which one does",
            where=where,
            hint='Give the one that signs "key_ops": ["sign", "verify"] and the others ["verify"].',
        )
    return entries


def _to_jwk(entry: Entry) -> dict[str, Any]:
    key = entry.key
    material: dict[str, Any]
    if isinstance(key, HmacKey):
        material = OctKey.import_key(key.export_secret()).as_dict(private=True)
    elif isinstance(key, PrivateKey):
        material = _asymmetric_jwk(key.export_raw(), private=True)
    elif isinstance(key, PublicKey):
        material = _asymmetric_jwk(key.raw, private=False)
    else:
        raise KeyringError(f"a {type(key).__name__} cannot be written to a file")
    # joserfc may add another key id; envelopes name ours.
    jwk: dict[str, Any] = {
        **material,
        "kid": key.key_id,
        "use": "sig",
        "alg": _ALGORITHM_NAMES[key.algorithm][0],
        "key_ops": ["sign", "verify"] if entry.state == "active" else ["verify"],
    }
    # Whole seconds are written. Rounding makes the window narrower, never wider.
    if entry.not_before is not None:
        jwk["nbf"] = math.ceil(entry.not_before.timestamp())
    if entry.not_after is not None:
        jwk["exp"] = math.floor(entry.not_after.timestamp())
    if entry.state == "revoked":
        jwk["revoked"] = {} if entry.reason is None else {"reason": entry.reason}
    if entry.names is not None:
        jwk[_NAMES] = list(entry.names)
    return jwk


def _asymmetric_jwk(raw: Any, *, private: bool) -> dict[str, Any]:
    kind = ECKey if hasattr(raw, "curve") else OKPKey
    return dict(kind(raw, raw).as_dict(private=private))


def _from_jwk(jwk: object) -> tuple[Entry, bool]:
    """Return the entry, and whether the file says explicitly that its key signs or does not."""
    if not isinstance(jwk, dict):
        raise KeyringError("it is not an object")
    key = _key(jwk)
    if jwk.get("use", "sig") != "sig":
        raise KeyringError("it is not for signatures")
    if jwk.get("alg", _ALGORITHM_NAMES[key.algorithm][0]) not in _ALGORITHM_NAMES[key.algorithm]:
        raise KeyringError("its algorithm does not fit its kind")
    operations = jwk.get("key_ops")
    if operations is not None and (
        not isinstance(operations, list)
        or not operations
        or not all(item in ("sign", "verify") for item in operations)
    ):
        raise KeyringError("its key_ops are not a list of sign and verify")
    secret = not isinstance(key, PublicKey)
    state: State = "verify-only"
    reason = None
    if "revoked" in jwk:
        revoked = jwk["revoked"]
        # Any value means revoked; only the reason needs a certain type.
        text = revoked.get("reason") if isinstance(revoked, dict) else None
        state, reason = "revoked", text if isinstance(text, str) else None
    elif secret and (operations is None or "sign" in operations):
        state = "active"
    entry = Entry(
        key=key,
        state=state,
        reason=reason,
        not_before=_moment(jwk, "nbf"),
        not_after=_moment(jwk, "exp"),
        names=_names(jwk),
    )
    return entry, operations is not None


def _key(jwk: dict[str, Any]) -> VerifyingKey:
    kind = jwk.get("kty")
    if kind not in ("oct", "OKP", "EC"):
        raise KeyringError("its kind is not supported", hint="Use oct, OKP (Ed25519) or EC (P-256, P-384).")
    key: VerifyingKey
    try:
        # joserfc gets the key material alone; this module reads the other members.
        material: dict[str, Any] = {
            name: jwk[name] for name in ("kty", "crv", "x", "y", "d", "k") if name in jwk
        }
        with warnings.catch_warnings():
            # joserfc warns of short secrets; HmacKey refuses them.
            warnings.simplefilter("ignore")
            imported = JWKRegistry.import_key(material)
        if isinstance(imported, OctKey):
            key = HmacKey(imported.raw_value)
        elif isinstance(imported, OKPKey | ECKey):
            key = (
                private_key(imported.private_key) if imported.is_private else public_key(imported.public_key)
            )
        else:
            raise KeyringError("its kind is not supported")
    except (JoseError, ValueError, TypeError, KeyError):
        raise KeyringError("its key material cannot be read") from None
    if isinstance(key, PrivateKey):
        ours = _asymmetric_jwk(key.export_raw(), private=False)
        if any(material.get(member) != ours.get(member) for member in ("x", "y")):
            raise KeyringError("its public half belongs to another key")
    if jwk.get("kid", key.key_id) != key.key_id:
        _check_foreign_kid(jwk["kid"])
    return key


def _check_foreign_kid(kid: object) -> None:
    """Accept key ids in other forms, which other tools choose; refuse the id of another key in ours."""
    if not isinstance(kid, str):
        raise KeyringError("its kid is not text")
    try:
        parse_key_id(kid)
    except KeyringError:
        return
    raise KeyringError("its kid is that of another key")


def _moment(jwk: dict[str, Any], name: str) -> datetime | None:
    value = jwk.get(name)
    if value is None and name not in jwk:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise KeyringError(f"its {name} is not a number of seconds")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise KeyringError(f"its {name} is out of range") from None


def _names(jwk: dict[str, Any]) -> tuple[str, ...] | None:
    if _NAMES not in jwk:
        return None
    names = jwk[_NAMES]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise KeyringError(f"its {_NAMES} is not a list of patterns")
    return tuple(names)
