"""Intervals hold the truth as often as they say, on drawn sets whose truth is known; benchmarks/coverage.py does it at length."""

import numpy as np
import pytest
from scipy import stats

from plainfilm.core.bootstrap import bootstrap, percentile_interval, resample
from plainfilm.core.intervals import (
    binormal_variance,
    calibration_ends,
    effective_groups,
    likeness,
    loss_ends,
    mean_ends,
    share_ends,
    student_quantile,
    wilson,
)
from plainfilm.core.metrics import RankedTable, softmax

CLASSES = ("COVID", "Normal", "Viral Pneumonia")
SHARES = (0.3, 0.62, 0.08)
SETS, REPEATS = 200, 200


def draw(patients, seed):
    """Patients of 1 to 5 films of one class; half of what sets a film apart is its patient's."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 6, size=patients)
    group = np.repeat(np.arange(patients), size)
    label = rng.choice(3, size=patients, p=SHARES)[group]
    apart = (rng.normal(size=(patients, 3))[group] + rng.normal(size=(len(group), 3))) / np.sqrt(2)
    logit = 2.2 * (apart + 2.2 * np.eye(3)[label]) + np.log(SHARES)
    return softmax(1.5 * logit), label, group


@pytest.fixture(scope="module")
def ends():
    """name -> (truth, ours (SETS, 2), percentiles over films (SETS, 2)) for sets of 100 patients, about 300 films."""
    probability, label, _ = draw(100_000, seed=1)
    table = RankedTable(probability, label, CLASSES)
    truth = dict(zip(table.names, table.measures(np.ones((1, table.films), dtype=np.int32))[0], strict=True))
    ours, plain = {}, {}
    for seed in range(SETS):
        probability, label, group = draw(100, [seed, 2])
        found = bootstrap(probability, label, group, CLASSES, repeats=REPEATS, seed=seed, threads=1).measures
        table = RankedTable(probability, label, CLASSES)
        by_film = resample(table.measures, np.arange(len(label)), repeats=REPEATS, seed=seed, threads=1)
        low, high, _ = percentile_interval(by_film, 0.95)
        for name, interval in found.items():
            ours.setdefault(name, []).append((interval.low, interval.high))
            plain.setdefault(name, []).append((low[table.names.index(name)], high[table.names.index(name)]))
    return {name: (truth[name], np.array(ours[name]), np.array(plain[name])) for name in ours}


def held(truth, intervals):
    known = intervals[~np.isnan(intervals).any(axis=1)]
    return ((known[:, 0] <= truth) & (truth <= known[:, 1])).mean()


@pytest.mark.parametrize(
    "name",
    [
        "accuracy",
        "auroc/COVID",
        "auroc/Normal",
        "recall/COVID",
        "macro_f1",
        "log_loss",
        "brier",
        "ece",
        "classwise_ece",
    ],
)
@pytest.mark.slow
def test_intervals_hold_the_truth_and_plain_ones_over_films_do_not(ends, name):
    truth, ours, plain = ends[name]
    assert held(truth, ours) >= 0.91
    assert held(truth, plain) < 0.90
    if "ece" not in name:
        assert held(truth, ours) <= 0.99
        assert np.diff(ours).mean() < 2.2 * np.diff(plain).mean()  # honest, and not just wide


@pytest.mark.slow
def test_a_rare_class_keeps_its_coverage(ends):
    for name in ("recall/Viral Pneumonia", "auroc/Viral Pneumonia", "average_precision/Viral Pneumonia"):
        truth, ours, plain = ends[name]
        assert held(truth, ours) >= 0.93
        assert held(truth, plain) < 0.88


@pytest.mark.parametrize("films", [30, 99, 3000])
def test_a_perfect_score_has_an_honest_lower_end(films):
    label = np.arange(films) % 3
    probability = softmax(9 * np.eye(3)[label])
    found = bootstrap(probability, label, np.arange(films), CLASSES, repeats=50).measures
    for name in (
        "accuracy",
        "recall/COVID",
        "precision/Normal",
        "specificity/COVID",
        "f1/COVID",
        "auroc/Normal",
        "macro_f1",
    ):
        behind = films if name in ("accuracy", "macro_f1") else films / 3
        exact = 0.025 ** (1 / behind)  # Clopper & Pearson 1934
        assert found[name].value == found[name].high == 1
        assert found[name].low < 1
        if name in ("accuracy", "recall/COVID"):
            assert found[name].low == pytest.approx(exact, abs=0.4 / behind)


def test_a_perfect_score_of_few_groups_is_less_sure():
    label = np.arange(120) % 3
    probability, copies = softmax(9 * np.eye(3)[label]), np.arange(120) // 12
    by_film = bootstrap(probability, label, np.arange(120), CLASSES, repeats=50).measures["accuracy"]
    by_group = bootstrap(probability, label, copies, CLASSES, repeats=50).measures["accuracy"]
    assert by_film.low == pytest.approx(120 / (120 + stats.norm.ppf(0.975) ** 2), abs=1e-9)
    assert by_group.low == pytest.approx(10 / (10 + stats.norm.ppf(0.975) ** 2), abs=1e-9)


def test_a_calibration_error_that_is_chance_alone_may_be_none():
    """Probabilities that hold what they say: the error seen is above 0 in every set, and 0 is in nearly every interval."""
    seen, holds_none = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        probability = softmax(2 * rng.normal(size=(300, 3)))
        label = np.array([rng.choice(3, p=row) for row in probability])
        found = bootstrap(probability, label, np.arange(300), CLASSES, repeats=200, threads=1).measures["ece"]
        seen.append(found.value)
        holds_none.append(found.low == 0)
    assert min(seen) > 0.015
    assert np.mean(holds_none) > 0.9


# The rules by themselves


def test_quantiles_of_student_equal_scipy():
    freedom = np.array([1, 1.3, 2, 3.7, 10, 200, 5e4])
    for level in (0.5, 0.9, 0.95, 0.99):
        np.testing.assert_allclose(student_quantile(level, freedom), stats.t.ppf((1 + level) / 2, freedom), rtol=1e-3)


@pytest.mark.parametrize(("hits", "films"), [(0, 10), (3, 17), (50, 50), (190, 200)])
def test_wilson_equals_scipy(hits, films):
    theirs = stats.binomtest(hits, films).proportion_ci(0.9, method="wilson")
    ours = wilson(np.array([hits / films]), np.array([films]), 0.9)
    assert (ours[0][0], ours[1][0]) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_shares_of_independent_films_have_wilsons_interval():
    value, films = np.array([0.9]), np.array([200.0])
    error = np.sqrt(value * (1 - value) / films) * 0.97  # by chance the bootstrap saw less than there is
    ours = share_ends(value, error, films, films, 0.95)
    np.testing.assert_allclose(ours, wilson(value, films, 0.95), atol=1e-12)


def test_variance_of_an_area_is_that_of_normal_clouds():
    rng = np.random.default_rng(0)
    apart = np.sqrt(2) * stats.norm.ppf(0.95)
    areas = [(rng.normal(apart, 1, (40, 1)) > rng.normal(0, 1, 90)).mean() for _ in range(4000)]
    (ours,) = binormal_variance(np.array([0.95]), np.array([40.0]), np.array([90.0]))
    assert ours == pytest.approx(np.var(areas), rel=0.08)


def test_the_mean_of_independent_classes_is_surer_than_each():
    value, low, high = np.array([0.8, 0.9]), np.array([0.7, 0.8]), np.array([0.86, 0.96])
    assert mean_ends(value, low, high, np.eye(2)) == pytest.approx((0.85 - 0.05 * 2**0.5, 0.85 + 0.03 * 2**0.5))
    assert mean_ends(value, low, high, np.ones((2, 2))) == pytest.approx((0.75, 0.91))
    assert mean_ends(np.array([0.8, np.nan]), low, high, np.ones((2, 2))) == pytest.approx((0.7, 0.86))


def test_effective_groups_and_likeness():
    group = np.array([0, 0, 0, 0, 1, 2])
    assert effective_groups(group, np.ones((6, 1), dtype=bool))[0] == pytest.approx(36 / 18)
    copies, rng = np.repeat(np.arange(500), 4), np.random.default_rng(0)
    common, own = rng.normal(size=500)[copies], rng.normal(size=2000)
    for share in (0.0, 0.3, 1.0):
        loss = np.sqrt(share) * common + np.sqrt(1 - share) * own
        assert likeness(loss, copies) == pytest.approx(share, abs=0.08)
    assert likeness(own, np.arange(2000)) == 0
    assert likeness(np.ones(2000), copies) == 1


def test_losses_follow_their_skewness_and_say_when_they_cannot():
    student = np.linspace(-3, 2, 1001)  # replicates below the value lie further off: the truth lies above
    low, high = loss_ends(0.5, 0.1, student, 0.95)
    assert high - 0.5 > 0.5 - low > 0
    assert np.isnan(loss_ends(0.5, 0.1, np.array([-np.inf, np.inf, 0.0]), 0.95)).all()
    assert np.isnan(loss_ends(0.5, 0.0, student, 0.95)).all()


def test_large_gaps_have_the_interval_of_their_sum():
    """Where no gap comes near 0, the error is a plain mean, and its interval the normal one."""
    rng = np.random.default_rng(0)
    gap = np.array([0.1, -0.2, 0.15])
    replicate = gap + 0.01 * rng.normal(size=(20_000, 3))
    low, high = calibration_ends(gap, replicate, groups=10_000, kish=10_000, level=0.95)
    half = 1.96 * 0.01 * 3**0.5
    assert (low, high) == pytest.approx((0.45 - half, 0.45 + half), abs=0.002)
