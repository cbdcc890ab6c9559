"""From a measure and what the bootstrap saw of it to the ends of its interval: one rule for each kind of measure.

Plain percentiles of the replicates are too narrow where it matters most: they hold the truth in 70 to 92 of 100 cases for
scores near 1 or few films of a class, say "1.000 (1.000 to 1.000)" where no film was missed, and start from a value that is
itself too high for calibration errors (docs/results/intervals.md). So the bootstrap over groups gives the standard error, and

    shares        (accuracy, precision, recall, specificity, F1, a cell of the confusion matrix) Wilson's interval for as many
                  films as would have that standard error, t for normal quantiles since it is estimated, and not more films than
                  there are. Korn & Graubard 1998, Survey Methodology 24, 193; Franco et al. 2019, J. Surv. Stat. Methodol. 7, 334.
    areas         (AUROC, average precision) the same, and the standard error is not believed below that of two normal clouds
                  of this area: near 1 it rests on few films, and is too small when they happen to be missing.
                  Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747, with the normal clouds of Obuchowski 1994.
    class means   (macro, balanced accuracy) the ends of the classes' own intervals put together, correlated as in the bootstrap:
                  MOVER, Zou & Donner 2008, doi:10.1002/sim.3095.
    mean losses   (log loss, Brier) bootstrap-t, which follows their skewness; Efron & Tibshirani 1993, chapter 12.5.
    calibration   (ECE) sums of absolute values, which chance makes too large: the true errors for which the error that was
    errors        seen would be neither among the smallest nor the largest; Carpenter 1999, J. R. Statist. Soc. B 61, 159-172.
                  The value lies in the upper part of its interval, at its very end where chance alone makes as much.

Where every film was right, or in one group, the standard error is 0 and says nothing. Then the films of a group are taken to
stand and fall together, and Wilson's interval is that of the groups: Kish's number, (sum of sizes)^2 / sum of squared sizes.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from plainfilm.core.ranking import Booleans, Floats, Integers, share_of

_NORMAL = NormalDist()
_ROUNDING = 1e-9
_STEPS = 25  # halvings when a calibration error is looked for


def effective_groups(group_index: Integers, is_part: Booleans) -> Floats:
    """(K,) Kish's number of groups among the films of each column of is_part (N, K); NaN where it has no film."""
    sizes = np.stack([np.bincount(group_index, weights=column) for column in is_part.T])  # (K, G)
    return share_of(sizes.sum(axis=1) ** 2, (sizes**2).sum(axis=1))


def standard_error(replicate: Floats, groups: int) -> Floats:
    """(R, ...) replicates, NaN where undefined -> (...) standard error; 0 where fewer than two are defined.

    groups: how many were drawn from; a bootstrap's variance is too small by one group.
    """
    known = ~np.isnan(replicate)
    mean = share_of(np.nansum(replicate, axis=0), known.sum(axis=0))
    squares = np.nansum((replicate - mean) ** 2, axis=0)
    return np.nan_to_num(np.sqrt(share_of(squares, known.sum(axis=0)) * groups / (groups - 1)))


def correlation(replicate: Floats) -> Floats:
    """(R, K) replicates, NaN where undefined -> (K, K) correlations; 0 where a measure never changes."""
    known = ~np.isnan(replicate)
    mean = share_of(np.nansum(replicate, axis=0), known.sum(axis=0))
    apart = np.where(known, replicate - mean, 0)
    spread = np.sqrt((apart**2).sum(axis=0))
    found = np.nan_to_num(share_of(apart.T @ apart, spread[:, None] * spread))
    np.fill_diagonal(found, 1)
    return found


def likeness(loss: Floats, group_index: Integers) -> float:
    """How alike the films of a group are, 0 (as any two) to 1 (copies), by their losses (N,): the intraclass correlation
    that explains the standard error of the mean loss over groups. 1 where the losses tell nothing."""
    size, total = np.bincount(group_index), np.bincount(group_index, weights=loss)
    kish = size.sum() ** 2 / (size**2).sum()
    over_films = loss.var() * len(loss)
    if len(size) < 2 or not over_films > 0:
        return 1.0
    if len(loss) <= kish:  # each film by itself
        return 0.0
    over_groups = ((total - loss.mean() * size) ** 2).sum() * len(size) / (len(size) - 1)
    return float(np.clip((over_groups / over_films - 1) / (len(loss) / kish - 1), 0, 1))


