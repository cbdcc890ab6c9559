"""What goes wrong, as RFC 9457 writes it: application/problem+json with a type, a title, a status and a detail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:problem-type:plainfilm:"
_EXPECTED_FILE = "Send the film as DICOM, PNG, JPEG, TIFF, BMP or WebP."

# kind: status, title, what it means and what to do in plain words
KINDS: dict[str, tuple[int, str, str]] = {
    "malformed": (400, "The request is malformed", "The program that sent it has to be mended."),
    "key": (401, "An API key is needed", "Send the key that the server was started with, in the header X-API-Key."),
    "origin": (403, "Another site may not ask", "Whoever runs the server can allow that site by --allow-origin."),
    "not-found": (404, "There is nothing here", "Look at /openapi.json for what there is."),
    "method": (405, "That cannot be done here", "The header Allow says what can."),
    "too-slow": (
        408,
        "The request took too long to arrive",
        "Send it again over a faster connection, or fewer films at once.",
    ),
    "too-large": (413, "It is too large", "Send fewer films at once, or smaller ones; the limits stand in /v1/model."),
    "film-too-large": (413, "The film is too large", "Save the film smaller; the limits stand in /v1/model."),
    "no-picture": (415, "The file is no picture that is read", _EXPECTED_FILE),
    "media-type": (415, "The request is of another kind", 'Send multipart/form-data with parts named "films".'),
    "host": (421, "The server is not called that", "Whoever runs the server can allow that name by --allow-host."),
    "damaged": (
        422,
        "The film cannot be read",
        "The file is damaged or not whole. Copy, download or export it again.",
    ),
    "unfit": (
        422,
        "The file is no film that can be answered",
        "It holds something else than one chest radiograph in a form that is read. Choose a DICOM file of the modality CR or DX, "
        "or save the film as a grey PNG of at least 16 pixels a side.",
    ),
    "query": (422, "A setting has no meaning", "Look at /openapi.json for the settings."),
    "defect": (500, "A defect of plainfilm", "Please report it with what was sent, if that may be shown."),
    "full": (503, "Too much to do", "Send it again after the seconds that the header Retry-After names."),
    "stopping": (503, "The server is stopping", "Send it again once the server runs anew."),
    "out-of-time": (504, "The answer took too long", "Send fewer films at once, or try again later."),
}


class Problem(Exception):
    """Something that is told to whoever asked.

    kind: one of KINDS. detail: this case, one sentence. headers: of the reply. film: which film it is about, "" where none.
    """

    def __init__(self, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, film: str = "") -> None:
        self.kind, self.detail, self.headers, self.film = kind, detail, dict(headers or {}), film
        self.status, self.title, self.advice = KINDS[kind]
        super().__init__(detail)

    def to_dict(self) -> dict[str, Any]:
        """The values, for JSON: those of RFC 9457, and advice; film where it is about one."""
        about = {"film": self.film} if self.film else {}
        told = {"type": _TYPE + self.kind, "title": self.title, "status": self.status, "detail": self.detail}
        return {**told, "advice": self.advice, **about}

    def response(self) -> Response:
        """The reply."""
        content = json.dumps(self.to_dict(), ensure_ascii=False).encode()
        return Response(content, self.status, headers=self.headers, media_type=MEDIA_TYPE)
