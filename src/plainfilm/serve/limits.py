"""How much the server takes on, in bytes, pixels, films and seconds. Whatever is beyond is refused, never cut."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from plainfilm.errors import BadConfig

MB = 1_000_000
_OPTIONS = {
    "bytes_per_film": "--film-mb",
    "pixels_per_film": "--film-megapixels",
    "bytes_per_request": "--request-mb",
    "films_per_request": "--request-films",
    "films_in_work": "--queue-films",
    "bytes_in_work": "--queue-mb",
    "seconds_to_send": "--send-seconds",
    "seconds_to_answer": "--answer-seconds",
}


@dataclass(frozen=True)
class Limits:
    """What one film, one request and the whole server may ask for.

    bytes_per_film, pixels_per_film: of one film; the largest detectors give 86 MB and 43 million pixels.
    bytes_per_request, films_per_request: of one request.
    films_in_work, bytes_in_work: of all requests together, waiting or being worked on; what comes on top is told to come back.
    seconds_to_send: for a request's body to arrive. seconds_to_answer: from there to the answer.
    """

    bytes_per_film: int = 100 * MB
    pixels_per_film: int = 50_000_000
    bytes_per_request: int = 200 * MB
    films_per_request: int = 64
    films_in_work: int = 256
    bytes_in_work: int = 600 * MB
    seconds_to_send: float = 60.0
    seconds_to_answer: float = 60.0

    def __post_init__(self) -> None:
        """Raise BadConfig where a limit is not above 0, or one request within its limits would never fit."""
        for each in fields(self):
            if not (getattr(self, each.name) > 0 and math.isfinite(getattr(self, each.name))):
                raise BadConfig(
                    f"{_OPTIONS[each.name]} is {getattr(self, each.name)}: expected a number above 0 that is not infinite"
                )
        for small, large in (
            ("bytes_per_film", "bytes_per_request"),
            ("bytes_per_request", "bytes_in_work"),
            ("films_per_request", "films_in_work"),
        ):
            if getattr(self, small) > getattr(self, large):
                raise BadConfig(
                    f"{_OPTIONS[small]} ({self._typed(small)}) is more than {_OPTIONS[large]} ({self._typed(large)}): "
                    f"lower {_OPTIONS[small]} or raise {_OPTIONS[large]}"
                )

    def _typed(self, name: str) -> str:
        """A limit as it is typed: bytes in megabytes."""
        return f"{getattr(self, name) / (MB if name.startswith('bytes') else 1):,g}"
