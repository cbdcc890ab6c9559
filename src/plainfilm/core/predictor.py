"""From files to answers: the one way that `predict`, `explain`, the server and the page share.

    file  ->  see()  ->  Seen  ->  answers()  ->  Answer

A predictor is a trained network with all that turns its logits into answers, out of a run or out of a bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.calibration import Calibration
from plainfilm.core.chest import reasons
from plainfilm.core.image import MAX_PIXELS, Film, ImageInfo, read_film
from plainfilm.core.lungs import NO_LUNGS, find_lungs
from plainfilm.core.network import Network, Scores
from plainfilm.core.preprocess import Pixels, Preprocess
from plainfilm.core.quality import quality_warnings
from plainfilm.core.thumbnail import thumbnail
from plainfilm.core.words import writable_name

WILD = "the network gives no finite numbers"


class Seen(NamedTuple):
    """A film made ready.

    name: what it is called in answers. fitted: (S, S) uint8, as the network sees it. thumbnail: (128, 128) uint8, as the gate does.
    has_lungs: whether lungs were found; True where nobody looked. warnings: of `core/quality.py`. info: what its file says.
    pixels: (H, W) uint8 or uint16, the film itself; None where nobody asked to keep it.
    """

    name: str
    fitted: NDArray[np.uint8]
    thumbnail: NDArray[np.uint8]
    has_lungs: bool
    warnings: tuple[str, ...]
    info: ImageInfo
    pixels: Pixels | None = None


@dataclass(frozen=True)
class Answer:
    """What is said of one film.

    film: its name. classes: in the order of logit. error: why it could not be read or scored, "" where it was.
    turned_away: why it gets no answer although it was read, "" where it gets one.
    logit: (C,), None where error. probability: (C,), calibrated; in_set: (C,) bool, the prediction set; both None where there is
        no answer.
    doubt: why its most probable class is not to be relied on, a sentence without a full stop; "" where it lies in the set.
    warnings: what to know of the film, see `core/quality.py`.
    strength: (C, h, w), its raw heatmaps; None where nobody asked, the network has none, or there is no answer.
    """

    film: str
    classes: tuple[str, ...]
    error: str = ""
    turned_away: str = ""
    logit: NDArray[np.float32] | None = None
    probability: NDArray[np.float64] | None = None
    in_set: NDArray[np.bool_] | None = None
    doubt: str = ""
    warnings: tuple[str, ...] = ()
    strength: NDArray[np.float32] | None = None

    @property
    def is_answered(self) -> bool:
        """Whether there are a class and probabilities."""
        return self.probability is not None

    @property
    def label(self) -> str | None:
        """The most probable class; None where there is no answer."""
        return None if self.probability is None else self.classes[int(self.probability.argmax())]

    @property
    def prediction_set(self) -> tuple[str, ...] | None:
        """The classes that the film may be of at the wanted error, perhaps none; None where there is no answer."""
        return (
            None
            if self.in_set is None
            else tuple(name for name, held in zip(self.classes, self.in_set, strict=True) if held)
        )

    def to_dict(self) -> dict[str, Any]:
        """The answer for JSON; what is not known is None."""
        held = self.prediction_set
        return {
            "film": self.film,
            "status": "error" if self.error else "ok",
            "error": self.error,
            "turned_away": self.turned_away,
            "class": self.label,
            "set": None if held is None else list(held),
            "probability": {
                name: None if self.probability is None else round(float(self.probability[c]), 6)
                for c, name in enumerate(self.classes)
            },
            "doubt": self.doubt,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Predictor:
    """A trained network that answers.

    name: what it is called, such as its run's or bundle's name. classes: in the order of its logits.
    preprocess, calibration: from pixels to its input, from its logits to answers.
    """

    name: str
    classes: tuple[str, ...]
    preprocess: Preprocess
    calibration: Calibration
    network: Network

    def see(
        self, source: Path | bytes, name: str | None = None, *, max_pixels: int = MAX_PIXELS, keep_pixels: bool = False
    ) -> Seen:
        """Read one film and make it ready. name: what to call it; the path where None. Raises BadImage."""
        film = read_film(source, name=name, max_pixels=max_pixels)
        return self.see_film(film, name or writable_name(str(source)), keep_pixels=keep_pixels)

    def see_film(self, film: Film, name: str, *, keep_pixels: bool = False) -> Seen:
        """Make a film ready that was read already."""
        pixels, lungs = film.pixels, None
        if self.preprocess.looks_for_lungs:
            lungs = find_lungs(pixels)
        return Seen(
            name,
            self.preprocess.fitted(pixels, None if lungs is None else lungs.mask),
            thumbnail(pixels),
            lungs is None or lungs.is_found,
            quality_warnings(film, self.preprocess),
            film.info,
            pixels if keep_pixels else None,
        )

    def answers(self, films: Sequence[Seen], *, maps: bool = False) -> list[Answer]:
        """What is said of some films, in their order. maps: whether answers carry their heatmaps."""
        if not films:
            return []
        return self.answers_from(films, self.network.scores(np.stack([film.fitted for film in films]), maps=maps))

    def answers_from(self, films: Sequence[Seen], scores: Scores) -> list[Answer]:
        """The same from what its network gave for them."""
        away = self.reasons_to_turn_away(films, scores)
        is_finite = [bool(np.isfinite(logit).all()) for logit in scores.logit]
        return [
            self._answer(film, scores, place, reason)
            if finite
            else Answer(film.name, self.classes, error=WILD, warnings=film.warnings)
            for place, (film, reason, finite) in enumerate(zip(films, away, is_finite, strict=True))
        ]

    def reasons_to_turn_away(self, films: Sequence[Seen], scores: Scores) -> list[str]:
        """Why each film gets no answer; "" where it gets one. Where lungs decide what it sees, a film without them gets none."""
        gate = reasons(np.stack([film.thumbnail for film in films]))
        away = self.calibration.reasons_to_turn_away(gate, scores.embedding)
        return [reason or NO_LUNGS * (not film.has_lungs) for film, reason in zip(films, away, strict=True)]

    def unread(self, film: str, error: str) -> Answer:
        """The answer for a film that cannot be read."""
        return Answer(film, self.classes, error=error)

    def _answer(self, film: Seen, scores: Scores, place: int, reason: str) -> Answer:
        logit = scores.logit[place]
        if reason:
            return Answer(film.name, self.classes, turned_away=reason, logit=logit, warnings=film.warnings)
        once = logit[None].astype(np.float64)
        probability, in_set = self.calibration.probability(once)[0], self.calibration.prediction_set(once)[0]
        return Answer(
            film.name,
            self.classes,
            logit=logit,
            probability=probability,
            in_set=in_set,
            doubt=self._doubt(int(probability.argmax()), in_set),
            warnings=film.warnings,
            strength=None if scores.strength is None else scores.strength[place],
        )

    def _doubt(self, best: int, in_set: NDArray[np.bool_]) -> str:
        """Why not to rely on the most probable class; "" where it lies in the prediction set."""
        if in_set[best]:
            return ""
        at = f"at the wanted error of {100 * self.calibration.error:.3g}%"
        if not in_set.any():
            return f"no class fits {at}: {self.classes[best]} is only the nearest, do not rely on it"
        held = " or ".join(name for name, holds in zip(self.classes, in_set, strict=True) if holds)
        return f"{self.classes[best]} is the most probable class, yet {at} the prediction set holds {held} alone: rely on neither"
