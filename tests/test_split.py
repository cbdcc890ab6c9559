"""Splits: whole groups, every class everywhere, exact counts, a fair draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainfilm.errors import BadConfig
from plainfilm.prepare.split import SplitPlan, fill_validation, split_by_group

CLASSES = ("A", "B", "C")


def _films(seed: int, films: int, group_size: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, max(1, films // group_size), films)
    label_of_group = rng.choice(CLASSES, size=films, p=[0.6, 0.3, 0.1])
    return pd.DataFrame({"label": label_of_group[groups], "group": [f"g{number}" for number in groups]})


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), films=st.integers(300, 900), group_size=st.integers(1, 3))
def test_no_group_spans_two_splits_and_the_shares_come_out(seed: int, films: int, group_size: int) -> None:
    table = _films(seed, films, group_size)
    place = split_by_group(table, CLASSES, SplitPlan(seed=seed))["split"]
    assert (table.assign(place=place).groupby("group")["place"].nunique() == 1).all()
    counts = pd.crosstab(table["label"], place)
    share = counts.div(counts.sum(axis=1), axis=0)
    assert set(counts.columns) == {"train", "val", "test"}
    largest = table["group"].value_counts().max()
    allowed = (largest + 0.5) / counts.sum(axis=1)
    assert (abs(share["test"] - 0.2) <= allowed).all()
    assert (abs(share["val"] - 0.1) <= allowed).all()


def test_films_a_class_are_exact_where_single_films_allow_it() -> None:
    table = _films(3, 2000, 1)
    table["group"] = [f"g{place}" if place > 60 else f"pair{place // 2}" for place in range(len(table))]
    table.loc[:60, "label"] = "A"
    place = split_by_group(table, CLASSES, SplitPlan(test=30, val=20, train=50))["split"]
    counts = pd.crosstab(table["label"], place)
    assert (counts["test"] == 30).all()
    assert (counts["val"] == 20).all()
    assert (counts["train"] == 50).all()
    assert counts[""].sum() == 2000 - 300


def test_each_fold_tests_every_film_once_and_repeats_differ() -> None:
    table = _films(1, 300, 2)
    columns = split_by_group(table, CLASSES, SplitPlan(folds=5, repeats=2))
    assert list(columns) == ["split", *(f"split_r{repeat}_f{fold}" for repeat in range(2) for fold in range(5))]
    assert columns["split"].equals(columns["split_r0_f0"])
    for repeat in range(2):
        folds = [columns[f"split_r{repeat}_f{fold}"] for fold in range(5)]
        for name in ("test", "val"):
            assert (sum((fold == name).astype(int) for fold in folds) == 1).all()
        for fold in folds:
            assert (table.assign(place=fold).groupby("group")["place"].nunique() == 1).all()
    assert not columns["split_r0_f0"].equals(columns["split_r1_f0"])


def test_the_seed_decides() -> None:
    table = _films(1, 300, 2)
    draws = [split_by_group(table, CLASSES, SplitPlan(seed=seed))["split"] for seed in (5, 5, 6)]
    assert draws[0].equals(draws[1])
    assert not draws[0].equals(draws[2])


def test_a_split_holds_its_fair_part_of_large_groups() -> None:
    table = pd.DataFrame(
        {"label": "A", "group": [f"five{place // 5}" for place in range(500)] + [f"one{p}" for p in range(500)]}
    )
    table.loc[::2, "label"] = "A"
    both = pd.concat([table, table.assign(label="B", group=table["group"] + "b")], ignore_index=True)
    in_test = []
    for seed in range(30):
        place = split_by_group(both, ("A", "B"), SplitPlan(seed=seed))["split"]
        is_large = both["group"].str.startswith("five")
        in_test.append((place[is_large] == "test").mean())
    assert 0.18 < np.mean(in_test) < 0.22


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"test": 0.0}, "expected a share between 0 and 1"),
        ({"test": -1}, "expected a share"),
        ({"val": 1.5}, "expected a share"),
        ({"test": 0.7, "val": 0.3}, "leave nothing to train on"),
        ({"folds": 2}, "expected 3 to 100"),
        ({"repeats": 0}, "expected 1 to 100"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(plan: dict[str, float], said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        SplitPlan(**plan)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "plan", [SplitPlan(), SplitPlan(test=5, val=5), SplitPlan(folds=5), SplitPlan(train=10, test=1, val=1)]
)
def test_a_class_with_too_few_films_is_named(plan: SplitPlan) -> None:
    table = pd.DataFrame({"label": ["A"] * 100 + ["B"] * 2, "group": [f"g{place}" for place in range(102)]})
    with pytest.raises(BadConfig, match="class B has"):
        split_by_group(table, ("A", "B"), plan)


def test_validation_is_taken_out_of_training_alone() -> None:
    table = _films(2, 400, 2)
    table["split"] = np.where(pd.factorize(table["group"])[0] % 4 == 0, "test", "train")
    place = fill_validation(table, CLASSES, SplitPlan())
    assert (place[table["split"] == "test"] == "test").all()
    assert 20 < (place == "val").sum() < 50
    assert (table.assign(place=place).groupby("group")["place"].nunique() == 1).all()


@pytest.mark.parametrize("films", [3616, 15, 3])
def test_shares_of_all_films_may_each_be_rounded_up(films: int) -> None:
    table = pd.DataFrame({"label": ["A"] * films + ["B"] * 100, "group": [f"g{place}" for place in range(films + 100)]})
    place = split_by_group(table, ("A", "B"), SplitPlan(train=0.8, val=0.1, test=0.1))["split"]
    counts = pd.crosstab(table["label"], place)
    assert (counts > 0).all(axis=None) and counts.loc["B"].to_dict() == {"train": 80, "val": 10, "test": 10}
    assert abs(counts.loc["A", "test"] - films / 10) < 1 and "" not in counts


def test_no_film_is_left_over_where_all_train() -> None:
    rng = np.random.default_rng(0)
    for seed in range(30):
        groups = rng.integers(0, 20, 200)
        table = pd.DataFrame(
            {"label": rng.choice(CLASSES, 200, p=[0.6, 0.3, 0.1]), "group": [f"g{group}" for group in groups]}
        )
        assert "" not in set(split_by_group(table, CLASSES, SplitPlan(seed=seed))["split"])


def test_folds_and_shares_say_two_things() -> None:
    for shares in ({"test": 0.3}, {"val": 20}, {"train": 0.5}):
        with pytest.raises(BadConfig, match="--folds 5 and --test, --val or --train say two things"):
            SplitPlan(folds=5, **shares)  # type: ignore[arg-type]
    assert SplitPlan(folds=5, repeats=2, seed=3).folds == 5
