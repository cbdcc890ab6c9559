"""What a run is worth on films from elsewhere: classes, subgroups, the gap, false positives, films met before."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from conftest import TINY, rows
from plainfilm.core.bootstrap import Interval, bootstrap
from plainfilm.core.calibration import Calibration, Conformal, OperatingPoint, Scaling
from plainfilm.core.manifest import Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, BadManifest
from plainfilm.judge.judged import Resampling
from plainfilm.judge.outside.gap import Own, accuracy_at, less, loss_of
from plainfilm.judge.outside.headlines import gap_sentence, headlines
from plainfilm.judge.outside.outside import Acquaintance, judge_outside, relabelled
from plainfilm.judge.outside.text import outside_text
from plainfilm.judge.outside.vocabulary import match_classes, named_alike
from plainfilm.judge.subgroups import (
    JudgedFilms,
    accuracy_difference,
    age_bands,
    by_subgroup,
    differences,
    subgroups,
)
from warm import command

pytestmark = pytest.mark.usefixtures("in_little")

CLASSES = ("COVID", "Lung_Opacity", "Normal")
NOBODY = pd.DataFrame(columns=["image_id", "why", "of"])
QUICK = Resampling(repeats=200)


def table_of(labels, *, said=None, seed=0, sure=4.0, **columns):
    """A manifest's table and the scores of a network that says `said` (the label where None)."""
    rng = np.random.default_rng(seed)
    films = rows(list(labels), **columns)
    logit = rng.normal(0, 0.5, (len(films), len(CLASSES)))
    for row, name in enumerate(said if said is not None else labels):
        if name in CLASSES:
            logit[row, CLASSES.index(name)] += sure
    return films, Predictions.of(films, logit, CLASSES, "tiny")


def judged_on(labels, *, stated=None, own=None, seen=("rsna",), left_out=NOBODY, calibration=None, **columns):
    """What judge_outside says of such films."""
    films, predictions = table_of(labels, **columns)
    vocabulary = match_classes(CLASSES, [name for name in dict.fromkeys(labels) if name], stated or {})
    known = Acquaintance(None if seen is None else frozenset(seen), left_out)
    calibration = calibration or Calibration.none(CLASSES)
    return judge_outside(relabelled(predictions, vocabulary), films, vocabulary, calibration, own, known, None, QUICK)


def own_films(right=0.97, films=300, classes=CLASSES, seed=5):
    labels = [classes[place % len(classes)] for place in range(films)]
    said = [name if place >= films * (1 - right) else "Normal" for place, name in enumerate(labels)]
    return Own(table_of(labels, said=said, seed=seed)[1], "test")


# Classes ---------------------------------------------------------------------------------------------------------------


def test_classes_are_matched_by_the_very_name_and_never_by_a_near_one():
    found = match_classes(CLASSES, ["COVID", "lung opacity", "Tuberculosis"], {})
    assert found.ours == {"COVID": "COVID"}
    assert found.missing == ("Lung_Opacity", "Normal")
    assert found.foreign == ("lung opacity", "Tuberculosis")
    assert found.near == {"lung opacity": "Lung_Opacity"}


def test_a_stated_mapping_merges_and_overrules_names():
    found = match_classes(
        CLASSES, ["SARS", "covid19", "Normal"], {"SARS": "COVID", "covid19": "COVID", "Normal": "Lung_Opacity"}
    )
    assert found.ours == {"SARS": "COVID", "covid19": "COVID", "Normal": "Lung_Opacity"}
    assert found.missing == ("Normal",)
    assert found.foreign == ()


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"Covid-19": "COVID"}, 'no film there is labelled "Covid-19".*the labels there are COVID, Healthy'),
        ({"Healthy": "normal"}, 'knows no class "normal"; did you mean "Normal".*COVID, Lung_Opacity, Normal'),
    ],
)
def test_a_mapping_that_names_what_is_not_there_is_refused_with_what_is(stated, said):
    with pytest.raises(BadConfig, match=said):
        match_classes(CLASSES, ["COVID", "Healthy"], stated)


