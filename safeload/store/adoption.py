"""Taking unsigned files into a signed store: a hetida repository, or a folder of joblib and pickle files.

The old repository keeps ``<name>_<tag>`` files and a link ``<name>_latest`` to what was stored last. Where
``_`` stands in a name or tag the split is ambiguous: ``a_b_c`` is ``a`` with ``b_c`` or ``a_b`` with ``c``.
The links tell the names that exist; what they do not decide, the caller does.

Nothing is deserialized. Signing is the caller's word that the files are what they should be; the globals
that each file refers to are reported so that a person can look before giving it. The originals are not
touched. What is in the store already with the same bytes is skipped, so that an interrupted run is simply
started again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from safeload.attestation.digests import Digest
from safeload.errors import DigestMismatch, MalformedError, NotFound, SafeloadError, StoreError, TagExists
from safeload.limits import Limits
from safeload.parsers import magic
from safeload.parsers.format_facts import FACTS
from safeload.scanning import globals_of
from safeload.storage.reader import read
from safeload.store.names import Place, check_tag
from safeload.store.store import Store

Split = Literal["first", "last"]
_SUFFIXES = (*FACTS["joblib"].suffixes, *FACTS["pickle"].suffixes)
_LATEST_SUFFIX = "_latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file that can be adopted, and what it would become.

    `size` and `digest` are those of the file as it was looked at. `name` and `tag` are None where they are
    not known. `latest` tells whether the old repository's link names it. `globals` is what the file refers
    to, and `complete` whether that is all, as far as can be told without running it. The outcome ``skipped``
    means that it is in the store already.
    """

    path: str
    size: int = 0
    digest: Digest | None = None
    name: str | None = None
    tag: str | None = None
    latest: bool = False
    globals: tuple[str, ...] = ()
    complete: bool = False
    outcome: Literal["planned", "adopted", "skipped", "refused"] = "planned"
    refusal: SafeloadError | None = None


def plan(
    folder: str, *, split: Split | None = None, tag: str = "adopted", limits: Limits | None = None
) -> Iterator[Candidate]:
    """Yield for each file in a folder what it would become.

    `split` says at which ``_`` an ambiguous file name is split if the links do not tell; `tag` is for files
    without a tag in their names. NotFound or StorageError if the folder cannot be read.
    """
    caps = limits or Limits()
    files, links = _entries(folder)
    # A name's latest is adopted last, so that it is the latest in the store too.
    latest = set(links.values())
    for file in sorted(files, key=lambda file: (file in latest, file)):
        candidate = Candidate(path=os.path.join(folder, file), latest=file in latest)
        try:
            name, its_tag = _name_and_tag(file, links, split, tag)
            blob = read(candidate.path, limit=caps.artifact_bytes)
            if magic.identify(blob.view) != "joblib":
                raise MalformedError("it is neither a joblib nor a pickle file", where=candidate.path)
            Place(name)
            check_tag(its_tag)
            scan = globals_of(blob.data, caps)
        except SafeloadError as error:
            yield replace(candidate, outcome="refused", refusal=error)
            continue
        yield replace(
            candidate,
            size=blob.size,
            digest=blob.digest("blake3"),
            name=name,
            tag=its_tag,
            globals=scan.globals,
            complete=scan.complete,
        )


def adopt(store: Store, candidate: Candidate, limits: Limits | None = None) -> Candidate:
    """Take a planned file into the store.

    Nothing is raised for a file that is refused: the candidate that is returned tells the outcome.
    """
    caps = limits or Limits()
    if candidate.name is None or candidate.tag is None:
        return candidate
    try:
        blob = read(candidate.path, limit=caps.artifact_bytes)
        if blob.digest("blake3") != candidate.digest:
            # What is signed must be what was looked at.
            raise DigestMismatch("it changed after it was looked at", where=candidate.path)
        try:
            present = store.statement(candidate.name, candidate.tag)
        except NotFound:
            store.put(blob.data, candidate.name, candidate.tag, format="joblib", metadata={"adopted": True})
            return replace(candidate, outcome="adopted")
        if blob.digest(present.digest.algorithm) == present.digest:
            if candidate.latest and store.latest(candidate.name) != candidate.tag:
                store.promote(candidate.name, candidate.tag)  # A run stopped just before this.
            return replace(candidate, outcome="skipped")
        raise TagExists("the store holds something else under this name and tag", where=candidate.path)
    except SafeloadError as error:
        return replace(candidate, outcome="refused", refusal=error)


def _entries(folder: str) -> tuple[list[str], dict[str, str]]:
    """Return the regular files, and for each name with a `latest` link the file that it names."""
    files: list[str] = []
    links: dict[str, str] = {}
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        raise NotFound("there is no such folder", where=folder) from None
    except OSError as error:
        raise StoreError(f"the folder cannot be read: {error.strerror}", where=folder) from error
    for entry in entries:
        if entry.is_symlink():
            if entry.name.endswith(_LATEST_SUFFIX):
                # Only the name of the target counts; it is a file of this folder or none.
                links[entry.name[: -len(_LATEST_SUFFIX)]] = os.path.basename(os.readlink(entry.path))
        elif entry.is_file() and not entry.name.startswith(".") and not entry.name.endswith(".sig"):
            files.append(entry.name)
    return files, links


def _name_and_tag(file: str, links: dict[str, str], split: Split | None, tag: str) -> tuple[str, str]:
    stem = next((file[: -len(suffix)] for suffix in _SUFFIXES if file.endswith(suffix)), file)
    if "_" not in stem:
        return stem, tag
    if stem != file and not links:
        # A plain folder of files: the names are names, and `_` has no meaning in them.
        return stem, tag
    named = [name for name, target in links.items() if target == file and stem.startswith(name + "_")]
    known = named or [name for name in links if stem.startswith(name + "_") and len(stem) > len(name) + 1]
    if len(known) == 1:
        return known[0], stem[len(known[0]) + 1 :]
    if stem.count("_") == 1 or split is not None:
        name, _, its_tag = stem.partition("_") if split != "last" else stem.rpartition("_")
        return name, its_tag
    raise StoreError(
        "its name can be split into name and tag in several ways",
        where=file,
        hint="Say where: --split first or --split last.",
    )
