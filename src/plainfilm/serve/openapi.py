"""/openapi.json: what FastAPI finds, and every way in which a request can fail."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from plainfilm.core.words import NOTICE
from plainfilm.serve.forms import EXAMPLE_PROBLEM, ProblemForm
from plainfilm.serve.guard import KEY_HEADER
from plainfilm.serve.problems import MEDIA_TYPE

ABOUT = f"""Classes, calibrated probabilities, prediction sets and heatmaps for frontal chest films. **{NOTICE}**

Every problem is told as `application/problem+json` (RFC 9457). Nothing that is uploaded is written to disk or logged."""
_WORDS = {
    400: "The request is malformed.",
    401: "The API key is missing or wrong.",
    403: "The request comes from a page of another site.",
    404: "There is nothing of that name.",
    408: "The request took too long to arrive.",
    413: "The request, or its only film, is too large.",
    415: "The request is no multipart form, or its only film is no picture that is read.",
    421: "The server does not go by the name in the header Host.",
    422: "A setting has no meaning, or the only film is damaged, or a sound file that is no film.",
    500: "A defect of plainfilm.",
    503: "There is too much to do, or the server is stopping; Retry-After says when to come back.",
    504: "The answer took too long; Retry-After says when to come back.",
}
_EVERYWHERE = (400, 403, 421, 500)
_RETRY = {"Retry-After": {"description": "Seconds until it is worth another try.", "schema": {"type": "integer"}}}
UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["films"],
                    "additionalProperties": False,
                    "properties": {
                        "films": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "One film each: DICOM, PNG, JPEG, TIFF, BMP or WebP.",
                        }
                    },
                },
                "encoding": {"films": {"contentType": "application/dicom, image/*, application/octet-stream"}},
            }
        },
    }
}


def problems(*statuses: int, keyless: bool = False) -> dict[int | str, dict[str, Any]]:
    """The problem replies of an operation, those that every one has included. keyless: it asks for no API key."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": EXAMPLE_PROBLEM}}
    every = sorted({*statuses, *_EVERYWHERE} | (set() if keyless else {401}))
    return {
        status: {
            "description": _WORDS[status],
            "content": content,
            **({"headers": _RETRY} if status in (503, 504) else {}),
        }
        for status in every
    }


def describe(app: FastAPI, *, needs_key: bool) -> None:
    """Give an application its /openapi.json."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _schema(app, needs_key)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _schema(app: FastAPI, needs_key: bool) -> dict[str, Any]:
    schema = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
    parts = schema["components"]
    for unused in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(unused, None)
    problem = ProblemForm.model_json_schema()
    parts["schemas"]["Problem"] = problem
    parts["securitySchemes"] = {
        "key": {"type": "apiKey", "in": "header", "name": KEY_HEADER, "description": "Where the server asks for one."}
    }
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            if "HTTPValidationError" in str(
                operation["responses"].get("422")
            ):  # FastAPI's guess; a name is never invalid
                del operation["responses"]["422"]
        if path.startswith("/v1/") or path == "/metrics":
            for operation in operations.values():
                operation["security"] = [{"key": []}] if needs_key else [{}, {"key": []}]
    return schema