def test_foreign_and_empty_labels_are_answered_and_never_scored():
    labels = ["COVID"] * 20 + ["Normal"] * 20 + ["Tuberculosis"] * 30 + [""] * 10
    metrics = judged_on(labels, said=["COVID"] * 20 + ["Normal"] * 20 + ["Lung_Opacity"] * 40)
    assert metrics["counts"] | {"judged": 40, "foreign": 30, "unlabelled": 10} == metrics["counts"]
    assert metrics["scores"]["films"] == 40
    assert metrics["scores"]["metrics"]["accuracy"]["value"] == 1
    called = {one["label"]: one for one in metrics["called"]}
    assert list(called) == ["COVID", "Normal", "Tuberculosis", ""]
    assert called["Tuberculosis"]["predicted"] == {"COVID": 0, "Lung_Opacity": 30, "Normal": 0}
    assert called["Tuberculosis"]["ours"] is None and called[""]["films"] == 10
    assert metrics["vocabulary"]["missing"] == ["Lung_Opacity"]
    json.dumps(metrics, allow_nan=False)


def test_the_label_there_stays_beside_ours():
    films, predictions = table_of(["SARS", "Normal", ""])
    found = relabelled(predictions, match_classes(CLASSES, ["SARS", "Normal"], {"SARS": "COVID"}))
    assert list(found.table["label"]) == ["COVID", "Normal", ""]
    assert list(found.table["label_there"]) == ["SARS", "Normal", ""]
    assert len(films) == 3


# False positives -------------------------------------------------------------------------------------------------------


def test_a_set_that_is_all_negative_tells_the_false_positive_rate():
    points = (
        OperatingPoint("COVID", "sensitivity", 0.95, 0.2, 0.95, 100),
        OperatingPoint("COVID", "specificity", 0.95, 2.0, 0.95, 100),
    )
    calibration = Calibration(CLASSES, Scaling.none(3), operating_points=points)
    labels = ["Normal"] * 40 + ["Tuberculosis"] * 10 + [""] * 50
    said = ["COVID"] * 10 + ["Normal"] * 40 + ["COVID"] * 50
    metrics = judged_on(labels, said=said, calibration=calibration)
    (covid,) = [one for one in metrics["negatives"] if one["label"] == "COVID"]
    assert covid["films"] == 40 and covid["is_sure"]  # tuberculosis may or may not exclude it
    assert covid["called"]["value"] == pytest.approx(10 / 40)
    assert covid["called"]["low"] < 10 / 40 < covid["called"]["high"]
    low, high = (point["share"]["value"] for point in covid["above"])
    assert low >= 0.2 and high == 0
    assert any("every such answer is a false positive" in doubt.title for doubt in headlines(metrics))


def test_labels_that_are_unknown_make_no_false_positive_for_sure():
    metrics = judged_on(["Tuberculosis"] * 20, said=["COVID"] * 20)
    assert {one["is_sure"] for one in metrics["negatives"]} == {False}
    (title,) = [doubt.title for doubt in headlines(metrics) if "false positive" in doubt.title]
    assert "where the labels there exclude it" in title
    near = judged_on(["covid"] * 20, said=["COVID"] * 20)
    assert not any("COVID" in doubt.title and "false positive" in doubt.title for doubt in headlines(near))


# The gap ---------------------------------------------------------------------------------------------------------------


def test_the_gap_holds_unseen_films_against_own_films_of_the_same_classes():
    labels = ["COVID", "Normal"] * 60
    source = ["elsewhere"] * 80 + ["rsna"] * 20 + [""] * 20
    said = ["Normal"] * 80 + ["COVID", "Normal"] * 20
    metrics = judged_on(labels, said=said, source=source, own=own_films())
    parts = {part["sources"]: part for part in metrics["gap"]["parts"]}
    assert {name: part["films"] for name, part in parts.items()} == {
        "unseen": 80,
        "unknown": 20,
        "seen": 20,
        "all": 120,
    }
    unseen = parts["unseen"]
    assert unseen["classes"] == ["COVID", "Normal"] and unseen["own_films"] == 200
    assert unseen["accuracy"]["there"]["value"] == pytest.approx(0.5)
    loss = unseen["accuracy"]["loss"]
    assert loss["value"] == pytest.approx(unseen["accuracy"]["own"]["value"] - 0.5)
    assert 0.3 < loss["low"] < loss["value"] < loss["high"] < 0.6
    first = headlines(metrics)[0]
    assert first.level == "failure" and "0.500: it loses" in first.sentences[0]
    assert "80 films of 1 unseen source" in gap_sentence(metrics)


