"""The HTTP interface: one application made of a bundle, its limits and its doors.

Watch (count, log)  ->  Guard (host, origin, key)  ->  routes  ->  queue  ->  Answering, in threads
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from plainfilm.core.bundle import Bundle
from plainfilm.core.words import printable, short
from plainfilm.serve.about import MEDIA_TYPES, VERSION, model_told, phantoms_told
from plainfilm.serve.answering import Wanted
from plainfilm.serve.card import card_page
from plainfilm.serve.forms import EXAMPLE_PREDICTION, ModelForm, Phantoms, Prediction, Status
from plainfilm.serve.guard import Doors, Guard
from plainfilm.serve.limits import Limits
from plainfilm.serve.metrics import MEDIA_TYPE
from plainfilm.serve.openapi import UPLOAD, describe, problems
from plainfilm.serve.problems import Problem
from plainfilm.serve.service import Service
from plainfilm.serve.watch import Active, Watch

WEB = Path(__file__).with_name("web")
_GONE = 499
_SETTINGS = frozenset({"heatmaps", "picture"})  # of /v1/predict
_MOST_QUOTED, _LONGEST_QUOTED = 5, 40  # of what has no meaning: names, and letters of each


def create_app(
    bundle: Bundle, limits: Limits | None = None, doors: Doors | None = None, *, workers: int = 0
) -> FastAPI:
    """The application. limits, doors: the usual ones where None. workers: threads, as many as there are cores where 0.

    Its state holds `service` and `active`, by which a server stops it cleanly. Raises BadBundle where the audit is damaged.
    """
    limits, doors = limits or Limits(), doors or Doors()
    service, active = Service(bundle, limits, workers), Active()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.queue.close()

    app = FastAPI(
        title="plainfilm",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.service, app.state.active = service, active
    _add_predict(app, service)
    _add_model(app, service, needs_key=bool(doors.key))
    _add_health(app, service)
    _add_page(app, service)
    describe(app, needs_key=bool(doors.key))
    app.add_exception_handler(Problem, _told)
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _told)
    app.add_exception_handler(ClientDisconnect, _told)
    app.add_middleware(Guard, doors=doors)
    app.add_middleware(Watch, metrics=service.metrics, active=active)
    return app


def _add_predict(app: FastAPI, service: Service) -> None:
    @app.post(
        "/v1/predict",
        summary="Answers for films",
        responses={
            200: {
                "model": Prediction,
                "description": "An answer for each film, in their order.",
                "content": {"application/json": {"example": EXAMPLE_PREDICTION}},
            },
            **problems(408, 413, 415, 422, 503, 504),
        },
        openapi_extra=UPLOAD,
    )
    async def predict(
        request: Request,
        heatmaps: Annotated[_Switch, Query(description="Send the heatmaps of all classes, too.")] = False,
        picture: Annotated[_Switch, Query(description="Send the film as it was decoded, too.")] = False,
    ) -> Response:
        """Class, probabilities and prediction set for one or many films.

        Of several films each has its own outcome; the problem of a film that was sent alone is the reply itself.
        """
        unknown = sorted(request.query_params.keys() - _SETTINGS)
        if unknown:
            named = ", ".join(short(printable(name), _LONGEST_QUOTED) for name in unknown[:_MOST_QUOTED])
            raise Problem("query", f"{named}: there is no such setting; expected {' and '.join(sorted(_SETTINGS))}")
        return await service.predict(request, Wanted(heatmaps, picture))


def _add_model(app: FastAPI, service: Service, *, needs_key: bool) -> None:
    told = JSONResponse(model_told(service.bundle, service.limits, needs_key=needs_key)).body
    phantoms = {probe.name: probe.content for probe in service.bundle.probes}

    @app.get("/v1/model", summary="The model", responses={200: {"model": ModelForm}, **problems()})
    async def model() -> Response:
        """What the model is, what it was trained on, how well it does, what its audit says, and what it is not for."""
        return Response(told, media_type="application/json")

    @app.get("/v1/phantoms", summary="Drawn films to try", responses={200: {"model": Phantoms}, **problems()})
    async def list_phantoms() -> Response:
        """The drawn films that the bundle carries."""
        return JSONResponse({"phantoms": phantoms_told(service.bundle)})

    @app.get(
        "/v1/phantoms/{name}",
        summary="A drawn film",
        responses={
            200: {
                "description": "The file.",
                "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()},
            },
            **problems(404),
        },
        response_class=Response,
    )
    async def phantom(name: str) -> Response:
        """One of them."""
        if name not in phantoms:
            raise Problem("not-found", "the bundle carries no phantom of that name; /v1/phantoms lists them")
        suffix = PurePosixPath(name).suffix
        return Response(phantoms[name], media_type=MEDIA_TYPES.get(suffix, "application/octet-stream"))


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/health", summary="Is it alive?", responses={200: {"model": Status}, **problems(keyless=True)})
    async def health() -> Response:
        """200 while the process lives."""
        return JSONResponse({"status": "ok"})

    @app.get("/ready", summary="Does it take work?", responses={200: {"model": Status}, **problems(503, keyless=True)})
    async def ready() -> Response:
        """200, or 503 while it stops."""
        if service.queue.is_stopping:
            raise Problem("stopping", "the server finishes what it began", headers={"Retry-After": "10"})
        return JSONResponse({"status": "ok"})

    @app.get(
        "/metrics",
        summary="Numbers for Prometheus",
        responses={200: _content("text/plain", "Prometheus's text format."), **problems()},
        response_class=Response,
    )
    async def metrics() -> Response:
        """Requests, films, seconds, the queue, the model, the process."""
        return Response(service.metrics.text(service.queue.films, service.queue.bytes), media_type=MEDIA_TYPE)


def _add_page(app: FastAPI, service: Service) -> None:
    card = card_page(service.bundle)

    @app.get(
        "/card",
        summary="The model card",
        responses={200: _content("text/html", "The page."), **problems(keyless=True)},
        response_class=HTMLResponse,
    )
    async def model_card() -> Response:
        """The model card as a page."""
        return HTMLResponse(card.html, headers={"Content-Security-Policy": card.content_policy})

    @app.get(
        "/",
        summary="The page",
        responses={200: _content("text/html", "The page."), **problems(keyless=True)},
        response_class=HTMLResponse,
    )
    async def page() -> Response:
        """The page for people."""
        return FileResponse(WEB / "index.html")

    app.mount("/static", StaticFiles(directory=WEB))


def _content(media_type: str, description: str) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}


def _switch(value: Any) -> bool:
    if value not in ("true", "false", False):
        raise ValueError("expected true or false")
    return bool(value == "true")


_Switch = Annotated[bool, BeforeValidator(_switch)]


async def _told(_: Request, error: Exception) -> Response:
    """Whatever ends a request, as a problem."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=_GONE)
    if isinstance(error, RequestValidationError):
        names = ", ".join(sorted({str(each["loc"][-1]) for each in error.errors()}))
        error = Problem("query", f"{names}: expected true or false")
    elif isinstance(error, HTTPException):
        error = _from_starlette(error)
    assert isinstance(error, Problem)
    return error.response()


def _from_starlette(error: HTTPException) -> Problem:
    """What the router and the static files raise: there is no such path, or no such method."""
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "GET").split(", ")
        every = sorted({*allowed, *(["HEAD"] if "GET" in allowed else [])})
        return Problem("method", f"expected {' or '.join(every)}", headers={"Allow": ", ".join(every)})
    return Problem("not-found", "there is nothing at this path")
