"""metrics.py and bootstrap.py against scikit-learn, against plain row copying, and on bad input."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import scipy.special
import sklearn.metrics as reference

from plainfilm.core import bootstrap as bootstrap_module
from plainfilm.core.bootstrap import (
    Interval,
    bootstrap,
    curve_bands,
    draw_group_weights,
    format_interval,
    index_groups,
    percentile_interval,
    resample,
)
from plainfilm.core.metrics import RankedTable, confusion_matrix, measure, measure_names, reliability, softmax
from plainfilm.core.ranking import RankedScore, auroc, average_precision, precision_recall_curve, roc_curve

LUNGS = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")


def random_table(seed: int) -> tuple[Any, Any, Sequence[str]]:
    """Probabilities and labels of 2 to 6 classes: some with ties, with classes missing, with hardly any films."""
    rng = np.random.default_rng(seed)
    classes = [f"class {c}" for c in range(rng.integers(2, 7))]
    films = int(rng.choice([1, 2, 5, 30, 300]))
    present = rng.choice(len(classes), size=rng.integers(1, len(classes) + 1), replace=False)
    label = rng.choice(present, size=films)
    logit = rng.normal(size=(films, len(classes)))
    logit[np.arange(films), label] += rng.choice([0.0, 1.0, 5.0])
    if rng.random() < 0.5:
        logit = np.round(logit)  # ties, between classes and between films
    if rng.random() < 0.2:
        logit[:, 0] -= 1000  # a class that is never predicted, with the probability 0
    return softmax(logit), label, classes


def by_scikit_learn(probability: Any, label: Any, classes: Sequence[str], weight: Any = None) -> dict[str, float]:
    """All measures, from scikit-learn's weighted functions; NaN where they are undefined."""
    weight = np.ones(len(label)) if weight is None else weight
    probability, label, weight = (column[weight > 0] for column in (probability, label, weight))
    index, predicted = range(len(classes)), probability.argmax(axis=1)

    def of_labels(score: Any, average: str | None) -> Any:
        options = {"labels": list(index), "zero_division": np.nan, "sample_weight": weight}
        return score(label, predicted, average=average, **options)

    per_class: dict[str, list[float]] = {
        "precision": of_labels(reference.precision_score, None),
        "recall": of_labels(reference.recall_score, None),
        "specificity": [
            reference.recall_score(label != c, predicted != c, zero_division=np.nan, sample_weight=weight)
            for c in index
        ],
        "f1": of_labels(reference.f1_score, None),
        "auroc": [
            reference.roc_auc_score(label == c, probability[:, c], sample_weight=weight)
            if 0 < (label == c).sum() < len(label)
            else np.nan
            for c in index
        ],
        "average_precision": [
            reference.average_precision_score(label == c, probability[:, c], sample_weight=weight)
            if (label == c).any()
            else np.nan
            for c in index
        ],
        "support": [weight[label == c].sum() for c in index],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mean of nothing; a class that is predicted and has no films
        values = {
            "accuracy": reference.accuracy_score(label, predicted, sample_weight=weight),
            "balanced_accuracy": reference.balanced_accuracy_score(label, predicted, sample_weight=weight),
            "macro_precision": of_labels(reference.precision_score, "macro"),
            "macro_recall": of_labels(reference.recall_score, "macro"),
            "macro_specificity": np.nanmean(per_class["specificity"]),
            "macro_f1": of_labels(reference.f1_score, "macro"),
            # scikit-learn says 0 where no class with films was ever predicted
            "weighted_precision": weighted_mean(per_class["precision"], per_class["support"]),
            "weighted_recall": of_labels(reference.recall_score, "weighted"),
            "weighted_specificity": weighted_mean(per_class["specificity"], per_class["support"]),
            "weighted_f1": of_labels(reference.f1_score, "weighted"),
            "macro_auroc": np.nanmean(per_class["auroc"]),
            "macro_average_precision": np.nanmean(per_class["average_precision"]),
            "log_loss": reference.log_loss(label, probability, labels=list(index), sample_weight=weight),
            "brier": reference.mean_squared_error(
                np.eye(len(classes))[label], probability, sample_weight=weight, multioutput="raw_values"
            ).sum(),
        }
    is_class = np.eye(len(classes))[label]
    of_classes = [calibration_error(probability[:, c], is_class[:, c], weight) for c in index]
    values["ece"] = calibration_error(probability.max(axis=1), predicted == label, weight)
    values["classwise_ece"] = float(np.mean(of_classes))
    for c, name in enumerate(classes):
        values |= {f"{measure}/{name}": value[c] for measure, value in per_class.items()}
    return values


def weighted_mean(value: Sequence[float], weight: Sequence[float]) -> float:
    known = ~np.isnan(value)
    return (
        float(np.average(np.array(value)[known], weights=np.array(weight)[known])) if np.any(known * weight) else np.nan
    )


def calibration_error(probability: Any, is_true: Any, weight: Any) -> float:
    """As torchmetrics has it: bins from torch.bucketize(..., right=True), which np.digitize does alike."""
    place = np.digitize(probability, np.linspace(0, 1, 16)) - 1
    error = 0.0
    for chosen in (place == b if b < 14 else place >= 14 for b in range(15)):
        if weight[chosen].sum():
            confidence, accuracy = (
                np.average(column[chosen], weights=weight[chosen]) for column in (probability, is_true)
            )
            error += weight[chosen].sum() / weight.sum() * abs(accuracy - confidence)
    return error


def assert_same(ours: dict[str, float], theirs: dict[str, float]) -> None:
    assert ours == pytest.approx(theirs, abs=1e-9, rel=0, nan_ok=True)
    assert list(ours) == list(theirs)


def lung_table(films: int = 400, seed: int = 0) -> tuple[Any, Any, Any]:
    """Probabilities, labels and groups of a made-up test set of four classes, a film or two a group."""
    rng = np.random.default_rng(seed)
    label = rng.choice(4, size=films, p=[0.17, 0.28, 0.48, 0.07])
    logit = rng.normal(size=(films, 4)) + 2 * np.eye(4)[label]
    return softmax(np.round(logit, 1)), label, np.array([f"g{n:04d}" for n in rng.integers(0, films, films)])


# Measures of one table


@pytest.mark.parametrize("seed", range(60))
def test_measures_equal_scikit_learn(seed: int) -> None:
    assert_same(measure(*random_table(seed)), by_scikit_learn(*random_table(seed)))


@pytest.mark.parametrize("seed", range(60))
def test_weighted_measures_equal_scikit_learn_with_sample_weight(seed: int) -> None:
    probability, label, classes = random_table(seed)
    table = RankedTable(probability, label, classes)
    weight = np.random.default_rng(seed).poisson(1, size=(3, len(label))).astype(np.int32)
    weight[:, 0] += 1  # no weighting is empty
    for ours, once in zip(table.measures(weight), weight, strict=True):
        assert_same(
            dict(zip(table.names, ours.tolist(), strict=True)), by_scikit_learn(probability, label, classes, once)
        )


@pytest.mark.parametrize("seed", range(20))
def test_macro_auroc_equals_scikit_learns_one_against_rest(seed: int) -> None:
    probability, label, _ = lung_table(seed=seed)
    theirs = reference.roc_auc_score(label, probability, multi_class="ovr", average="macro")
    assert measure(probability, label, LUNGS)["macro_auroc"] == pytest.approx(theirs, abs=1e-9)


def test_names_are_those_of_the_table_and_then_of_each_class() -> None:
    names = measure_names(["COVID", "Normal"])
    assert names[:2] == ("accuracy", "balanced_accuracy")
    assert names[14:16] == ("ece", "classwise_ece")
    assert names[16:18] == ("precision/COVID", "recall/COVID")
    assert names[-1] == "support/Normal"


def test_the_first_of_equally_probable_classes_counts() -> None:
    assert measure([[0.4, 0.4, 0.2]], [0], ["a", "b", "c"])["accuracy"] == 1
    assert measure([[0.4, 0.4, 0.2]], [1], ["a", "b", "c"])["accuracy"] == 0


def test_what_cannot_be_known_is_nan() -> None:
    of_one_class = measure([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0]], [0, 0], ["a", "b", "c"])
    assert math.isnan(of_one_class["auroc/a"])
    assert math.isnan(of_one_class["macro_auroc"])
    assert math.isnan(of_one_class["precision/b"])
    assert math.isnan(of_one_class["recall/b"])
    assert math.isnan(of_one_class["f1/b"])
    assert math.isnan(of_one_class["specificity/a"])
    assert of_one_class["support/b"] == 0
    assert of_one_class["macro_recall"] == of_one_class["balanced_accuracy"] == 1


