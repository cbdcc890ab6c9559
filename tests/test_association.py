"""Cramér's V against published tables, its interval, and what a source tells of the class."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainfilm.core.association import associate, classes_tied_to_source, cramers_v, films_by_source, guess_by_source

# Hair by eye colour of 592 students (Snee 1974, doi:10.2307/2683520), as in R's HairEyeColor, whose chi squared is 138.29.
HAIR_AND_EYES = np.array([[68, 20, 15, 5], [119, 84, 54, 29], [26, 17, 14, 14], [7, 94, 10, 16]])
CLASSES = ("A", "B", "C")


def _associate(source, label, *, classes=CLASSES, group=None, fold=None, repeats=300):
    source, label = np.asarray(source), np.asarray(label)
    group = np.arange(len(label)) if group is None else group
    fold = np.arange(len(label)) % 5 if fold is None else fold
    return associate(source, label, fold, group, classes, repeats=repeats)


def test_a_published_table() -> None:
    """Bergsma's formula with the published chi squared, films and size of the table put in by hand."""
    phi, rows, columns, films = 138.29 / 592, 4, 4, 592
    corrected = phi - (rows - 1) * (columns - 1) / (films - 1)
    widest = rows - (rows - 1) ** 2 / (films - 1) - 1
    assert cramers_v(HAIR_AND_EYES) == pytest.approx(math.sqrt(corrected / widest), abs=1e-4)
    assert cramers_v(HAIR_AND_EYES) == pytest.approx(0.2705, abs=1e-4)  # 0.279 without the correction


def test_a_full_tie_is_one_and_none_is_zero() -> None:
    assert cramers_v(np.diag([40, 30, 20])) == pytest.approx(1)
    assert cramers_v(np.outer([3, 5, 2], [40, 10])) == 0
    assert cramers_v([[50, 0], [0, 30], [0, 20]]) == pytest.approx(1, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(2, 5), columns=st.integers(2, 5))
def test_order_turning_and_empty_lines_do_not_matter(seed: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 30, (rows, columns)) + np.eye(rows, columns, dtype=int)
    value = float(cramers_v(table))
    assert 0 <= value <= 1 + 1e-9
    assert cramers_v(table.T) == pytest.approx(value)
    assert cramers_v(table[rng.permutation(rows)][:, rng.permutation(columns)]) == pytest.approx(value)
    assert cramers_v(np.pad(table, ((0, 2), (1, 0)))) == pytest.approx(value)


@pytest.mark.parametrize(
    "table", [[[5, 5]], [[5], [5]], [[5, 3], [0, 0]], [[5, 0], [3, 0]], np.eye(6), np.zeros((2, 2))]
)
def test_what_cannot_be_known_is_nan(table: object) -> None:
    """One source, one class, as many sources as films, nothing at all."""
    assert np.isnan(cramers_v(table))


def test_many_tables_at_once_are_each_their_own() -> None:
    tables = np.stack([HAIR_AND_EYES, np.diag([5, 5, 5, 5]), np.ones((4, 4))])
    assert cramers_v(tables).tolist() == pytest.approx([float(cramers_v(table)) for table in tables])


def test_the_correction_takes_off_what_chance_shows() -> None:
    """Independent names: the corrected V is 0 or near it on average, where the plain one is not."""
    rng = np.random.default_rng(0)
    tables = np.stack([np.histogram2d(rng.integers(0, 6, 60), rng.integers(0, 4, 60), (6, 4))[0] for _ in range(300)])
    assert cramers_v(tables).mean() < 0.12
    plain = np.sqrt(
        [((t - np.outer(t.sum(1), t.sum(0)) / 60) ** 2 / np.outer(t.sum(1), t.sum(0)) * 60).sum() / 180 for t in tables]
    )
    assert plain.mean() > 0.25


def test_a_class_with_a_source_of_its_own_is_found_though_it_is_rare() -> None:
    rng = np.random.default_rng(1)
    label = np.repeat([0, 1, 2], [200, 200, 20])
    source = np.where(label == 2, 3, rng.integers(0, 3, 420))
    found = _associate(source, label)
    assert found.cramers_v_of["C"].low > 0.99
    assert found.cramers_v_of["A"].low < 0.2
    assert found.cramers_v.low < found.cramers_v.value < found.cramers_v.high


@pytest.mark.parametrize("seed", range(8))
def test_independent_sources_are_not_accused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = _associate(rng.integers(0, 4, 200), rng.integers(0, 3, 200))
    assert max(value.low for value in (found.cramers_v, *found.cramers_v_of.values())) < 0.2
    assert abs(found.accuracy.value - found.commonest_accuracy.value) < 0.12


def test_the_interval_is_drawn_over_groups() -> None:
    """Ten films of each patient say hardly more than one: the interval must be wider than films alone would give."""
    rng = np.random.default_rng(2)
    label, source = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    source = np.where(rng.random(60) < 0.5, label, source)
    label, source = np.repeat(label, 10), np.repeat(source, 10)
    by_patient = _associate(
        source, label, classes=("A", "B"), group=np.repeat(np.arange(60), 10), fold=np.repeat(np.arange(60) % 5, 10)
    )
    by_film = _associate(source, label, classes=("A", "B"))
    assert by_patient.cramers_v.high - by_patient.cramers_v.low > 2 * (by_film.cramers_v.high - by_film.cramers_v.low)


def test_the_class_is_guessed_from_other_folds_alone() -> None:
    """Every source has one film: knowing it says nothing, so the guess is the commonest class."""
    label = np.array([0] * 6 + [1] * 4)
    fold = np.arange(10) % 5
    assert guess_by_source(np.arange(10), label, fold, 2).tolist() == [0] * 10
    assert guess_by_source(label, label, fold, 2).tolist() == label.tolist()


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="lengths must agree"):
        _associate([0, 1, 1], [0, 1])


def _films(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["label", "source"])


def test_a_table_of_sources_has_the_largest_first_and_the_unknown_last() -> None:
    films = _films(("A", ""), ("A", ""), ("A", ""), ("B", "north"), ("A", "south"), ("B", "south"))
    table = films_by_source(films, ("A", "B"))
    assert list(table.index) == ["south", "north", ""]
    assert table.loc["south"].tolist() == [1, 1]


def test_ties_leave_out_unknown_sources_and_sources_of_one_film() -> None:
    tied = _films(*[("A", "north")] * 3, *[("B", "south")] * 3, *[("C", "south")] * 2, ("B", ""), ("C", "single"))
    assert classes_tied_to_source(tied, CLASSES) == {"A": ["north"]}
    everyone_alone = _films(*[(CLASSES[i % 3], f"source {i}") for i in range(30)])
    assert classes_tied_to_source(everyone_alone, CLASSES) == {}
    assert classes_tied_to_source(_films(*[("A", "north")] * 3), CLASSES) == {}
