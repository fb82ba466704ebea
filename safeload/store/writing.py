"""Writing a version, each step durable before the next.

1. The artifact, under a path that no other dump uses. Nothing refers to it yet.
2. The tag's sidecar, which names that path. This one conditional write makes the tag, or replaces it; of two
   writers of the same tag exactly one gets it.
3. The name's pointer, by compare-and-swap. The writer that loses takes the next number, signs sidecar and
   pointer anew, and tries again.

So a crash leaves at worst an artifact that nothing refers to, or a tag that ``latest`` does not name yet.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

import msgspec

from safeload.attestation import pointer, statement
from safeload.attestation.pointer import MAX_SEQUENCE, Pointer
from safeload.attestation.statement import Statement
from safeload.errors import NotFound, SafeloadError, StorageError, StoreError, TagExists
from safeload.formats import Written
from safeload.store import listing
from safeload.store.backends.base import Conflict, Version
from safeload.store.context import Context
from safeload.store.names import Place
from safeload.store.reading import read_pointer, read_statement
from safeload.trust import signing
from safeload.trust.keys.base import SigningKey

_ATTEMPTS = 200


@dataclass(frozen=True, slots=True)
class Content:
    """What is stored: how it is written, and what is signed along.

    `written` tells, once it is written, what the format says of it; None for bytes that were not looked into.
    `requires` are the modules that the format itself needs to read it back.
    """

    produce: Callable[[IO[bytes]], None]
    format: str
    requires: tuple[str, ...] | None = None
    written: Callable[[], Written] | None = None
    metadata: dict[str, Any] | None = None
    expires: datetime | None = None


def write(
    context: Context, place: Place, tag: str, content: Content, key: SigningKey, *, overwrite: bool
) -> Statement:
    """Store a version and make it the latest; errors are those of :meth:`safeload.Store.dump`."""
    if not overwrite and sidecar_version(context, place, tag) is not None:
        raise _taken(place, tag)
    backend = context.backend
    path = place.new_artifact(tag, content.format)
    digest, size = backend.write_artifact(path, content.produce, algorithm=context.policy.digest_algorithm)
    commit = Commit(context, place, key)
    written = None if content.written is None else content.written()
    try:
        described = signing.describe(
            name=place.name,
            tag=tag,
            file=place.file_of(path),
            digest=digest,
            size=size,
            format=content.format,
            globals=None if written is None else written.globals,
            requires=content.requires,
            metadata=content.metadata,
            expires=content.expires,
            remarks=() if written is None else written.remarks,
        )
        return commit.commit(described, path, overwrite)
    except BaseException as error:
        if not commit.may_refer:
            with contextlib.suppress(StorageError):
                backend.delete(path)
        if isinstance(error, Conflict):
            raise _taken(place, tag) from None
        raise


def _taken(place: Place, tag: str) -> TagExists:
    return TagExists(
        "this tag is taken",
        where=f"{place.name} {tag}",
        hint="A tag is written once. Choose another, or pass overwrite=True.",
    )


class Commit:
    """The sidecar, then the pointer, as often as others come first.

    `may_refer` tells whether a sidecar that names the artifact may be in place; until then no record refers
    to the artifact.
    """

    def __init__(self, context: Context, place: Place, key: SigningKey) -> None:
        self._context = context
        self._backend = context.backend
        self._policy = context.policy
        self._place = place
        self._key = key
        self.may_refer = False

    def commit(self, described: Statement, path: str, overwrite: bool) -> Statement:
        """Make the tag and point at it. Raises Conflict if another writer made the tag."""
        place = self._place
        tag = described.tag
        assert tag is not None  # noqa: S101  a store's statements have one
        mine: Version | None = None
        for attempt in range(_ATTEMPTS):
            current, version = self._current_pointer()
            sequence = self._next(current)
            signed = msgspec.structs.replace(described, sequence=sequence)
            data = signing.seal(
                statement.encode(signed), self._key, self._policy.limits, where=f"{place.name} {tag}"
            )
            former: str | None = None
            replacing = mine
            if mine is None and overwrite:
                replacing, former = self._in_place(tag)
            already = self.may_refer
            self.may_refer = True
            try:
                mine = self._backend.conditional_write(place.sidecar(tag), data, replacing=replacing)
            except Conflict:
                self.may_refer = already
                if mine is not None:
                    # Another writer has overwritten this tag since; theirs is the newer one, and they move
                    # the pointer.
                    return signed
                if not overwrite:
                    raise
                _pause(attempt)
                continue
            if former is not None and former != path:
                self._backend.delete(former)
            if self._move(signed, sequence, version):
                return signed
            _pause(attempt)
        raise StoreError(
            "other writers kept moving the pointer", where=place.name, hint="Store it again later."
        )

    def point_at(self, signed: Statement) -> None:
        """Move the pointer to a version that is there."""
        for attempt in range(_ATTEMPTS):
            current, version = self._current_pointer()
            if self._move(signed, self._next(current), version):
                return
            _pause(attempt)
        raise StoreError("other writers kept moving the pointer", where=self._place.name)

    def _move(self, signed: Statement, sequence: int, version: Version | None) -> bool:
        """Compare and swap the pointer; tell whether it was as expected."""
        assert signed.tag is not None  # noqa: S101  a store's statements have one
        payload = pointer.encode(
            Pointer(
                name=signed.name,
                tag=signed.tag,
                sequence=sequence,
                version=signed.sequence or 1,
                digest=signed.digest,
                created=signing.now(),
            )
        )
        data = signing.seal(payload, self._key, self._policy.limits, where=self._place.name)
        try:
            self._backend.conditional_write(self._place.pointer, data, replacing=version)
        except Conflict:
            return False
        # A writer remembers too: it must not take a rolled-back pointer for the last word.
        # Where it cannot, the object is stored all the same, and loaders have memories of their own.
        with contextlib.suppress(StorageError):
            self._context.state.record(self._place, sequence)
        return True

    def _current_pointer(self) -> tuple[Pointer | None, Version | None]:
        try:
            record = read_pointer(self._context, self._place)
        except NotFound:
            return None, None
        return record.signed, record.version

    def _next(self, current: Pointer | None) -> int:
        known = [self._context.state.seen(self._place)]
        if current is not None:
            known.append(current.sequence)
        else:
            # No pointer: a new name, or it was removed. The statements tell the highest number so far.
            known += [
                found.statement.sequence or 0
                for found in listing.check(self._context, self._place.name, artifacts=False)
                if found.statement is not None
            ]
        sequence = 1 + max(known)
        if sequence > MAX_SEQUENCE:
            raise StoreError("sequence numbers are used up", where=self._place.name)
        return sequence

    def _in_place(self, tag: str) -> tuple[Version | None, str | None]:
        """Return the version of the sidecar in place, and the path of its artifact if it verifies."""
        version = sidecar_version(self._context, self._place, tag)
        if version is None:
            return None, None
        try:
            record = read_statement(self._context, self._place, tag)
        except SafeloadError:
            # It does not verify, so its word on where its artifact lies is not taken.
            return version, None
        return record.version, record.path


def sidecar_version(context: Context, place: Place, tag: str) -> Version | None:
    """Return the version of a tag's sidecar, None if there is no such tag."""
    try:
        return context.backend.read(place.sidecar(tag), limit=context.policy.limits.sidecar_bytes)[1]
    except NotFound:
        return None


def _pause(attempt: int) -> None:
    """Wait a little, at random, so that writers who collide do not collide again in step."""
    time.sleep(random.uniform(0, min(0.2, 0.002 * 2 ** min(attempt, 7))))  # noqa: S311  no secret