def test_inputs_stay_as_they_were() -> None:
    probability, label, group = lung_table()
    before = probability.copy(), label.copy(), group.copy()
    bootstrap(probability, label, group, LUNGS, repeats=3)
    for now, then in zip((probability, label, group), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_softmax_equals_scipy_and_bears_large_logits() -> None:
    logit = np.random.default_rng(0).normal(size=(50, 4)) * 500
    np.testing.assert_allclose(softmax(logit), scipy.special.softmax(logit, axis=1), atol=1e-15)


@pytest.mark.parametrize("seed", range(10))
def test_confusion_matrix_equals_scikit_learn(seed: int) -> None:
    probability, label, classes = random_table(seed)
    predicted = probability.argmax(axis=1)
    theirs = reference.confusion_matrix(label, predicted, labels=range(len(classes)))
    ours = confusion_matrix(label, predicted, classes)
    assert np.issubdtype(ours.dtype, np.integer)
    np.testing.assert_array_equal(ours, theirs)


# One class against the rest


def scores(seed: int) -> tuple[Any, Any]:
    """Scores of up to 200 films, many of them tied, with both classes present."""
    rng = np.random.default_rng(seed)
    films = int(rng.integers(2, 200))
    is_positive = rng.random(films) < rng.random()
    is_positive[:2] = True, False
    return np.round(rng.normal(size=films) + is_positive, int(rng.integers(0, 4))), is_positive


@pytest.mark.parametrize("seed", range(50))
def test_areas_and_curves_equal_scikit_learn(seed: int) -> None:
    score, is_positive = scores(seed)
    assert auroc(score, is_positive) == pytest.approx(reference.roc_auc_score(is_positive, score), abs=1e-12)
    theirs = reference.average_precision_score(is_positive, score)
    assert average_precision(score, is_positive) == pytest.approx(theirs, abs=1e-12)
    for ours, their in zip(roc_curve(score, is_positive), reference.roc_curve(is_positive, score), strict=True):
        np.testing.assert_allclose(ours, their, atol=1e-12)
    theirs = reference.precision_recall_curve(is_positive, score)
    for ours, their in zip(precision_recall_curve(score, is_positive), theirs, strict=True):
        np.testing.assert_allclose(ours, their, atol=1e-12)


def test_auroc_is_the_share_of_pairs_won() -> None:
    score, is_positive = scores(7)
    difference = score[is_positive][:, None] - score[~is_positive]
    assert auroc(score, is_positive) == pytest.approx(((difference > 0) + (difference == 0) / 2).mean(), abs=1e-12)


@pytest.mark.parametrize("is_positive", [[True, True], [False, False]])
def test_curves_of_one_class_are_unknown(is_positive: list[bool]) -> None:
    assert math.isnan(auroc([0.1, 0.2], is_positive))
    fpr, tpr, _ = roc_curve([0.1, 0.2], is_positive)
    assert np.isnan(fpr if all(is_positive) else tpr).all()
    assert not np.isnan(tpr if all(is_positive) else fpr).any()
    assert math.isnan(average_precision([0.1, 0.2], is_positive)) is not all(is_positive)


def test_infinite_scores_have_a_rank() -> None:
    assert auroc([-np.inf, 0, np.inf], [False, False, True]) == 1


@pytest.mark.parametrize("seed", range(20))
def test_curves_at_fixed_places_lie_on_scikit_learns_curves(seed: int) -> None:
    score, is_positive = scores(seed)
    weight = np.random.default_rng(seed).poisson(2, size=(4, len(score))).astype(np.int32)
    weight[:, :2] += 1  # both classes stay
    x = np.linspace(0, 1, 101)
    climb = RankedScore(score, is_positive).climb(weight)
    for once, sensitivity, precision in zip(weight, climb.sensitivity_at(x), climb.precision_at(x), strict=True):
        fpr, tpr, _ = reference.roc_curve(is_positive, score, sample_weight=once, drop_intermediate=False)
        np.testing.assert_allclose(sensitivity, np.interp(x + 1e-12, fpr, tpr), atol=1e-9)
        their_precision, their_recall, _ = reference.precision_recall_curve(is_positive, score, sample_weight=once)
        reached = [their_precision[(their_recall >= r - 1e-9) & (their_recall > 0)][-1] for r in x]
        np.testing.assert_allclose(precision, reached, atol=1e-9)


def test_a_rise_at_the_asked_rate_counts_in_spite_of_rounding() -> None:
    score = np.append(
        np.arange(100, 0, -1), 71.5
    )  # the only positive film scores below exactly 29 of 100 negative ones
    climb = RankedScore(score, score == 71.5).climb(np.ones((1, 101), dtype=np.int32))
    assert 0.29 * 100 < 29
    assert climb.sensitivity_at(np.array([0.28, 0.29])).tolist() == [[0, 1]]


def test_mean_precision_over_all_recalls_is_the_average_precision() -> None:
    score, is_positive = scores(3)
    recall = np.arange(1, is_positive.sum() + 1) / is_positive.sum()
    precision = RankedScore(score, is_positive).climb(np.ones((1, len(score)), dtype=np.int32)).precision_at(recall)
    assert precision.mean() == pytest.approx(average_precision(score, is_positive), abs=1e-12)


# The bootstrap


def test_replicates_equal_measuring_copied_rows() -> None:
    probability, label, group = lung_table(200)
    table = RankedTable(probability, label, LUNGS)
    replicate = resample(table.measures, group, repeats=5, seed=3)
    names = np.unique(group)
    for r, drawn in enumerate(draw_group_weights(len(names), range(5), seed=3)):
        rows = [
            row
            for name, times in zip(names, drawn, strict=True)
            for row in np.flatnonzero(group == name).tolist() * times
        ]
        assert_same(
            dict(zip(table.names, replicate[r].tolist(), strict=True)), measure(probability[rows], label[rows], LUNGS)
        )


def test_intervals_of_scores_far_from_their_bounds_are_near_the_percentiles() -> None:
    probability, label, group = lung_table(3000)
    table = RankedTable(probability, label, LUNGS)
    found = bootstrap(probability, label, group, LUNGS, repeats=1000, seed=5, level=0.9)
    replicate = resample(table.measures, group, repeats=1000, seed=5)
    for name, interval in found.measures.items():
        low, high, _ = percentile_interval(replicate[:, table.names.index(name)], 0.9)
        assert interval.value == measure(probability, label, LUNGS)[name]
        assert interval.undefined_share == 0
        if "ece" not in name:
            assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.3 * (high - low)), name
            assert interval.low <= interval.value <= interval.high


