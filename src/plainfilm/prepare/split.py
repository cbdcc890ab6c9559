"""Splits that do not leak: stratified by class, whole groups only; by shares, by films a class, or in folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.manifest import SPLITS
from plainfilm.core.words import counted
from plainfilm.errors import BadConfig, TooFewFilms

_USUAL_SHARES = (0.2, 0.1, None)  # test, val, train


@dataclass(frozen=True)
class SplitPlan:
    """How to split.

    test, val, train: each a share of the films (below 1) or a number of films a class (1 or more); None for train means the rest.
    folds: 0 for one split, k for k folds (fold i is the test, fold i + 1 the validation, the rest trains), without other shares.
    repeats: how many times, each with its own draw.
    seed: of the draw.
    """

    test: float = _USUAL_SHARES[0]
    val: float = _USUAL_SHARES[1]
    train: float | None = _USUAL_SHARES[2]
    folds: int = 0
    repeats: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the plan. Raises BadConfig."""
        for name, wanted in (("test", self.test), ("val", self.val), ("train", self.train)):
            if wanted is not None and not (0 < wanted < 1 or (wanted >= 1 and float(wanted).is_integer())):
                raise BadConfig(
                    f"--{name} {wanted:g}: expected a share between 0 and 1, or a whole number of films a class"
                )
        shares = [wanted for wanted in (self.test, self.val, self.train) if wanted is not None and wanted < 1]
        if sum(shares) >= 1 + 1e-9 or (self.train is None and sum(shares) >= 1 - 1e-9):
            given = "" if self.train is None else f", --train {self.train:g}"
            raise BadConfig(
                f"--test {self.test:g}, --val {self.val:g}{given}: together more than all films"
                if given
                else f"--test {self.test:g} and --val {self.val:g} leave nothing to train on"
            )
        if self.folds == 1 or self.folds == 2 or self.folds < 0 or self.folds > 100:
            raise BadConfig(f"--folds {self.folds}: expected 3 to 100 (one tests, one validates, the rest trains)")
        if self.folds and (self.test, self.val, self.train) != _USUAL_SHARES:
            raise BadConfig(
                f"--folds {self.folds} and --test, --val or --train say two things: each fold is a test in turn. Leave out one"
            )
        if not 1 <= self.repeats <= 100:
            raise BadConfig(f"--repeats {self.repeats}: expected 1 to 100")


def refuse_unheard(plan: SplitPlan, splits: set[str]) -> None:
    """Raise BadConfig where a plan wants what a split that is kept does not grant.

    splits: those that the source came with; where val is not among them, it is drawn by the plan.
    """
    usual = SplitPlan()
    names = ("test", "train", "folds", "repeats", *(("val",) if "val" in splits else ()))
    unheard = [f"--{name}" for name in names if getattr(plan, name) != getattr(usual, name)]
    if unheard:
        raise BadConfig(
            f"the source came with a split, which is kept, so {', '.join(unheard)} would change nothing: leave it out, or add "
            "--resplit to draw a new split"
        )


def split_by_group(films: pd.DataFrame, classes: Sequence[str], plan: SplitPlan) -> dict[str, pd.Series[str]]:
    """Draw the splits of a plan.

    films: rows with label and group; every row gets a place, or "" where `train` leaves films over.
    Returns split column name -> split of each row; the first is always "split".
    Raises BadConfig where a class has too few groups or films for the plan.
    """
    columns: dict[str, pd.Series[str]] = {}
    for repeat in range(plan.repeats):
        rng = np.random.default_rng([plan.seed, repeat])
        suffix = f"_r{repeat}" if plan.repeats > 1 else ""
        if plan.folds:
            quota = _fold_quota(films, classes, plan.folds)
            fold = _draw(films, classes, _checked(quota, classes, [f"fold {i}" for i in range(plan.folds)]), rng)
            for test in range(plan.folds):
                place = np.where(fold == test, "test", np.where(fold == (test + 1) % plan.folds, "val", "train"))
                columns[f"split{suffix}_f{test}"] = pd.Series(place, index=films.index, dtype=object)
        else:
            names = np.array([*SPLITS, ""], dtype=object)
            columns[f"split{suffix}"] = pd.Series(
                names[_draw(films, classes, _quota(films, classes, plan), rng)], index=films.index, dtype=object
            )
    first = next(iter(columns))
    return columns if first == "split" else {"split": columns[first], **columns}


def refuse_missing_classes(films: pd.DataFrame, columns: Mapping[str, pd.Series[str]], classes: Sequence[str]) -> None:
    """Raise BadConfig where a drawn split lacks a class, since its groups could not be spread further."""
    for name, place in columns.items():
        for split in SPLITS:
            held = set(films.loc[place[place == split].index, "label"])
            for label in classes:
                if label not in held:
                    inside = films[films["label"] == label]
                    groups = inside["group"].nunique()
                    raise TooFewFilms(
                        f"class {label} is missing from {split} in {name}: its {counted(len(inside), 'film')} are "
                        f"{counted(groups, 'group')} (one patient, or one picture), and a group is never parted",
                        "Add films of other patients, or leave the class out by --classes",
                    )


