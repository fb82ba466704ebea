"""What the commands on stores share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from safeload.cli.output import error_document
from safeload.errors import NotFound, SafeloadError

if TYPE_CHECKING:
    from safeload.store import Store, TagStatus

StoreArgument = Annotated[
    str,
    typer.Argument(
        metavar="STORE",
        envvar="MODEL_REPO_PATH",
        help="A folder, or s3://…, gs://…, az://… .",
        show_envvar=True,
    ),
]
StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="FOLDER", help="Memory against rollback; else as the environment says."),
]


def open_store(
    location: str, keyring: Path | None, policy: Path | None, state: Path | None = None, *, new: bool = False
) -> Store:
    """Return the store that a command works on.

    Raises
    ------
    NotFound
        There is no such folder; and none is to be made (`new`).
    """
    from safeload.store import Store

    if not new and "://" not in location and not os.path.isdir(location):
        raise NotFound("there is no such folder", where=location)
    return Store(location, keyring=keyring, policy=policy, state=state)


def row_of(found: TagStatus) -> dict[str, Any]:
    """Return what is said of a tag."""
    row: dict[str, Any] = {"name": found.name, "tag": found.tag, "latest": found.latest}
    if found.refusal is not None:
        return row | refused(found.refusal)
    statement = found.statement
    assert statement is not None  # noqa: S101  it is the one or the other
    return row | {
        "status": "verified",
        "error": None,
        "format": statement.format,
        "size": statement.size,
        "digest": str(statement.digest),
        "created": statement.created.isoformat(),
        "expires": statement.expires.isoformat() if statement.expires else None,
        "metadata": statement.metadata,
        "keys": list(found.keys),
    }


def refused(error: SafeloadError) -> dict[str, Any]:
    """Return what is said of something refused."""
    return {"status": "refused", **error_document(error)}
