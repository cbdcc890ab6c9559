"""How good a table of predictions is: pure maths on arrays, one film one label.

The films of a table (N) have a true class `label_index` and one `probability` for each of C classes. `measure` gives,
first for the whole table and then for every class against the rest:

    accuracy                 share of films whose most probable class is the true one; of equals, the first counts
    balanced_accuracy        mean recall over the classes that have films
    macro_precision, macro_recall, macro_specificity, macro_f1, macro_auroc, macro_average_precision
                             mean over the classes for which the measure is defined
    weighted_precision, weighted_recall, weighted_specificity, weighted_f1
                             the same mean, weighted by the films of the classes
    log_loss                 mean of -ln(probability of the true class); below 2.2e-16 a probability counts as that
    brier                    mean over films of the squared error, summed over classes, 0..2; Brier 1950
    ece                      expected calibration error: in bins of the highest probability, how far its mean lies from the
                             accuracy, as a mean over films; 0..1, Guo et al. 2017, arXiv:1706.04599
    classwise_ece            the same for the probability of each class and the share of its films, as a mean over classes;
                             Kull et al. 2019, arXiv:1910.12656
    precision/CLASS          TP / (TP + FP)
    recall/CLASS             TP / (TP + FN), also called sensitivity
    specificity/CLASS        TN / (TN + FP)
    f1/CLASS                 2 TP / (2 TP + FP + FN)
    auroc/CLASS              see `auroc`
    average_precision/CLASS  see `average_precision`
    support/CLASS            number of films

Calibration errors are sums of absolute values, and chance has no sign: on few films they are too high, the more so the
better the calibration. Their 15 bins are equally wide and closed on the left, [0, 1/15), [1/15, 2/15) ... [14/15, 1], as in
netcal and torchmetrics; Guo's own code closed them on the right. `reliability` gives the bins themselves.

What cannot be known is NaN, never 0 or 0.5: the precision of a class that is never predicted, the recall of a class
without films, the AUROC where only one class is present. Where scikit-learn defines a measure, this is its value.

A film may count more than once. `RankedTable` sorts the films a single time and then measures any number of weightings;
the bootstrap lives on that, and the plain measures are the case in which every film counts once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plainfilm.core.ranking import (
    Booleans,
    Floats,
    Integers,
    RankedScore,
    each_once,
    refuse_lengths,
    refuse_rows,
    share_of,
)

TABLE_MEASURES = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_specificity",
    "macro_f1",
    "weighted_precision",
    "weighted_recall",
    "weighted_specificity",
    "weighted_f1",
    "macro_auroc",
    "macro_average_precision",
    "log_loss",
    "brier",
    "ece",
    "classwise_ece",
)
CLASS_MEASURES = ("precision", "recall", "specificity", "f1", "auroc", "average_precision", "support")

CALIBRATION_BINS = 15

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
    refuse_rows(np.any(~np.isfinite(logit), axis=1), "logit is not finite")
    odds = np.exp(logit - logit.max(axis=1, keepdims=True))  # against the most probable class
    return share_of(odds, odds.sum(axis=1, keepdims=True))


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


@dataclass(frozen=True)
class Weighed:
    """What W weightings of one table's films hold.

    measures: (W, M), in the order of the table's `names`.
    confusion: (W, C, C) films, with their weights; rows are the truth.
    gaps: (W, 1 + C, B) for the highest probability and for that of each class: the sum over the films of a bin of probability
        less truth (0 or 1), as a share of all films. The sum of their absolute values over bins is the calibration error.
    """

    measures: Floats
    confusion: Floats
    gaps: Floats


class RankedTable:
    """A table of predictions, ranked once for every class, so that weightings are measured without sorting again.

    Takes and raises what `measure` does. Its methods take `weight` (W, N) int, 0 or more: how often each film counts
    in each of W weightings.

    label_index, predicted_index: (N,) int. losses: (2, N), each film's log loss and squared error.
    """

    def __init__(self, probability: npt.ArrayLike, label_index: npt.ArrayLike, classes: Sequence[str]) -> None:
        probability, label = _checked_table(probability, label_index, classes)
        self.films = len(label)
        self.classes = tuple(classes)
        self.names = measure_names(classes)
        self.against_rest = tuple(RankedScore(probability[:, c], label == c) for c in range(len(classes)))
        predicted = probability.argmax(axis=1)
        self.label_index, self.predicted_index = label, predicted
        tops = _BinnedGap(probability.max(axis=1), predicted == label)
        self._binned = (tops, *(_BinnedGap(probability[:, c], label == c) for c in range(len(classes))))
        cell = label * len(classes) + predicted
        self._by_cell = np.argsort(cell, kind="stable")
        self._occupied_cells, self._cell_starts = np.unique(cell[self._by_cell], return_index=True)
        log_loss = -np.log(np.maximum(probability[np.arange(self.films), label], np.finfo(np.float64).eps))
        brier = ((probability - np.eye(len(classes))[label]) ** 2).sum(axis=1)
        self.losses = np.stack([log_loss, brier])  # (2, N)

    def confusion(self, weight: Integers) -> Floats:
        """(W, C, C) confusion matrices; rows are the truth."""
        cells = np.zeros((len(weight), len(self.classes) ** 2))
        cells[:, self._occupied_cells] = np.add.reduceat(weight.take(self._by_cell, axis=1), self._cell_starts, axis=1)
        return cells.reshape(-1, len(self.classes), len(self.classes))

    def measures(self, weight: Integers) -> Floats:
        """(W, M) all measures, in the order of `names`."""
        return self.weigh(weight).measures

    def weigh(self, weight: Integers) -> Weighed:
        """All measures, and the counts and gaps that some of them come from."""
        confusion = self.confusion(weight)
        hits = np.diagonal(confusion, axis1=1, axis2=2)  # (W, C), as are all measures of classes
        support, predicted, films = confusion.sum(axis=2), confusion.sum(axis=1), confusion.sum(axis=(1, 2))
        others = films[:, None] - support
        climbs = [ranked.climb(weight) for ranked in self.against_rest]
        loss = np.einsum("wn,ln->wl", weight.astype(np.float64), self.losses)
        gaps = share_of(np.stack([binned.sums(weight) for binned in self._binned], axis=1), films[:, None, None])
        calibration_error = np.abs(gaps).sum(axis=2)  # (W, 1 + C)
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
            "log_loss": share_of(loss[:, 0], films),
            "brier": share_of(loss[:, 1], films),
            "ece": calibration_error[:, 0],
            "classwise_ece": calibration_error[:, 1:].mean(axis=1),
        }
        of_table |= {f"macro_{name}": _mean_of_defined(value) for name, value in of_class.items()}
        of_table |= {f"weighted_{name}": _mean_of_defined(value, support) for name, value in of_class.items()}
        columns = [of_table[name] for name in TABLE_MEASURES]
        columns += [of_class[name][:, c] for c in range(len(self.classes)) for name in CLASS_MEASURES]
        return Weighed(np.stack(columns, axis=1), confusion, gaps)


class _BinnedGap:
    """Films in bins of a probability, sorted once. probability: (N,) 0..1; is_true: (N,) bool, what it was given to."""

    def __init__(self, probability: Floats, is_true: Booleans) -> None:
        place = calibration_bin(probability)
        self._order = np.argsort(place, kind="stable")
        self._occupied, self._starts = np.unique(place[self._order], return_index=True)
        self._gap = (probability - is_true)[self._order]

    def sums(self, weight: Integers) -> Floats:
        """(W, B) probability less truth, added up with the weights (W, N) over the films of each bin."""
        sums = np.zeros((len(weight), CALIBRATION_BINS))
        sums[:, self._occupied] = np.add.reduceat(weight.take(self._order, axis=1) * self._gap, self._starts, axis=1)
        return sums


def _mean_of_defined(value: Floats, weight: Floats | float = 1.0) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is left."""
    weight = np.where(np.isnan(value), 0, weight)
    return share_of(np.nansum(value * weight, axis=-1), weight.sum(axis=-1))