def test_no_loss_is_no_alarm_and_a_gain_is_called_one():
    metrics = judged_on(["COVID", "Normal"] * 50, source="elsewhere", own=own_films(right=0.5))
    first = headlines(metrics)[0]
    assert first.level == "note" and "it gains" in first.sentences[0]


def test_a_source_is_seen_only_by_its_very_name_and_a_like_one_is_named():
    metrics = judged_on(["COVID", "Normal"] * 20, source="RSNA, second part", own=own_films())
    (part,) = metrics["gap"]["parts"]
    assert part["sources"] == "unseen" and part["alike"] == {"RSNA, second part": "rsna"}
    assert named_alike(["Rome", "rsna"], ["rsna", "cohen"]) == {}


def test_the_interval_of_a_difference_is_newcombes():
    # Newcombe 1998, table II: 56/70 less 48/80 is 0.2 (0.0524 to 0.3339)
    from plainfilm.core.intervals import wilson

    sides = []
    for part, whole in ((56, 70), (48, 80)):
        low, high = wilson(np.array([part / whole]), np.array([float(whole)]), 0.95)
        sides.append(Interval(part / whole, float(low[0]), float(high[0])))
    found = less(*sides)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def of_recalls(*films, split="test"):
    """Scores of so many films of COVID and Normal, of which a share is named rightly: (class, films, share)."""
    labels = [name for name, count, _ in films for _ in range(count)]
    said = [name if place < right * count else "Lung_Opacity" for name, count, right in films for place in range(count)]
    return table_of(labels, said=said, sure=50.0, split=split, source="elsewhere")[1]


def test_another_mix_of_classes_alone_is_no_loss():
    own = of_recalls(("COVID", 500, 0.6), ("Normal", 500, 0.95))
    there = of_recalls(("COVID", 540, 0.6), ("Normal", 60, 0.95))
    found = loss_of(there, Calibration.none(CLASSES), Own(own, "test"), QUICK)["accuracy"]
    assert found["own"]["value"] == pytest.approx(found["there"]["value"]) == pytest.approx(0.635)
    assert found["loss"]["low"] < -0.03 and 0.03 < found["loss"]["high"] < 0.08
    assert found["own"]["low"] < 0.61 and found["own"]["high"] > 0.66


def test_at_its_own_mix_the_accuracy_is_the_accuracy():
    films = JudgedFilms.of(of_recalls(("COVID", 300, 0.7), ("Normal", 100, 0.9)), Calibration.none(CLASSES))
    found = accuracy_at(np.array([0.75, 0, 0.25]), films, QUICK)
    plain = bootstrap(films.probability, films.label_index, films.group, CLASSES, repeats=200).measures["accuracy"]
    assert found.value == pytest.approx(plain.value)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.01)


def test_a_class_that_the_own_films_lack_is_compared_on_neither_side():
    own = of_recalls(("COVID", 100, 0.9))
    there = of_recalls(("COVID", 50, 0.8), ("Normal", 50, 0.0))
    found = loss_of(there, Calibration.none(CLASSES), Own(own, "test"), QUICK)
    assert (found["classes"], found["films"]) == (["COVID"], 50)
    assert found["accuracy"]["loss"]["value"] == pytest.approx(0.1)


def test_nothing_that_can_be_scored_is_said_and_not_invented():
    metrics = judged_on(["Tuberculosis"] * 12, said=["COVID"] * 12)
    assert metrics["scores"] is None and metrics["gap"]["parts"] == []
    first = headlines(metrics)[0]
    assert first.level == "failure" and "Nothing here can be scored" in first.title
    assert "Tuberculosis" in outside_text(metrics)


# One class against another ---------------------------------------------------------------------------------------------