def fill_validation(films: pd.DataFrame, classes: Sequence[str], plan: SplitPlan) -> pd.Series[str]:
    """Take validation films, whole groups, out of the training films of a split that came without any."""
    training = films[films["split"] == "train"]
    share = plan.val if plan.val < 1 else 0.0
    counts = _class_counts(training, classes)
    wanted = np.rint(counts * share).astype(int) if share else np.full(len(classes), int(plan.val))
    drawn = _draw(
        training,
        classes,
        _checked(np.array([counts - wanted, wanted]), classes, ["train", "val"]),
        np.random.default_rng(plan.seed),
    )
    place = films["split"].copy()
    place[training.index[drawn == 1]] = "val"
    return place


def folds_by_group(films: pd.DataFrame, classes: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """(N,) the fold of each row, 0 to folds - 1: whole groups only, each class as evenly as these allow.

    films: rows with label and group. A class of fewer films than folds is missing from some.
    """
    return _draw(films, classes, _fold_quota(films, classes, folds), np.random.default_rng(seed))


def split_to_quota(films: pd.DataFrame, classes: Sequence[str], quota: NDArray[np.int64], seed: int) -> pd.Series[str]:
    """Draw one split of given counts, whole groups only, as near to them as these allow.

    films: rows with label and group. quota: (4, C) films a class in train, val, test and none of them; a column's sum is all films
    of that class. Raises BadConfig where a class would be missing from train, val or test.
    """
    names = np.array([*SPLITS, ""], dtype=object)
    drawn = _draw(films, classes, _checked(quota, classes, [*SPLITS]), np.random.default_rng(seed))
    return pd.Series(names[drawn], index=films.index, dtype=object)


def _class_counts(films: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.int64]:
    counts = films["label"].value_counts()
    return np.array([int(counts.get(name, 0)) for name in classes], dtype=np.int64)


def _quota(films: pd.DataFrame, classes: Sequence[str], plan: SplitPlan) -> NDArray[np.int64]:
    """(4, C): films wanted in train, val, test and left over, a class."""
    counts = _class_counts(films, classes)

    def wanted(amount: float) -> NDArray[np.int64]:
        if amount < 1:
            return np.array([max(1, round(count * amount)) for count in counts], dtype=np.int64)
        return np.full(len(classes), int(amount), dtype=np.int64)

    test, val = wanted(plan.test), wanted(plan.val)
    rest = counts - test - val
    train = rest if plan.train is None else wanted(plan.train)
    if plan.train is not None and max(plan.train, plan.val, plan.test) < 1:
        train = np.minimum(train, rest)  # shares, each rounded, may come to a film more than there are
    return _checked(np.array([train, val, test, counts - train - val - test]), classes, [*SPLITS])


def _fold_quota(films: pd.DataFrame, classes: Sequence[str], folds: int) -> NDArray[np.int64]:
    """(folds, C) films wanted in each fold; with fewer films than folds, a class is missing from the last."""
    base, more = np.divmod(_class_counts(films, classes), folds)
    return np.array([base + (fold < more) for fold in range(folds)])


def _checked(quota: NDArray[np.int64], classes: Sequence[str], names: list[str]) -> NDArray[np.int64]:
    have = quota.sum(axis=0)
    for row, name in enumerate(names):
        for column, label in enumerate(classes):
            if quota[row, column] < 1:
                raise TooFewFilms(
                    f"class {label} has {counted(int(have[column]), 'readable film')}, which leaves none for {name}",
                    "Add films, ask for fewer in the other splits, or leave the class out by --classes",
                )
    if (quota < 0).any():
        label = classes[int(np.argmin(quota.min(axis=0)))]
        raise BadConfig(f"class {label} has too few films for --train, --val and --test together")
    return quota


def _draw(
    films: pd.DataFrame, classes: Sequence[str], quota: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Give each group a place, so that the counts come as near to the quota as whole groups allow.

    Large groups draw first, each film's worth of room being equally likely; single films, which come last, fill the places
    exactly. So a split holds its fair part of large groups, and a set of single films is a plain random draw.

    quota: (places, C) films wanted; a place that wants none gets none. Returns (N,) the place of each row.
    """
    class_index = pd.Categorical(films["label"], categories=list(classes)).codes.astype(np.int64)
    group_index, groups = pd.factorize(films["group"])
    makeup = np.zeros((len(groups), len(classes)), dtype=np.int64)
    np.add.at(makeup, (group_index, class_index), 1)
    order = rng.permutation(len(groups))
    order = order[np.argsort(-makeup[order].sum(axis=1), kind="stable")]
    room = quota.astype(np.int64).copy()
    is_open = quota.any(axis=1)
    place_of_group = np.zeros(len(groups), dtype=np.int64)
    for group, chance in zip(order, rng.random(len(groups)), strict=True):
        films_of = makeup[group]
        fits = (room >= films_of).all(axis=1)
        chances = np.where(fits, room @ films_of, 0)
        if chances.sum() > 0:
            place = int(np.searchsorted(np.cumsum(chances), chance * chances.sum(), side="right"))
        else:
            place = int(np.argmax(np.where(is_open, (room - films_of).min(axis=1), np.iinfo(np.int64).min)))
        place_of_group[group] = place
        room[place] -= films_of
    return place_of_group[group_index]
