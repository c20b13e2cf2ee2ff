"""The FastAPI application: routes of all dialects, their errors, and the OpenAPI document."""

import logging
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from resift import __version__
from resift.errors import ResiftError
from resift.server import explain
from resift.server.bodies import error_response, family_of, status_of
from resift.server.dialects import listing, mixedbread, nvidia, rerank, score, tei
from resift.server.dialects.desk import Desk
from resift.server.dialects.endpoint import Endpoint
from resift.server.docs_page import docs_page
from resift.server.errors import ClientGone
from resift.server.openapi import document, request_body, responses
from resift.server.playground import playground_router
from resift.server.records import Service
from resift.server.settings import Settings

ENDPOINTS = (
    *rerank.ENDPOINTS,
    *score.ENDPOINTS,
    *tei.ENDPOINTS,
    *nvidia.ENDPOINTS,
    *mixedbread.ENDPOINTS,
    *explain.ENDPOINTS,
    *listing.ENDPOINTS,
)


_logger = logging.getLogger("resift.server")


def build_api(service: Service, settings: Settings) -> FastAPI:
    """Return the application that answers every dialect from one service.

    It opens nothing and closes nothing: the service is running already. `/docs` and `/openapi.json` need no network.
    """
    api = FastAPI(title="resift", docs_url=None, redoc_url=None, redirect_slashes=False)
    api.add_middleware(_Slashes)
    desk = Desk(service, settings)
    for endpoint in ENDPOINTS:
        for path in endpoint.paths:
            _add(api, desk, endpoint, path)
    _add_docs(api)
    if settings.playground:
        api.include_router(playground_router())
    api.openapi = lambda: _openapi(api)  # type: ignore[method-assign]
    api.add_exception_handler(ResiftError, _on_error)
    api.add_exception_handler(HTTPException, _on_http_error)
    api.add_exception_handler(ClientDisconnect, _on_disconnect)
    api.add_exception_handler(Exception, _on_defect)
    return api


class _Slashes:
    """Finds `/v1/rerank` for `//v1/rerank` and `/v1/rerank/`: what clients make of a base URL that ends in a slash."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = "/" + "/".join(part for part in scope["path"].split("/") if part)
            if path != scope["path"]:
                scope = {**scope, "path": path, "raw_path": quote(path).encode()}
        await self._app(scope, receive, send)


def _add(api: FastAPI, desk: Desk, endpoint: Endpoint, path: str) -> None:
    async def answer(request: Request) -> Response:
        return await endpoint.handler(desk, request)

    api.add_api_route(
        path,
        answer,
        methods=[endpoint.method],
        summary=endpoint.summary,
        description=endpoint.description,
        tags=[endpoint.tag],
        response_class=Response,
        response_model=None,
        responses=responses(endpoint, path),
        openapi_extra=request_body(endpoint),
    )
    if endpoint.method == "GET":  # HTTP has them together (RFC 9110, 9.1), and load balancers ask so
        api.add_api_route(path, answer, methods=["HEAD"], response_class=Response, include_in_schema=False)


def _add_docs(api: FastAPI) -> None:
    @api.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(docs_page(api.openapi(), str(request.base_url).rstrip("/")))


def _openapi(api: FastAPI) -> dict[str, Any]:
    if api.openapi_schema is None:
        api.openapi_schema = document(api, ENDPOINTS, __version__)
    return api.openapi_schema


def _respond(request: Request, error: ResiftError | int, message: str | None = None) -> Response:
    path = request.url.path
    family = getattr(request.state, "family", None) or family_of(path)
    return error_response(path, error, message, family=family)


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ResiftError)
    if status_of(error) == 500:
        _logger.error("request failed: %s", error)
    return _respond(request, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    message = {
        404: f"there is nothing at {path}; /docs lists what there is",
        405: f"{path} does not answer {request.method}",
    }.get(error.status_code)
    response = _respond(request, error.status_code, message)
    response.headers.update(error.headers or {})
    return response


async def _on_disconnect(request: Request, _: Exception) -> Response:
    return _respond(request, ClientGone("the client left before its request was complete"))


async def _on_defect(request: Request, _: Exception) -> Response:
    """Answer a defect of the server; what was raised goes to the log of the HTTP server, not to the client."""
    return _respond(request, 500, "the server failed on this request; its log says why")