def test_replicates_leave_the_order_of_measures_to_the_table() -> None:
    probability, label, group = lung_table()
    found = bootstrap(probability, label, group, LUNGS, repeats=20)
    assert not any(name.startswith("support") for name in found.measures)
    assert (found.films, found.groups, found.repeats, found.level) == (400, len(set(group)), 20, 0.95)


def test_confusion_intervals_hold_counts_and_shares_of_the_truth() -> None:
    probability, label, group = lung_table()
    found = bootstrap(probability, label, group, LUNGS, repeats=100)
    count = confusion_matrix(label, probability.argmax(axis=1), LUNGS)
    np.testing.assert_array_equal([[cell.value for cell in row] for row in found.confusion], count)
    share = [[cell.value for cell in row] for row in found.confusion_share]
    np.testing.assert_allclose(share, count / count.sum(axis=1, keepdims=True), atol=1e-12)
    for c, name in enumerate(LUNGS):
        assert found.confusion_share[c][c].low == pytest.approx(found.measures[f"recall/{name}"].low, abs=1e-12)
    assert all(cell.low <= cell.value <= cell.high for row in found.confusion for cell in row)


def test_result_depends_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    probability, label, group = lung_table()
    first = bootstrap(probability, label, group, LUNGS, repeats=50, threads=1)
    assert bootstrap(probability, label, group, LUNGS, repeats=50, threads=7) == first
    assert bootstrap(probability, label, group, LUNGS, repeats=50, seed=1).measures != first.measures
    monkeypatch.setattr(bootstrap_module, "_CELLS_PER_BLOCK", 3 * len(label))
    assert bootstrap(probability, label, group, LUNGS, repeats=50) == first


