"""Paired tests against independent references: the papers' own double sums, scipy, brute force, worked examples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from plainfilm.core.metrics import softmax
from plainfilm.core.paired import (
    area_difference_p,
    auroc_influence,
    grouped_covariance,
    holm,
    macro_auroc_influence,
    sign_flip_test,
    student_two_sided,
    two_sided,
    welch_p,
)
from plainfilm.core.ranking import auroc


def scores(films=120, networks=2, seed=0, digits=2):
    """(K, N) scores with ties, (N,) positives and (N,) groups of one to four films, some of both kinds."""
    rng = np.random.default_rng(seed)
    is_positive = rng.random(films) < 0.4
    score = (rng.normal(size=films) + rng.normal(size=(networks, films)) + 1.2 * is_positive).round(digits)
    group = np.repeat(np.arange(films), rng.integers(1, 5, films))[:films]
    return score, is_positive, np.unique(group, return_inverse=True)[1]


def kernel(score, is_positive):
    """psi(X, Y) of DeLong et al., (M, N): 1 where the positive film stands higher, 1/2 where it ties."""
    x, y = score[is_positive][:, None], score[~is_positive][None]
    return (x > y) + 0.5 * (x == y)


def delong_covariance(score, is_positive):
    """S10 / m + S01 / n, from the definition, in O(mn)."""
    psi = [kernel(one, is_positive) for one in score]
    v10, v01 = np.stack([one.mean(axis=1) for one in psi]), np.stack([one.mean(axis=0) for one in psi])
    return np.cov(v10) / v10.shape[1] + np.cov(v01) / v01.shape[1]


def obuchowski_covariance(score, is_positive, group):
    """S10, S01 and S11 of Obuchowski 1997, cluster by cluster."""
    clusters = np.unique(group)
    m, n = is_positive.sum(), (~is_positive).sum()
    psi = [kernel(one, is_positive) for one in score]
    area = [one.mean() for one in psi]
    found = np.zeros((len(score), len(score)))
    for r, s in itertools.product(range(len(score)), repeat=2):
        s10 = s01 = s11 = s11_other = 0.0
        positive_clusters = negative_clusters = 0
        for cluster in clusters:
            x, y = group[is_positive] == cluster, group[~is_positive] == cluster
            positive_clusters, negative_clusters = positive_clusters + x.any(), negative_clusters + y.any()
            x_r, x_s = ((psi[k][x].mean(axis=1) - area[k]).sum() if x.any() else 0.0 for k in (r, s))
            y_r, y_s = ((psi[k][:, y].mean(axis=0) - area[k]).sum() if y.any() else 0.0 for k in (r, s))
            s10, s01 = s10 + x_r * x_s, s01 + y_r * y_s
            s11, s11_other = s11 + x_r * y_s, s11_other + x_s * y_r
        s10 *= positive_clusters / ((positive_clusters - 1) * m)
        s01 *= negative_clusters / ((negative_clusters - 1) * n)
        both = len(clusters) / (len(clusters) - 1) * (s11 + s11_other)
        found[r, s] = s10 / m + s01 / n + both / (m * n)
    return found


# AUROC ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("digits", [0, 1, 6])
def test_delongs_covariance_is_that_of_the_definition(seed, digits):
    score, is_positive, _ = scores(networks=3, seed=seed, digits=digits)
    areas, influence = zip(*(auroc_influence(one, is_positive) for one in score), strict=True)
    np.testing.assert_allclose(areas, [kernel(one, is_positive).mean() for one in score], atol=1e-12)
    np.testing.assert_allclose(areas, [auroc(one, is_positive) for one in score], atol=1e-12)
    alone = np.arange(len(is_positive))
    found = grouped_covariance(np.stack(influence), is_positive.astype(int), alone)
    np.testing.assert_allclose(found, delong_covariance(score, is_positive), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_the_clustered_covariance_is_obuchowskis_and_without_clusters_delongs(seed):
    score, is_positive, group = scores(networks=3, seed=seed, digits=1)
    influence = np.stack([auroc_influence(one, is_positive)[1] for one in score])
    found = grouped_covariance(influence, is_positive.astype(int), group)
    np.testing.assert_allclose(found, obuchowski_covariance(score, is_positive, group), rtol=1e-9, atol=1e-15)
    alone = np.arange(len(group))
    np.testing.assert_allclose(
        obuchowski_covariance(score, is_positive, alone), delong_covariance(score, is_positive), rtol=1e-9
    )


def test_copies_of_every_film_change_nothing_where_they_are_one_group():
    score, is_positive, _ = scores(200, seed=3)
    once = np.stack([auroc_influence(one, is_positive)[1] for one in score])
    twice = np.stack([auroc_influence(np.tile(one, 2), np.tile(is_positive, 2))[1] for one in score])
    place, kind = np.arange(200), is_positive.astype(int)
    alone = grouped_covariance(once, kind, place)
    np.testing.assert_allclose(grouped_covariance(twice, np.tile(kind, 2), np.tile(place, 2)), alone, rtol=1e-9)
    fooled = grouped_covariance(twice, np.tile(kind, 2), np.arange(400))
    np.testing.assert_allclose(np.diag(fooled), np.diag(alone) / 2, rtol=0.05)


def test_the_clustered_variance_is_how_areas_of_clustered_films_really_vary():
    """Half of what makes a film hard belongs to its patient; over 1,000 sets the estimate meets the spread that is there."""
    rng = np.random.default_rng(8)
    patients, each = 60, 4
    group = np.repeat(np.arange(patients), each)
    areas, clustered, plain = [], [], []
    for _ in range(1000):
        is_positive = (rng.random(patients) < 0.5)[group] ^ (
            rng.random(patients * each) < 0.1
        )  # some patients have both kinds
        score = rng.normal(size=patients)[group] + rng.normal(size=len(group)) + is_positive
        area, influence = auroc_influence(score, is_positive)
        areas.append(area)
        clustered.append(grouped_covariance(influence, is_positive.astype(int), group)[0, 0])
        plain.append(grouped_covariance(influence, is_positive.astype(int), np.arange(len(group)))[0, 0])
    truth = np.var(areas, ddof=1)
    assert np.mean(clustered) == pytest.approx(truth, rel=0.12)
    assert np.mean(plain) < 0.6 * truth


def test_for_two_classes_the_macro_area_is_tested_as_the_area_is():
    score, is_positive, group = scores(150, seed=4, digits=6)
    label = is_positive.astype(int)
    tables = [softmax(np.stack([np.zeros(150), one], axis=1)) for one in score]
    macros = [macro_auroc_influence(table, label) for table in tables]
    difference = np.stack([auroc_influence(one, is_positive)[1] for one in score])
    by_class = grouped_covariance(difference, label, group)
    np.testing.assert_allclose(
        grouped_covariance(np.stack([macro[1] for macro in macros]), label, group), by_class, rtol=1e-9
    )
    assert macros[0][0] == pytest.approx(auroc(score[0], is_positive), abs=1e-12)


def test_the_macro_influence_is_the_mean_over_classes_and_leaves_out_what_is_unknown():
    rng = np.random.default_rng(2)
    label = rng.integers(0, 3, 90)
    probability = softmax(rng.normal(size=(90, 4)) + np.eye(4)[label])
    area, influence, areas, influences = macro_auroc_influence(probability, label)
    assert math.isnan(areas[3]) and not np.isnan(areas[:3]).any()
    assert area == pytest.approx(areas[:3].mean(), abs=1e-12)
    np.testing.assert_allclose(influence, influences[:3].mean(axis=0), atol=1e-15)
    for c in range(3):
        assert areas[c] == pytest.approx(auroc(probability[:, c], label == c), abs=1e-12)
        assert influences[c].sum() == pytest.approx(0, abs=1e-12)
    unknown = macro_auroc_influence(probability, np.zeros(90, int))
    assert math.isnan(unknown[0]) and np.isnan(unknown[1]).all()


def test_the_p_value_of_two_areas_is_delongs():
    score, is_positive, _ = scores(seed=6)
    covariance = delong_covariance(score, is_positive)
    areas = [kernel(one, is_positive).mean() for one in score]
    z = (areas[0] - areas[1]) / math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    influence = auroc_influence(score[0], is_positive)[1] - auroc_influence(score[1], is_positive)[1]
    found = area_difference_p(areas[0] - areas[1], influence, is_positive.astype(int), np.arange(len(is_positive)))
    assert found == pytest.approx(2 * stats.norm.sf(abs(z)), abs=1e-12)


def test_areas_that_cannot_be_tested_are_never_called_different():
    is_positive = np.array([True] * 20 + [False] * 20)
    score = np.random.default_rng(0).normal(size=40)
    kind, alone = is_positive.astype(int), np.arange(40)
    _, influence = auroc_influence(score, is_positive)
    assert area_difference_p(0.0, influence - influence, kind, alone) == 1.0
    assert area_difference_p(math.nan, np.full(40, math.nan), kind, alone) == 1.0
    one_patient = np.where(is_positive, 0, alone)
    assert area_difference_p(0.2, influence, kind, one_patient) == 1.0


def test_a_faultless_network_against_one_that_says_nothing_falls_back_on_the_signs():
    """No film differs from another, so there is no variance; the sign test over the rarer kind is left."""
    is_positive = np.array([True] * 8 + [False] * 30)
    influence = (
        auroc_influence(is_positive.astype(float), is_positive)[1] - auroc_influence(np.zeros(38), is_positive)[1]
    )
    assert area_difference_p(0.5, influence, is_positive.astype(int), np.arange(38)) == pytest.approx(2 / 2**8)


# Accuracy -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"), [(0, 0), (1, 0), (5, 5), (9, 2), (30, 12), (0, 25), (212, 260), (1030, 900), (4000, 4300)]
)
def test_by_single_films_the_sign_flip_test_is_exact_mcnemar(ours, theirs):
    difference = np.array([1] * ours + [-1] * theirs + [0] * 50)
    found = sign_flip_test(np.random.default_rng(0).permutation(difference), np.arange(len(difference)))
    expected = stats.binomtest(ours, ours + theirs).pvalue if ours + theirs else 1.0
    assert found.is_exact and found.differing == ours + theirs
    assert found.p == pytest.approx(expected, abs=1e-12, rel=1e-9)


def test_mcnemars_textbook_example():
    """Agresti 1990 (Categorical Data Analysis, table 10.1): 150 and 86 of 236 discordant; z squared 17.36."""
    found = sign_flip_test(np.array([1] * 150 + [-1] * 86), np.arange(236))
    assert found.p == pytest.approx(stats.binomtest(86, 236).pvalue, rel=1e-9)
    assert found.p == pytest.approx(stats.chi2.sf(17.36, 1), rel=0.25)


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(-3, 3)), min_size=1, max_size=24), st.sampled_from([1, 2, 6]))
@settings(max_examples=150, deadline=None)
def test_the_null_distribution_is_that_of_all_signs(films, times):
    group = np.array([group for group, _ in films])
    difference = np.array([difference for _, difference in films]) * times
    of_group = [int(difference[group == one].sum()) for one in np.unique(group)]
    sums = [abs(sum(s * d for s, d in zip(signs, of_group, strict=True)))
            for signs in itertools.product((-1, 1), repeat=len(of_group))]  # fmt: skip
    expected = np.mean([each >= abs(sum(of_group)) for each in sums])
    assert sign_flip_test(difference, group).p == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=40), st.randoms())
@settings(max_examples=60, deadline=None)
def test_neither_order_nor_side_nor_scale_matter(differences, random):
    difference, group = np.array(differences), np.arange(len(differences)) // 3
    order = list(range(len(differences)))
    random.shuffle(order)
    found = sign_flip_test(difference, group)
    assert found == sign_flip_test(difference[order], group[order])
    assert found == sign_flip_test(-difference, group) == sign_flip_test(5 * difference, group)
    assert 0 <= found.p <= 1


def test_what_is_too_large_to_enumerate_is_taken_for_normal_and_hardly_differs():
    rng = np.random.default_rng(3)
    difference = rng.integers(-3, 5, 4000)
    group = np.arange(4000) // 2
    for chosen in (difference, difference - rng.integers(0, 2, 4000), np.where(difference > 0, 1, -1)):
        exact, normal = sign_flip_test(chosen, group), sign_flip_test(chosen, group, largest_table=1)
        assert exact.is_exact and not normal.is_exact
        assert normal.p == pytest.approx(exact.p, abs=2e-3)


def test_groups_that_speak_with_one_voice_count_once():
    difference = np.array([1] * 40 + [-1] * 20)
    by_film = sign_flip_test(difference, np.arange(60))
    by_patient = sign_flip_test(difference, np.arange(60) // 10)
    assert by_patient.p == pytest.approx(stats.binomtest(4, 6).pvalue) and by_patient.p > 10 * by_film.p
    assert sign_flip_test(difference, np.zeros(60, int)).p == 1.0


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="expected integers"):
        sign_flip_test([0.5, 1.0], [0, 1])
    with pytest.raises(ValueError, match="lengths must agree"):
        sign_flip_test([1, 2, 3], [0, 1])
    with pytest.raises(ValueError, match="fewer than two"):
        welch_p([0.5], [0.4, 0.5])


# Seeds and corrections ------------------------------------------------------------------------------------------------


@given(st.floats(-200, 200), st.floats(0.05, 5000))
@settings(max_examples=300, deadline=None)
def test_students_t_is_scipys(t, freedom):
    assert student_two_sided(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), abs=1e-11, rel=1e-9)


_ACCURACIES = st.lists(st.integers(0, 1000).map(lambda thousandths: thousandths / 1000), min_size=2, max_size=6)


@given(_ACCURACIES, _ACCURACIES)
@settings(max_examples=150, deadline=None)
def test_welch_is_scipys(ours, theirs):
    if np.var(ours) + np.var(theirs) < 1e-12:
        assert welch_p(ours, theirs) in (0.0, 1.0)
        return
    known = [part for sample in (ours, theirs) for part in (np.mean(sample), np.std(sample, ddof=1), len(sample))]
    assert welch_p(ours, theirs) == pytest.approx(stats.ttest_ind_from_stats(*known, equal_var=False).pvalue, abs=1e-9)


def test_the_normal_tail_is_scipys():
    for z in (0.0, 0.3, -1.96, 5.0, 20.0):
        assert two_sided(z) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-12)


def test_holm_on_worked_examples():
    """The first is the example of Wikipedia's article and of R's p.adjust; the second adds ties and a p that stops all others."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-12)
    assert holm([0.2, 0.01, 0.01, 0.9]) == pytest.approx([0.4, 0.04, 0.04, 0.9], abs=1e-12)
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_procedure_of_the_paper_rejects(p, error):
    rejected = [False] * len(p)
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[place] * (len(p) - rank) > error:
            break
        rejected[place] = True
    assert [each <= error for each in holm(p)] == rejected
    assert all(each >= one for each, one in zip(holm(p), p, strict=True))


