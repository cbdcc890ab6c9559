"""How often intervals hold the truth: simulated sets of films of patients, whose true scores are known.

    python benchmarks/coverage.py                      all settings, 500 sets each: about 15 minutes on one core
    python benchmarks/coverage.py rare-400 --sets 100  one of them, roughly

A set is drawn from a law: groups of films (patients, or whole hospitals), each film a point around the mean of its class; what a
group's films have in common and what they have not are both normal, or have heavy tails. The logits of the best possible
classifier of such points are sharpened by a factor, which leaves the ranks and spoils the calibration. The truth is the
measure on 1,500,000 films of the same law. For each measure: how often our interval holds it, and misses it below and above;
then the same of plain percentiles, over groups and over films; and how wide the intervals are on average.

A set in which a measure is undefined (a rare class without a film) says nothing about it; the last column counts the others.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from plainfilm.core.bootstrap import index_groups, percentile_interval, resample
from plainfilm.core.metrics import RankedTable, measure, measure_names, softmax
from plainfilm.core.ranking import Floats, Integers, each_once
from plainfilm.core.table_intervals import TableEstimate

LEVEL = 0.95
TRUTH_FILMS = 1_500_000
FOUR, THREE = (0.17, 0.29, 0.50, 0.04), (0.25, 0.70, 0.05)
COLUMNS = ("ours", "percentiles over groups", "percentiles over films")


@dataclass(frozen=True)
class Law:
    """What sets are drawn from.

    films: about how many a set has. accuracy: what the classifier reaches. shares: of the classes, the last one rare.
    groups: "singles"; "patients", 1 to 5 films; "skewed", mostly one film and up to 25; "hospitals", forty large ones.
    likeness: what films of a group share of their variance. sharpness: of the logits, 1 where they are calibrated.
    tails: degrees of freedom of the points about their class; 0 for normal. harder: how much wider large groups spread.
    """

    films: int
    accuracy: float
    shares: tuple[float, ...]
    groups: str
    likeness: float = 0.5
    sharpness: float = 1.5
    tails: int = 0
    harder: float = 0


TUNED_ON = {
    "patients-400": Law(400, 0.90, FOUR, "patients"),
    "singles-400": Law(400, 0.97, (0.30, 0.45, 0.20, 0.05), "singles"),
    "poor-1500": Law(1500, 0.75, THREE, "patients", sharpness=2.0),
    "calibrated-1500": Law(1500, 0.97, FOUR, "patients", sharpness=1.0),
    "hospitals-400": Law(400, 0.75, (0.30, 0.30, 0.35, 0.05), "hospitals", likeness=0.2),
}
CONFIRMED_ON = {
    "rare-400": Law(400, 0.97, FOUR, "patients"),
    "three-400": Law(400, 0.90, THREE, "singles", sharpness=1.0),
    "skewed-400": Law(400, 0.75, FOUR, "skewed"),
    "tails-1500": Law(1500, 0.90, FOUR, "patients", likeness=0.7, tails=4),
    "harder-1500": Law(1500, 0.90, FOUR, "patients", harder=0.5),
    "hospitals-1500": Law(1500, 0.97, THREE, "hospitals", likeness=0.2),
    "patients-5000": Law(5000, 0.90, THREE, "patients", sharpness=1.2),
    "good-5000": Law(5000, 0.97, FOUR, "patients"),
}
LAWS = TUNED_ON | CONFIRMED_ON


def draw(law: Law, films: int, strength: float, rng: np.random.Generator) -> tuple[Floats, Integers, Integers]:
    """Probabilities, labels and groups of about so many films."""
    size = _group_sizes(law, films, rng)
    group = np.repeat(np.arange(len(size)), size)
    classes = len(law.shares)
    if law.groups == "hospitals":
        label = rng.choice(classes, size=len(group), p=law.shares)
    else:
        label = rng.choice(classes, size=len(size), p=law.shares)[group]
    common, own = rng.normal(size=(len(size), classes)), rng.normal(size=(len(group), classes))
    apart = np.sqrt(law.likeness) * common[group] + np.sqrt(1 - law.likeness) * own
    if law.tails:
        apart /= np.sqrt(rng.chisquare(law.tails, size=len(size)) / law.tails)[group][:, None]
    apart *= (1 + law.harder * (size > np.median(size)))[group][:, None]
    logit = strength * (apart + strength * np.eye(classes)[label]) + np.log(law.shares)
    return softmax(law.sharpness * logit), label, group


def _group_sizes(law: Law, films: int, rng: np.random.Generator) -> Integers:
    if law.groups == "singles":
        return np.ones(films, dtype=int)
    if law.groups == "patients":
        return rng.integers(1, 6, size=round(films / 3))
    if law.groups == "skewed":
        return np.minimum(rng.geometric(0.5, size=round(films / 4.5)) ** 2, 25)
    mean = law.films / 40
    return np.maximum(1, np.round(rng.lognormal(-0.125, 0.5, size=round(films / mean)) * mean)).astype(int)


def strength_for(law: Law) -> float:
    """How far apart the classes have to lie for the law's accuracy."""
    low, high = 0.2, 8.0
    for _ in range(25):
        middle = (low + high) / 2
        probability, label, _ = draw(law, 60_000, middle, np.random.default_rng(99))
        low, high = (middle, high) if (probability.argmax(axis=1) == label).mean() < law.accuracy else (low, middle)
    return high


