"""Writing a version: the artifact under a path of its own, then what makes it the tag and the latest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from safeload import signing
from safeload.errors import StorageError, TagExists
from safeload.keys.base import SigningKey
from safeload.statement import Statement
from safeload.store.backend import Conflict
from safeload.store.commit import Commit, sidecar_version
from safeload.store.context import Context
from safeload.store.names import Place


@dataclass(frozen=True, slots=True)
class Content:
    """What is stored.

    Parameters
    ----------
    produce
        Writes the artifact into a file.
    format
        Its format.
    referred
        Tells, once it is written, what it refers to; None for bytes that were not looked into.
    metadata, expires
        To be signed along.
    """

    produce: Callable[[IO[bytes]], None]
    format: str
    referred: Callable[[], Iterable[str]] | None = None
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
    try:
        described = signing.describe(
            name=place.name,
            tag=tag,
            file=place.file_of(path),
            digest=digest,
            size=size,
            format=content.format,
            referred=None if content.referred is None else content.referred(),
            metadata=content.metadata,
            expires=content.expires,
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
