"""The films that numbers are computed on, and how intervals are drawn: what evaluation, trust and subgroups share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.calibration import Calibration
from plainfilm.core.predictions import Predictions
from plainfilm.core.ranking import Booleans, Floats


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn; see `plainfilm.core.bootstrap.bootstrap`."""

    repeats: int = 2000
    level: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class JudgedFilms:
    """Readable films with a label.

    logit, probability: (N, C), the latter calibrated. label_index: (N,). group: (N,), a film without one stands for itself.
    turned_away: (N,) the reason, or "".
    """

    logit: Floats
    probability: Floats
    label_index: NDArray[np.int64]
    group: NDArray[np.object_]
    turned_away: NDArray[np.object_]

    @classmethod
    def of(cls, predictions: Predictions, calibration: Calibration) -> JudgedFilms:
        """The readable, labelled films of a table, in its order."""
        judged = predictions.judged
        logit = judged.logit
        return cls(logit, calibration.probability(logit), judged.label_index, judged.group, judged.turned_away)

    @property
    def is_right(self) -> Booleans:
        """(N,) whether the most probable class is the true one."""
        return np.asarray(self.probability.argmax(axis=1) == self.label_index, np.bool_)

    def where(self, chosen: Booleans) -> JudgedFilms:
        """The films that `chosen` marks."""
        columns = (self.logit, self.probability, self.label_index, self.group, self.turned_away)
        return JudgedFilms(*(column[chosen] for column in columns))  # type: ignore[arg-type]