@dataclass(frozen=True)
class Coverage:
    """Of one measure: (3,) in the order of COLUMNS, shares of the sets and mean widths. sets: how many defined it."""

    truth: float
    misses_below: Floats  # the whole interval lies above the truth, which is missed below it
    misses_above: Floats
    width: Floats
    sets: int

    @property
    def held(self) -> Floats:
        return 1 - self.misses_below - self.misses_above


def cover(law: Law, sets: int, repeats: int) -> dict[str, Coverage]:
    """The coverage of every measure, by name."""
    strength, classes = strength_for(law), [f"class {c}" for c in range(len(law.shares))]
    probability, label, _ = draw(law, TRUTH_FILMS, strength, np.random.default_rng(12345))
    truth = measure(probability, label, classes)
    names = [name for name in measure_names(classes) if not name.startswith("support/")]
    places = [measure_names(classes).index(name) for name in names]
    ends = []
    for seed in range(sets):
        probability, label, group = draw(law, law.films, strength, np.random.default_rng([seed, 7]))
        table = RankedTable(probability, label, classes)
        estimate = TableEstimate(table, index_groups(group)[0])
        replicate = resample(estimate.statistic, group, repeats=repeats, seed=seed, threads=1)
        ours = estimate.ends(estimate.statistic(each_once(len(label)))[0], replicate, LEVEL)
        by_film = resample(table.measures, np.arange(len(label)), repeats=repeats, seed=seed, threads=1)
        over_groups, over_films = (percentile_interval(drawn[:, places], LEVEL)[:2] for drawn in (replicate, by_film))
        of_set = [[end[places] for end in ours], over_groups, over_films]
        ends.append(of_set)
    return {name: _coverage(truth[name], np.array(ends)[:, :, :, place]) for place, name in enumerate(names)}


def _coverage(truth: float, ends: Floats) -> Coverage:
    """ends: (sets, 3, 2)."""
    ends = ends[~np.isnan(ends).any(axis=(1, 2))]
    below, above = (ends[..., 0] > truth).mean(axis=0), (ends[..., 1] < truth).mean(axis=0)
    return Coverage(truth, below, above, (ends[..., 1] - ends[..., 0]).mean(axis=0), len(ends))


def print_coverage(found: Mapping[str, Coverage]) -> None:
    print(f"{'':28}{'truth':>7}   {'   '.join(f'{name:>30}' for name in COLUMNS)}   sets")
    heading = "held  below  above   width".rjust(30)
    print(f"{'':28}{'':7}   {'   '.join(heading for _ in COLUMNS)}")
    for name, one in found.items():
        columns = zip(one.held, one.misses_below, one.misses_above, one.width, strict=True)
        cells = (f"{held:10.1%}{below:7.1%}{above:7.1%}{width:8.3f}".rjust(30) for held, below, above, width in columns)
        print(f"{name:28}{one.truth:7.3f}   {'   '.join(cells)}   {one.sets}")


def print_summary(found: Mapping[str, Mapping[str, Coverage]]) -> None:
    """One row a measure: our coverage in each setting, and the lowest that each kind of percentiles came to."""
    rows: dict[str, list[list[Coverage]]] = {}
    for place, of_law in enumerate(found.values()):
        rare = list(of_law)[-1].partition("/")[2]  # the last class is
        for name, one in of_law.items():
            rows.setdefault(_row_of(name, rare), [[] for _ in found])[place].append(one)
    print("| measure | " + " | ".join(found) + " | lowest, percentiles over groups | lowest, over films |")
    print("|---" * (len(found) + 3) + "|")
    for name, row in rows.items():
        held = [_span([float(one.held[0]) for one in cell]) for cell in row]
        lowest = [f"{min(float(one.held[column]) for cell in row for one in cell):.1%}" for column in (1, 2)]
        print(f"| {name} | " + " | ".join([*held, *lowest]) + " |")


def _row_of(name: str, rare: str) -> str:
    """`recall/class 3` -> "recall, rare class" or "recall, other classes"."""
    kind, _, label = name.partition("/")
    return f"{kind}, {'rare class' if label == rare else 'other classes'}" if label else kind


def _span(held: Sequence[float]) -> str:
    low, high = f"{min(held):.1%}", f"{max(held):.1%}"
    return low if low == high else f"{low} to {high}"


def main() -> None:
    parser = argparse.ArgumentParser(description="How often intervals hold the truth.")
    parser.add_argument("settings", nargs="*", choices=[*LAWS, []], help=f"some of {', '.join(LAWS)}; all by default")
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=400)
    given = parser.parse_args()
    found = {}
    for name in given.settings or LAWS:
        start = time.perf_counter()
        found[name] = cover(LAWS[name], given.sets, given.repeats)
        kind = "tuned on" if name in TUNED_ON else "not tuned on"
        print(
            f"\n{name} ({kind}): {LAWS[name]}, {given.sets} sets, {given.repeats} replicates, {time.perf_counter() - start:.0f} s"
        )
        print_coverage(found[name])
    print()
    print_summary(found)


if __name__ == "__main__":
    main()
