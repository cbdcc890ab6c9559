"""Does `compare` keep silent where there is no difference, and does it find one that is there?

    python benchmarks/compare.py                         # all settings, 500 and 300 sets of films each
    python benchmarks/compare.py --sets 50 --gaps 50     # a quick look

Each set holds films of four classes in groups (patients); the networks answer all of them. A film is hard for all networks alike
(`shared`), a little harder for the one or the other, and the films of a group resemble each other in both respects, which makes
the design effect: by how much the variance of an accuracy exceeds that of films one by one. Networks of one accuracy share the law,
not the answers; for the true gap the one network's sureness is lowered until it loses 3 points, measured on a million films.

Each pair goes through `compare` itself: the tests of accuracy and of macro AUROC, and Holm's correction for both. "Silent" is
a comparison that supports neither. Beside it stands what the textbook tests say, which take each film for a patient of its own.
"""

from __future__ import annotations

import argparse
import functools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from plainfilm.core.metrics import softmax
from plainfilm.core.predictions import Predictions
from plainfilm.core.ranking import Floats, Integers
from plainfilm.judge.compare.compare import compare
from plainfilm.judge.compare.comparison import Comparison, Difference
from plainfilm.judge.compare.contestants import Contestant

CLASSES = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
FREQUENCY = (0.171, 0.284, 0.482, 0.063)  # as in the Radiography Database
GAP = 0.03


@dataclass(frozen=True)
class Law:
    """How films and networks are drawn.

    films: in a set. films_a_group: mean size of a group.
    shared: the share of the variance of a film's hardness that all networks have in common.
    of_group: the share of every part of it that the films of a group have in common.
    sureness: how far the true class stands above the others.
    networks: how many; all are alike. trainings: of each; spread: standard deviation of the sureness over trainings.
    """

    films: int = 3000
    films_a_group: float = 2.0
    shared: float = 0.7
    of_group: float = 0.7
    sureness: float = 2.3
    networks: int = 2
    trainings: int = 1
    spread: float = 0.0


