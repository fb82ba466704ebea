"""Listing a store, a sidecar at a time: nothing is held for all tags at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from safeload.errors import SafeloadError
from safeload.keys.base import KeyId
from safeload.statement import Statement
from safeload.store import names as _names
from safeload.store import reading
from safeload.store.backend import Backend
from safeload.store.context import Context
from safeload.store.names import Place
from safeload.store.records import read_pointer, read_statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is known of one tag.

    Parameters
    ----------
    name, tag
        Whose it is.
    latest
        Whether the name's verified pointer names it.
    statement, keys
        What was signed and by which keys, if it verifies.
    refusal
        Why it does not, or None.
    """

    name: str
    tag: str
    latest: bool
    statement: Statement | None
    keys: tuple[KeyId, ...]
    refusal: SafeloadError | None


def names(backend: Backend, prefix: str = "") -> Iterator[str]:
    """Yield the names that have a tag and start with `prefix`, in no order."""
    for folder in backend.folders():
        if folder.endswith("%/"):
            # A long name: its folders are nested, and several names may share the first.
            found = {path.rpartition("/")[0] for path in backend.list(folder)}
        else:
            found = {folder[:-1]}
        for encoded in found:
            name = _names.decode(encoded)
            if name is not None and name.startswith(prefix) and any(tags(backend, Place(name))):
                yield name


def tags(backend: Backend, place: Place) -> Iterator[str]:
    """Yield the tags of a name by the names of their sidecars, which are not read."""
    for path in backend.list(place.folder):
        tag = place.tag_of(path)
        if tag is not None:
            yield tag


def check(context: Context, name: str, *, artifacts: bool) -> Iterator[Check]:
    """Yield every tag of a name, verified or with the reason why not."""
    place = Place(name)
    latest = _latest_or_none(context, place)
    for tag in tags(context.backend, place):
        yield _check(context, place, tag, tag == latest, artifacts)


def _check(context: Context, place: Place, tag: str, latest: bool, artifacts: bool) -> Check:
    try:
        record = read_statement(context.backend, place, tag, context.ring, context.rules)
        if artifacts:
            reading.verified(context, place, tag)
    except SafeloadError as error:
        return Check(name=place.name, tag=tag, latest=latest, statement=None, keys=(), refusal=error)
    return Check(
        name=place.name,
        tag=tag,
        latest=latest,
        statement=record.statement,
        keys=record.keys,
        refusal=None,
    )


def _latest_or_none(context: Context, place: Place) -> str | None:
    try:
        return read_pointer(context.backend, place, context.ring, context.rules).pointer.tag
    except SafeloadError:
        # A listing tells of each tag; who loads `latest` is refused with the reason.
        return None
