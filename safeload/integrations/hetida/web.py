"""The adapter's web service: the endpoints by which hetida's front end lists sources and sinks.

Answers are plain JSON and requests are read by hand, so that no model ties it to a version of pydantic. It
only reads. Whoever can reach it can see names and tags: it has no authentication of its own.
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
    """Return the endpoints of the adapter, to be included into an application under any prefix.

    Parameters
    ----------
    store
        The store.
    adapter_key, policy
        As for :func:`safeload.integrations.hetida.register`; both halves are to have the same.
    title
        What the adapter and its outermost node are called.
    artifacts
        List a version only after its artifact was read and compared too, at each request.
    """

    def endpoint(answer: Answer) -> Callable[[Request], Response]:
        # Not a coroutine: the framework runs it in a thread, since it reads files.
        def handle(request: Request) -> Response:
            try:
                found = answer(
                    Catalogue(store, policy, adapter_key=adapter_key, title=title, artifacts=artifacts),
                    request,
                )
            except SafeloadError as error:
                # Where the files lie is for the log and not for whoever asks.
                _log.error("%s", error)
                return JSONResponse(
                    {
                        "detail": "the store cannot be listed; the log says why",
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
    """Return an application with these endpoints only.

    Parameters
    ----------
    routes
        See :func:`router`.
    prefix
        Path under which they are.
    allow_origins
        Origins of the front ends whose pages may read the answers, as ``http://localhost``.
    allow_hosts
        Names under which it is asked; all others are refused, so that a page whose own name has been made to
        lead here is not of the same origin. None given: under any name.
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
    # Asked for twice, it is nobody's.
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
