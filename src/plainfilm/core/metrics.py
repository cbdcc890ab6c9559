"""How good a table of predictions is: pure maths on arrays, one film one label.

The films of a table (N) have a true class `label_index` and one `probability` for each of C classes. `measure` gives,
first for the whole table and then for every class against the rest:

    accuracy                 share of films whose most probable class is the true one; of equals, the first counts
    balanced_accuracy        mean recall over the classes that have films
    macro_precision, macro_recall, macro_f1, macro_auroc, macro_average_precision
                             mean over the classes for which the measure is defined
    weighted_f1              mean F1 over the classes, weighted by their films
    log_loss                 mean of -ln(probability of the true class); below 2.2e-16 a probability counts as that
    brier                    mean over films of the squared error, summed over classes, 0..2; Brier 1950
    precision/CLASS          TP / (TP + FP)
    recall/CLASS             TP / (TP + FN), also called sensitivity
    specificity/CLASS        TN / (TN + FP)
    f1/CLASS                 2 TP / (2 TP + FP + FN)
    auroc/CLASS              see `auroc`
    average_precision/CLASS  see `average_precision`
    support/CLASS            number of films

What cannot be known is NaN, never 0 or 0.5: the precision of a class that is never predicted, the recall of a class
without films, the AUROC where only one class is present. Where scikit-learn defines a measure, this is its value.

A film may count more than once. `RankedTable` sorts the films a single time and then measures any number of weightings;
the bootstrap lives on that, and the plain measures are the case in which every film counts once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer]
Booleans = npt.NDArray[np.bool_]

TABLE_MEASURES = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "weighted_f1",
    "macro_auroc",
    "macro_average_precision",
    "log_loss",
    "brier",
)
CLASS_MEASURES = ("precision", "recall", "specificity", "f1", "auroc", "average_precision", "support")

_SUM_TOLERANCE = 1e-4  # probabilities that were rounded to five digits still pass


def softmax(logit: npt.ArrayLike) -> Floats:
    """The probabilities that rows of logits stand for.

    logit: (N, C), finite.
    Returns (N, C) in 0..1, each row with the sum 1.
    Raises ValueError where a logit is not finite or the shape is not (N, C).
    """
    logit = np.asarray(logit, dtype=np.float64)
    if logit.ndim != 2 or logit.shape[1] == 0:
        raise ValueError(f"logit has the shape {logit.shape}, expected (films, classes)")
    _refuse_rows(np.any(~np.isfinite(logit), axis=1), "logit is not finite")
    odds = np.exp(logit - logit.max(axis=1, keepdims=True))  # against the most probable class
    return share_of(odds, odds.sum(axis=1, keepdims=True))


# One class against the rest -------------------------------------------------------------------------------------------


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


# The whole table ------------------------------------------------------------------------------------------------------


def confusion_matrix(label_index: npt.ArrayLike, predicted_index: npt.ArrayLike, classes: Sequence[str]) -> Integers:
    """How many films of each class were taken for which.

    label_index, predicted_index: (N,) int in 0..C-1.
    Returns (C, C) int; rows are the truth, columns the prediction.
    Raises ValueError where the lengths differ, an index lies outside the classes or there is no film.
    """
    label = _checked_index(label_index, len(classes), "label_index")
    predicted = _checked_index(predicted_index, len(classes), "predicted_index")
    refuse_lengths(label_index=label, predicted_index=predicted)
    cells = np.bincount(label * len(classes) + predicted, minlength=len(classes) ** 2)
    return cells.reshape(len(classes), len(classes))


def measure(probability: npt.ArrayLike, label_index: npt.ArrayLike, classes: Sequence[str]) -> dict[str, float]:
    """All measures of one table, by name; the top of this file says what they mean.

    probability: (N, C) in 0..1, each row with the sum 1.
    label_index: (N,) int in 0..C-1.
    classes: C different names, two or more.
    Raises ValueError where a shape, a probability, a label or a class name is not as said, or there is no film.
    """
    table = RankedTable(probability, label_index, classes)
    return dict(zip(table.names, table.measures(each_once(table.films))[0].tolist(), strict=True))


def measure_names(classes: Sequence[str]) -> tuple[str, ...]:
    """The names of all measures in order: those of the table, of the first class, of the second ..."""
    return TABLE_MEASURES + tuple(f"{name}/{label}" for label in classes for name in CLASS_MEASURES)


class RankedTable:
    """A table of predictions, ranked once for every class, so that weightings are measured without sorting again.

    Takes and raises what `measure` does. Its methods take `weight` (W, N) int, 0 or more: how often each film counts
    in each of W weightings.
    """

    def __init__(self, probability: npt.ArrayLike, label_index: npt.ArrayLike, classes: Sequence[str]) -> None:
        probability, label = _checked_table(probability, label_index, classes)
        self.films = len(label)
        self.classes = tuple(classes)
        self.names = measure_names(classes)
        self.against_rest = tuple(RankedScore(probability[:, c], label == c) for c in range(len(classes)))
        cell = label * len(classes) + probability.argmax(axis=1)
        self._by_cell = np.argsort(cell, kind="stable")
        self._occupied_cells, self._cell_starts = np.unique(cell[self._by_cell], return_index=True)
        log_loss = -np.log(np.maximum(probability[np.arange(self.films), label], np.finfo(np.float64).eps))
        brier = ((probability - np.eye(len(classes))[label]) ** 2).sum(axis=1)
        self._losses = np.stack([log_loss, brier])  # (2, N)

    def confusion(self, weight: Integers) -> Floats:
        """(W, C, C) confusion matrices; rows are the truth."""
        cells = np.zeros((len(weight), len(self.classes) ** 2))
        cells[:, self._occupied_cells] = np.add.reduceat(weight.take(self._by_cell, axis=1), self._cell_starts, axis=1)
        return cells.reshape(-1, len(self.classes), len(self.classes))

    def measures(self, weight: Integers) -> Floats:
        """(W, M) all measures, in the order of `names`."""
        confusion = self.confusion(weight)
        hits = np.diagonal(confusion, axis1=1, axis2=2)  # (W, C), as are all measures of classes
        support, predicted, films = confusion.sum(axis=2), confusion.sum(axis=1), confusion.sum(axis=(1, 2))
        others = films[:, None] - support
        climbs = [ranked.climb(weight) for ranked in self.against_rest]
        loss = np.einsum("wn,ln->wl", weight.astype(np.float64), self._losses)
        of_class = {
            "precision": share_of(hits, predicted),
            "recall": share_of(hits, support),
            "specificity": share_of(others - (predicted - hits), others),
            "f1": share_of(2 * hits, support + predicted),
            "auroc": np.stack([climb.auroc() for climb in climbs], axis=1),
            "average_precision": np.stack([climb.average_precision() for climb in climbs], axis=1),
            "support": support,
        }
        of_table = {
            "accuracy": share_of(hits.sum(axis=1), films),
            "balanced_accuracy": _mean_of_defined(of_class["recall"]),
            "weighted_f1": share_of(np.nansum(support * of_class["f1"], axis=1), films),
            "log_loss": share_of(loss[:, 0], films),
            "brier": share_of(loss[:, 1], films),
        } | {f"macro_{name}": _mean_of_defined(value) for name, value in of_class.items()}
        columns = [of_table[name] for name in TABLE_MEASURES]
        columns += [of_class[name][:, c] for c in range(len(self.classes)) for name in CLASS_MEASURES]
        return np.stack(columns, axis=1)


def each_once(films: int) -> Integers:
    """(1, films) int32: the weighting in which every film counts once."""
    return np.ones((1, films), dtype=np.int32)


def share_of(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    """Part by whole, NaN where the whole is 0; shapes as numpy broadcasts them."""
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64))
    share: Floats = np.full(part.shape, np.nan)
    np.divide(part, whole, out=share, where=whole != 0)
    return share


def _mean_of_defined(value: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is left."""
    return share_of(np.nansum(value, axis=-1), (~np.isnan(value)).sum(axis=-1))


