"""Guess the class of films from a few numbers each: a small model that is strong enough to be held against a network.

Linear discriminant analysis on radial basis functions: each film becomes its likeness to some two hundred of the films,
beside its own numbers, and in that space each class is a normal cloud of one common shape. Everything is solved in closed
form, so there is nothing to converge and nothing to draw but the landmarks; folds cost next to nothing, since sums over
the films of all other folds are the sums over all films less those of the own fold.

Source: Mika et al. 1999, doi:10.1109/NNSP.1999.788121 (discriminants with kernels); Williams & Seeger 2001 (landmarks);
Hastie, Tibshirani & Friedman 2009, chapter 4.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plainfilm.core.bootstrap import Groups, Interval, percentile_intervals
from plainfilm.core.metrics import RankedTable
from plainfilm.core.ranking import Floats, Integers, refuse_lengths, share_of

_LANDMARKS = 200
_FARTHEST = 5.0  # standard deviations; what lies beyond is as good as there
_SMALLEST_EIGENVALUE = 1e-6  # of the landmarks' likenesses, against the largest


@dataclass(frozen=True)
class Score:
    """How good guesses are, each number with its interval over groups.

    accuracy: of naming the most probable class. balanced_accuracy: mean recall where each class is taken to be equally
    common beforehand. macro_auroc: mean of `auroc`, which holds every class against the rest, by name.
    """

    accuracy: Interval
    balanced_accuracy: Interval
    macro_auroc: Interval
    auroc: Mapping[str, Interval]


def guess_out_of_fold(
    columns: npt.ArrayLike, label_index: npt.ArrayLike, fold: npt.ArrayLike, classes: int, *, seed: int = 0
) -> Floats:
    """(N, C) probability of each class for each film, from a model that learnt from the films of the other folds.

    columns: (N, P) finite numbers of any scale; a column that is the same in every film is left out.
    label_index, fold: (N,) int. The landmarks are drawn among all films, whatever their class.
    A class without a film in the other folds gets 0. Without a column that varies, every film gets the classes' shares.
    Raises ValueError where the lengths differ or a number is not finite.
    """
    label, places = np.asarray(label_index, dtype=np.intp), np.asarray(fold, dtype=np.intp)
    columns = np.asarray(columns, dtype=np.float64)
    refuse_lengths(columns=columns, label_index=label, fold=places)
    if not np.isfinite(columns).all():
        raise ValueError("columns hold numbers that are not finite")
    basis = _basis(_standardised(columns), np.random.default_rng(seed))  # (N, D)
    is_class = np.eye(classes)[label]  # (N, C)
    names = np.unique(places)
    inside = [places == name for name in names]
    films = np.stack([is_class[chosen].sum(axis=0) for chosen in inside])  # (F, C), as are all sums by fold
    sums = np.stack([is_class[chosen].T @ basis[chosen] for chosen in inside])
    squares = np.stack([basis[chosen].T @ basis[chosen] for chosen in inside])
    probability = np.empty(is_class.shape)
    for place, chosen in enumerate(inside):
        probability[chosen] = _discriminate(
            basis[chosen],
            films.sum(axis=0) - films[place],
            sums.sum(axis=0) - sums[place],
            squares.sum(axis=0) - squares[place],
        )
    return probability


def score_guesses(
    probability: Floats,
    label_index: npt.ArrayLike,
    group: Groups,
    classes: Sequence[str],
    *,
    repeats: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Score:
    """Score guesses with percentile intervals.

    probability, label_index, classes: as for `metrics.measure`. group, repeats, seed, level: as for `bootstrap`.
    Raises ValueError as `bootstrap` does.
    """
    label = np.asarray(label_index, dtype=np.intp)
    table = RankedTable(probability, label, classes)
    shares = np.bincount(label, minlength=len(classes)) / len(label)
    even = np.nan_to_num(share_of(probability, shares))
    evenly = RankedTable(share_of(even, even.sum(axis=1, keepdims=True)), label, classes)
    chosen = [table.names.index(name) for name in ("accuracy", "macro_auroc", *(f"auroc/{name}" for name in classes))]

    def statistic(weight: Integers) -> Floats:
        confusion = evenly.confusion(weight)
        recall = share_of(np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(axis=2))
        balanced = share_of(np.nansum(recall, axis=1), (~np.isnan(recall)).sum(axis=1))
        return np.column_stack([balanced, table.measures(weight)[:, chosen]])

    found = percentile_intervals(statistic, group, repeats=repeats, seed=seed, level=level)
    balanced, accuracy, macro, *of_classes = found
    return Score(accuracy, balanced, macro, dict(zip(classes, of_classes, strict=True)))


def _standardised(columns: Floats) -> Floats:
    """The columns that vary, each with mean 0 and standard deviation 1, outliers drawn in."""
    varies = np.ptp(columns, axis=0) > 0
    columns = columns[:, varies]
    scale = columns.std(axis=0)
    standard: Floats = (columns - columns.mean(axis=0)) / np.where(scale > 0, scale, 1)
    return np.clip(standard, -_FARTHEST, _FARTHEST)


def _basis(columns: Floats, rng: np.random.Generator) -> Floats:
    """(N, P) -> (N, D): the likeness of each film to the landmarks, made orthonormal among these, and its own numbers."""
    width = columns.shape[1]
    if width == 0:
        return columns
    columns = columns / np.sqrt(width)
    landmarks = columns[rng.permutation(len(columns))[:_LANDMARKS]]
    value, vector = np.linalg.eigh(_likeness(landmarks, landmarks))
    is_kept = value > _SMALLEST_EIGENVALUE * value[-1]
    return np.hstack([_likeness(columns, landmarks) @ (vector[:, is_kept] / np.sqrt(value[is_kept])), columns])


def _likeness(films: Floats, landmarks: Floats) -> Floats:
    """(N, M) 0..1: exp(-squared distance)."""
    apart = (films**2).sum(axis=1)[:, None] + (landmarks**2).sum(axis=1) - 2 * films @ landmarks.T
    return np.asarray(np.exp(-np.maximum(apart, 0)))


def _discriminate(basis: Floats, films: Floats, sums: Floats, squares: Floats) -> Floats:
    """(N, C) the probability of each class for films whose basis is (N, D).

    films (C,), sums (C, D), squares (D, D): number, sum and sum of outer products of the films that are learnt from.
    """
    known = films > 0
    mean = sums[known] / films[known][:, None]  # (K, D)
    within = squares - (mean.T * films[known]) @ mean
    # Two films of a round cloud on top: without them, few films in many directions would look surer than they are.
    within[np.diag_indices_from(within)] += 2
    weight = np.linalg.solve(within / films.sum(), mean.T)  # (D, K)
    logit = basis @ weight - 0.5 * np.einsum("kd,dk->k", mean, weight) + np.log(films[known])
    odds = np.exp(logit - logit.max(axis=1, keepdims=True))
    probability = np.zeros((len(basis), len(films)))
    probability[:, known] = odds / odds.sum(axis=1, keepdims=True)
    return probability
