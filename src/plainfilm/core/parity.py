"""Does one form of a network answer as another does? Shown on films before a bundle is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plainfilm.core.calibration import Calibration
from plainfilm.core.metrics import measure
from plainfilm.core.network import Scores

_MOST_APART = 1e-3  # in fp32
_LEAST_AGREEMENT = 0.99
_MOST_AUROC_LOST = 0.003


@dataclass(frozen=True)
class Parity:
    """What two forms of a network said of the same films.

    films: how many. logit: the largest difference of two. embedding, strength: the same, over the largest number or 1; None
        for heatmaps that one of them lacks.
    labels: share of films that get the same label, the class most probable once calibrated. sets: share of the same prediction
        set. turned_away: share of the same reason.
    macro_auroc_before, macro_auroc_after: of the calibrated probabilities; NaN where a class has no film.
    """

    films: int
    logit: float
    embedding: float
    strength: float | None
    labels: float
    sets: float
    turned_away: float
    macro_auroc_before: float
    macro_auroc_after: float

    def problem(self, precision: str) -> str:
        """Why the second form is not to be used in place of the first, "" where it may."""
        if precision == "fp32":
            on = f"on {self.films} validation films"
            for name, most in (("logits", self.logit), ("embeddings", self.embedding), ("heatmaps", self.strength)):
                if most is not None and not most <= _MOST_APART:  # NaN is too far apart
                    return f"{on} its {name} differ by up to {most:.2g} (expected: at most {_MOST_APART:g})"
            return "" if self.labels == 1 else f"{on} {1 - self.labels:.2%} of its labels differ (expected: none)"
        lost = self.macro_auroc_before - self.macro_auroc_after
        if self.labels < _LEAST_AGREEMENT or lost > _MOST_AUROC_LOST:
            return (
                f"on {self.films} validation films {self.labels:.2%} of the labels agree (expected: at least "
                f"{_LEAST_AGREEMENT:.0%}), and the "
                f"macro AUROC loses {lost:.4f} (expected: at most {_MOST_AUROC_LOST:g}). Export it as fp32"
            )
        return ""

    def told(self, precision: str) -> str:
        """How far numbers that the first form reached hold for the second, a sentence. precision: of the second."""
        alike = f"gives the run's label for {self.labels:.2%} of {self.films:,} validation films"
        if precision == "fp32":
            return f"This bundle counts in float32, as the run does, and {alike}."
        return f"The numbers below are of the run in float32; this bundle counts in {precision} and {alike}."

    def to_dict(self) -> dict[str, Any]:
        """The values, for JSON; NaN is None."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def parity(
    calibration: Calibration, before: Scores, after: Scores, labels: Sequence[str], gate: Sequence[str]
) -> Parity:
    """Compare two forms of a network on N films.

    labels: of the films, for the AUROC. gate: what the gate says of each film, "" for nothing.
    """
    probability = [calibration.probability(scores.logit.astype(np.float64)) for scores in (before, after)]
    sets = [calibration.prediction_set(scores.logit.astype(np.float64)) for scores in (before, after)]
    away = [np.array(calibration.reasons_to_turn_away(gate, scores.embedding), object) for scores in (before, after)]
    place = {name: c for c, name in enumerate(calibration.classes)}
    label = np.array([place.get(name, -1) for name in labels])
    auroc = [
        measure(each[label >= 0], label[label >= 0], calibration.classes)["macro_auroc"]
        if (label >= 0).any()
        else float("nan")
        for each in probability
    ]
    has_maps = before.strength is not None and after.strength is not None
    return Parity(
        films=len(before.logit),
        logit=_apart(before.logit, after.logit),
        embedding=_apart(before.embedding, after.embedding, is_relative=True),
        strength=_apart(before.strength, after.strength, is_relative=True) if has_maps else None,
        labels=float((probability[0].argmax(axis=1) == probability[1].argmax(axis=1)).mean()),
        sets=float((sets[0] == sets[1]).all(axis=1).mean()),
        turned_away=float((away[0] == away[1]).mean()),
        macro_auroc_before=auroc[0],
        macro_auroc_after=auroc[1],
    )


def _apart(one: Any, other: Any, *, is_relative: bool = False) -> float:
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float(np.abs(first - second).max() / (max(1.0, np.abs(first).max()) if is_relative else 1.0))
