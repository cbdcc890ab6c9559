"""How good a table of predictions is: pure maths on arrays, one film one label.

The films of a table (N) have a true class `label_index` and one `probability` for each of C classes. `measure` gives, for
the whole table and then for every class, taken one against the rest:

    accuracy                 share of films whose most probable class is the true one; of equals, the first counts
    balanced_accuracy        mean recall over the classes that have films
    macro_precision, macro_recall, macro_f1, macro_auroc, macro_average_precision
                             mean over the classes for which the measure is defined
    weighted_f1              mean F1 over classes, weighted by their films
    log_loss                 mean of -ln(probability of the true class), which is clipped at 2.2e-16 (so it never passes 36.04)
    brier                    mean over films of the squared error summed over classes, 0..2; Brier 1950
    precision/CLASS          TP / (TP + FP)
    recall/CLASS             TP / (TP + FN), also called sensitivity
    specificity/CLASS        TN / (TN + FP)
    f1/CLASS                 2 TP / (2 TP + FP + FN)
    auroc/CLASS              see `auroc`
    average_precision/CLASS  see `average_precision`
    support/CLASS            number of films

What cannot be known is NaN, never 0 or 0.5: the precision of a class that is never predicted, the recall of a class
without films, the AUROC where only one class is present. All values equal scikit-learn's, with zero_division=nan.

Films may count more than once. `RankedTable` sorts the films a single time and then measures any number of weightings, which
is what makes the bootstrap in `bootstrap.py` quick; the plain measures are the case in which every film counts once.
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

_SUM_TOLERANCE = 1e-4  # a row of probabilities that was rounded to five digits still passes


def softmax(logit: npt.ArrayLike) -> Floats:
    """The probabilities that a row of logits stands for.

    logit: (N, C), finite.
    Returns (N, C) in 0..1, each row with the sum 1.
    Raises ValueError where a logit is not finite or the shape is not (N, C).
    """
    logit = np.asarray(logit, dtype=np.float64)
    if logit.ndim != 2 or logit.shape[1] == 0:
        raise ValueError(f"logit has the shape {logit.shape}, expected (films, classes)")
    _refuse_rows(~np.isfinite(logit).all(axis=1), "logit is not finite")
    exponential = np.exp(logit - logit.max(axis=1, keepdims=True))
    return np.asarray(exponential / exponential.sum(axis=1, keepdims=True))


# One class against the rest ------------------------------------------------------------------------------------------


def auroc(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> float:
    """Area under the ROC curve: how often a positive film scores above a negative one; ties count one half.

    score: (N,) float, higher means more likely positive.
    is_positive: (N,) bool.
    Returns 0..1, or NaN where only one class is present.
    Raises ValueError where the lengths differ, a score is NaN or there is no film.
    Source: Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    ranked = RankedScore(*_checked_scores(score, is_positive))
    return float(ranked.climb(each_once(ranked.films)).auroc()[0])


