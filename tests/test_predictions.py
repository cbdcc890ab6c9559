"""The table of scores: bits kept, rivals' tables checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import rows
from plainfilm.core.predictions import Predictions
from plainfilm.errors import BadPredictions


def _predictions() -> Predictions:
    films = rows(["A", "B", "A", ""])
    films.loc[2, ["status", "error"]] = ["error", "empty file"]
    logit = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    logit[2] = np.nan
    return Predictions.of(films, logit, ("A", "B"), "net")


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_logits_read_back_bit_for_bit(tmp_path: Path, name: str) -> None:
    before = _predictions()
    before.write(tmp_path / name)
    after = Predictions.open(tmp_path / name)
    np.testing.assert_array_equal(before.logit, after.logit)
    assert list(after.table.columns) == [
        "image_id", "label", "split", "group", "source", "patient_id", "logit_A", "logit_B", "status", "error", "model"
    ]  # fmt: skip
    assert after.classes == ("A", "B")


def test_only_labelled_and_readable_films_are_judged() -> None:
    assert list(_predictions().judged.table["image_id"]) == ["film-0", "film-1"]
    assert list(_predictions().label_index) == [0, 1, 0, -1]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("image_id", "film-1", "repeat an image_id"),
        ("status", "fine", "have a status other than"),
        ("label", "C", "none of A, B: film-0"),
        ("logit_A", "inf", "have no finite logits: film-0"),
        ("logit_A", "", "have no finite logits: film-0"),
    ],
)
def test_a_rivals_table_that_breaks_the_contract_is_refused_by_row(
    tmp_path: Path, column: str, value: str, said: str
) -> None:
    path = tmp_path / "scores.csv"
    table = _predictions().table.astype(object)
    table.loc[0, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(BadPredictions, match=said):
        Predictions.open(path)


def test_a_table_without_our_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("image_id,probability\nx,0.5\n")
    with pytest.raises(BadPredictions, match="has no column label, split"):
        Predictions.open(path)
    with pytest.raises(BadPredictions, match="is missing"):
        Predictions.open(tmp_path / "nowhere.csv")


def test_a_bare_table_from_elsewhere_is_enough_and_probabilities_are_no_logits(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("image_id,label,split,logit_A,logit_B\na,A,test,1.5,-2\nb,B,test,0.1,3\n")
    opened = Predictions.open(path)
    assert opened.table["model"].tolist() == ["theirs", "theirs"] and opened.judged.group.tolist() == [
        "film a",
        "film b",
    ]
    path.write_text("image_id,label,split,logit_A,logit_B\na,A,test,0.9,0.1\nb,B,test,0.3,0.7\n")
    with pytest.raises(BadPredictions, match="hold probabilities: write their logarithms"):
        Predictions.open(path)
    path.write_text("image_id,label,split,logit_A,logit_B\na,A,test,1e308,0.1\n")
    with pytest.raises(BadPredictions, match="no finite logits"):
        Predictions.open(path)


def test_classes_whose_names_share_a_first_part_before_a_comma_read_back(tmp_path: Path) -> None:
    classes = ("Pneumonia, bacterial", "Pneumonia, viral")
    Predictions.of(rows([*classes]), np.zeros((2, 2), np.float32), classes, "net").write(tmp_path / "scores.csv")
    assert Predictions.open(tmp_path / "scores.csv").classes == classes
