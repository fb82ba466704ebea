"""Writing a version: the artifact under a path of its own, then what makes it the tag and the latest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from safeload.attestation.statement import Statement
from safeload.errors import StorageError, TagExists
from safeload.formats import Written
from safeload.store.backends.base import Conflict
from safeload.store.commit import Commit, sidecar_version
from safeload.store.context import Context
from safeload.store.names import Place
from safeload.trust import signing
from safeload.trust.keys.base import SigningKey


@dataclass(frozen=True, slots=True)
class Content:
    """What is stored.

    Parameters
    ----------
    produce
        Writes the artifact into a file.
    format
        Its format.
    written
        Tells, once it is written, what the format says of it; None for bytes that were not looked into.
    metadata, expires
        To be signed along.
    """

    produce: Callable[[IO[bytes]], None]
    format: str
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
    digest, size = backend.put_artifact(path, content.produce, algorithm=context.rules.digest_algorithm)
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
            referred=None if written is None else written.globals,
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
