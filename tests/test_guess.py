"""The small model: it finds what is there, finds nothing where nothing is, and never learns from the films it guesses."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from plainfilm.core.guess import guess_out_of_fold, score_guesses


def _accuracy(columns, label, fold=None, classes=None):
    fold = np.arange(len(label)) % 5 if fold is None else fold
    probability = guess_out_of_fold(columns, label, fold, classes or int(label.max()) + 1)
    assert probability.min() >= 0
    assert probability.sum(axis=1) == pytest.approx(1)
    return float((probability.argmax(axis=1) == label).mean())


def test_it_sees_a_ring_that_no_line_can_part() -> None:
    rng = np.random.default_rng(0)
    columns = rng.normal(0, 1, (600, 2))
    label = (np.hypot(*columns.T) > 1.2).astype(int)
    assert _accuracy(columns, label) > 0.93


def test_it_is_about_as_good_as_boosted_trees() -> None:
    rng = np.random.default_rng(1)
    columns = rng.normal(0, 1, (600, 8))
    truth = np.stack([columns[:, 0] * columns[:, 1], columns[:, 2], np.abs(columns[:, 3]) - 0.7], axis=1)
    label = (truth + rng.gumbel(0, 0.3, truth.shape)).argmax(axis=1)
    fold = np.arange(600) % 3
    ours = guess_out_of_fold(columns, label, fold, 3)
    theirs = np.empty_like(ours)
    for place in range(3):
        inside = fold == place
        trees = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(columns[~inside], label[~inside])
        theirs[inside] = trees.predict_proba(columns[inside])
    areas = [roc_auc_score(label, scores, multi_class="ovr") for scores in (ours, theirs)]
    assert areas[0] > areas[1] - 0.02


@pytest.mark.parametrize("films", [20, 60, 400])
def test_where_nothing_is_it_finds_nothing(films: int) -> None:
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        found.append(_accuracy(rng.normal(0, 1, (films, 30)), np.arange(films) // 5 % 2))
    assert np.mean(found) < 0.57


def test_the_scale_of_a_column_does_not_matter_and_constant_ones_are_left_out() -> None:
    rng = np.random.default_rng(3)
    columns = rng.normal(0, 1, (200, 3))
    label = (columns[:, 0] > 0).astype(int)
    fold = np.arange(200) % 5
    plain = guess_out_of_fold(columns, label, fold, 2)
    odd = np.column_stack([columns * [1e6, 1e-6, 1] + [1e9, 0, -5], np.full(200, 7.0)])
    assert guess_out_of_fold(odd, label, fold, 2) == pytest.approx(plain, abs=1e-4)


def test_without_a_column_that_varies_every_film_gets_the_shares() -> None:
    label = np.array([0] * 60 + [1] * 40)
    fold = np.arange(100) % 5
    probability = guess_out_of_fold(np.ones((100, 2)), label, fold, 2)
    assert probability == pytest.approx(np.tile([0.6, 0.4], (100, 1)))


def test_a_film_never_teaches_the_guess_about_its_own_fold() -> None:
    """With the labels of one fold turned over, the guesses for that fold stay the same bits."""
    rng = np.random.default_rng(4)
    columns, label, fold = rng.normal(0, 1, (150, 4)), rng.integers(0, 3, 150), np.arange(150) % 5
    turned = np.where(fold == 2, (label + 1) % 3, label)
    before, after = (guess_out_of_fold(columns, labels, fold, 3)[fold == 2] for labels in (label, turned))
    assert after == pytest.approx(before, abs=1e-9)
    assert not np.allclose(
        guess_out_of_fold(columns, turned, fold, 3)[fold == 1], guess_out_of_fold(columns, label, fold, 3)[fold == 1]
    )


def test_a_class_that_the_other_folds_lack_is_never_guessed() -> None:
    rng = np.random.default_rng(5)
    label = np.array([0] * 30 + [1] * 30 + [2] * 4)
    fold = np.append(np.arange(60) % 5, [3] * 4)
    probability = guess_out_of_fold(rng.normal(0, 1, (64, 3)), label, fold, 3)
    assert (probability[fold == 3, 2] == 0).all()
    assert (probability[fold != 3, 2] > 0).all()


def test_fifty_classes() -> None:
    rng = np.random.default_rng(6)
    label = np.repeat(np.arange(50), 20)
    columns = rng.normal(0, 1, (50, 6))[label] + rng.normal(0, 0.3, (1000, 6))
    assert _accuracy(columns, label) > 0.6


def test_the_same_call_gives_the_same_answer() -> None:
    rng = np.random.default_rng(7)
    columns, label, fold = rng.normal(0, 1, (500, 5)), rng.integers(0, 2, 500), np.arange(500) % 5
    assert (guess_out_of_fold(columns, label, fold, 2) == guess_out_of_fold(columns, label, fold, 2)).all()


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        guess_out_of_fold([[1.0], [np.nan]], [0, 1], [0, 1], 2)


def test_the_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(8)
    label = rng.choice(3, 300, p=[0.7, 0.2, 0.1])
    probability = rng.dirichlet([4, 2, 1], 300) * 0.5 + 0.5 * np.eye(3)[np.where(rng.random(300) < 0.6, label, 0)]
    score = score_guesses(probability, label, np.arange(300) // 2, ("A", "B", "C"), repeats=200)
    assert score.accuracy.value == pytest.approx((probability.argmax(axis=1) == label).mean())
    even = probability / (np.bincount(label) / 300)
    assert score.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(label, even.argmax(axis=1)))
    assert score.macro_auroc.value == pytest.approx(roc_auc_score(label, probability, multi_class="ovr"))
    assert score.auroc["C"].value == pytest.approx(roc_auc_score(label == 2, probability[:, 2]))
    for interval in (score.accuracy, score.balanced_accuracy, score.macro_auroc, *score.auroc.values()):
        assert interval.low < interval.value < interval.high