def average_precision(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> float:
    """Mean precision over the positive films, each at its own score: the area under the stepped precision-recall curve.

    score: (N,) float, higher means more likely positive; films of equal score enter together.
    is_positive: (N,) bool.
    Returns 0..1, or NaN where no film is positive.
    Raises ValueError where the lengths differ, a score is NaN or there is no film.
    Source: sum of (R_k - R_{k-1}) P_k as in scikit-learn; Davis & Goadrich 2006 say why not to interpolate linearly.
    """
    ranked = RankedScore(*_checked_scores(score, is_positive))
    return float(ranked.climb(each_once(ranked.films)).average_precision()[0])


def roc_curve(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """The ROC curve, without points in the middle of a straight line.

    score, is_positive: (N,) as for `auroc`.
    Returns fpr, tpr, threshold, each (T,): at `score >= threshold`, the share of negative and of positive films found.
    Thresholds fall, from infinity; a share of no films is NaN.
    Raises ValueError as `auroc` does.
    """
    hits, false_alarms, threshold = _count_by_threshold(*_checked_scores(score, is_positive))
    bends = (np.diff(hits, 2) != 0) | (np.diff(false_alarms, 2) != 0)
    kept = np.concatenate([[True], bends, [True]]) if len(hits) > 1 else np.array([True])
    hits, false_alarms, threshold = hits[kept], false_alarms[kept], threshold[kept]
    hits, false_alarms = np.insert(hits, 0, 0), np.insert(false_alarms, 0, 0)
    return share_of(false_alarms, false_alarms[-1]), share_of(hits, hits[-1]), np.insert(threshold, 0, np.inf)


def precision_recall_curve(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Precision and recall at every distinct score.

    score, is_positive: (N,) as for `auroc`.
    Returns precision (T + 1,), recall (T + 1,) and threshold (T,), as scikit-learn orders them: thresholds rise, and a last
    point with precision 1 and recall 0 stands for the threshold that no film reaches. Recall is NaN where no film is positive.
    Raises ValueError as `auroc` does.
    """
    hits, false_alarms, threshold = _count_by_threshold(*_checked_scores(score, is_positive))
    precision, recall = share_of(hits, hits + false_alarms), share_of(hits, hits[-1])
    return np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0), threshold[::-1]


def _count_by_threshold(score: Floats, is_positive: Booleans) -> tuple[Integers, Integers, Floats]:
    """True and false positives at each distinct score, the highest first."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    is_last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    hits = np.cumsum(is_positive[order])[is_last_of_tie]
    return hits, np.flatnonzero(is_last_of_tie) + 1 - hits, ranked[is_last_of_tie]


@dataclass(frozen=True)
class Climb:
    """The way up a ROC or precision-recall curve, for W weightings of the same films at once.

    A step is a distinct score that at least one positive film has; on the K steps, the highest score first, lies all that
    any curve tells, since between them only negative films pass.

    hits, false_alarms: (W, K), positive and negative films of at least the step's score, counted with their weights.
    false_alarms_before: (W, K), negative films above the step's score; the rest of `false_alarms` is tied with the positives.
    positives, negatives: (W,), all films, counted with their weights.
    """

    hits: Floats
    false_alarms: Floats
    false_alarms_before: Floats
    positives: Floats
    negatives: Floats

    def auroc(self) -> Floats:
        """(W,) area under the ROC curve; see the function `auroc`."""
        false_alarms = (self.false_alarms_before + self.false_alarms) / 2
        worse = self.negatives[:, None] - false_alarms  # negatives below the step, and half of those on it
        return share_of(np.einsum("wk,wk->w", self._new_hits(), worse), self.positives * self.negatives)

    def average_precision(self) -> Floats:
        """(W,) average precision; see the function `average_precision`."""
        precision = self.hits / np.maximum(self.hits + self.false_alarms, 1)  # a step that no film reaches adds no hit
        return share_of(np.einsum("wk,wk->w", self._new_hits(), precision), self.positives)

    def sensitivity_at(self, fpr: Floats) -> Floats:
        """(W, F) height of the ROC curve over the false-positive rates fpr (F,), on straight lines between its points."""
        height = np.full((len(self.hits), len(fpr)), np.nan)
        hits_before = np.pad(self.hits[:, :-1], ((0, 0), (1, 0)))
        corners_x = np.stack([self.false_alarms_before, self.false_alarms], axis=2).reshape(len(self.hits), -1)
        corners_y = np.stack([hits_before, self.hits], axis=2).reshape(len(self.hits), -1)
        for w in np.flatnonzero((self.positives > 0) & (self.negatives > 0)):
            false_alarms = np.round(fpr * self.negatives[w], 6)  # 0.29 * 100 shall be 29, the upper end of its step
            height[w] = np.interp(false_alarms, corners_x[w], corners_y[w]) / self.positives[w]
        return height

    def precision_at(self, recall: Floats) -> Floats:
        """(W, F) precision at the highest threshold that reaches the recalls (F,); its mean over all recalls is the AP."""
        height = np.full((len(self.hits), len(recall)), np.nan)
        for w in np.flatnonzero(self.positives > 0):
            wanted_hits = np.maximum(np.round(recall * self.positives[w], 6), 1)
            step = np.searchsorted(self.hits[w], wanted_hits)
            height[w] = self.hits[w, step] / (self.hits[w, step] + self.false_alarms[w, step])
        return height

    def _new_hits(self) -> Floats:
        return np.diff(self.hits, axis=1, prepend=0)


class RankedScore:
    """The films of one class against the rest, ranked once, so that weightings are measured without sorting again.

    score: (N,) float without NaN; is_positive: (N,) bool.
    """

    def __init__(self, score: Floats, is_positive: Booleans) -> None:
        self.films = len(score)
        order = np.argsort(-score, kind="stable")
        ranked, is_positive = score[order], is_positive[order]
        starts = np.flatnonzero(np.insert(ranked[1:] != ranked[:-1], 0, True))
        ends = np.append(starts[1:], len(ranked))
        is_step = np.add.reduceat(is_positive, starts, dtype=np.intp) > 0
        self._starts, self._ends = starts[is_step], ends[is_step]
        self._positives = order[is_positive]
        self._hit_ends = np.cumsum(is_positive)[self._ends - 1]
        self._order = (
            order[: self._ends[-1]] if is_step.any() else order[:0]
        )  # below the last step only negatives remain

    def climb(self, weight: Integers) -> Climb:
        """What is found at each step, where film n counts weight[:, n] times; weight: (W, N), 0 or more."""
        passed = _running_total(weight, self._order)
        hits = _running_total(weight, self._positives)
        positives = hits[:, -1].astype(np.float64)
        hits_at = hits.take(self._hit_ends, axis=1)
        hits_before = np.pad(hits_at[:, :-1], ((0, 0), (1, 0))) if hits_at.size else hits_at
        return Climb(
            hits=hits_at.astype(np.float64),
            false_alarms=(passed.take(self._ends, axis=1) - hits_at).astype(np.float64),
            false_alarms_before=(passed.take(self._starts, axis=1) - hits_before).astype(np.float64),
            positives=positives,
            negatives=weight.sum(axis=1) - positives,
        )


def _running_total(weight: Integers, films: Integers) -> Integers:
    """(W, len(films) + 1): in column k the weight of the first k of these films."""
    total = np.zeros((len(weight), len(films) + 1), dtype=np.int32)
    np.cumsum(weight.take(films, axis=1), axis=1, dtype=np.int32, out=total[:, 1:])
    return total


# The whole table -----------------------------------------------------------------------------------------------------


def confusion_matrix(label_index: npt.ArrayLike, predicted_index: npt.ArrayLike, classes: Sequence[str]) -> Integers:
    """How many films of each class were taken for which.

    label_index, predicted_index: (N,) int in 0..C-1.
    Returns (C, C) int; rows are the truth, columns the prediction.
    Raises ValueError where the lengths differ, an index lies outside the classes or there is no film.
    """
    label = _checked_index(label_index, len(classes), "label_index")
    predicted = _checked_index(predicted_index, len(classes), "predicted_index")
    _same_length(label_index=label, predicted_index=predicted)
    cells = np.bincount(label * len(classes) + predicted, minlength=len(classes) ** 2)
    return cells.reshape(len(classes), len(classes))


def measure_names(classes: Sequence[str]) -> tuple[str, ...]:
    """The names of all measures in order: those of the table, then those of the first class, of the second ..."""
    return TABLE_MEASURES + tuple(f"{name}/{label}" for label in classes for name in CLASS_MEASURES)


def measure(probability: npt.ArrayLike, label_index: npt.ArrayLike, classes: Sequence[str]) -> dict[str, float]:
    """All measures of one table, by name; what they mean stands at the top of this file.

    probability: (N, C) in 0..1, each row with the sum 1.
    label_index: (N,) int in 0..C-1.
    classes: C different names, at least two.
    Raises ValueError where a shape, a probability, a label or a class name is not as said, or there is no film.
    """
    table = RankedTable(probability, label_index, classes)
    return dict(zip(table.names, table.measures(each_once(table.films))[0].tolist(), strict=True))


class RankedTable:
    """A table of predictions, ranked once for every class, so that weightings are measured without sorting again.

    Takes and raises what `measure` does. In its methods `weight` is (W, N), an integer of 0 or more: how often each film
    counts in each of W weightings.
    """

    def __init__(self, probability: npt.ArrayLike, label_index: npt.ArrayLike, classes: Sequence[str]) -> None:
        probability, label = _checked_table(probability, label_index, classes)
        self.films = len(label)
        self.classes = tuple(classes)
        self.names = measure_names(classes)
        cell = label * len(classes) + probability.argmax(axis=1)
        self._by_cell = np.argsort(cell, kind="stable")
        self._occupied_cells, self._cell_starts = np.unique(cell[self._by_cell], return_index=True)
        of_truth = probability[np.arange(self.films), label]
        log_loss = -np.log(np.maximum(of_truth, np.finfo(np.float64).eps))
        brier = ((probability - np.eye(len(classes))[label]) ** 2).sum(axis=1)
        self._losses = np.stack([log_loss, brier])  # (2, N)
        self.against_rest = tuple(RankedScore(probability[:, c], label == c) for c in range(len(classes)))

    def confusion(self, weight: Integers) -> Floats:
        """(W, C, C) confusion matrices; rows are the truth."""
        cells = np.zeros((len(weight), len(self.classes) ** 2))
        cells[:, self._occupied_cells] = np.add.reduceat(weight.take(self._by_cell, axis=1), self._cell_starts, axis=1)
        return cells.reshape(-1, len(self.classes), len(self.classes))

    def measures(self, weight: Integers) -> Floats:
        """(W, M) all measures, in the order of `names`."""
        confusion = self.confusion(weight)
        hits = np.diagonal(confusion, axis1=1, axis2=2)  # (W, C)
        support, predicted, films = confusion.sum(axis=2), confusion.sum(axis=1), confusion.sum(axis=(1, 2))
        others = films[:, None] - support
        precision, recall = share_of(hits, predicted), share_of(hits, support)
        f1 = share_of(2 * hits, support + predicted)
        climbs = [ranked.climb(weight) for ranked in self.against_rest]
        auroc = np.stack([climb.auroc() for climb in climbs], axis=1)
        average_precision = np.stack([climb.average_precision() for climb in climbs], axis=1)
        losses = np.einsum("wn,ln->wl", weight.astype(np.float64), self._losses)
        of_table = {
            "accuracy": share_of(hits.sum(axis=1), films),
            "balanced_accuracy": _mean_of_defined(recall),
            "macro_precision": _mean_of_defined(precision),
            "macro_recall": _mean_of_defined(recall),
            "macro_f1": _mean_of_defined(f1),
            "weighted_f1": share_of(np.nansum(support * f1, axis=1), films),
            "macro_auroc": _mean_of_defined(auroc),
            "macro_average_precision": _mean_of_defined(average_precision),
            "log_loss": share_of(losses[:, 0], films),
            "brier": share_of(losses[:, 1], films),
        }
        of_classes = {
            "precision": precision,
            "recall": recall,
            "specificity": share_of(others - (predicted - hits), others),
            "f1": f1,
            "auroc": auroc,
            "average_precision": average_precision,
            "support": support,
        }
        columns = [of_table[name] for name in TABLE_MEASURES]
        columns += [of_classes[name][:, c] for c in range(len(self.classes)) for name in CLASS_MEASURES]
        return np.stack(columns, axis=1)


def each_once(films: int) -> Integers:
    return np.ones((1, films), dtype=np.int32)


def share_of(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    """Part by whole, NaN where the whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)


def _mean_of_defined(value: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is left."""
    return share_of(np.nansum(value, axis=-1), (~np.isnan(value)).sum(axis=-1))


# At the door ---------------------------------------------------------------------------------------------------------


def _checked_scores(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> tuple[Floats, Booleans]:
    score, positive = np.asarray(score, dtype=np.float64), np.asarray(is_positive)
    if score.ndim != 1 or positive.ndim != 1:
        raise ValueError(f"score {score.shape} and is_positive {positive.shape} must be one-dimensional")
    _same_length(score=score, is_positive=positive)
    _refuse_rows(np.isnan(score), "score is NaN")
    _refuse_rows((positive != 0) & (positive != 1), "is_positive is neither true nor false")
    return score, positive.astype(bool)


def _checked_table(
    probability: npt.ArrayLike, label_index: npt.ArrayLike, classes: Sequence[str]
) -> tuple[Floats, npt.NDArray[np.intp]]:
    probability = np.asarray(probability, dtype=np.float64)
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise ValueError(f"classes must be two or more different names, not {list(classes)}")
    if probability.ndim != 2 or probability.shape[1] != len(classes):
        raise ValueError(f"probability has the shape {probability.shape}, expected (films, {len(classes)} classes)")
    label = _checked_index(label_index, len(classes), "label_index")
    _same_length(probability=probability, label_index=label)
    _refuse_rows(~((probability >= 0) & (probability <= 1)).all(axis=1), "probability is not in 0..1")
    _refuse_rows(abs(probability.sum(axis=1) - 1) > _SUM_TOLERANCE, "probability does not sum to 1")
    return probability, label


def _checked_index(index: npt.ArrayLike, classes: int, name: str) -> npt.NDArray[np.intp]:
    index = np.asarray(index)
    if index.ndim != 1:
        raise ValueError(f"{name} has the shape {index.shape}, expected (films,)")
    if len(index) == 0:
        raise ValueError(f"{name} holds no film")
    if not np.issubdtype(index.dtype, np.integer):
        raise ValueError(f"{name} holds {index.dtype}, expected integers")
    _refuse_rows((index < 0) | (index >= classes), f"{name} lies outside the {classes} classes")
    return index.astype(np.intp)


def _same_length(**columns: npt.NDArray[np.generic]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError("lengths differ: " + ", ".join(f"{name} has {n}" for name, n in lengths.items()))
    if 0 in lengths.values():
        raise ValueError(f"{' and '.join(lengths)} hold no film")


def _refuse_rows(is_bad: Booleans, complaint: str) -> None:
    if is_bad.any():
        raise ValueError(f"{complaint} in {is_bad.sum()} of {len(is_bad)} rows, first in row {is_bad.argmax()}")
