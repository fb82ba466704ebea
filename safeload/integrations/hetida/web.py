"""The adapter's web service: the endpoints that hetida's front end uses to list sources and sinks.

Requests and answers are handled without models, so that it does not depend on a version of pydantic. It never
writes. It has no authentication: anyone who can reach it can see names and tags.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse, Response

from safeload._version import __version__
from safeload.errors import SafeloadError
from safeload.integrations.hetida.catalogue import Catalogue
from safeload.integrations.hetida.errors import code_of
from safeload.integrations.hetida.policy import PolicySource
from safeload.store import Store

_log = logging.getLogger(__name__)

Answer = Callable[[Catalogue, Request], Any]


def router(
    store: Store,
    adapter_key: str = "safeload",
    *,
    policy: PolicySource | None = None,
    title: str = "safeload",
    artifacts: bool = False,
) -> APIRouter:
    """Return the endpoints of the adapter, to be included in an application under any prefix.

    Parameters
    ----------
    store : Store
        The store.
    adapter_key : str
        As for :func:`safeload.integrations.hetida.register`, which must be given the same.
    policy : AdapterPolicy, str, os.PathLike or None
        Likewise.
    title : str
        The name of the adapter and of its outermost node.
    artifacts : bool
        Whether each request also reads and verifies the artifacts of the versions that it lists.

    Returns
    -------
    fastapi.APIRouter
        The endpoints.
    """

    def endpoint(answer: Answer) -> Callable[[Request], Response]:
        # Not a coroutine, so that the framework runs it in a thread: it reads files.
        def handle(request: Request) -> Response:
            try:
                found = answer(
                    Catalogue(store, policy, adapter_key=adapter_key, title=title, artifacts=artifacts),
                    request,
                )
            except SafeloadError as error:
                # The message contains paths, which belong in the log and not in the answer.
                _log.error("%s", error)
                return JSONResponse(
                    {
                        "detail": "the store cannot be listed; see the log",
                        "error": error.code,
                        "error_code": code_of(error),
                    },
                    status_code=503,
                )
            if found is None:
                return JSONResponse({"detail": "Not Found"}, status_code=404)
            return JSONResponse(found)

        return handle

    routes = APIRouter(redirect_slashes=False)
    for path, answer in _ANSWERS.items():
        for spelling in (path, f"{path}/"):
            routes.add_api_route(
                spelling, endpoint(answer), methods=["GET"], include_in_schema=False, response_model=None
            )

    def info(request: Request) -> Response:
        return JSONResponse({"id": adapter_key, "name": title, "version": __version__})

    for spelling in ("/info", "/info/"):
        routes.add_api_route(spelling, info, methods=["GET"], include_in_schema=False, response_model=None)
    return routes


def application(
    routes: APIRouter, *, prefix: str = "", allow_origins: Iterable[str] = (), allow_hosts: Iterable[str] = ()
) -> FastAPI:
    """Return an application with only these endpoints.

    Parameters
    ----------
    routes : fastapi.APIRouter
        The endpoints; see :func:`router`.
    prefix : str
        The path of the endpoints.
    allow_origins : iterable of str
        Origins whose pages may read the answers (CORS), such as ``http://localhost``.
    allow_hosts : iterable of str
        Accepted ``Host`` headers, by default any. A list protects against DNS rebinding.

    Returns
    -------
    fastapi.FastAPI
        The application.
    """
    app = FastAPI(title="safeload", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(routes, prefix=prefix)
    origins = list(allow_origins)
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET"])
    hosts = list(allow_hosts)
    if hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
    return app


def _structure(catalogue: Catalogue, request: Request) -> Any:
    parents = request.query_params.getlist("parentId")
    # A parameter that is given twice is ambiguous.
    return catalogue.structure(parents[0] if parents else None) if len(parents) < 2 else None


def _search(kind: str, find: Callable[[Catalogue, str], list[Any]]) -> Answer:
    def answer(catalogue: Catalogue, request: Request) -> Any:
        texts = request.query_params.getlist("filter")
        if len(texts) > 1:
            return None
        found = find(catalogue, texts[0] if texts else "")
        return {"resultCount": len(found), kind: found}

    return answer


def _one(find: Callable[[Catalogue, str], Any]) -> Answer:
    return lambda catalogue, request: find(catalogue, request.path_params["id"])


def _metadata(find: Callable[[Catalogue, str], Any]) -> Answer:
    def answer(catalogue: Catalogue, request: Request) -> Any:
        return [] if find(catalogue, request.path_params["id"]) is not None else None

    return answer


_ANSWERS: dict[str, Answer] = {
    "/structure": _structure,
    "/sources": _search("sources", Catalogue.sources),
    "/sinks": _search("sinks", Catalogue.sinks),
    "/sources/{id}": _one(Catalogue.source),
    "/sinks/{id}": _one(Catalogue.sink),
    "/thingNodes/{id}": _one(Catalogue.node),
    "/sources/{id}/metadata": _metadata(Catalogue.source),
    "/sinks/{id}/metadata": _metadata(Catalogue.sink),
    "/thingNodes/{id}/metadata": _metadata(Catalogue.node),
}