def test_more_repeats_go_on_where_fewer_ended() -> None:
    few, many = draw_group_weights(30, range(4), seed=0), draw_group_weights(30, range(9), seed=0)
    np.testing.assert_array_equal(few, many[:4])
    np.testing.assert_array_equal(draw_group_weights(30, range(6, 9), seed=0), many[6:])
    assert (many.sum(axis=1) == 30).all()


def test_order_of_films_makes_no_difference() -> None:
    probability, label, group = lung_table()
    shuffled = np.random.default_rng(1).permutation(len(label))
    ours = bootstrap(probability, label, group, LUNGS, repeats=50)
    theirs = bootstrap(probability[shuffled], label[shuffled], list(group[shuffled]), LUNGS, repeats=50)
    for name, interval in ours.measures.items():
        assert interval.low == pytest.approx(theirs.measures[name].low, abs=1e-12)


def test_two_models_on_the_same_films_see_the_same_replicates() -> None:
    probability, label, group = lung_table()
    ours, same = RankedTable(probability, label, LUNGS), RankedTable(probability, label, LUNGS)
    difference = resample(lambda weight: ours.measures(weight) - same.measures(weight), group, repeats=20, seed=0)
    assert difference.shape == (20, len(ours.names))
    assert (difference == 0).all()


def test_groups_may_be_anything_hashable() -> None:
    expected = [1, 0, 1, 2]
    for group in (
        ["b", "a", "b", "c"],
        np.array([5, 3, 5, 7]),
        [("p", 2), ("p", 1), ("p", 2), ("q", 1)],
        [1.5, "0", 1.5, (3,)],
    ):
        index, groups = index_groups(group)
        assert groups == 3
        assert (index[:, None] == index).tolist() == (np.array(expected)[:, None] == expected).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_groups_of_identical_films_widen_the_interval(seed: int) -> None:
    probability, label, _ = lung_table(200, seed)
    probability, label, group = np.repeat(probability, 5, axis=0), np.repeat(label, 5), np.repeat(np.arange(200), 5)
    by_group = bootstrap(probability, label, group, LUNGS, repeats=500).measures
    by_film = bootstrap(probability, label, np.arange(1000), LUNGS, repeats=500).measures
    for name in ("accuracy", "macro_auroc", "macro_f1", "log_loss"):
        widening = (by_group[name].high - by_group[name].low) / (by_film[name].high - by_film[name].low)
        assert widening == pytest.approx(math.sqrt(5), rel=0.25)


