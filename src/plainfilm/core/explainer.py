"""From films to explanations: each film's answer, its maps of all classes, and what trying them showed.

    file  ->  see()  ->  Seen  ->  network  ->  answer and strength  ->  checks  ->  Explanation

The one way for a run and for a bundle: both are a `Predictor`, whose network is asked through `core.network.Network`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import cpu_count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.explanation import Explanation
from plainfilm.core.lungs import find_lungs_of
from plainfilm.core.map_checks import resemblance, stability
from plainfilm.core.network import Network, Scores
from plainfilm.core.predictor import Answer, Predictor, Seen
from plainfilm.core.progress import Progress
from plainfilm.core.words import writable_name
from plainfilm.errors import BadImage

_BATCH = 16


class ExplainedFilm(NamedTuple):
    """One film's answer, and its explanation; None where it has none, since it could not be read or was turned away."""

    answer: Answer
    explanation: Explanation | None


class _Opened(NamedTuple):
    """A film made ready. whole: (S, S) uint8, all of it in its own contrast, in which lungs are looked for."""

    seen: Seen
    whole: NDArray[np.uint8]


@dataclass(frozen=True)
class Explainer:
    """A network with heatmaps, and what they are tried with.

    name: what it is called on pages. shuffled: copies of its network with their weights shuffled; none where nobody can make them.
    """

    name: str
    predictor: Predictor
    shuffled: tuple[Network, ...] = ()

    def explain(
        self, paths: Sequence[Path], progress: Progress, *, even_turned_away: bool = False
    ) -> Iterator[ExplainedFilm]:
        """Every film's answer and explanation, in their order, a batch at a time.

        even_turned_away: explain films that are not answered too.
        """
        with ThreadPoolExecutor(cpu_count() or 1) as pool, progress.task("Explaining films", len(paths)) as task:
            for start in range(0, len(paths), _BATCH):
                opened = list(pool.map(self._opened, paths[start : start + _BATCH]))
                made = iter(self._explained([film for film in opened if isinstance(film, _Opened)], even_turned_away))
                for film in opened:
                    yield ExplainedFilm(film, None) if isinstance(film, Answer) else next(made)
                    task.advance()

    def _opened(self, path: Path) -> _Opened | Answer:
        try:
            seen = self.predictor.see(path, keep_pixels=True)
        except BadImage as error:
            return self.predictor.unread(writable_name(path), error.message)
        assert seen.pixels is not None
        whole = replace(self.predictor.preprocess, region="film", contrast="none")
        return _Opened(seen._replace(pixels=None), whole.fitted(seen.pixels))

    def _explained(self, films: Sequence[_Opened], even_turned_away: bool) -> list[ExplainedFilm]:
        if not films:
            return []
        scores = self.predictor.network.scores(np.stack([film.seen.fitted for film in films]), maps=True)
        answers = self.predictor.answers_from([film.seen for film in films], scores)
        is_chosen = [answer.is_answered or (even_turned_away and answer.turned_away != "") for answer in answers]
        chosen = [film for film, is_one in zip(films, is_chosen, strict=True) if is_one]
        made = iter(self._tried(chosen, scores.of(np.flatnonzero(is_chosen))) if chosen else ())
        return [
            ExplainedFilm(answer, next(made) if is_one else None)
            for answer, is_one in zip(answers, is_chosen, strict=True)
        ]

    def _tried(self, films: Sequence[_Opened], scores: Scores) -> list[Explanation]:
        """The explanations of films, whatever their answers."""
        assert scores.strength is not None, "an explainer's network has maps"
        fitted = np.stack([film.seen.fitted for film in films])
        lungs = find_lungs_of(np.stack([film.whole for film in films]))
        stable = stability(self.predictor.network, fitted, scores.strength)
        alike = resemblance(self.shuffled, fitted, scores.strength) if self.shuffled else None
        return [
            Explanation(
                film.seen.name,
                fitted[place],
                lungs[place],
                scores.logit[place],
                scores.strength[place],
                stable[place],
                None if alike is None else alike[place],
            )
            for place, film in enumerate(films)
        ]