# Calibration ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reliability:
    """What a reliability diagram shows, in bins of a probability; (B,) each, from low to high.

    lower, upper: the bin's edges; a probability on an edge belongs to the bin above it, and 1 to the last.
    films: how many it holds. probability: their mean probability; share: for how many of them, 0..1, it was given to the truth.
    Both are NaN where a bin is empty. The mean over films of |probability - share| is the calibration error.
    """

    lower: Floats
    upper: Floats
    films: Integers
    probability: Floats
    share: Floats


def reliability(
    probability: npt.ArrayLike, label_index: npt.ArrayLike, classes: Sequence[str], of_class: str | None = None
) -> Reliability:
    """Whether probabilities hold what they say.

    probability, label_index, classes: as for `measure`, and raises as it does.
    of_class: the class whose probability is meant; None for the highest of each film, where the share is the accuracy.
    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    probability, label = _checked_table(probability, label_index, classes)
    if of_class is None:
        given, is_true = probability.max(axis=1), probability.argmax(axis=1) == label
    else:
        given, is_true = probability[:, list(classes).index(of_class)], label == list(classes).index(of_class)
    place = calibration_bin(given)
    films = np.bincount(place, minlength=CALIBRATION_BINS)
    sums = (np.bincount(place, weights=column, minlength=CALIBRATION_BINS) for column in (given, is_true))
    edges = _bin_edges()
    return Reliability(edges[:-1], edges[1:], films, *(share_of(column, films) for column in sums))


def calibration_bin(probability: Floats) -> Integers:
    """(N,) the bin of each probability, 0..B-1. They are equally wide and closed on the left; the last holds 1 too."""
    return np.minimum(np.searchsorted(_bin_edges(), probability, side="right") - 1, CALIBRATION_BINS - 1)


def _bin_edges() -> Floats:
    return np.linspace(0, 1, CALIBRATION_BINS + 1)


# At the door ----------------------------------------------------------------------------------------------------------


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
    refuse_rows(np.any(~is_share, axis=1), "probability is not in 0..1")
    refuse_rows(np.abs(probability.sum(axis=1) - 1) > _SUM_TOLERANCE, "probability does not sum to 1")
    return probability, label


def _checked_index(index: npt.ArrayLike, classes: int, name: str) -> npt.NDArray[np.intp]:
    index = np.asarray(index)
    if index.ndim != 1 or len(index) == 0:
        raise ValueError(f"{name} has the shape {index.shape}, expected one or more films in one dimension")
    if not np.issubdtype(index.dtype, np.integer):
        raise ValueError(f"{name} holds {index.dtype}, expected integers")
    refuse_rows((index < 0) | (index >= classes), f"{name} lies outside 0..{classes - 1}")
    return index.astype(np.intp)
