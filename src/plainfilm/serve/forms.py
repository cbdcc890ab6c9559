"""The shapes of replies, for /openapi.json alone: what is sent is built from the nouns of `core` and tested against these."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from plainfilm.core.words import NOTICE


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ProblemForm(_Form):
    """A problem as RFC 9457 writes it."""

    type: str = Field(description="What kind of problem: urn:problem-type:plainfilm:...")
    title: str
    status: int
    detail: str = Field(description="This case, one sentence.")
    advice: str = Field(description="What to do, in plain words.")
    film: str = Field("", description="Which film it is about; missing where it is about the request.")


class ModelName(_Form):
    """Which model has answered."""

    name: str
    precision: str = Field(description='"fp32" or "int8".')
    sha256: str = Field(description="Of the bundle.", pattern="^[0-9a-f]{64}$")


class InfoForm(_Form):
    """What the file says of its film. Who is on it is never told."""

    format: Literal["png", "jpeg", "tiff", "bmp", "webp", "dicom"]
    width: int = Field(description="Pixels, as the film stands upright.")
    height: int
    bit_depth: int
    colour: str = Field(description="grey, rgb, rgba or palette, before it was made grey.")
    is_inverted: bool = Field(description="Whether white was stored as the smallest number; that was turned over.")
    view: str = Field(description="Of a DICOM header: AP, PA, LL ...; empty where it does not say.")


class HeatmapsForm(_Form):
    """Where the network looks, for every class, in the film's own frame. A map says where, not why."""

    width: int = Field(le=192)
    height: int = Field(le=192)
    classes: dict[str, str] = Field(
        description="Class -> base64 of width * height bytes, row by row, 0 to 255 of the map's own largest value."
    )


class PictureForm(_Form):
    """The film as it was decoded, no side longer than 1024 pixels."""

    width: int = Field(le=1024)
    height: int = Field(le=1024)
    bits: Literal[8, 16]
    data: str = Field(description="Base64 of zlib-deflated grey levels, little-endian, row by row; 0 is black.")


class FilmForm(_Form):
    """What is said of one film."""

    film: str = Field(description="Its name as uploaded, without folders.")
    status: Literal["ok", "error"]
    error: str = Field(description="Why it could not be read; empty where it was.")
    turned_away: str = Field(description="Why it gets no answer although it was read; empty where it gets one.")
    advice: str = Field(description="What error or turned_away means and what to do, in plain words.")
    class_: str | None = Field(alias="class", description="The most probable class; null without an answer.")
    set: list[str] | None = Field(
        description="The classes that it may be of at the wanted error, perhaps none; null without an answer."
    )
    probability: dict[str, float | None] = Field(description="Calibrated, for every class; null without an answer.")
    doubt: str = Field(
        description="Why the most probable class is not to be relied on; empty where it lies in the set."
    )
    warnings: list[str] = Field(description="What to know of the film before trusting the answer.")
    info: InfoForm | None
    heatmaps: HeatmapsForm | None = Field(description="Where asked for and there is an answer.")
    picture: PictureForm | None = Field(description="Where asked for and the film was read.")
    problem: ProblemForm | None = Field(description="Where status is error.")


class Prediction(_Form):
    """The answers for the films of one request, in their order."""

    model: ModelName
    note: str
    films: list[FilmForm]


class FindingForm(_Form):
    """What one check of the audit found."""

    check: str
    title: str
    verdict: Literal["pass", "warn", "fail", "unknown"]
    measure: str
    number: dict[str, float | None] | None = Field(description="value, low, high: a 95% interval.")
    threshold: str
    told: list[str]
    advice: str


class AuditForm(_Form):
    """How much of the score is real."""

    verdict: Literal["pass", "warn", "fail", "unknown"]
    headline: str
    findings: list[FindingForm]


class LimitsForm(_Form):
    """What one request may ask for."""

    bytes_per_film: int
    pixels_per_film: int
    bytes_per_request: int
    films_per_request: int
    seconds_per_request: float


class ModelForm(_Form):
    """What there is to know of the model."""

    name: str
    network: str
    precision: str
    sha256: str
    format_version: int
    classes: list[str]
    preprocess: dict[str, Any]
    intended_use: str
    not_for: list[str]
    data: dict[str, Any]
    metrics: dict[str, Any]
    audit: AuditForm | None = Field(description="null where the model was never audited.")
    parity: dict[str, Any] = Field(description="How the bundle compares with the run that it was made of.")
    error: float = Field(description="The share of films whose prediction set may miss their class.")
    has_heatmaps: bool
    why_no_heatmaps: str
    limits: LimitsForm
    version: str = Field(description="plainfilm's.")
    needs_key: bool


class PhantomForm(_Form):
    """A drawn film that one may try."""

    name: str
    title: str


class Phantoms(_Form):
    """The drawn films that the bundle carries."""

    phantoms: list[PhantomForm]


class Status(_Form):
    """How the server is."""

    status: Literal["ok"]


_EXAMPLE_INFO = {
    **{"format": "png", "width": 352, "height": 384, "bit_depth": 8, "colour": "grey", "is_inverted": False, "view": ""}
}
_EXAMPLE_FILM = {
    "film": "phantom-covid.png",
    "status": "ok",
    "error": "",
    "turned_away": "",
    "advice": "",
    "class": "COVID",
    "set": ["COVID", "Normal"],
    "probability": {"COVID": 0.498532, "Lung_Opacity": 0.119924, "Normal": 0.131776, "Viral Pneumonia": 0.249768},
    "doubt": "",
    "warnings": [],
    "info": _EXAMPLE_INFO,
    "heatmaps": None,
    "picture": None,
    "problem": None,
}
EXAMPLE_PROBLEM = {
    "type": "urn:problem-type:plainfilm:damaged",
    "title": "The film cannot be read",
    "status": 422,
    "detail": "is damaged: it ends before the picture does. Copy or download the file again",
    "advice": "The file is damaged or not whole. Copy, download or export it again.",
    "film": "film.png",
}
EXAMPLE_PREDICTION = {
    "model": {"name": "resnet18", "precision": "fp32", "sha256": "0" * 64},
    "note": NOTICE,
    "films": [
        _EXAMPLE_FILM,
        {
            **_EXAMPLE_FILM,
            "film": "film.png",
            "status": "error",
            "error": EXAMPLE_PROBLEM["detail"],
            "advice": EXAMPLE_PROBLEM["advice"],
            "class": None,
            "set": None,
            "probability": dict.fromkeys(("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")),
            "info": None,
            "problem": EXAMPLE_PROBLEM,
        },
    ],
}