def test_what_other_packages_say():
    """MLstatkit 0.1.91 (Delong_test) and statsmodels 0.15.0 (mcnemar, multipletests), run apart on the same numbers."""
    place = np.arange(150)
    is_positive, common = place % 3 == 0, 0.5 * np.cos(place * 0.9)
    ours = np.round(np.sin(place * 1.7) + 1.1 * is_positive + common, 1)
    theirs = np.round(np.sin(place * 2.3 + 1) + 0.8 * is_positive + common, 1)
    (area, influence), (other, others) = (auroc_influence(one, is_positive) for one in (ours, theirs))
    assert (area, other) == pytest.approx((0.8175, 0.748), abs=1e-12)
    kind = is_positive.astype(int)
    variance = grouped_covariance(influence - others, kind, place)[0, 0]
    assert variance == pytest.approx(0.0025535616367759226, rel=1e-9)
    p = area_difference_p(area - other, influence - others, kind, place)
    assert p == pytest.approx(0.16902453212413482, abs=1e-9)
    for right, wrong, expected in (
        (30, 12, 0.007915897334896727),
        (212, 260, 0.03040604791850371),
        (121, 59, 4.4344492637551645e-06),
    ):
        found = sign_flip_test(np.array([1] * right + [-1] * wrong), np.arange(right + wrong))
        assert found.p == pytest.approx(expected, rel=1e-9)
    corrected = [0.066, 0.08, 0.3, 0.0028, 0.08, 0.098, 0.066]
    assert holm([0.011, 0.02, 0.3, 0.0004, 0.02, 0.049, 0.0121]) == pytest.approx(corrected, abs=1e-12)