def share_ends(
    value: Floats, error: Floats, groups: Floats, films: Floats | float, level: float
) -> tuple[Floats, Floats]:
    """Ends for shares: the rule at the top of this file; all (K,).

    value: 0..1, NaN where undefined, as are then the ends. error: standard error.
    groups: effective number of groups behind it. films: how many films are behind it; infinity for any number.
    """
    number = _as_many_films(value, error**2) * _by_student(groups, level)
    return wilson(value, np.where(np.isnan(number), groups, np.minimum(number, films)), level)


def _as_many_films(value: Floats, variance: Floats) -> Floats:
    """How many independent films would give a share this variance; NaN where it is 0, but for rounding."""
    of_one = value * (1 - value)
    is_known = (of_one > _ROUNDING) & (variance > _ROUNDING**2)
    return share_of(of_one, np.where(is_known, variance, 0))


def wilson(value: Floats, films: Floats, level: float) -> tuple[Floats, Floats]:
    """Wilson's interval for a share of `films` independent films; doi:10.1080/01621459.1927.10502953."""
    z = _quantile(level)
    centre = (value + z**2 / (2 * films)) / (1 + z**2 / films)
    half = z / (1 + z**2 / films) * np.sqrt(value * (1 - value) / films + z**2 / (4 * films**2))
    return np.clip(np.minimum(centre - half, value), 0, 1), np.clip(np.maximum(centre + half, value), 0, 1)


