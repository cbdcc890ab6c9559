"""The films that a reader of the report looks at: some right ones of each class, and the surest mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.calibration import Calibration
from plainfilm.core.image import read_film
from plainfilm.core.manifest import Manifest
from plainfilm.core.page import Html, film, film_png, joined, strong, swatch
from plainfilm.core.predictions import Predictions
from plainfilm.core.preprocess import Preprocess
from plainfilm.errors import BadImage

_RIGHT_FILMS = 24  # in all; with the mistakes and the side they keep the page under 3 MB
_RIGHT_FILMS_A_CLASS = 6
_MISTAKES = 24
_SIDE_PX = 192
_SEED = 0


@dataclass(frozen=True)
class Answer:
    """What the network said of one film. probability: of the predicted class, 0..1."""

    image_id: str
    label: str
    predicted: str
    probability: float
    source: str


def answers(predictions: Predictions, calibration: Calibration) -> list[Answer]:
    """One for each readable, labelled film, in the order of the table."""
    judged = predictions.judged
    probability = calibration.probability(judged.logit)
    best = probability.argmax(axis=1)
    columns = (judged.table["image_id"], judged.table["label"], best, probability.max(axis=1), judged.table["source"])
    return [
        Answer(image_id, label, judged.classes[index], float(height), source)
        for image_id, label, index, height, source in zip(*columns, strict=True)
    ]


def right_by_class(given: list[Answer], classes: tuple[str, ...]) -> dict[str, list[Answer]]:
    """A few right answers of each class, drawn by chance, so that they show the films and not the surest of them."""
    rng = np.random.default_rng(_SEED)
    a_class = max(1, min(_RIGHT_FILMS_A_CLASS, _RIGHT_FILMS // len(classes)))
    chosen = {}
    for name in classes[:_RIGHT_FILMS]:
        right = [answer for answer in given if answer.label == answer.predicted == name]
        chosen[name] = [right[place] for place in sorted(rng.permutation(len(right))[:a_class])]
    return chosen


def surest_mistakes(given: list[Answer]) -> list[Answer]:
    """The wrong answers with the highest probability, the surest first."""
    wrong = [answer for answer in given if answer.label != answer.predicted]
    return sorted(wrong, key=lambda answer: (-answer.probability, answer.image_id))[:_MISTAKES]


@dataclass(frozen=True)
class LightBox:
    """Shows films as the network saw them.

    manifest: tells where the films lie. preprocess: the run's. colours: of the classes, as CSS writes them.
    """

    manifest: Manifest
    preprocess: Preprocess
    colours: Mapping[str, str]

    def show(self, answer: Answer) -> Html:
        """The film with its truth, the answer, the source and its name; a text in its place where it is gone."""
        truth, predicted = (swatch(self.colours[name], name) for name in (answer.label, answer.predicted))
        is_right = answer.label == answer.predicted
        return film(
            self._picture(answer.image_id),
            f"Film {answer.image_id} of class {answer.label}, taken for {answer.predicted}",
            *([] if is_right else [joined("true ", truth), joined("said ", predicted)]),
            joined("probability ", strong(f"{answer.probability:.3f}")),
            answer.source or "unknown source",
            answer.image_id,
        )

    def _picture(self, image_id: str) -> bytes | str:
        """PNG of the network's input, or the reason why there is none."""
        rows = self.manifest.films[self.manifest.films["image_id"] == image_id]
        if rows.empty:
            return "not in this manifest"
        try:
            return film_png(self._fitted(rows.iloc[0]), _SIDE_PX)
        except BadImage as error:
            return f"cannot be shown: {error.message}"

    def _fitted(self, row: pd.Series[str]) -> NDArray[np.uint8]:
        return self.preprocess.fitted(read_film(self.manifest.film_path(row["path"])).pixels)
