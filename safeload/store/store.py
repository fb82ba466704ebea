"""A store: objects by name and tag, with a signed ``latest``, on a folder or in a bucket."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import IO, Any, Literal

from safeload import formats
from safeload.api.artifacts import check_mode
from safeload.attestation.statement import Statement
from safeload.errors import NotFound, StoreError
from safeload.store import listing, reading, rotation, writing
from safeload.store.backends.base import Backend
from safeload.store.backends.locate import backend_of
from safeload.store.context import Context
from safeload.store.listing import TagStatus
from safeload.store.names import LATEST, Place, check_tag
from safeload.store.reading import Freshness, read_pointer, read_statement
from safeload.store.rollback import State
from safeload.store.rotation import Rotated
from safeload.store.writing import Commit, Content
from safeload.trust.keys import sources
from safeload.trust.keys.base import SigningKey
from safeload.trust.keys.keyring import Keyring
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import PolicySource, resolve


class Store:
    """Objects by name and tag.

    Parameters
    ----------
    location : str, os.PathLike or obstore.store.ObjectStore
        A folder; ``s3://bucket/prefix``, ``gs://…``, ``az://…`` or ``memory://`` (extra ``cloud``); or an
        object store of obstore's.
    keyring, signer, policy : optional
        As for :func:`safeload.dump`. Defaults are looked up at each call, so that a rotated keyring file
        takes effect at once.
    state : str or os.PathLike, optional
        Folder of the loader's memory against rollback; the default is ``SAFELOAD_STATE`` or the user's state
        folder.
    **config
        Passed on to obstore, for a location that is a URL.

    Raises
    ------
    KeyringError
        Keyring, policy or memory lie inside the store, where anyone who can write the store can change them.

    Examples
    --------
    >>> store = safeload.Store("models/")
    >>> statement = store.dump(model, "plant-a/churn", "2026-11-23", metadata={"auc": 0.93})
    >>> store.load("plant-a/churn")
    LogisticRegression(max_iter=1000)
    >>> [(found.tag, found.latest) for found in store.tags("plant-a/churn")]
    [('2026-11-23', True)]
    """

    def __init__(
        self,
        location: str | os.PathLike[str] | Any,
        *,
        keyring: KeyringSource | None = None,
        signer: SigningKey | None = None,
        policy: PolicySource | None = None,
        state: str | os.PathLike[str] | None = None,
        **config: Any,
    ) -> None:
        self._backend: Backend = backend_of(location, config)
        self._keyring = keyring
        self._signer = signer
        self._policy = policy
        # A memory that is not given is looked up at each call.
        self._state = None if state is None else State(state, self._backend.location)
        self._formats: frozenset[str] | None = None

    @property
    def location(self) -> str:
        """The absolute path of the folder, or the URL."""
        return self._backend.location

    def restricted(self, formats: Iterable[str]) -> Store:
        """Return this store for a caller who loads and lists objects in certain formats only.

        Do not store with it: tags that it does not list still have numbers and files.

        Parameters
        ----------
        formats : iterable of str
            Names of formats. The policy's own list still holds.

        Returns
        -------
        Store
            A store at the same location.
        """
        if isinstance(formats, str):
            raise TypeError("formats is a collection of names")
        narrowed = copy.copy(self)
        wanted = frozenset(formats)
        narrowed._formats = wanted if self._formats is None else self._formats & wanted
        return narrowed

    def dump(
        self,
        obj: Any,
        name: str,
        tag: str,
        *,
        format: str = "joblib",
        overwrite: bool = False,
        metadata: dict[str, Any] | None = None,
        expires: datetime | None = None,
        **options: Any,
    ) -> Statement:
        """Store an object under a name and a tag, and make it the latest of its name.

        Parameters
        ----------
        obj : object
            The object.
        name, tag : str
            Unicode text of 1 to 200 bytes each. ``latest`` cannot be stored under.
        overwrite : bool
            Replace the tag, atomically. Otherwise a tag is written once.
        format, metadata, expires, **options : optional
            As for :func:`safeload.dump`.

        Returns
        -------
        Statement
            What was signed.

        Raises
        ------
        TagExists
            The tag is taken, or another writer took it meanwhile. Nothing has changed.
        InvalidName, NoKeyError, KeyNotAllowed, SerializationError, StorageError
            See :func:`safeload.dump`. The former version is unharmed.
        VerificationError
            The name's pointer does not verify, so that the next number is unknown.
        """
        prepared = formats.prepare(format, obj, options, where=f"{name} {tag}")
        written = formats.Written()

        def produce(file: IO[bytes]) -> None:
            nonlocal written
            written = prepared.write(file)

        return self._write(
            name,
            tag,
            Content(
                produce,
                prepared.format,
                requires=formats.get(prepared.format).requires,
                written=lambda: written,
                metadata=metadata,
                expires=expires,
            ),
            overwrite=overwrite,
        )

    def put(
        self, artifact: bytes, name: str, tag: str, *, format: str, metadata: dict[str, Any] | None = None
    ) -> Statement:
        """Store the bytes of an existing artifact, and vouch for them; nothing is deserialized.

        Parameters
        ----------
        artifact : bytes
            The artifact.
        name, tag, format : str
            As for :meth:`dump`.
        metadata : dict, optional
            As for :meth:`dump`.

        Returns
        -------
        Statement
            What was signed of the bytes.

        Raises
        ------
        SafeloadError
            As :meth:`dump`.
        """
        formats.get(format)

        def produce(file: IO[bytes]) -> None:
            file.write(artifact)

        return self._write(name, tag, Content(produce, format, metadata=metadata), overwrite=False)

    def statement(self, name: str, tag: str) -> Statement:
        """Return the verified statement of a tag without reading the artifact; errors as for :meth:`load`."""
        context = self._context()
        return read_statement(context, Place(name), check_tag(tag)).signed

    def _write(self, name: str, tag: str, content: Content, *, overwrite: bool) -> Statement:
        place, tag = Place(name), check_tag(tag)
        context = self._context()
        return writing.write(
            context, place, tag, content, self._key(context.keyring, name), overwrite=overwrite
        )

    def load(
        self,
        name: str,
        tag: str = LATEST,
        *,
        min_sequence: int | None = None,
        max_age: timedelta | None = None,
        **options: Any,
    ) -> Any:
        """Verify a version and make the object.

        Two reads for a tag, three for ``latest``, however many tags there are.

        Parameters
        ----------
        name, tag : str
            Name and tag; ``latest`` is the tag that was stored last.
        min_sequence : int, optional
            For ``latest`` in a loader without a memory (a container): the lowest accepted sequence number.
        max_age : datetime.timedelta, optional
            For the same: the highest accepted age of the pointer. With either of them, a memory that cannot
            be written is not an error.
        **options
            Options of the format; see :func:`safeload.load`.

        Returns
        -------
        object
            The object.

        Raises
        ------
        NotFound
            The name or tag does not exist.
        RollbackDetected
            The pointer is older than one that was seen before, or than these arguments allow.
        VerificationError, PolicyError, MalformedError, DeserializationError, StorageError
            See :func:`safeload.load`.
        """
        if "mmap_mode" in options:
            check_mode(options["mmap_mode"])
        context = self._context()
        verified = reading.verified(context, Place(name), tag, Freshness(min_sequence, max_age))
        return formats.deserialize(verified, context.policy, options)

    def verify(self, name: str | None = None, tag: str | None = None) -> tuple[Statement, ...]:
        """Verify artifacts without making the objects: all, those of a name, or one.

        Parameters
        ----------
        name, tag : str, optional
            The default is all names, and all tags.

        Returns
        -------
        tuple of Statement
            What was signed.

        Raises
        ------
        SafeloadError
            The first that does not verify. :meth:`check` continues with the others.
        """
        if tag is not None:
            if name is None:
                raise TypeError("a tag needs a name")
            verified = reading.verified(self._context(), Place(name), tag)
            assert verified.statement is not None  # noqa: S101  nothing unsigned is in a store
            return (verified.statement,)
        statements = []
        for found in self.check(name):
            if found.refusal is not None:
                raise found.refusal
            assert found.statement is not None  # noqa: S101  it is the one or the other
            statements.append(found.statement)
        return tuple(statements)

    def check(self, name: str | None = None, *, artifacts: bool = True) -> Iterator[TagStatus]:
        """Yield every tag, verified or with the reason why not.

        A pointer that does not verify is listed under the tag ``latest``.

        Parameters
        ----------
        name : str, optional
            One name only.
        artifacts : bool
            Verify the artifacts too, and not the signed statements alone.

        Yields
        ------
        TagStatus
            What is known of the tag.
        """
        context = self._context()
        for one in [name] if name is not None else self.names():
            yield from listing.check(context, one, artifacts=artifacts)

    def unreferenced_files(self) -> Iterator[str]:
        """Yield the paths of files in the store that no signed record names, in no order.

        The store loads none of them. A dump that was stopped may have left them, and then they can be
        deleted. A dump that is running has such a file until it is done.
        """
        return listing.unreferenced_files(self._context())

    def names(self, prefix: str = "") -> Iterator[str]:
        """Yield the names in the store that start with `prefix`, in no order."""
        return listing.names(self._backend, prefix)

    def tags(self, name: str) -> Iterator[TagStatus]:
        """Yield the tags of a name whose signed statements verify; artifacts are not read."""
        for found in self.check(name, artifacts=False):
            if found.refusal is None:
                yield found

    def latest(self, name: str) -> str:
        """Return the latest tag of a name; errors are those of :meth:`load`."""
        return reading.latest(self._context(), Place(name)).tag

    def delete(self, name: str, tag: str, *, latest: Literal["move", "refuse"] = "move") -> None:
        """Delete a tag.

        Parameters
        ----------
        name, tag : str
            Name and tag.
        latest : {"move", "refuse"}
            If the tag is the latest: ``"move"`` the pointer to the newest remaining tag, or ``"refuse"``. If
            no tag remains, the pointer stays, so that sequence numbers continue from it.

        Raises
        ------
        NotFound
            The tag does not exist.
        StoreError
            It is the latest, and `latest` is ``"refuse"``.
        """
        place, tag = Place(name), check_tag(tag)
        context = self._context()
        record = read_statement(context, place, tag)
        if self._names_as_latest(context, place, tag):
            if latest == "refuse":
                raise StoreError("it is the latest", where=f"{name} {tag}", hint="Store a newer one first.")
            remaining = [
                (other.statement.sequence or 0, other.tag)
                for other in self.tags(name)
                if other.tag != tag and other.statement is not None
            ]
            if remaining:
                self.promote(name, max(remaining)[1])
        self._backend.delete(place.sidecar(tag))
        self._backend.delete(record.path)

    def promote(self, name: str, tag: str) -> None:
        """Make an existing tag the latest of its name; errors are those of :meth:`dump` and :meth:`load`."""
        place, context = Place(name), self._context()
        record = read_statement(context, place, check_tag(tag))
        Commit(context, place, self._key(context.keyring, name)).point_at(record.signed)

    def rotate(self, key_id: str) -> Iterator[Rotated]:
        """Sign every sidecar and pointer again with another key of the keyring; no artifact is read.

        Parameters
        ----------
        key_id : str
            The key's id, or its beginning.

        Yields
        ------
        Rotated
            What happened to each record. A record that does not verify is not signed again.

        Raises
        ------
        KeyringError
            No such key can sign.
        """
        context = self._context()
        return rotation.rotate(context, rotation.new_key(context, key_id))

    def _names_as_latest(self, context: Context, place: Place, tag: str) -> bool:
        try:
            return read_pointer(context, place).signed.tag == tag
        except NotFound:
            return False

    def _context(self) -> Context:
        given = self._keyring if self._keyring is not None else self._signer
        policy = resolve(self._policy)
        if self._formats is not None:
            admitted = self._formats if policy.formats is None else self._formats & policy.formats
            policy = replace(policy, formats=admitted)
        return Context(
            self._backend,
            policy,
            sources.resolve(given),
            self._state or State(None, self._backend.location),
            lambda: sources.resolve(given),
        )

    def _key(self, keyring: Keyring, name: str) -> SigningKey:
        return self._signer if self._signer is not None else keyring.signer_for(name)