def test_intervals_over_groups_hold_the_truth_as_often_as_they_say() -> None:
    """60 patients with 1 to 9 films of much the same difficulty; the true accuracy is 0.7."""
    held = {"groups": 0, "films": 0}
    trials = 120
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        patient = np.repeat(np.arange(60), rng.integers(1, 10, size=60))
        is_correct = (rng.random(len(patient)) < rng.beta(0.7, 0.3, size=60)[patient]).astype(float)

        def accuracy(weight: Any, is_correct: Any = is_correct) -> Any:
            return (weight * is_correct).sum(axis=1) / weight.sum(axis=1)

        for unit, group in (("groups", patient), ("films", np.arange(len(patient)))):
            low, high, _ = percentile_interval(resample(accuracy, group, repeats=200, seed=trial, threads=1), 0.95)
            held[unit] += bool(low <= 0.7 <= high)
    assert 0.88 <= held["groups"] / trials <= 0.99
    assert held["films"] / trials < 0.8


def test_undefined_replicates_are_left_out_and_told() -> None:
    probability = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4], [0.9, 0.1]])
    found = bootstrap(probability, [0, 1, 0, 0, 0], np.arange(5), ["a", "b"], repeats=4000)
    missed = 0.8**5  # how often the only film of the class "b" is not drawn
    assert found.measures["recall/b"].undefined_share == pytest.approx(missed, abs=0.03)
    assert 0 < found.measures["recall/b"].low < 0.3  # one film, and right
    assert found.measures["recall/b"].high == 1
    assert found.measures["accuracy"].undefined_share == 0


