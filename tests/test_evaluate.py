"""What metrics.json holds, against scikit-learn and on the tables that break naive code."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from plainfilm.core.bootstrap import interval_of
from plainfilm.core.files import read_json, write_json
from plainfilm.core.metrics import softmax
from plainfilm.core.predictions import Predictions
from plainfilm.errors import BadPredictions
from plainfilm.judge.evaluate import evaluate_predictions, shown_split

CLASSES = ("COVID", "Normal", "Viral Pneumonia")


def scored(films=300, classes=CLASSES, *, labels=None, seed=0, sure=2.0, splits=("train", "val", "test")):
    """A table of scores of a network that is right more often than not, two films a group."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, films, p=None) if labels is None else np.asarray(labels, object)
    groups = np.arange(films) // 2
    rows = pd.DataFrame(
        {
            "image_id": [f"film-{i}" for i in range(films)],
            "label": labels,
            "split": [splits[group % len(splits)] for group in groups],
            "group": [f"g{group}" for group in groups],
            "source": [f"clinic {i % 3}" if i % 7 else "" for i in range(films)],
            "status": "ok",
            "error": "",
        }
    )
    logit = rng.normal(0, 1, (films, len(classes)))
    for row, label in enumerate(labels):
        if label in classes:
            logit[row, classes.index(label)] += sure
    return Predictions.of(rows, logit, tuple(classes), "tiny")


def changed(predictions, chosen, **columns):
    """The same table with some cells changed in the rows that `chosen` marks."""
    table = predictions.table.copy()
    for name, value in columns.items():
        table.loc[chosen, name] = value
    return Predictions(table, predictions.classes)


def test_every_measure_is_scikit_learns():
    predictions = scored()
    of_test = predictions.where(predictions.table["split"] == "test")
    truth, probability = of_test.label_index, softmax(of_test.logit)
    answer = probability.argmax(axis=1)
    measured = evaluate_predictions(predictions, repeats=20)["splits"]["test"]["metrics"]

    def value(name):
        return measured[name]["value"]

    assert value("accuracy") == pytest.approx(reference.accuracy_score(truth, answer), abs=1e-9)
    assert value("balanced_accuracy") == pytest.approx(reference.balanced_accuracy_score(truth, answer), abs=1e-9)
    assert value("log_loss") == pytest.approx(reference.log_loss(truth, probability), abs=1e-9)
    area = reference.roc_auc_score(truth, probability, multi_class="ovr")
    assert value("macro_auroc") == pytest.approx(area, abs=1e-9)
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = reference.precision_recall_fscore_support(truth, answer, average=average)
        for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
            assert value(f"{average}_{name}") == pytest.approx(expected, abs=1e-9)
    for index, name in enumerate(CLASSES):
        is_class = truth == index
        specificity = reference.recall_score(~is_class, answer != index)
        assert value(f"specificity/{name}") == pytest.approx(specificity, abs=1e-9)
        assert value(f"auroc/{name}") == pytest.approx(
            reference.roc_auc_score(is_class, probability[:, index]), abs=1e-9
        )
        average_precision = reference.average_precision_score(is_class, probability[:, index])
        assert value(f"average_precision/{name}") == pytest.approx(average_precision, abs=1e-9)
        assert measured[f"support/{name}"] == is_class.sum()
    specificities = [value(f"specificity/{name}") for name in CLASSES]
    assert value("macro_specificity") == pytest.approx(np.mean(specificities), abs=1e-9)
    weights = [measured[f"support/{name}"] for name in CLASSES]
    assert value("weighted_specificity") == pytest.approx(np.average(specificities, weights=weights), abs=1e-9)


def test_confusion_is_scikit_learns_in_counts_and_shares():
    predictions = scored()
    of_val = predictions.where(predictions.table["split"] == "val")
    truth, answer = of_val.label_index, softmax(of_val.logit).argmax(axis=1)
    confusion = evaluate_predictions(predictions, repeats=20)["splits"]["val"]["confusion"]
    assert confusion["counts"] == reference.confusion_matrix(truth, answer).tolist()
    shares = np.array([[cell["value"] for cell in row] for row in confusion["share"]])
    np.testing.assert_allclose(shares, reference.confusion_matrix(truth, answer, normalize="true"), atol=1e-9)


def test_every_interval_holds_its_value_and_the_bootstrap_draws_groups():
    metrics = evaluate_predictions(scored(), repeats=200, seed=3, level=0.9)
    assert metrics["bootstrap"] == {"repeats": 200, "level": 0.9, "seed": 3, "unit": "group"}
    test = metrics["splits"]["test"]
    assert (test["films"], test["groups"]) == (100, 50)
    for name, interval in test["metrics"].items():
        if not name.startswith("support/"):
            assert interval["low"] <= interval["value"] <= interval["high"], name
            assert interval["low"] < interval["high"], name


def test_the_averages_are_drawn_from_the_same_replicates_as_the_measures():
    measured = evaluate_predictions(scored(), repeats=100, seed=5)["splits"]["test"]["metrics"]
    assert measured["weighted_recall"] == pytest.approx(measured["accuracy"])