# At the door ----------------------------------------------------------------------------------------------------------


def _checked_score(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> tuple[Floats, Booleans]:
    score, positive = np.asarray(score, dtype=np.float64), np.asarray(is_positive)
    if score.ndim != 1 or positive.ndim != 1:
        raise ValueError(f"score {score.shape} and is_positive {positive.shape} must be one-dimensional")
    refuse_lengths(score=score, is_positive=positive)
    _refuse_rows(np.isnan(score), "score is NaN")
    _refuse_rows(~np.isin(positive, (0, 1)), "is_positive is neither true nor false")
    return score, positive.astype(bool)


def _checked_table(
    probability: npt.ArrayLike, label_index: npt.ArrayLike, classes: Sequence[str]
) -> tuple[Floats, npt.NDArray[np.intp]]:
    probability = np.asarray(probability, dtype=np.float64)
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise ValueError(f"classes are {list(classes)}, expected two or more different names")
    if probability.ndim != 2 or probability.shape[1] != len(classes):
        raise ValueError(f"probability has the shape {probability.shape}, expected (films, {len(classes)} classes)")
    label = _checked_index(label_index, len(classes), "label_index")
    refuse_lengths(probability=probability, label_index=label)
    is_share = (probability >= 0) & (probability <= 1)  # false for NaN
    _refuse_rows(np.any(~is_share, axis=1), "probability is not in 0..1")
    _refuse_rows(np.abs(probability.sum(axis=1) - 1) > _SUM_TOLERANCE, "probability does not sum to 1")
    return probability, label


def _checked_index(index: npt.ArrayLike, classes: int, name: str) -> npt.NDArray[np.intp]:
    index = np.asarray(index)
    if index.ndim != 1 or len(index) == 0:
        raise ValueError(f"{name} has the shape {index.shape}, expected one or more films in one dimension")
    if not np.issubdtype(index.dtype, np.integer):
        raise ValueError(f"{name} holds {index.dtype}, expected integers")
    _refuse_rows((index < 0) | (index >= classes), f"{name} lies outside 0..{classes - 1}")
    return index.astype(np.intp)


def refuse_lengths(**columns: Sequence[object] | npt.NDArray[np.generic]) -> None:
    """Raises ValueError where the columns, given by name, differ in length or are empty."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"lengths must agree and be above 0: {lengths}")


def _refuse_rows(is_bad: Booleans, complaint: str) -> None:
    if is_bad.any():
        raise ValueError(f"{complaint} in {is_bad.sum()} of {len(is_bad)} rows, first in row {is_bad.argmax()}")
