"""The source of films of one class, guessed from what a network makes of them, and how closely sources are tied to classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plainfilm.core.association import associate
from plainfilm.core.bootstrap import Interval, bootstrap
from plainfilm.core.guess import guess_out_of_fold
from plainfilm.core.ranking import Floats
from plainfilm.judge.judged import Resampling

FEWEST_FILMS, FEWEST_GROUPS = 20, 5  # of a source within a class
_MOST_FILMS = 1500  # of a class; more would only take longer
_FOLDS = 5
_DIMENSIONS = 32
_FILMS_A_DIMENSION = 8

Names = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Guessed:
    """The source of N films of one class, each guessed by a model that learnt from other groups.

    sources: K names. index: (N,) the true one's place. probability: (N, K) as guessed. group: (N,).
    """

    sources: tuple[str, ...]
    index: npt.NDArray[np.int64]
    probability: Floats
    group: Names

    def measures(self, drawing: Resampling, level: float) -> Mapping[str, Interval]:
        """All measures, as `metrics.measure` names them, with intervals of this level."""
        return bootstrap(
            self.probability,
            self.index,
            self.group,
            self.sources,
            repeats=drawing.repeats,
            seed=drawing.seed,
            level=level,
        ).measures


def guess_source(embedding: Floats, source: Names, group: Names, seed: int) -> Guessed | str:
    """Guess between the sources that have enough films; or why that cannot be done.

    embedding: (N, D) of films of one class, finite. source, group: (N,), known.
    """
    enough = [
        name
        for name in sorted(set(source))
        if (source == name).sum() >= FEWEST_FILMS and len(set(group[source == name])) >= FEWEST_GROUPS
    ]
    if len(enough) < 2:
        who = f"only {enough[0]} has" if enough else "no source has"
        return f"{who} {FEWEST_FILMS} films of {FEWEST_GROUPS} groups, and two are needed"
    kept = _drawn(source, enough, seed)
    embedding, source, group = embedding[kept], source[kept], group[kept]
    sources = tuple(enough)
    index = np.array([sources.index(name) for name in source], np.int64)
    columns = _reduced(embedding, min(_DIMENSIONS, len(kept) // _FILMS_A_DIMENSION))
    probability = guess_out_of_fold(columns, index, _folds(source, group, seed), len(sources), seed=seed)
    return Guessed(sources, index, probability, group)


def _drawn(source: Names, enough: Sequence[str], seed: int) -> npt.NDArray[np.intp]:
    """Places of at most so many films of some sources, drawn by chance, of each source no fewer than it needs."""
    places = np.flatnonzero(np.isin(source, enough))
    if len(places) <= _MOST_FILMS:
        return places
    drawn = np.random.default_rng(seed).permutation(places)
    first = np.concatenate([drawn[source[drawn] == name][:FEWEST_FILMS] for name in enough])
    rest = drawn[~np.isin(drawn, first)]
    return np.sort(np.concatenate([first, rest[: max(0, _MOST_FILMS - len(first))]]))


@dataclass(frozen=True)
class Tie:
    """How closely source and class are tied, by Cramér's V.

    whole: of the table of all classes; None where it cannot be known.
    label, of_label: the class that is most surely tied to its sources, and its V against the rest, in an interval that allows for
        having picked it among all; "" and None where unknown.
    """

    whole: Interval | None = None
    label: str = ""
    of_label: Interval | None = None

    @property
    def low(self) -> float:
        """The lower end of the V of that class, which verdicts go by; NaN where unknown."""
        return math.nan if self.of_label is None else self.of_label.low


def tie_of(label: Names, source: Names, group: Names, classes: Sequence[str], drawing: Resampling) -> Tie:
    """The tie of source and class among films whose label, source and group are known."""
    if len(set(label)) < 2 or len(set(source)) < 2:
        return Tie()
    places = {name: place for place, name in enumerate(classes)}
    found, strict = (
        associate(
            np.unique(source.astype(str), return_inverse=True)[1], [places[name] for name in label],
            _folds(source, group, drawing.seed), group, classes,
            repeats=drawing.repeats, seed=drawing.seed, level=level,
        )
        for level in (drawing.level, 1 - (1 - drawing.level) / len(set(label)))
    )  # fmt: skip
    if math.isnan(found.cramers_v.value):
        return Tie()
    known = {name: one for name, one in strict.cramers_v_of.items() if not math.isnan(one.low)}
    if not known:  # a single group
        return Tie(found.cramers_v)
    name = max(known, key=lambda name: (known[name].low, name))
    return Tie(found.cramers_v, name, known[name])


def _folds(source: Names, group: Names, seed: int) -> npt.NDArray[np.intp]:
    """(N,) the fold of each film: groups as a whole, those of each source dealt out evenly."""
    source_of = dict(zip(group.tolist(), source.tolist(), strict=True))
    names = np.array(sorted(source_of), object)
    shuffled = names[np.random.default_rng(seed).permutation(len(names))].tolist()
    dealt = sorted(shuffled, key=lambda name: source_of[name])
    fold_of = {name: place % _FOLDS for place, name in enumerate(dealt)}
    return np.array([fold_of[name] for name in group], np.intp)


def _reduced(embedding: Floats, dimensions: int) -> Floats:
    """(N, D) -> (N, K): the principal components of its columns, each of which has the same spread beforehand."""
    spread = embedding.std(axis=0)
    varies = spread > 1e-12 * max(1.0, float(np.abs(embedding).max()))
    if not varies.any():
        return np.zeros((len(embedding), 1))
    columns = (embedding[:, varies] - embedding[:, varies].mean(axis=0)) / spread[varies]
    left, strength, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, :dimensions] * strength[:dimensions], np.float64)
