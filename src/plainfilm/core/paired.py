"""Is one network better than another on the same films? Paired tests in which whole groups of films count, not films.

Films of one patient resemble each other, and a test that takes them for independent finds differences that are none. So each test
here sums over groups first. Where every film is its own group, they are the tests of the textbooks:

    accuracy     signs of the groups' differences are flipped at random; by single films this is the exact McNemar test
    AUROC        the covariance of Obuchowski 1997; by single films this is that of DeLong, DeLong & Clarke-Pearson 1988

`holm` corrects for many tests, `welch_p` compares what several trainings of two methods reached.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from plainfilm.core.ranking import Floats, Integers, refuse_lengths

_LARGEST_TABLE = (
    2_000_000_000  # groups times sums that the exact test adds up; beyond, the normal approximation is exact enough
)
_NO_DIFFERENCE = 1e-12  # of two areas: what rounding leaves
_NO_VARIANCE = 1e-24  # of a difference of areas; the smallest that a million films can show is 1000 times that


# Accuracy -------------------------------------------------------------------------------------------------------------


class SignFlip(NamedTuple):
    """What the test of a sum of differences found.

    p: two-sided, 0..1. is_exact: whether the null distribution was enumerated, not taken for normal.
    differing: groups whose difference is not 0, which are all that the test rests on.
    """

    p: float
    is_exact: bool
    differing: int


def sign_flip_test(
    difference: npt.ArrayLike, group_index: npt.ArrayLike, *, largest_table: int = _LARGEST_TABLE
) -> SignFlip:
    """Whether a sum of differences is further from 0 than it would be if in each group either sign were as likely.

    difference: (N,) int, by film: by how much the one network is right more often than the other. Where several trainings are
        averaged, take whole multiples, such as all differences times the number of trainings.
    group_index: (N,) int from 0.
    largest_table: above so many additions the sum is taken for normal with the same variance, and a correction for steps.
    The null distribution is the exact one: the groups' differences are convolved one by one, which is no simulation.
    With one film a group and differences of -1, 0 and 1 the p-value is that of the exact binomial McNemar test.
    Raises ValueError where lengths differ or a difference is no integer.
    Source: Fisher 1935 (The Design of Experiments, chapter 3); McNemar 1947, doi:10.1007/BF02295996.
    """
    difference, group_index = np.asarray(difference), np.asarray(group_index)
    refuse_lengths(difference=difference, group_index=group_index)
    if not np.issubdtype(difference.dtype, np.integer):
        raise ValueError(f"difference holds {difference.dtype}, expected integers")
    of_group = np.zeros(int(group_index.max()) + 1, dtype=np.int64)
    np.add.at(of_group, group_index, difference)
    step = int(np.gcd.reduce(of_group))
    if step == 0:
        return SignFlip(1.0, True, 0)
    of_group = of_group // step
    observed = abs(int(of_group.sum()))
    size = np.sort(np.abs(of_group[of_group != 0]))
    total = int(size.sum())
    if observed == 0:
        return SignFlip(1.0, True, len(size))
    if len(size) * total > largest_table:
        spread = math.sqrt(float((size.astype(np.float64) ** 2).sum()))
        return SignFlip(two_sided((observed - 1) / spread), False, len(size))  # sums lie 2 apart: half a step is 1
    # The sum of signed sizes is 2 X - total, where X adds up the sizes whose sign is +, each with probability 1/2.
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    reached = 0
    for of_one in size.tolist():
        within = chance[: reached + 1] / 2
        chance[: reached + 1] = within
        chance[of_one : of_one + reached + 1] += within
        reached += of_one
    tail = float(
        chance[: (total - observed) // 2 + 1].sum()
    )  # X at most (total - observed) / 2; the other tail is as large
    return SignFlip(min(1.0, 2 * tail), True, len(size))


# AUROC ----------------------------------------------------------------------------------------------------------------


def auroc_influence(score: npt.ArrayLike, is_positive: npt.ArrayLike) -> tuple[float, Floats]:
    """The AUROC and what each film adds to its error.

    score: (N,) float without NaN; is_positive: (N,) bool.
    Returns the AUROC, and (N,) for each film (V - AUROC) / K, where V is the share of the films of the other kind that it is ranked
    rightly against (ties one half), and K the number of films of its own kind. Both kinds sum to 0. NaN where a kind is missing.
    In O(N log N) by midranks. Source: DeLong et al. 1988, doi:10.2307/2531595; Sun & Xu 2014, doi:10.1109/LSP.2014.2337313.
    """
    score, is_positive = np.asarray(score, dtype=np.float64), np.asarray(is_positive, dtype=bool)
    refuse_lengths(score=score, is_positive=is_positive)
    positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
    if not positives or not negatives:
        return math.nan, np.full(len(score), math.nan)
    below = _midrank(score)  # films below, half of those beside, and one half for the film itself
    placement = np.empty(len(score))
    placement[is_positive] = (below[is_positive] - _midrank(score[is_positive])) / negatives
    placement[~is_positive] = 1 - (below[~is_positive] - _midrank(score[~is_positive])) / positives
    area = float(placement[is_positive].mean())
    return area, (placement - area) / np.where(is_positive, positives, negatives)


def macro_auroc_influence(
    probability: npt.ArrayLike, label_index: npt.ArrayLike
) -> tuple[float, Floats, Floats, Floats]:
    """The AUROC of every class against the rest, their mean, and what each film adds to the errors.

    probability: (N, C); label_index: (N,) int in 0..C-1.
    Returns the macro AUROC, its (N,) influences, the AUROCs (C,) and their influences (C, N). Classes for which the AUROC is
    undefined are NaN and left out of the mean, as `metrics.measure` does; where all are, the mean is NaN.
    """
    probability, label_index = np.asarray(probability, dtype=np.float64), np.asarray(label_index)
    found = [auroc_influence(probability[:, c], label_index == c) for c in range(probability.shape[1])]
    area, influence = np.array([area for area, _ in found]), np.stack([each for _, each in found])
    is_known = ~np.isnan(area)
    if not is_known.any():
        return math.nan, np.full(len(label_index), math.nan), area, influence
    return float(area[is_known].mean()), influence[is_known].mean(axis=0), area, influence


def grouped_covariance(influence: npt.ArrayLike, stratum: npt.ArrayLike, group_index: npt.ArrayLike) -> Floats:
    """Covariance of K measures from what each film adds to their errors, films of one group together.

    influence: (K, N), as `auroc_influence` gives it for K networks or classes.
    stratum: (N,) int from 0, the kind of film: positive or negative for one class's AUROC, the true class for their mean.
    group_index: (N,) int from 0.
    Returns (K, K). NaN where a stratum has films of one group only, which cannot tell how groups differ.
    With two strata this is Obuchowski's S10 / M + S01 / N + 2 S11 / (M N); with one film a group it is DeLong's covariance.
    Source: Obuchowski 1997, doi:10.2307/2533958.
    """
    influence, stratum, group_index = (
        np.atleast_2d(np.asarray(influence, float)),
        np.asarray(stratum),
        np.asarray(group_index),
    )
    size = np.bincount(group_index)
    groups = np.count_nonzero(size)
    total = _sums(influence, group_index, len(size))
    between = total @ total.T  # becomes what different strata of one group have in common
    within = np.zeros_like(between)
    for kind in np.unique(stratum):
        here = stratum == kind
        held = np.count_nonzero(np.bincount(group_index[here]))
        if held < 2:
            return np.full_like(between, math.nan)
        part = _sums(influence[:, here], group_index[here], len(size))
        square = part @ part.T
        between -= square
        within += square * (held / (held - 1))
    return np.asarray(within + between * (groups / (groups - 1)), np.float64)


def area_difference_p(
    difference: float, influence: npt.ArrayLike, stratum: npt.ArrayLike, group_index: npt.ArrayLike
) -> float:
    """Two-sided p-value of a difference of AUROCs, or of their means.

    difference: of the areas. influence: (N,) the one network's less the other's. stratum, group_index: as `grouped_covariance`.
    Equal areas give 1, and so do strata of one group and areas that are not known (NaN): what cannot be tested is not supported.
    Where every film says the same, so that nothing varies (a faultless network against one that gives all films one score), it is
    the sign test over the groups of the stratum that has fewest.
    Source: DeLong et al. 1988, doi:10.2307/2531595; Obuchowski 1997, doi:10.2307/2533958.
    """
    if math.isnan(difference) or abs(difference) <= _NO_DIFFERENCE:
        return 1.0
    variance = float(grouped_covariance(influence, stratum, group_index)[0, 0])
    if math.isnan(variance):
        return 1.0
    if variance <= _NO_VARIANCE:
        stratum, group_index = np.asarray(stratum), np.asarray(group_index)
        return float(2 * 0.5 ** min(len(np.unique(group_index[stratum == kind])) for kind in np.unique(stratum)))
    return two_sided(difference / math.sqrt(variance))


# Seeds, and many tests ------------------------------------------------------------------------------------------------


def welch_p(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Two-sided p-value of Welch's t-test: whether the means of two samples differ, their spreads being what they are.

    ours, theirs: two or more numbers each, such as the accuracy of each training.
    Equal means give 1; where neither sample varies and the means differ, 0.
    Raises ValueError where a sample has fewer than two numbers.
    Source: Welch 1947, doi:10.1093/biomet/34.1-2.28.
    """
    samples = [np.asarray(sample, dtype=np.float64) for sample in (ours, theirs)]
    if min(len(sample) for sample in samples) < 2:
        raise ValueError("a sample has fewer than two numbers: they cannot tell how it varies")
    difference = float(samples[0].mean() - samples[1].mean())
    of_mean = [float(sample.var(ddof=1)) / len(sample) for sample in samples]
    if abs(difference) <= _NO_DIFFERENCE:
        return 1.0
    if sum(of_mean) <= _NO_VARIANCE:
        return 0.0
    freedom = sum(of_mean) ** 2 / sum(v**2 / (len(sample) - 1) for v, sample in zip(of_mean, samples, strict=True))
    return student_two_sided(difference / math.sqrt(sum(of_mean)), freedom)


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number: each is at most the wanted error only if it stays so after Holm's procedure.

    p: in any order, 0..1 each. Returns them in that order, 0..1.
    The chance of even one wrong rejection among all is then at most the error, however the tests depend on each other.
    Source: Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70.
    """
    corrected, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda place: p[place])):
        largest = max(largest, min(1.0, p[place] * (len(p) - rank)))
        corrected[place] = largest
    return corrected


def two_sided(z: float) -> float:
    """The chance that a standard normal number is at least as far from 0 as z."""
    return math.erfc(abs(z) / math.sqrt(2))


def student_two_sided(t: float, freedom: float) -> float:
    """The chance that Student's t is at least as far from 0. freedom: degrees of freedom, above 0, not always whole.

    It is the regularised incomplete beta function of freedom / (freedom + t^2), by its continued fraction.
    Source: Abramowitz & Stegun 1964, 26.7.1 and 26.5.8; Lentz's way to evaluate it.
    """
    a, b = freedom / 2, 0.5
    x, rest = (
        freedom / (freedom + t * t),
        t * t / (freedom + t * t),
    )  # the one is no longer 1 less the other where it is small
    return 1 - _beta_tail(b, a, rest) if x > (a + 1) / (a + b + 2) else _beta_tail(a, b, x)


def _beta_tail(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), for x where the fraction converges quickly."""
    if x <= 0:
        return 0.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 10_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + numerator * d or tiny)
            c = 1 + numerator / c or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return front * fraction


def _midrank(score: Floats) -> Floats:
    """(N,) the rank of each score from 1, films of equal score sharing the mean of their ranks."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], np.float64)


def _sums(influence: Floats, group_index: Integers, groups: int) -> Floats:
    """(K, N) by film -> (K, groups) by group."""
    return np.stack([np.bincount(group_index, weights=row, minlength=groups) for row in influence])
