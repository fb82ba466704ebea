"""``python -m safeload.integrations.hetida``: serve the adapter's web service with uvicorn."""

from __future__ import annotations

from safeload.cli import leave_out_working_folder

leave_out_working_folder()

from pathlib import Path  # noqa: E402  only after the working folder is off the import path
from typing import Annotated  # noqa: E402

import typer  # noqa: E402

from safeload.cli.common import KeyringOption, PolicyOption, refuse, wrong_usage  # noqa: E402
from safeload.cli.stores import StateOption, open_store  # noqa: E402
from safeload.errors import SafeloadError  # noqa: E402
from safeload.integrations.hetida import policy as _policy  # noqa: E402

# The last two are the Host header [::1] as newer and older versions of starlette parse it.
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "[")


def serve(
    store: Annotated[
        str,
        typer.Option(envvar="MODEL_REPO_PATH", help="A folder, or a bucket: s3://…, gs://… or az://…"),
    ],
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port.")] = 8093,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. There is no authentication: use another address than loopback "
            "only in a private network."
        ),
    ] = "127.0.0.1",
    adapter_key: Annotated[
        str, typer.Option(help="The adapter's id in HETIDA_DESIGNER_ADAPTERS.")
    ] = "safeload",
    namespaces: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The adapter's policy, instead of SAFELOAD_HETIDA_POLICY."),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Path of the endpoints, such as /adapter.")] = "",
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help="Origin of hetida's front end, such as http://localhost; repeatable."
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Accepted host name; repeatable. On loopback, by default its names."
        ),
    ] = None,
    read_artifacts: Annotated[
        bool, typer.Option(help="Also read and verify the artifact of each version that is listed.")
    ] = False,
    keyring: KeyringOption = None,
    policy: PolicyOption = None,
    state: StateOption = None,
) -> None:
    """Serve the adapter's web service, which lists what verifies and never deserializes anything."""
    try:
        import uvicorn

        from safeload.integrations.hetida.web import application, router
    except ModuleNotFoundError as error:
        wrong_usage(f'{error.name} is missing: pip install "safeload[hetida]"')
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        wrong_usage("--prefix must begin with / and must not end with it")
    try:
        opened = open_store(store, keyring, policy, state)
        # Wrong settings stop the start, instead of failing each request.
        _policy.resolve(namespaces, opened.location)
        next(opened.check(), None)
    except SafeloadError as error:
        refuse(error, as_json=False)
    routes = router(opened, adapter_key, policy=namespaces, artifacts=read_artifacts)
    uvicorn.run(
        application(
            routes,
            prefix=prefix,
            allow_origins=allow_origin or (),
            allow_hosts=allow_host or (_LOOPBACK if host in _LOOPBACK or host == "::1" else ()),
        ),
        host=host,
        port=port,
        # URLs contain names of objects, which need not be in a log.
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    typer.run(serve)