def test_pairwise_auroc_within_a_source_is_scikit_learns():
    labels = (["COVID", "Normal"] * 40)[:80]
    films, predictions = table_of(labels, sure=0.7, source=["a"] * 50 + ["b"] * 30)
    vocabulary = match_classes(CLASSES, ["COVID", "Normal"], {})
    calibration = Calibration(CLASSES, Scaling("vector", (0.5, 1.0, 1.5), (0.1, -0.3, 0.2)))
    known = Acquaintance(frozenset(), NOBODY)
    metrics = judge_outside(
        relabelled(predictions, vocabulary), films, vocabulary, calibration, None, known, None, QUICK
    )
    found = {pair["source"]: pair for pair in metrics["pairwise_auroc"]}
    assert set(found) == {None, "a", "b"}
    p = calibration.probability(predictions.logit)
    share = p[:, 0] / (p[:, 0] + p[:, 2])
    inside = (films["source"] == "b").to_numpy()
    expected = roc_auc_score((films["label"] == "COVID")[inside], share[inside])
    assert found["b"]["auroc"]["value"] == pytest.approx(expected, abs=1e-12)
    assert found["b"]["films"] == [15, 15]


def test_our_classes_against_labels_that_the_run_does_not_know():
    labels = ["COVID"] * 30 + ["Tuberculosis"] * 20 + ["Normal"] * 12 + ["Fracture"] * 5 + [""] * 4
    films, predictions = table_of(labels, sure=0.7)
    vocabulary = match_classes(CLASSES, ["COVID", "Normal", "Tuberculosis", "Fracture"], {})
    calibration = Calibration(CLASSES, Scaling("vector", (0.5, 1.0, 1.5), (0.1, -0.3, 0.2)))
    metrics = judge_outside(
        relabelled(predictions, vocabulary),
        films,
        vocabulary,
        calibration,
        None,
        Acquaintance(frozenset(), NOBODY),
        None,
        QUICK,
    )
    found = {(one["class"], one["label"]): one for one in metrics["foreign_auroc"]}
    assert list(found) == [(ours, theirs) for ours in ("COVID", "Normal") for theirs in ("Tuberculosis", "Fracture")]
    chosen = films["label"].isin(["COVID", "Tuberculosis"]).to_numpy()
    p = calibration.probability(predictions.logit)[chosen, 0]
    expected = roc_auc_score((films["label"] == "COVID")[chosen], p)
    one = found["COVID", "Tuberculosis"]
    assert one["auroc"]["value"] == pytest.approx(expected, abs=1e-12) and one["films"] == [30, 20]
    assert one["auroc"]["low"] < expected < one["auroc"]["high"]
    assert f"COVID against Tuberculosis (30 and 20 films): AUROC {expected:.3f} (" in outside_text(metrics)


# Films met before ------------------------------------------------------------------------------------------------------


def test_films_met_before_count_nowhere():
    labels = ["COVID"] * 10 + ["Normal"] * 10
    left_out = pd.DataFrame({"image_id": ["film-0", "film-1"], "why": "same pixels", "of": "train-7"})
    metrics = judged_on(labels, said=["Normal"] * 2 + labels[2:], left_out=left_out)
    assert metrics["scores"]["films"] == 18
    assert metrics["scores"]["metrics"]["accuracy"]["value"] == 1
    assert metrics["left_out"][0] == {"image_id": "film-0", "why": "same pixels", "of": "train-7", "label": "COVID"}
    assert any("are the run's own" in doubt.title for doubt in headlines(metrics))


# Subgroups -------------------------------------------------------------------------------------------------------------


def test_age_bands_have_their_edges_and_keep_the_unknown():
    ages = [0, 17.9, 18, 39, 40, 59, 60, 79, 80, 103, None, "", np.nan, -1]
    assert list(age_bands(ages)) == [
        "under 18", "under 18", "18 to 39", "18 to 39", "40 to 59", "40 to 59", "60 to 79", "60 to 79", "80 and over",
        "80 and over", "", "", "", "",
    ]  # fmt: skip


