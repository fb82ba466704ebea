"""Listing a store, a sidecar at a time: nothing is held for all tags at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from safeload.attestation.pointer import Pointer
from safeload.attestation.statement import Statement
from safeload.errors import NotFound, SafeloadError
from safeload.store import names as _names
from safeload.store import reading
from safeload.store.backends.base import Backend
from safeload.store.context import Context
from safeload.store.names import LATEST, Place
from safeload.store.reading import read_statement
from safeload.trust.keys.base import KeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class TagStatus:
    """What is known of one tag.

    Parameters
    ----------
    name, tag : str
        Name and tag.
    latest : bool
        Whether the name's verified pointer names this tag.
    statement : Statement or None
        What was signed, if it verifies.
    keys : tuple of str
        Ids of the keys that signed it; empty if it does not verify.
    refusal : SafeloadError or None
        Why it does not verify.

    Examples
    --------
    >>> store = safeload.Store("models/")
    >>> statement = store.dump(model, "churn", "2026-11-23")
    >>> for found in store.check("churn"):
    ...     print(found.tag, found.latest, found.refusal)
    2026-11-23 True None
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
            places = {_names.place_of(path) for path in backend.list(folder)}
        else:
            places = {_names.place_of(folder)}
        for place in places:
            if place is not None and place.name.startswith(prefix) and any(tags(backend, place)):
                yield place.name


def tags(backend: Backend, place: Place) -> Iterator[str]:
    """Yield the tags of a name by the names of their sidecars, which are not read."""
    for path in backend.list(place.folder):
        tag = place.tag_of(path)
        if tag is not None:
            yield tag


def unreferenced_files(context: Context) -> Iterator[str]:
    """Yield the paths of all files that no verified record of the store accounts for, in no order.

    A dump that was stopped may leave one; an attacker may add one in the hope that it is loaded directly.
    """
    for path in context.backend.list(""):
        place = _names.place_of(path)
        if place is None:
            yield path
        elif path != place.pointer and place.tag_of(path) is None:
            tag = place.tag_of_artifact(path)
            if tag is None or not _is_of(context, place, tag, path):
                yield path


def _is_of(context: Context, place: Place, tag: str, path: str) -> bool:
    try:
        return read_statement(context, place, tag).path == path
    except SafeloadError:
        return False


def check(context: Context, name: str, *, artifacts: bool) -> Iterator[TagStatus]:
    """Yield every tag of a name, verified or with the reason why not.

    A pointer that is there and does not verify comes first, under the tag ``latest``.
    """
    place = Place(name)
    found: Pointer | None = None
    try:
        found = reading.pointer(context, place)
    except NotFound:
        pass  # A dump stopped before its first pointer; its tag is there all the same.
    except SafeloadError as error:
        yield _refused(place, LATEST, True, error)
    for tag in tags(context.backend, place):
        yield _check(context, place, tag, found, artifacts)


def _check(context: Context, place: Place, tag: str, found: Pointer | None, artifacts: bool) -> TagStatus:
    latest = found is not None and found.tag == tag
    try:
        record = read_statement(context, place, tag)
        if latest and found is not None:
            reading.compare(found, record, f"{context.backend.location}: {place.name} {tag}")
        if artifacts:
            reading.verified(context, place, tag)
    except SafeloadError as error:
        return _refused(place, tag, latest, error)
    return TagStatus(
        name=place.name,
        tag=tag,
        latest=latest,
        statement=record.signed,
        keys=record.keys,
        refusal=None,
    )


def _refused(place: Place, tag: str, latest: bool, error: SafeloadError) -> TagStatus:
    return TagStatus(name=place.name, tag=tag, latest=latest, statement=None, keys=(), refusal=error)