def test_one_group_has_values_and_no_interval() -> None:
    probability, label, _ = lung_table(50)
    group = ["the only patient"] * 50
    found = bootstrap(probability, label, group, LUNGS, repeats=10)
    assert found.measures["accuracy"].value == measure(probability, label, LUNGS)["accuracy"]
    everything = [*found.measures.values(), *(cell for row in found.confusion for cell in row)]
    assert all(math.isnan(interval.low) and math.isnan(interval.high) for interval in everything)
    band = curve_bands(probability, label, group, LUNGS, repeats=10)["COVID"].roc
    assert np.isnan(band.low).all()
    assert not np.isnan(band.value).any()


def test_a_class_without_films_is_unknown_throughout() -> None:
    probability, label, group = lung_table(60)
    found = bootstrap(probability, np.minimum(label, 2), group, LUNGS, repeats=20)
    missing = found.measures["auroc/Viral Pneumonia"]
    assert math.isnan(missing.value)
    assert math.isnan(missing.low)
    assert missing.undefined_share == 1
    bands = curve_bands(probability, np.minimum(label, 2), group, LUNGS, repeats=20)["Viral Pneumonia"]
    assert np.isnan(bands.roc.value).all()
    assert np.isnan(bands.precision_recall.high).all()


def test_bands_hold_their_curve() -> None:
    probability, label, group = lung_table()
    bands = curve_bands(probability, label, group, LUNGS, repeats=200, points=21)
    assert list(bands) == list(LUNGS)
    for class_bands in bands.values():
        for band in (class_bands.roc, class_bands.precision_recall):
            assert band.x.shape == band.value.shape == band.low.shape == band.high.shape == (21,)
            assert (band.low <= band.value).mean() > 0.9
            assert (band.value <= band.high).mean() > 0.9
        assert class_bands.roc.value[-1] == 1
        assert (np.diff(class_bands.roc.value) >= 0).all()


def test_intervals_read_as_people_write_them() -> None:
    assert format_interval(Interval(0.9461, 0.9349, 0.9571)) == "0.946 (0.935 to 0.957)"
    assert format_interval(Interval(12, 5, 20.4), digits=0) == "12 (5 to 20)"
    assert format_interval(Interval(0.5, math.nan, math.nan)) == "0.500 (interval unknown)"
    assert format_interval(Interval(math.nan, math.nan, math.nan)) == "unknown"


# Bad input

