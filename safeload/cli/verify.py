"""``safeload verify``: check files, folders and stores against their signatures; nothing is deserialized."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from safeload.api import folders
from safeload.attestation.envelope import SIDECAR_SUFFIX
from safeload.cli import batch, common
from safeload.cli.common import JsonOption, KeyringOption, PolicyOption
from safeload.cli.stores import StateOption, open_store, tag_row
from safeload.errors import MalformedError, SafeloadError, SignatureMissing
from safeload.parsers import magic
from safeload.parsers.format_facts import ROWS
from safeload.storage.reader import read_start, wrapped

# What looks like an artifact although it has no sidecar, so that its absence is reported.
_TEMPORARY = ".tmp"
# If there are more rows, only those that were refused are shown.
_MANY = 1_000
_ARTIFACTS = (
    *(suffix for row in ROWS for suffix in row.suffixes),
    # Models in formats that safeload does not load, and files that make a folder a model.
    *(".h5", "saved_model.pb", "MLmodel", "pytorch_model.bin"),
)

RecursiveOption = Annotated[
    bool, typer.Option("--recursive", "-r", help="Check every artifact and store in a folder and below.")
]


def verify(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH", help="Files, signed folders, or buckets (s3://…); with -r any folders."
        ),
    ],
    recursive: RecursiveOption = False,
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Verify files, model folders and stores against their signatures.

    Nothing is deserialized. All of them are checked, even if some are refused.
    """
    found = _targets(paths, recursive)
    rows: list[dict[str, Any]] = [
        {"path": error.where, **common.refused_row(error)} for error in found.refused
    ]
    sizes = [common.size_of(file) for file in found.files]
    # The processes are forked, so they are started before the progress bar has a thread.
    verified = iter(batch.rows(found.files, keyring, policy))
    rows += itertools.islice(verified, 1)
    with common.progress(sizes, enabled=not json) as done:
        for size, row in zip(sizes[1:], verified, strict=True):
            rows.append(row)
            done(size)
    sizes = [common.size_of(folder) for folder in found.folders]
    with common.progress(sizes, enabled=not json and bool(sizes)) as done:
        rows += [batch.folder_row(folder, keyring, policy, done) for folder in found.folders]
    with common.counting("hashing", enabled=not json and bool(found.stores)) as done_one:
        for location in found.stores:
            for row in _store_rows(location, keyring, policy, state):
                rows.append(row)
                done_one()
    refusals = sum(row["status"] == "refused" for row in rows)
    if json:
        common.print_json(
            {
                "files": rows,
                "verified": len(rows) - refusals,
                "refused": refusals,
                "not_looked_at": found.others,
            }
        )
    else:
        _print(rows, refusals, found.others)
    # Finding nothing is not success: the folder may be the wrong one, or emptied by an attacker.
    if refusals or not rows:
        raise typer.Exit(common.REFUSED)


@dataclass
class _Targets:
    """What is to be checked, what could not be looked at, and the number of other files."""

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    stores: list[str] = field(default_factory=list)
    refused: list[SafeloadError] = field(default_factory=list)
    others: int = 0


def _targets(paths: list[str], recursive: bool) -> _Targets:
    """Sort the paths by kind, and search folders."""
    found = _Targets()
    for path in paths:
        if not os.path.isdir(path):
            (found.stores if "://" in path else found.files).append(path)
        elif os.path.lexists(folders.location_of(path) + SIDECAR_SUFFIX):
            found.folders.append(folders.location_of(path))
        elif recursive:
            _search(path, found)
        else:
            # Its sidecar may have been deleted. That must not keep the other paths from being checked.
            found.refused.append(
                SignatureMissing(
                    "the folder has no signature",
                    where=path,
                    hint="Use --recursive to check each artifact and store in it.",
                )
            )
    return found


def _search(path: str, found: _Targets) -> None:
    """Add everything below a folder. What cannot be read is refused and not skipped."""
    from safeload.store.backends.locate import is_store

    def unreadable(error: OSError) -> None:
        found.refused.append(wrapped(error, str(error.filename)))

    for base, below, names in os.walk(path, onerror=unreadable):
        if is_store(base):
            found.stores.append(base)
            below.clear()
            continue
        signed = {folder for folder in below if folder + SIDECAR_SUFFIX in {*names, *below}}
        found.folders += sorted(os.path.join(base, folder) for folder in signed)
        below[:] = [folder for folder in below if folder not in signed]
        for folder in below:
            where = os.path.join(base, folder)
            if os.path.islink(where):
                found.refused.append(MalformedError("a link to a folder is not followed", where=where))
        names = [name for name in names if name not in {folder + SIDECAR_SUFFIX for folder in signed}]
        artifacts = set(_artifacts_among(base, names))
        found.files += sorted(os.path.join(base, name) for name in artifacts)
        found.others += sum(
            name not in artifacts and name.removesuffix(SIDECAR_SUFFIX) not in artifacts for name in names
        )


def _store_rows(
    location: str, keyring: Path | None, policy: Path | None, state: Path | None
) -> Iterator[dict[str, Any]]:
    """Yield a row for each tag, and for each file in the store that no signed record refers to."""
    try:
        store = open_store(location, keyring, policy, state)
        for found in store.check():
            yield {"path": f"{store.location}: {found.name} {found.tag}", **tag_row(found)}
        for path in store.unreferenced_files():
            where = f"{store.location}/{path}"
            yield {"path": where, **common.refused_row(_unreferenced(where))}
    except SafeloadError as error:
        yield {"path": location, **common.refused_row(error)}


def _unreferenced(where: str) -> SafeloadError:
    return SignatureMissing(
        "no signed statement in the store refers to this file",
        where=where,
        hint="The store never loads it. If an interrupted dump left it, delete it.",
    )


def _artifacts_among(base: str, names: list[str]) -> Iterator[str]:
    """Yield everything with a sidecar, every sidecar's artifact, and what looks like an artifact."""
    present = set(names)
    for name in names:
        if name.endswith(SIDECAR_SUFFIX):
            if name.removesuffix(SIDECAR_SUFFIX) not in present:
                yield name.removesuffix(SIDECAR_SUFFIX)
        elif (
            name + SIDECAR_SUFFIX in present
            or name.endswith(_ARTIFACTS)
            or magic.starts_like_an_artifact(_start(os.path.join(base, name)))
        ) and not (name.startswith(".") and name.endswith(_TEMPORARY)):
            yield name


def _start(path: str) -> bytes:
    """Return the first bytes of a file, or no bytes if it cannot be read or is not a regular file."""
    try:
        return read_start(path, size=16).data
    except SafeloadError:
        return b""


def _print(rows: list[dict[str, Any]], refusals: int, others: int) -> None:
    shown = rows if len(rows) <= _MANY else [row for row in rows if row["status"] == "refused"]
    if shown:
        common.print_rows(shown, "file", "status", "format", "bytes", "signed", "key")
    screen = common.console()
    screen.print(f"{len(rows) - refusals} verified, {refusals} refused")
    if others == 1:
        screen.print("1 other file has no signature and does not look like an artifact")
    elif others:
        screen.print(f"{others} other files have no signature and do not look like artifacts")
    if not rows:
        screen.print("[red]There is nothing to verify here.[/]")