def area_ends(
    area: Floats,
    precision: Floats,
    error: Floats,
    precision_error: Floats,
    groups: tuple[Floats, Floats],
    films: tuple[Floats, Floats],
    alike: float,
    level: float,
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Ends for AUROC, and for average precision; all (C,), a class each.

    area, precision: AUROC and average precision. error, precision_error: their standard errors.
    groups, films: effective number of groups, and number of films, of the class and of all others.
    alike: how alike the films of a group are, 0..1.

    Where every film of the class lies above all others, no replicate varies: `separated_low` says how low the truth may be then.

    Average precision has no such formula as AUROC. It rests on the same ranks: its standard error grows by the same factor,
    but not beyond that of any mean of numbers in 0..1 over the films of the class.
    """
    positives, negatives = (
        one / (1 + alike * (one / known - 1)) for one, known in zip(films, groups, strict=True)
    )  # as many independent films
    fewest = np.minimum(*groups)
    estimated = error**2 / _by_student(fewest, level)
    variance = np.maximum(estimated, binormal_variance(area, positives, negatives))
    growth = np.where(error > _ROUNDING, share_of(variance, estimated), 1)
    number = _as_many_films(area, variance)
    of_area = _with_separated(area, wilson(area, np.where(np.isnan(number), fewest, number), level), groups, level)
    number = _as_many_films(precision, precision_error**2) * _by_student(groups[0], level)
    number = np.maximum(number / growth, np.minimum(number, positives))
    return of_area, wilson(precision, np.where(np.isnan(number), groups[0], number), level)


def _with_separated(
    area: Floats, ends: tuple[Floats, Floats], groups: tuple[Floats, Floats], level: float
) -> tuple[Floats, Floats]:
    """The ends of AUROCs, where an area of 0 or 1 has its far end from `separated_low`, if that is nearer."""
    far = np.array([separated_low(*pair, level) for pair in zip(*groups, strict=True)])
    low, high = ends
    return np.where(area == 1, np.fmax(low, far), low), np.where(area == 0, np.fmin(high, 1 - far), high)


def separated_low(positives: float, negatives: float, level: float) -> float:
    """The lowest AUROC at which so many independent films are still told apart without a miss in (1 - level) / 2 of all draws.

    positives, negatives: 1 or more, whole or not. The scores are two normal clouds of one width. NaN where a number is below 1.
    """
    if not (positives >= 1 and negatives >= 1):
        return math.nan
    score = np.linspace(-9, 9, 1801)  # of the highest negative film
    below = np.array([_NORMAL.cdf(one) for one in score.tolist()])
    peak = np.diff(below**negatives, prepend=0)

    def separated(apart: float) -> float:
        above = np.interp(apart - score, score, below)
        return float((peak * above**positives).sum())

    low, high = 0.0, 12.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if separated(middle) < (1 - level) / 2 else (low, middle)
    return _NORMAL.cdf(high / math.sqrt(2))


def binormal_variance(area: Floats, positives: Floats, negatives: Floats) -> Floats:
    """Variance of the AUROC of so many independent films, whose scores are two normal clouds of one width; 0 for 0 and 1.

    Two pairs with a film in common are won or lost together with a probability that Owen's T function gives.
    Source: Owen 1956, doi:10.1214/aoms/1177728074.
    """
    inside = np.where((area > 0) & (area < 1), area, 0.5)
    apart = np.array([_NORMAL.inv_cdf(float(one)) for one in inside])
    node, weight = np.polynomial.legendre.leggauss(32)
    slope, weight = (node + 1) / (2 * math.sqrt(3)), weight / (2 * math.sqrt(3))
    owen = (np.exp(-0.5 * apart[:, None] ** 2 * (1 + slope**2)) / (1 + slope**2)) @ weight / (2 * math.pi)
    both_lost = (1 - inside) - 2 * owen
    of_pairs = inside * (1 - inside) + (positives + negatives - 2) * (both_lost - (1 - inside) ** 2)
    known = np.where(np.isnan(area), np.nan, (area > 0) & (area < 1))
    return np.asarray(known * of_pairs / (positives * negatives))


def mean_ends(value: Floats, low: Floats, high: Floats, alike: Floats) -> tuple[float, float]:
    """Ends for the mean of measures (K,) with their own ends; NaN values are left out. alike: (K, K), their correlations."""
    known = ~np.isnan(value)
    if not known.any():
        return math.nan, math.nan
    mean, alike = value[known].mean(), alike[np.ix_(known, known)]

    def reach(apart: Floats) -> float:
        return math.sqrt(max(0.0, float(apart @ alike @ apart))) / len(apart)

    return max(0.0, mean - reach((value - low)[known])), min(1.0, mean + reach((high - value)[known]))


def loss_ends(value: float, error: float, student: Floats, level: float) -> tuple[float, float]:
    """Ends for a mean loss. student: (R,) replicates less the value, each divided by its own standard error.

    NaN where too many replicates have no standard error: they drew the same group again and again, since there are few.
    """
    if error < _ROUNDING:  # all groups have the same mean: nothing is seen of how they differ
        return math.nan, math.nan
    ranked = np.sort(student)
    places = (round((len(ranked) - 1) * share) for share in ((1 + level) / 2, (1 - level) / 2))
    low, high = (value - float(ranked[place]) * error for place in places)
    is_known = math.isfinite(low) and math.isfinite(high)
    return (max(0.0, min(low, value)), max(high, value)) if is_known else (math.nan, math.nan)


def calibration_ends(gap: Floats, replicate: Floats, groups: int, kish: float, level: float) -> tuple[float, float]:
    """Ends for the sum of absolute gaps (B,), from replicates of the gaps (R, B).

    Were the true gaps t times those seen, chance would move them as the replicates move about the seen ones, and the sum of
    absolute values would be at least what was seen with a probability that grows with t. The ends are the sums for which it
    is half of what `level` leaves, and all but that; 0 where even t = 0 is likely enough, and never both below what was seen.
    """
    seen = float(np.abs(gap).sum())
    noise = (replicate - gap) * math.sqrt(groups / (groups - 1) / float(_by_student(np.array([kish]), level)[0]))
    if seen == 0:  # nothing to multiply: what chance alone would show
        return 0.0, min(1.0, float(np.quantile(np.abs(noise).sum(axis=1), (1 + level) / 2)))

    def times(wanted: float) -> float:
        low, high = 0.0, 4.0
        if (np.abs(noise).sum(axis=1) >= seen).mean() >= wanted:
            return 0.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            is_reached = (np.abs(middle * gap + noise).sum(axis=1) >= seen).mean() >= wanted
            low, high = (low, middle) if is_reached else (middle, high)
        return high

    return times((1 - level) / 2) * seen, min(1.0, max(1.0, times((1 + level) / 2)) * seen)


def student_quantile(level: float, freedom: Floats) -> Floats:
    """The value that Student's t stays within, on both sides of 0, with probability `level`; freedom: (K,), 1 or more.

    t = sqrt(n) tan(angle), and the density of the angle is cos(angle)^(n - 1). Within 1 in 1,000 for levels up to 0.99.
    """
    n = np.minimum(freedom, 1e4)[:, None]  # then as good as normal
    angle = np.linspace(0, math.pi / 2, 4001)
    density = np.maximum(np.cos(angle), 0) ** (n - 1)
    below = np.cumsum(density[:, 1:] + density[:, :-1], axis=1) / 2  # (K, 4000), up to each angle but the first
    reached = [np.interp(level * row[-1], row, angle[1:]) for row in below]
    return np.asarray(np.sqrt(n[:, 0]) * np.tan(reached))


def _by_student(groups: Floats, level: float) -> Floats:
    """(K,) the share of the films that are left when so many groups have to tell their own standard error."""
    freedom = np.maximum(np.nan_to_num(groups - 1, nan=1.0), 1)
    return np.asarray(_quantile(level) ** 2 / student_quantile(level, freedom) ** 2)


def _quantile(level: float) -> float:
    return _NORMAL.inv_cdf((1 + level) / 2)
