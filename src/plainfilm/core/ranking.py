"""One class against the rest: ROC and precision-recall, for films that may count more than once.

`RankedScore` sorts the films a single time and then measures any number of weightings, which is what makes the bootstrap quick.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer]
Booleans = npt.NDArray[np.bool_]


def auroc(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> float:
    """Area under the ROC curve: how often a positive film scores above a negative one; ties count one half.

    score: (N,) float, higher means more likely positive.
    is_positive: (N,) bool.
    Returns 0..1, or NaN where only one class is present.
    Raises ValueError where the lengths differ, a score is NaN or there is no film.
    Source: Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    return float(_climb_once(score, is_positive).auroc()[0])


def average_precision(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> float:
    """Mean precision over the positive films, each at its own score: the area under the stepped precision-recall curve.

    score: (N,) float, higher means more likely positive; films of equal score enter together.
    is_positive: (N,) bool.
    Returns 0..1, or NaN where no film is positive.
    Raises ValueError where the lengths differ, a score is NaN or there is no film.
    Source: Davis & Goadrich 2006, doi:10.1145/1143844.1143874, on why the curve has steps and no slopes.
    """
    return float(_climb_once(score, is_positive).average_precision()[0])


def roc_curve(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """The ROC curve, without the points in the middle of a straight line.

    score, is_positive: (N,) as for `auroc`.
    Returns fpr, tpr, threshold, each (T,): the share of negative and of positive films with `score >= threshold`.
    Thresholds fall from infinity; a share of no films is NaN.
    Raises ValueError as `auroc` does.
    """
    hits, false_alarms, threshold = _count_by_threshold(score, is_positive)
    is_corner = np.ones(len(threshold), dtype=bool)
    is_corner[1:-1] = (np.diff(hits, 2) != 0) | (np.diff(false_alarms, 2) != 0)
    hits, false_alarms = np.insert(hits[is_corner], 0, 0), np.insert(false_alarms[is_corner], 0, 0)
    fpr, tpr = share_of(false_alarms, false_alarms[-1]), share_of(hits, hits[-1])
    return fpr, tpr, np.insert(threshold[is_corner], 0, np.inf)


def precision_recall_curve(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Precision and recall at every distinct score.

    score, is_positive: (N,) as for `auroc`.
    Returns precision (T + 1,), recall (T + 1,), threshold (T,). Thresholds rise; a last point with precision 1 and
    recall 0, which has no threshold, ends the curve. Recall is NaN where no film is positive.
    Raises ValueError as `auroc` does.
    """
    hits, false_alarms, threshold = _count_by_threshold(score, is_positive)
    precision, recall = share_of(hits, hits + false_alarms), share_of(hits, hits[-1])
    return np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0), threshold[::-1]


@dataclass(frozen=True)
class Climb:
    """The way up the ROC and the precision-recall curve, for W weightings of the same films at once.

    A step is a distinct score that at least one positive film has. The K steps, the highest score first, hold all that
    the curves and their areas need, since only negative films pass between them. Films are counted with their weights.

    new_hits: (W, K), the positive films of the step's own score.
    hits: (W, K), the positive films of at least the step's score.
    passed: (W, K), all films of at least the step's score; passed_before: (W, K), all above it.
    positives, negatives: (W,), all there are.
    """

    new_hits: Floats
    hits: Integers
    passed: Integers
    passed_before: Integers
    positives: Floats
    negatives: Floats

    def auroc(self) -> Floats:
        """(W,) area under the ROC curve; see the function of this name."""
        # A positive film loses to the negatives above it and to half of those beside it. Counting all films above and
        # beside, hits included, overcounts by the sum of new_hits * (hits + hits_before), which telescopes.
        not_won = np.einsum("wk,wk->w", self.new_hits, (self.passed + self.passed_before).astype(np.float64))
        pairs = 2 * self.positives * self.negatives
        return share_of(pairs + self.positives**2 - not_won, pairs)

    def average_precision(self) -> Floats:
        """(W,) average precision; see the function of this name."""
        precision = self.hits / np.maximum(self.passed, 1)  # a step that no film has passed has no new hits either
        return share_of(np.einsum("wk,wk->w", self.new_hits, precision), self.positives)

    def sensitivity_at(self, fpr: Floats) -> Floats:
        """(W, F) height of the ROC curve, on straight lines between its points, over false-positive rates (F,)."""
        hits_before = self.hits - self.new_hits
        corner_x = np.stack([self.passed_before - hits_before, self.passed - self.hits], axis=2)  # (W, K, 2)
        corner_y = np.stack([hits_before, self.hits], axis=2)
        height = np.full((len(self.hits), len(fpr)), np.nan)
        for w in np.flatnonzero((self.positives > 0) & (self.negatives > 0)):
            false_alarms = np.round(fpr * self.negatives[w], 6)  # 0.29 * 100 is 29, and so the upper end of a rise
            height[w] = np.interp(false_alarms, corner_x[w].ravel(), corner_y[w].ravel()) / self.positives[w]
        return height

    def precision_at(self, recall: Floats) -> Floats:
        """(W, F) precision at the highest threshold that reaches the recalls (F,); the mean of all is the AP."""
        height = np.full((len(self.hits), len(recall)), np.nan)
        for w in np.flatnonzero(self.positives > 0):
            step = np.searchsorted(self.hits[w], np.maximum(np.round(recall * self.positives[w], 6), 1))
            height[w] = self.hits[w, step] / self.passed[w, step]
        return height


class RankedScore:
    """The films of one class against the rest, ranked once, so that weightings are measured without sorting again.

    score: (N,) float without NaN; is_positive: (N,) bool.
    """

    def __init__(self, score: Floats, is_positive: Booleans) -> None:
        order = _best_first(score)
        is_hit = is_positive[order]
        ends = _tie_ends(score[order])  # (T,) how many films have at least the t-th distinct score
        starts = np.insert(ends[:-1], 0, 0)
        hit_ends = np.cumsum(is_hit, dtype=np.intp)[ends - 1]
        is_step = np.diff(hit_ends, prepend=0) > 0
        self._starts, self._ends = starts[is_step], ends[is_step]
        self._hit_ends = np.insert(hit_ends[is_step], 0, 0)  # (K + 1,)
        self._hits = order[is_hit]
        self._order = order[: self._ends.max(initial=0)]  # only negative films come after the last step

    def climb(self, weight: Integers) -> Climb:
        """What is found at each step, where film n of weighting w counts weight[w, n] times.

        weight: (W, N) int, 0 or more.
        Raises ValueError where the weights are not integers: they are added up as such.
        """
        if not np.issubdtype(weight.dtype, np.integer):
            raise ValueError(f"weight holds {weight.dtype}, expected integers")
        passed = _running_total(weight, self._order)
        hits = _running_total(weight, self._hits).take(self._hit_ends, axis=1)
        positives = hits[:, -1].astype(np.float64)
        return Climb(
            new_hits=np.diff(hits, axis=1).astype(np.float64),
            hits=hits[:, 1:],
            passed=passed.take(self._ends, axis=1),
            passed_before=passed.take(self._starts, axis=1),
            positives=positives,
            negatives=weight.sum(axis=1, dtype=np.int32) - positives,
        )


def _climb_once(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> Climb:
    score, is_positive = _checked_score(score, is_positive)
    return RankedScore(score, is_positive).climb(each_once(len(score)))


def _count_by_threshold(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> tuple[Integers, Integers, Floats]:
    """True and false positives at each distinct score, the highest first."""
    score, is_positive = _checked_score(score, is_positive)
    order = _best_first(score)
    ends = _tie_ends(score[order])
    hits = np.cumsum(is_positive[order], dtype=np.intp)[ends - 1]
    return hits, ends - hits, score[order][ends - 1]


def _best_first(score: Floats) -> Integers:
    return np.argsort(-score, kind="stable")


def _tie_ends(ranked: Floats) -> Integers:
    """Where each run of equal scores ends: how many films have at least each distinct score."""
    return np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) + 1


def _running_total(weight: Integers, films: Integers) -> Integers:
    """(W, len(films) + 1): in column k the weight of the first k of these films."""
    total = np.zeros((len(weight), len(films) + 1), dtype=np.int32)
    np.cumsum(weight.take(films, axis=1), axis=1, dtype=np.int32, out=total[:, 1:])
    return total


def each_once(films: int) -> Integers:
    """(1, films) int32: the weighting in which every film counts once."""
    return np.ones((1, films), dtype=np.int32)


def share_of(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    """Part by whole, NaN where the whole is 0; shapes as numpy broadcasts them."""
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64))
    share: Floats = np.full(part.shape, np.nan)
    np.divide(part, whole, out=share, where=whole != 0)
    return share


def _checked_score(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> tuple[Floats, Booleans]:
    score, positive = np.asarray(score, dtype=np.float64), np.asarray(is_positive)
    if score.ndim != 1 or positive.ndim != 1:
        raise ValueError(f"score {score.shape} and is_positive {positive.shape} must be one-dimensional")
    refuse_lengths(score=score, is_positive=positive)
    refuse_rows(np.isnan(score), "score is NaN")
    refuse_rows(~np.isin(positive, (0, 1)), "is_positive is neither true nor false")
    return score, positive.astype(bool)


def refuse_lengths(**columns: Sequence[object] | npt.NDArray[np.generic]) -> None:
    """Raises ValueError where the columns, given by name, differ in length or are empty."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"lengths must agree and be above 0: {lengths}")


def refuse_rows(is_bad: Booleans, complaint: str) -> None:
    """Raises ValueError with the complaint where a row is bad."""
    if is_bad.any():
        raise ValueError(f"{complaint} in {is_bad.sum()} of {len(is_bad)} rows, first in row {is_bad.argmax()}")
