"""Signing a store anew with another key, without reading any artifact.

Each sidecar and pointer is verified first and its payload signed anew as it is: names, digests, sequence
numbers and times stay. A record that the new key has signed already is left alone, so that a run that was
interrupted is simply started again. Loaders must know both keys while it runs; revoke the old key
afterwards, not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from safeload.attestation.envelope import parse_sidecar
from safeload.attestation.pointer import Pointer
from safeload.attestation.statement import Statement
from safeload.errors import KeyringError, NotFound, SafeloadError, StoreError
from safeload.store import listing
from safeload.store.backends.base import Conflict
from safeload.store.context import Context
from safeload.store.names import LATEST, Place
from safeload.store.reading import Record, read_pointer, read_statement
from safeload.trust import signing
from safeload.trust.keys.base import SigningKey

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What became of one record; the tag ``latest`` stands for the pointer.

    `outcome` is ``signed`` anew, ``kept`` since the new key had signed it already, or ``refused``: it did not
    verify, so it was not signed anew, and `refusal` says why.
    """

    name: str
    tag: str
    outcome: Literal["signed", "kept", "refused"]
    refusal: SafeloadError | None = None


def new_key(context: Context, key_id: str) -> SigningKey:
    """Return the key of the keyring whose id starts with `key_id`.

    KeyringError if not exactly one does, if it is revoked, or if it cannot sign.
    """
    found = [entry for entry in context.keyring.entries if entry.key.key_id.startswith(key_id)]
    if not found:
        raise KeyringError(
            f"no key of the keyring has an id that starts with {key_id!r}",
            hint="Add the new key first: `safeload keygen --rotate`.",
        )
    if len(found) > 1:
        raise KeyringError(
            f"{len(found)} keys of the keyring have ids that start with {key_id!r}",
            hint="Give more of the id.",
        )
    (entry,) = found
    if entry.state == "revoked" or not isinstance(entry.key, SigningKey):
        raise KeyringError(f"the key {entry.key.key_id[:12]}… is revoked or cannot sign")
    return entry.key


def rotate(context: Context, key: SigningKey) -> Iterator[Rotated]:
    """Sign every record anew with `key`, one after the other."""
    for name in listing.names(context.backend):
        place = Place(name)
        for tag in list(listing.tags(context.backend, place)):
            yield _rotated(context, place, tag, key)
        yield _rotated(context, place, LATEST, key)


def _rotated(context: Context, place: Place, tag: str, key: SigningKey) -> Rotated:
    outcome: Literal["signed", "kept"]
    try:
        outcome = "signed" if _sign_anew(context, place, tag, key) else "kept"
    except SafeloadError as error:
        return Rotated(name=place.name, tag=tag, outcome="refused", refusal=error)
    return Rotated(name=place.name, tag=tag, outcome=outcome)


def _sign_anew(context: Context, place: Place, tag: str, key: SigningKey) -> bool:
    """Tell whether the record had to be signed."""
    backend, limits = context.backend, context.policy.limits
    record: Record[Statement] | Record[Pointer]
    for _ in range(_ATTEMPTS):
        try:
            record = read_pointer(context, place) if tag == LATEST else read_statement(context, place, tag)
        except NotFound:
            return False  # Deleted meanwhile, or a name without a pointer.
        if key.key_id in record.keys:
            return False
        # These bytes are the ones that were just verified, and the put below replaces them only.
        (envelope,) = parse_sidecar(record.sidecar, limit=limits.sidecar_bytes)
        renewed = signing.seal(envelope.payload, key, limits, where=f"{place.name} {tag}")
        path = place.pointer if tag == LATEST else place.sidecar(tag)
        try:
            backend.conditional_write(path, renewed, replacing=record.version)
        except Conflict:
            continue
        return True
    raise StoreError("other writers kept changing it", where=f"{place.name} {tag}")
