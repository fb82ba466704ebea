"""A store on an object store (S3, Google Cloud Storage, Azure, memory), by obstore's conditional puts.

A file that must not be there yet is put in ``create`` mode; one that replaces a certain version names its
entity tag. obstore retries requests that fail on the way. A retry of a put that did go through looks like a
conflict; so the content in place is compared with ours before a conflict is reported.

Large files are read in parallel ranges of one version, hashed in order while later ranges are still under
way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any, cast

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from safeload.attestation.digests import Digest, DigestAlgorithm, hasher
from safeload.errors import LimitExceeded, MalformedError, NotFound, SafeloadError, StorageError
from safeload.storage.blob import Blob
from safeload.storage.reader import fill
from safeload.storage.sealed import PrivateMemory
from safeload.storage.writer import HashingFile
from safeload.store.backends.base import Conflict, Version

# Of one request.
_RANGE_BYTES = 8 << 20
_PARALLEL = 8


class BucketBackend:
    """An object store of obstore's; `location` names it for messages and for the loader's memory."""

    def __init__(self, store: Any, location: str) -> None:
        self._store = store
        self.location = location

    def read(self, path: str, *, limit: int) -> tuple[bytes, Version]:
        """See :class:`~safeload.store.backends.base.Backend`."""
        blob, version = self._read(path, limit, None)
        return blob.data, version

    def read_artifact(self, path: str, *, limit: int, algorithm: DigestAlgorithm) -> Blob:
        """See :class:`~safeload.store.backends.base.Backend`."""
        return self._read(path, limit, algorithm)[0]

    def _read(self, path: str, limit: int, algorithm: DigestAlgorithm | None) -> tuple[Blob, Version]:
        where = self._where(path)
        try:
            response = obstore.get(self._store, path, options={"range": (0, _RANGE_BYTES)})
            meta = response.meta
            size, version = int(meta["size"]), meta["e_tag"]
            if size > limit:
                raise LimitExceeded(f"the object has {size} bytes, {limit} are allowed", where=where)
            if not version:
                raise StorageError("the object store gives no entity tags", where=where)
            first = bytes(response.bytes())
        except (FileNotFoundError, BaseError, OSError, ValueError) as error:
            if size_is_zero(error):
                return self._read_empty(path)
            raise self._wrapped(error, path) from error
        if len(first) == size:
            return Blob(first, where), Version(version)
        if len(first) > size:
            raise MalformedError(f"{len(first)} bytes came of {size} that were announced", where=where)
        return self._read_large(path, first, size, version, algorithm), Version(version)

    def _read_empty(self, path: str) -> tuple[Blob, Version]:
        """Read an object of no bytes, of which some servers refuse every range."""
        try:
            response = obstore.get(self._store, path)
            data = bytes(response.bytes()) if int(response.meta["size"]) == 0 else None
        except (FileNotFoundError, BaseError, OSError, ValueError) as error:
            raise self._wrapped(error, path) from error
        if data is None:
            raise StorageError("the object store refused a range", where=self._where(path))
        return Blob(data, self._where(path)), Version(response.meta["e_tag"] or "")

    def _read_large(
        self, path: str, first: bytes, size: int, version: str, algorithm: DigestAlgorithm | None
    ) -> Blob:
        """Read ranges of one version in parallel into one memory; the first is there already."""
        where = self._where(path)
        state = hasher(algorithm, threads=True) if algorithm is not None else None

        def source(piece: memoryview, position: int) -> None:
            end = position + len(piece)
            held = first[position:end]
            received = (
                held
                if len(held) == len(piece)
                else held + self._range(path, position + len(held), end, version)
            )
            if len(received) != len(piece):
                raise MalformedError(f"a range of {len(piece)} bytes came with {len(received)}", where=where)
            piece[:] = received

        try:
            memory = PrivateMemory(size)
            fill(memory, size, source, state, workers=_PARALLEL, piece_bytes=_RANGE_BYTES)
        except (MemoryError, OSError) as error:
            if isinstance(error, SafeloadError):
                raise
            raise LimitExceeded("there is not memory enough to read it", where=where) from None
        digests = (Digest(algorithm, state.hexdigest()),) if algorithm is not None and state else ()
        return Blob(memory, where, digests=digests)

    def _range(self, path: str, start: int, end: int, version: str) -> bytes:
        options: Any = {"range": (start, end), "if_match": version}
        try:
            return bytes(obstore.get(self._store, path, options=options).bytes())
        except (FileNotFoundError, BaseError, OSError, ValueError) as error:
            raise self._wrapped(error, path) from error

    def conditional_write(self, path: str, data: bytes, *, replacing: Version | None) -> Version:
        """See :class:`~safeload.store.backends.base.Backend`."""
        mode: Any = "create" if replacing is None else {"e_tag": replacing}
        try:
            result = obstore.put(self._store, path, data, mode=mode, use_multipart=False)
            return Version(result["e_tag"] or "")
        except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
            return self._ours_after_all(path, data, error)
        except (BaseError, OSError, ValueError) as error:
            raise self._wrapped(error, path) from error

    def _ours_after_all(self, path: str, data: bytes, error: Exception) -> Version:
        try:
            present, version = self.read(path, limit=len(data))
        except (NotFound, LimitExceeded):
            present = None
        if present != data:
            raise Conflict("another writer was there first", where=self._where(path)) from error
        return version

    def write_artifact(
        self, path: str, produce: Callable[[IO[bytes]], None], *, algorithm: DigestAlgorithm
    ) -> tuple[Digest, int]:
        """See :class:`~safeload.store.backends.base.Backend`."""
        try:
            # Nothing is visible under the path before close() has completed the upload.
            upload = obstore.open_writer(self._store, path)
            with HashingFile(lambda piece: upload.write(bytes(piece)), algorithm) as hashing:
                produce(cast("IO[bytes]", hashing))
                written = hashing.finish()
            upload.close()
        except SafeloadError:
            raise
        except (BaseError, OSError) as error:
            raise self._wrapped(error, path) from error
        return written

    def list(self, prefix: str) -> Iterator[str]:
        """See :class:`~safeload.store.backends.base.Backend`."""
        try:
            for batch in obstore.list(self._store, prefix or None):
                for meta in batch:
                    yield meta["path"]
        except (BaseError, OSError, ValueError) as error:
            raise self._wrapped(error, prefix) from error

    def folders(self) -> Iterator[str]:
        """See :class:`~safeload.store.backends.base.Backend`."""
        try:
            found = obstore.list_with_delimiter(self._store)["common_prefixes"]
        except (BaseError, OSError, ValueError) as error:
            raise self._wrapped(error, "") from error
        for prefix in found:
            yield prefix.rstrip("/") + "/"

    def delete(self, path: str) -> None:
        """See :class:`~safeload.store.backends.base.Backend`."""
        try:
            obstore.delete(self._store, path)
        except FileNotFoundError:
            return
        except (BaseError, OSError, ValueError) as error:
            raise self._wrapped(error, path) from error

    def _where(self, path: str) -> str:
        return f"{self.location.rstrip('/')}/{path}"

    def _wrapped(self, error: Exception, path: str) -> SafeloadError:
        if isinstance(error, SafeloadError):
            return error
        if isinstance(error, FileNotFoundError):
            return NotFound("there is no such object", where=self._where(path))
        if isinstance(error, PreconditionError):
            return MalformedError("the object changed while it was read", where=self._where(path))
        # obstore's texts hold requests and responses over many lines; the kind of error is what helps.
        return StorageError(f"the object store refused ({type(error).__name__})", where=self._where(path))


def size_is_zero(error: Exception) -> bool:
    """Tell the answer to a range of an empty object from others."""
    text = str(error).lower()
    return not isinstance(error, FileNotFoundError | SafeloadError) and "range" in text