def test_subgroups_join_the_manifest_by_image_id_and_hold_every_film_once():
    films, predictions = table_of(
        ["COVID", "Normal"] * 30,
        view=["PA", "AP", ""] * 20,
        sex=["F"] * 40 + [""] * 20,
        age=[30.0, 70.0, None] * 20,
        source="a",
    )
    shuffled = films.sample(frac=1, random_state=0)
    found = subgroups(predictions, shuffled, Calibration.none(CLASSES), QUICK)
    assert {name: [one["value"] for one in found[name]] for name in found} == {
        "source": ["a"], "view": ["AP", "PA", ""], "sex": ["F", ""], "age": ["18 to 39", "60 to 79", ""],
    }  # fmt: skip
    for column in found.values():
        assert sum(one["films"] for one in column) == 60
    (women,) = [one for one in found["sex"] if one["value"] == "F"]
    inside = (films["sex"] == "F").to_numpy()
    right = predictions.logit.argmax(axis=1) == predictions.label_index
    assert women["accuracy"]["value"] == pytest.approx(right[inside].mean())
    assert women["classes"] == {"COVID": 20, "Normal": 20} and women["auroc"]["COVID"] is not None


def test_a_subgroup_of_one_class_has_no_auroc_and_turned_away_films_are_counted():
    films, predictions = table_of(["COVID"] * 10 + ["Normal"] * 10)
    predictions = predictions.with_reasons(["blank"] * 5 + [""] * 15)
    judged = JudgedFilms.of(predictions, Calibration.none(CLASSES))
    one, other = by_subgroup(judged, np.array(["a"] * 10 + ["b"] * 10, object), CLASSES, QUICK)
    assert one["auroc"] == {"COVID": None} and list(one["recall"]) == ["COVID"]
    assert one["turned_away"]["value"] == 0.5 and other["turned_away"]["value"] == 0
    assert len(films) == 20


def test_a_difference_is_claimed_only_where_there_is_one():
    rng = np.random.default_rng(1)
    inside = np.arange(600) < 300
    group = np.array([f"g{place}" for place in range(600)], object)
    worse = rng.random(600) < np.where(inside, 0.6, 0.9)
    difference, p = accuracy_difference(worse, inside, group)
    assert difference < -0.2 and p < 1e-6
    claims = [accuracy_difference(rng.random(600) < 0.85, inside, group)[1] < 0.05 for _ in range(400)]
    assert np.mean(claims) < 0.09  # 5% wanted


def test_copies_of_films_make_a_difference_no_surer():
    rng = np.random.default_rng(2)
    right, inside = rng.random(200) < np.repeat([0.75, 0.9], 100), np.arange(200) < 100
    group = np.array([f"g{place}" for place in range(200)], object)
    once = accuracy_difference(right, inside, group)
    thrice = accuracy_difference(np.tile(right, 3), np.tile(inside, 3), np.tile(group, 3))
    assert thrice == pytest.approx(once)
    assert accuracy_difference(np.tile(right, 3), np.tile(inside, 3), np.arange(600).astype(object))[1] < once[1] / 5


def test_few_mistakes_are_not_tested():
    group = np.array([f"g{place}" for place in range(100)], object)
    right = np.arange(100) >= 4  # four mistakes, all inside
    difference, p = accuracy_difference(right, np.arange(100) < 50, group)
    assert difference == pytest.approx(-0.08) and p is None
    assert accuracy_difference(right, np.ones(100, bool), group) == (None, None)


def test_many_tests_are_corrected_and_the_unknown_is_never_named():
    row = {"films": 100, "accuracy": {"value": 0.7, "low": 0.6, "high": 0.8}, "difference": -0.2}
    found = {
        "source": [{**row, "value": f"clinic {place}", "p": 0.02} for place in range(5)]
        + [{**row, "value": "", "p": 1e-9}],
        "sex": [{**row, "value": "F", "p": 1e-4}, {**row, "value": "M", "p": 1e-4, "difference": 0.2}],
        "view": [{**row, "value": "AP", "p": None}],
    }
    corrected = differences(found)
    assert corrected["tested"] == 6
    assert [(one["column"], one["value"]) for one in corrected["supported"]] == [("sex", "F")]
    assert corrected["supported"][0]["p"] == pytest.approx(6e-4)