def test_copies_in_one_group_make_an_interval_no_narrower():
    table = scored(400, splits=("test",)).table
    twice = Predictions(pd.concat([table, table.assign(image_id="again " + table["image_id"])]), CLASSES)

    def width(predictions):
        interval = evaluate_predictions(predictions, repeats=300)["splits"]["test"]["metrics"]["accuracy"]
        return interval["high"] - interval["low"]

    assert width(twice) == pytest.approx(width(Predictions(table, CLASSES)))
    assert width(changed(twice, slice(None), group="")) < 0.85 * width(twice)


def test_the_same_seed_gives_the_same_numbers_whatever_the_order_of_films():
    predictions = scored()
    shuffled = Predictions(predictions.table.sample(frac=1, random_state=1).reset_index(drop=True), CLASSES)
    first, second = (evaluate_predictions(p, repeats=50, seed=9) for p in (predictions, shuffled))
    assert first["splits"]["test"]["metrics"]["accuracy"] == second["splits"]["test"]["metrics"]["accuracy"]


def test_metrics_survive_json_unchanged(tmp_path):
    metrics = evaluate_predictions(scored(60, labels=["COVID", "Normal"] * 30), repeats=20)
    write_json(tmp_path / "metrics.json", metrics)
    assert read_json(tmp_path / "metrics.json") == metrics
    json.dumps(metrics, allow_nan=False)


def test_only_films_with_label_and_score_count_and_the_others_are_counted():
    predictions = scored()
    is_test = predictions.table["split"] == "test"
    places = np.flatnonzero(is_test)
    predictions = changed(predictions, places[:3], status="error", error="is cut off", logit_COVID=np.nan)
    predictions = changed(predictions, places[3:5], label="")
    predictions = changed(predictions, places[5:9], group="")
    test = evaluate_predictions(predictions, repeats=20)["splits"]["test"]
    assert (test["films"], test["unreadable"], test["unlabelled"], test["ungrouped"]) == (95, 3, 2, 4)
    assert sum(test["metrics"][f"support/{name}"] for name in CLASSES) == 95


def test_a_class_without_films_is_unknown_not_zero():
    metrics = evaluate_predictions(scored(200, labels=["COVID", "Normal"] * 100), repeats=20)
    measured = metrics["splits"]["test"]["metrics"]
    assert measured["support/Viral Pneumonia"] == 0
    for name in ("recall", "auroc", "average_precision"):
        assert measured[f"{name}/Viral Pneumonia"] == {"value": None, "low": None, "high": None}
    assert metrics["splits"]["test"]["confusion"]["share"][2][0]["value"] is None
    assert metrics["splits"]["test"]["curves"]["roc"]["Viral Pneumonia"]["value"] == [None] * 101
    assert np.isnan(interval_of(measured["auroc/Viral Pneumonia"]).value)


def test_by_source_knows_one_source_at_a_time_and_does_not_pretend():
    predictions = scored(600, splits=("test",))
    table = predictions.table
    only_normal = (table["label"] == "Normal").to_numpy() & (np.arange(600) % 2 == 0)
    predictions = changed(predictions, only_normal, source="screening")
    by_source = {
        one["value"]: one
        for one in evaluate_predictions(predictions, repeats=50)["splits"]["test"]["subgroups"]["source"]
    }
    screening, clinic = by_source["screening"], by_source["clinic 1"]
    assert screening["classes"] == {"Normal": int(only_normal.sum())}
    assert screening["auroc"] == {"Normal": None}
    assert screening["accuracy"] == screening["recall"]["Normal"]
    assert sum(screening["predicted"].values()) == screening["films"] == only_normal.sum()
    of_clinic = predictions.where(predictions.table["source"] == "clinic 1")
    probability = softmax(of_clinic.logit)
    expected = reference.roc_auc_score(of_clinic.label_index == 0, probability[:, 0])
    assert clinic["auroc"]["COVID"]["value"] == pytest.approx(expected, abs=1e-9)
    assert list(by_source)[-1] == ""


def test_curves_run_through_scikit_learns_points():
    predictions = scored(600, splits=("test",))
    truth, probability = predictions.label_index == 0, softmax(predictions.logit)[:, 0]
    curve = evaluate_predictions(predictions, repeats=20)["splits"]["test"]["curves"]["roc"]["COVID"]
    fpr, tpr, _ = reference.roc_curve(truth, probability)
    np.testing.assert_allclose(curve["value"][1:], np.interp(curve["fpr"][1:], fpr, tpr), atol=0.02)
    assert len(curve["fpr"]) == len(curve["low"]) == len(curve["high"]) == 101


def test_one_group_alone_has_values_and_no_intervals():
    predictions = changed(scored(20, splits=("test",)), slice(None), group="the only one")
    measured = evaluate_predictions(predictions, repeats=20)["splits"]["test"]["metrics"]
    assert measured["accuracy"]["value"] is not None
    assert measured["accuracy"]["low"] is None


def test_the_split_that_is_shown_is_test_before_validation_before_training():
    for splits, shown in ((("train", "val", "test"), "test"), (("train", "val"), "val"), (("train",), "train")):
        assert shown_split(evaluate_predictions(scored(60, splits=splits), repeats=5)) == shown


def test_nothing_to_judge_and_two_models_are_refused():
    with pytest.raises(BadPredictions, match="nothing to judge"):
        evaluate_predictions(changed(scored(30), slice(None), split=""), repeats=5)
    with pytest.raises(BadPredictions, match="2 models"):
        evaluate_predictions(changed(scored(30), slice(0, 4), model="another"), repeats=5)