def draw_films(law: Law, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """(N,) the label and (N,) the group of each film; a group has one label; sizes are 1 + Poisson."""
    size = 1 + rng.poisson(law.films_a_group - 1, law.films)
    group = np.repeat(np.arange(law.films), size)[: law.films]
    label = rng.choice(len(CLASSES), law.films, p=FREQUENCY)
    return label[group], group


def noise(group: Integers, of_group: float, rng: np.random.Generator) -> Floats:
    """(N, C) standard normal, the share `of_group` of the variance being common to the films of a group."""
    common = rng.normal(size=(int(group.max()) + 1, len(CLASSES)))[group]
    own = rng.normal(size=(len(group), len(CLASSES)))
    return math.sqrt(of_group) * common + math.sqrt(1 - of_group) * own


def draw_pair(
    law: Law, sureness: tuple[float, ...], rng: np.random.Generator
) -> tuple[Integers, Integers, list[list[Floats]]]:
    """Labels, groups, and for both networks the (N, C) logits of each training."""
    label, group = draw_films(law, rng)
    is_label = np.eye(len(CLASSES))[label]
    common = noise(group, law.of_group, rng)
    networks = []
    for mean in sureness:
        # what trainings of one method have in common beyond what all networks have
        method = noise(group, law.of_group, rng)
        trainings = []
        for _ in range(law.trainings):
            own = method if law.trainings == 1 else (method + noise(group, law.of_group, rng)) / math.sqrt(2)
            hardness = math.sqrt(law.shared) * common + math.sqrt(1 - law.shared) * own
            trainings.append(hardness + (mean + law.spread * rng.normal()) * is_label)
        networks.append(trainings)
    return label, group, networks


def as_contestant(name: str, label: Integers, group: Integers, logits: list[Floats]) -> Contestant:
    rows = pd.DataFrame(
        {
            "image_id": [f"film-{place:07}" for place in range(len(label))],
            "label": np.array(CLASSES, dtype=object)[label],
            "group": [f"g{place}" for place in group.tolist()],
            "split": "test",
            "status": "ok",
            "error": "",
        }
    )
    trained = [Contestant.of_table(Predictions.of(rows, logit, CLASSES, name), name) for logit in logits]
    sheets = tuple(each.sheets[0] for each in trained)
    return Contestant(name, "method", sheets, tuple(f"seed {seed}" for seed in range(len(sheets))))


def compared(label: Integers, group: Integers, networks: list[list[Floats]]) -> Comparison:
    """By the real thing; few bootstraps, since no verdict hangs on them."""
    contestants = [as_contestant(f"network {place}", label, group, logits) for place, logits in enumerate(networks)]
    return compare(contestants, with_ensembles=False, repeats=2)


@functools.cache
def worse_sureness(right: float) -> float:
    """The sureness at which a network loses GAP of accuracy, by bisection on a million films."""
    rng = np.random.default_rng(99)
    label = rng.choice(len(CLASSES), 1_000_000, p=FREQUENCY)
    is_label = np.eye(len(CLASSES))[label]
    hardness = rng.normal(size=is_label.shape)

    def accuracy(sureness: float) -> float:
        return float(((hardness + sureness * is_label).argmax(axis=1) == label).mean())

    wanted = accuracy(right) - GAP
    low, high = 0.0, right
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if accuracy(middle) < wanted else (low, middle)
    return high


@dataclass
class Told:
    """What came out of one set of films."""

    silent: bool
    finds_accuracy: bool
    finds_auroc: bool
    silent_by_film: bool
    accuracy: float
    correlation: float
    design: float
    design_of_difference: float


def design_effect(value: Floats, group: Integers) -> float:
    """By how much the variance of the mean of (N,) values exceeds that of independent films, from sums over groups."""
    away = value - value.mean()
    of_group = np.bincount(group, weights=away)
    return float((of_group**2).sum() / (away**2).sum())


def supported(differences: Sequence[Difference]) -> list[tuple[str, str]]:
    """Measure and better network of each difference that is called supported."""
    return [
        (measure, difference.better(measure))
        for difference in differences
        for measure, verdict in difference.verdicts.items()
        if verdict.is_supported
    ]


def trial(law: Law, sureness: tuple[float, ...], rng: np.random.Generator, *, by_film: bool) -> Told:
    label, group, networks = draw_pair(law, sureness, rng)
    found = compared(label, group, networks).differences
    alone = compared(label, np.arange(law.films), networks).differences if by_film else ()
    hits = [(softmax(logits[0]).argmax(axis=1) == label).astype(np.float64) for logits in networks]
    return Told(
        silent=not any(supported(found)),
        finds_accuracy=("accuracy", "network 0") in supported(found),
        finds_auroc=("macro_auroc", "network 0") in supported(found),
        silent_by_film=not any(supported(alone)),
        accuracy=float(hits[0].mean()),
        correlation=float(np.corrcoef(hits[0], hits[1])[0, 1]),
        design=design_effect(hits[0], group),
        design_of_difference=design_effect(hits[0] - hits[1], group),
    )


def run(law: Law, sureness: tuple[float, ...], sets: int, *, by_film: bool = True) -> list[Told]:
    return [trial(law, sureness, np.random.default_rng([7, number]), by_film=by_film) for number in range(sets)]


def share(flags: list[bool]) -> str:
    """A share with Wilson's 95% interval."""
    n, p, z = len(flags), sum(flags) / len(flags), 1.959964
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return f"{p:.1%} ({(middle - half) / (1 + z * z / n):.1%} to {(middle + half) / (1 + z * z / n):.1%})"


def settings() -> list[tuple[str, Law]]:
    usual = Law()
    return [
        ("2 films a group, errors much alike", replace(usual, shared=0.85)),
        ("2 films a group, errors alike", usual),
        ("2 films a group, errors little alike", replace(usual, shared=0.4)),
        ("single films", replace(usual, films_a_group=1.0, of_group=0.0)),
        ("4 films a group", replace(usual, films_a_group=4.0, of_group=0.45)),
        ("10 films a group", replace(usual, films_a_group=10.0, of_group=0.3)),
        ("300 films, 2 a group", replace(usual, films=300)),
        ("nearly faultless networks", replace(usual, sureness=3.6)),
        ("3 trainings each, alike", replace(usual, trainings=3)),
        ("3 trainings each, of unequal luck", replace(usual, trainings=3, spread=0.1)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sets", type=int, default=500, help="sets of films for each setting, networks of one accuracy"
    )
    parser.add_argument("--gaps", type=int, default=300, help="sets of films for each setting, a true gap")
    asked = parser.parse_args()
    started = time.perf_counter()
    if asked.sets:
        restraint(asked.sets)
    if asked.gaps:
        power(asked.gaps)
    print(f"{time.perf_counter() - started:.0f} s. In brackets: Wilson's 95% interval.")


def restraint(sets: int) -> None:
    print(f"Networks of one accuracy, {sets} sets of films each: how often neither measure is called different\n")
    header(
        "setting",
        "accuracy",
        "correlation of errors",
        "design effect",
        "of the difference",
        "silent",
        "silent, film by film",
    )
    for title, law in [*settings(), ("5 networks, 10 pairs", Law(networks=5))]:
        told = run(law, (law.sureness,) * law.networks, sets)
        silent, by_film = [one.silent for one in told], [one.silent_by_film for one in told]
        effects = [mean(told, name) for name in ("accuracy", "correlation", "design", "design_of_difference")]
        line(title, f"{effects[0]:.3f}", *(f"{effect:.2f}" for effect in effects[1:]), share(silent), share(by_film))
    print()


def power(sets: int) -> None:
    print(f"A true gap of 3 points of accuracy, {sets} sets of films each: how often it is found\n")
    header("setting", "accuracy of the better", "correlation of errors", "in accuracy", "in macro AUROC", "in either")
    for title, law in settings():
        told = run(law, (law.sureness, worse_sureness(law.sureness)), sets, by_film=False)
        in_accuracy, in_auroc = [one.finds_accuracy for one in told], [one.finds_auroc for one in told]
        in_either = [one.finds_accuracy or one.finds_auroc for one in told]
        effects = [mean(told, name) for name in ("accuracy", "correlation")]
        line(title, f"{effects[0]:.3f}", f"{effects[1]:.2f}", *map(share, (in_accuracy, in_auroc, in_either)))
    print()


def header(*titles: str) -> None:
    line(*titles)
    line(*["---"] * len(titles))


def line(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def mean(told: list[Told], name: str) -> float:
    return float(np.mean([getattr(one, name) for one in told]))


if __name__ == "__main__":
    main()