# The whole job ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Phantoms of other seeds; Viral Pneumonia is called Flu there and Lung_Opacity is missing."""
    from plainfilm.prepare.ingest import PrepareOptions, prepare
    from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms

    folder = tmp_path_factory.mktemp("elsewhere")
    phantoms = make_phantoms(folder / "set", 8, seed=77, options=PhantomOptions(damaged=1))
    shutil.rmtree(phantoms / "Lung_Opacity")
    options = PrepareOptions(rename={"Viral Pneumonia": "Flu"}, metadata=phantoms / "metadata.csv", split=False)
    return prepare(phantoms, folder / "data", options)


@pytest.fixture
def run_copy(finished_run: Run, tmp_path: Path) -> Run:
    return Run.open(shutil.copytree(finished_run.directory, tmp_path / "run"))


@pytest.mark.slow
def test_the_job_judges_counts_and_writes_everything(run_copy: Run, elsewhere: Manifest) -> None:
    from plainfilm.outside_jobs import evaluate_outside

    result = evaluate_outside(run_copy, elsewhere, stated={"Flu": "Viral Pneumonia"}, repeats=50)
    place = run_copy / "on" / "data"
    assert result.report == place / "report.html"
    assert (run_copy / "calibration.json").is_file()
    assert run_copy.test_readings == 0 and result.metrics["readings"] == 1
    predictions = Predictions.open(place / "predictions.csv")
    assert sorted(predictions.table["image_id"]) == sorted(elsewhere.films["image_id"])
    assert set(predictions.table["label_there"]) == {"COVID", "Normal", "Flu"}
    assert set(predictions.table["label"]) == {"COVID", "Normal", "Viral Pneumonia"}
    metrics = json.loads((place / "metrics.json").read_text())
    assert metrics["vocabulary"]["missing"] == ["Lung_Opacity"]
    assert metrics["gap"]["own"] == "val"
    page = result.report.read_text()
    assert "What it is worth here" in page and "False positives where a class is absent" in page
    again = evaluate_outside(run_copy, elsewhere, stated={"Flu": "Viral Pneumonia"}, repeats=50)
    assert again.metrics["readings"] == 2 and run_copy.test_readings == 0


@pytest.mark.slow
def test_the_card_of_the_run_tells_of_it(run_copy: Run, manifest: Manifest, elsewhere: Manifest) -> None:
    from plainfilm.jobs import evaluate_run
    from plainfilm.outside_jobs import evaluate_outside

    evaluate_run(run_copy, manifest, splits=("train", "val"))
    card = run_copy / "model_card.md"
    assert "On data" not in card.read_text()
    evaluate_outside(run_copy, elsewhere, stated={"Flu": "Viral Pneumonia"}, repeats=20)
    assert "On data" in card.read_text()


def test_films_of_the_training_are_found_in_other_clothes(
    run_copy: Run, manifest: Manifest, phantoms: Path, tmp_path: Path
) -> None:
    import cv2

    from plainfilm.outside_jobs import evaluate_outside
    from plainfilm.prepare.ingest import PrepareOptions, prepare

    seen = manifest.split("train")
    seen = seen[seen["group"].map(seen["group"].value_counts()) == 1]
    copied, brighter = (seen[seen["label"] == name].iloc[0] for name in ("COVID", "Normal"))
    for name in ("COVID", "Normal"):
        (tmp_path / "films" / name).mkdir(parents=True)
    shutil.copy(manifest.film_path(copied["path"]), tmp_path / "films" / "COVID" / "copied.png")
    film = cv2.imread(str(manifest.film_path(brighter["path"])), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(tmp_path / "films" / "Normal" / "brighter.png"), cv2.resize(cv2.add(film, 12), (256, 256)))
    test = manifest.split("test")
    for label in ("COVID", "Normal"):
        for _, row in test[test["label"] == label].iterrows():
            shutil.copy(manifest.film_path(row["path"]), tmp_path / "films" / label / Path(row["path"]).name)
    outside = prepare(tmp_path / "films", tmp_path / "data", PrepareOptions(split=False))
    found = {one["image_id"]: one for one in evaluate_outside(run_copy, outside, repeats=20).metrics["left_out"]}
    assert found["copied"]["why"] == "same pixels" and found["copied"]["of"] == copied["image_id"]
    assert found["brighter"]["why"] == "near twin" and found["brighter"]["of"] == brighter["image_id"]
    own_test = {one["of"] for one in found.values()} - {copied["image_id"], brighter["image_id"]}
    assert own_test and own_test <= set(
        manifest.films["image_id"]
    )  # films of the run's own test split are no outside films