GOOD = {"probability": [[0.9, 0.1], [0.2, 0.8]], "label_index": [0, 1], "classes": ["a", "b"]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"label_index": [0]}, "lengths"),
        ({"label_index": [0, 2]}, r"outside 0..1 in 1 of 2 rows, first in row 1"),
        ({"label_index": [0, -1]}, "outside"),
        ({"label_index": [0.0, 1.0]}, "integers"),
        ({"label_index": [[0], [1]]}, "shape"),
        ({"label_index": [], "probability": np.empty((0, 2))}, "shape"),
        ({"probability": [[0.9, 0.1], [np.nan, 0.8]]}, "0..1 in 1 of 2 rows, first in row 1"),
        ({"probability": [[1.1, -0.1], [0.2, 0.8]]}, "0..1"),
        ({"probability": [[0.9, 0.2], [0.2, 0.8]]}, "sum to 1 in 1 of 2 rows, first in row 0"),
        ({"probability": [0.9, 0.1]}, "shape"),
        ({"classes": ["a", "b", "c"]}, "shape"),
        ({"classes": ["a", "a"]}, "different names"),
        ({"classes": ["a"], "probability": [[1.0], [1.0]]}, "two or more"),
    ],
)
def test_a_bad_table_is_refused(wrong: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = GOOD | wrong
    with pytest.raises(ValueError, match=message):
        measure(**arguments)
    with pytest.raises(ValueError, match=message):
        bootstrap(**arguments, group=["p", "q"], repeats=2)


@pytest.mark.parametrize("function", [auroc, average_precision, roc_curve, precision_recall_curve])
@pytest.mark.parametrize(
    ("score", "is_positive", "message"),
    [
        ([0.1, 0.2], [True], "lengths"),
        ([], [], "lengths"),
        ([0.1, np.nan], [True, False], "NaN in 1 of 2 rows, first in row 1"),
        ([0.1, 0.2], [1, 2], "neither true nor false"),
        ([[0.1, 0.2]], [[True, False]], "one-dimensional"),
    ],
)
def test_bad_scores_are_refused(function: Any, score: Any, is_positive: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(score, is_positive)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"group": ["p"]}, "lengths"),
        ({"group": ["p", ""]}, "group is unknown in 1 of 2 rows, first in row 1"),
        ({"group": [None, "p"]}, "unknown"),
        ({"group": np.array([1.0, np.nan])}, "unknown"),
        ({"repeats": 0}, "repeats"),
        ({"level": 1.0}, "level"),
        ({"level": 95}, "level"),
    ],
)
def test_a_bad_bootstrap_is_refused(wrong: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = GOOD | {"group": ["p", "q"], "repeats": 5} | wrong
    with pytest.raises(ValueError, match=message):
        bootstrap(**arguments)


def test_a_missing_value_of_pandas_is_an_unknown_group() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match="unknown in 1 of 2 rows"):
        index_groups(pandas.Series(["p", None], dtype="string"))


def test_weights_that_are_no_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="weight holds float64, expected integers"):
        RankedTable(**GOOD).measures(np.full((1, 2), 0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize("logit", [[[0.0, np.nan]], [[0.0, np.inf]], [0.0, 1.0]])
def test_bad_logits_are_refused(logit: Any) -> None:
    with pytest.raises(ValueError, match="logit"):
        softmax(logit)


@pytest.mark.parametrize(("label", "predicted"), [([0, 1], [0]), ([0, 2], [0, 1]), ([], []), ([0.5], [0])])
def test_bad_indices_make_no_confusion_matrix(label: Any, predicted: Any) -> None:
    with pytest.raises(ValueError):
        confusion_matrix(label, predicted, ["a", "b"])


# Reliability


def test_a_confidence_on_an_edge_belongs_to_the_bin_above_it_and_one_to_the_last() -> None:
    third = reliability([[1 / 3, 2 / 3], [1.0, 0.0], [0.6, 0.4], [0.5, 0.5]], [1, 0, 1, 0], ["a", "b"])
    assert np.flatnonzero(third.films).tolist() == [7, 9, 10, 14]  # 0.5, 0.6 = 9/15, 2/3 = 10/15, 1
    assert (third.lower[9], third.upper[14]) == pytest.approx((0.6, 1.0))


@pytest.mark.parametrize("of_class", [None, *LUNGS])
def test_reliability_adds_up_to_the_calibration_error(of_class: str | None) -> None:
    probability, label, _ = lung_table()
    bins = reliability(probability, label, LUNGS, of_class)
    assert bins.films.sum() == 400
    assert np.isnan(bins.share[bins.films == 0]).all()
    error = np.nansum(bins.films * np.abs(bins.probability - bins.share)) / 400
    given = probability.max(axis=1) if of_class is None else probability[:, LUNGS.index(of_class)]
    is_true = probability.argmax(axis=1) == label if of_class is None else label == LUNGS.index(of_class)
    assert error == pytest.approx(calibration_error(given, is_true, np.ones(400)), abs=1e-12)