def test_one_patient_of_one_source_is_met_before_and_elsewhere_it_is_a_note() -> None:
    from plainfilm.core.progress import Silence
    from plainfilm.prepare.overlap import SAME_GROUP, SAME_PATIENT, Thumbnails, find_overlap

    blank = Thumbnails([], Silence(), "")
    blank.small, blank.is_readable = np.zeros((4, 128, 128), np.uint8), np.zeros(4, bool)
    films = rows(
        ["COVID"] * 4, patient_id=["p1", "p1", "", "p2"], source=["a", "b", "", ""], group=["g1", "g2", "g1", "g4"]
    )
    seen = rows(["COVID"] * 4, patient_id=["p1", "p2", "p3", ""], source="a")
    seen["image_id"] = [f"seen-{place}" for place in range(4)]
    seen["sha256"] = [f"{place + 100:064x}" for place in range(4)]
    found = find_overlap(films, seen, blank, blank, Silence())
    assert found.films.to_dict("records") == [
        {"image_id": "film-0", "why": SAME_PATIENT, "of": "seen-0"},
        {"image_id": "film-2", "why": SAME_GROUP, "of": "film-0"},
    ]
    assert any("film-3" in note and "nobody can tell" in note for note in found.notes)


@pytest.mark.slow
def test_without_its_manifest_a_run_says_what_cannot_be_known(
    run_copy: Run, elsewhere: Manifest, tmp_path: Path
) -> None:
    from plainfilm.outside_jobs import evaluate_outside

    evaluate_outside(run_copy, elsewhere, directory=tmp_path / "first", repeats=20)
    about = json.loads((run_copy / "run.json").read_text())
    (run_copy / "run.json").write_text(json.dumps({**about, "manifest": str(tmp_path / "gone.csv")}))
    moved = Run.open(run_copy.directory)
    metrics = evaluate_outside(moved, elsewhere, directory=tmp_path / "second", repeats=20).metrics
    assert any("nobody can tell" in note for note in metrics["notes"])
    assert [part["sources"] for part in metrics["gap"]["parts"]] == ["all"]
    (moved / "calibration.json").unlink()
    with pytest.raises(BadManifest, match="--manifest"):
        evaluate_outside(moved, elsewhere, directory=tmp_path / "third", repeats=20)


def test_its_own_manifest_and_a_run_s_folder_are_refused(
    run_copy: Run, manifest: Manifest, elsewhere: Manifest
) -> None:
    from plainfilm.outside_jobs import evaluate_outside

    with pytest.raises(BadConfig, match="was trained on"):
        evaluate_outside(run_copy, manifest)
    with pytest.raises(BadConfig, match="is a run"):
        evaluate_outside(run_copy, elsewhere, directory=run_copy.directory)
    with pytest.raises(BadConfig, match='no film there is labelled "flu"; did you mean "Flu"'):
        evaluate_outside(run_copy, elsewhere, stated={"flu": "COVID"})
    assert not (run_copy / "outside_readings.jsonl").exists()


def test_results_on_another_manifest_are_not_overwritten(tmp_path: Path) -> None:
    from plainfilm.outside_jobs import _free_place

    sites = [
        Manifest(rows(["COVID", "Normal"] * films), CLASSES, tmp_path).write(tmp_path / site / "data" / "manifest.csv")
        for films, site in enumerate(("own", "a", "b"), start=5)
    ]
    run = Run.create(tmp_path / "run", TINY, sites[0])
    place = _free_place(run, sites[1], None)
    place.mkdir(parents=True)
    judged = {"path": str(sites[1].path), "fingerprint": sites[1].fingerprint}
    (place / "metrics.json").write_text(json.dumps({"manifest": judged}))
    assert _free_place(run, sites[1], None) == place
    with pytest.raises(BadConfig, match="name another folder by -o") as caught:
        _free_place(run, sites[2], None)
    assert str(sites[1].path) in str(caught.value) and "\n" not in str(caught.value)
    assert _free_place(run, sites[2], tmp_path / "elsewhere") == tmp_path / "elsewhere"


def test_a_training_that_names_no_source_leaves_open_what_was_seen():
    metrics = judged_on(["COVID", "Normal"] * 20, source="elsewhere", seen=None, own=own_films())
    assert [part["sources"] for part in metrics["gap"]["parts"]] == ["all"]
    assert "unseen" not in " ".join([headlines(metrics)[0].title, *headlines(metrics)[0].sentences])


def test_prediction_sets_and_refusals_are_shown_for_foreign_labels():
    conformal = Conformal(tuple(tuple(np.linspace(0.3, 1, 40)) for _ in CLASSES))
    calibration = Calibration(CLASSES, Scaling.none(3), conformal)
    metrics = judged_on(["COVID", "Normal"] * 10 + ["Tuberculosis"] * 10, calibration=calibration, sure=9.0)
    called = {one["label"]: one for one in metrics["called"]}
    assert called["COVID"]["single_set"]["value"] == 1
    assert 0 <= called["Tuberculosis"]["single_set"]["value"] <= 1


@pytest.mark.slow
def test_on_the_command_line(run_copy: Run, elsewhere: Manifest, tmp_path: Path) -> None:
    def plainfilm(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = command("evaluate", run_copy.directory, *arguments)
        assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
        return done

    assert elsewhere.path is not None
    on = ["--on", elsewhere.path.parent]
    for arguments, said in (
        (["--map", "Flu=COVID"], "--map goes with --on"),
        (["-o", tmp_path / "there"], "-o goes with --on"),
        ([*on, "--sensitivity", "0.9"], "takes the run's own thresholds"),
        ([*on, "--map", "Flu=Influenza"], 'knows no class "Influenza"'),
        ([*on, "--prevalence", "Flu=0.1"], "expected a class of the run"),
    ):
        assert said in plainfilm(*arguments, code=1).stderr, arguments
    done = plainfilm(*on, "--map", "Flu=Viral Pneumonia", "-o", tmp_path / "there").stdout
    assert "No film there is of Lung_Opacity." in done and "read once for this run" in done
    assert (tmp_path / "there" / "report.html").is_file() and run_copy.test_readings == 0


def test_a_set_of_one_class_can_be_prepared_to_judge_a_run_on(phantoms: Path, tmp_path: Path) -> None:
    from plainfilm.errors import BadSource
    from plainfilm.prepare.ingest import PrepareOptions, prepare

    films = tmp_path / "films" / "Normal"
    shutil.copytree(phantoms / "Normal" / "images", films)
    with pytest.raises(BadSource, match="--no-split"):
        prepare(tmp_path / "films", tmp_path / "refused")
    made = prepare(tmp_path / "films", tmp_path / "data", PrepareOptions(split=False))
    assert made.classes == ("Normal",) and set(made.films["split"]) == {""}
    assert any("evaluate --on" in note for note in made.info["notes"])


def test_hashed_patients_of_two_keys_are_told() -> None:
    from plainfilm.core.progress import Silence
    from plainfilm.prepare.overlap import Thumbnails, find_overlap
    from plainfilm.prepare.scan import patient_hash

    blank = Thumbnails([], Silence(), "")
    blank.small, blank.is_readable = np.zeros((2, 128, 128), np.uint8), np.zeros(2, bool)
    ours, again, theirs = (
        rows(
            ["COVID"] * 2, patient_id=[patient_hash("MRN1", key), ""], sha256=[f"{n:064x}", f"{n + 1:064x}"], source="a"
        )
        for n, key in ((0, b"one"), (2, b"one"), (4, b"other"))
    )
    for other, is_told in ((again, False), (theirs, True)):
        notes = find_overlap(ours, other, blank, blank, Silence()).notes
        assert any("--patient-key-file" in note for note in notes) == is_told
