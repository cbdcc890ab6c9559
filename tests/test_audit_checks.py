"""The audit's checks: each passes a clean case, accuses a planted one, and says "unknown" where it cannot know."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from conftest import write_png
from plainfilm.core.audit import Finding
from plainfilm.core.manifest import Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.judge.audit.answers import Twice, paired_differences
from plainfilm.judge.audit.changes import CHANGES
from plainfilm.judge.audit.file_alone import judge_file
from plainfilm.judge.audit.heatmap_share import judge_heatmaps, mean_interval
from plainfilm.judge.audit.leaks import judge_leaks, without_examples
from plainfilm.judge.audit.robustness import judge_robustness
from plainfilm.judge.audit.source import judge_source
from plainfilm.judge.audit.source_guess import Guessed, guess_source, tie_of
from plainfilm.judge.audit.stamp_drawing import STAMPS
from plainfilm.judge.audit.stamps import judge_stamps
from plainfilm.judge.judged import Resampling
from plainfilm.prepare.inspection import inspect

stats = pytest.importorskip("scipy.stats")

CLASSES = ("COVID", "Normal", "Opacity")
DRAWING = Resampling(repeats=300)


def scores(
    answer: Sequence[int] | NDArray[np.int64],
    label: Sequence[int] | NDArray[np.int64],
    *,
    group: Sequence[str] | None = None,
    classes: tuple[str, ...] = CLASSES,
) -> Predictions:
    """A network that is sure of these answers."""
    count = len(answer)
    rows = pd.DataFrame(
        {
            "image_id": [f"film-{place}" for place in range(count)],
            "label": [classes[place] for place in label],
            "group": group or [f"g{place}" for place in range(count)],
            "status": "ok",
            "error": "",
        }
    )
    return Predictions.of(rows, 6 * np.eye(len(classes))[np.asarray(answer)], classes, "made up")


def some_labels(count: int = 300) -> NDArray[np.int64]:
    return np.arange(count) % len(CLASSES)


def with_changed(answer: NDArray[np.int64], share: float, to: int | None = None) -> NDArray[np.int64]:
    """The answers, of which the first share that is not yet so becomes another."""
    changed = answer.copy()
    places = np.arange(len(answer)) if to is None else np.flatnonzero(answer != to)
    places = places[: round(share * len(answer))]
    changed[places] = (answer[places] + 1) % len(CLASSES) if to is None else to
    return changed


def whole(finding: Finding) -> Finding:
    """The finding, after a look at what every finding must be: JSON without NaN, and sentences."""
    again = Finding.from_dict(json.loads(json.dumps(finding.to_dict(), allow_nan=False)))
    assert again.to_dict() == finding.to_dict()
    assert finding.told and finding.threshold and finding.measure
    for sentence in (*finding.told, *([finding.advice] if finding.advice else [])):
        assert sentence.endswith(".") and "nan" not in sentence.split() and "  " not in sentence, sentence
    assert bool(finding.advice) or finding.verdict in ("pass", "unknown")
    return finding


# Films answered twice -------------------------------------------------------------------------------------------------


def test_the_share_of_changed_answers_is_that_of_wilson_where_films_are_independent() -> None:
    label = some_labels(200)
    twice = Twice.of(scores(label, label), [scores(with_changed(label, 0.1), label)])
    assert twice is not None
    (found,) = twice.flipped(Resampling(repeats=2000))
    expected = stats.binomtest(20, 200).proportion_ci(method="wilson")
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.006)


def test_a_loss_is_what_is_lost_less_what_is_gained() -> None:
    label = some_labels(200)
    before = with_changed(label, 0.2)  # 40 wrong
    after = before.copy()
    after[:10] = label[:10]  # 10 become right
    after[100:130] = (label[100:130] + 1) % 3  # 30 become wrong
    twice = Twice.of(scores(before, label), [scores(after, label)])
    assert twice is not None
    (loss,), (accuracy,) = twice.loss(DRAWING), twice.accuracy(DRAWING)
    assert loss.value == pytest.approx(0.1)
    assert accuracy.value == pytest.approx(0.7)
    assert 0 < loss.low < 0.1 < loss.high < 0.2


def test_the_interval_of_a_loss_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        kind = rng.choice(3, size=150, p=[0.08, 0.03, 0.89])
        group = np.array([f"g{place // 2}" for place in range(150)], object)
        kind[1::2] = np.where(rng.random(75) < 0.4, kind[::2], kind[1::2])  # films of a group resemble each other
        (found,) = paired_differences((kind == 0)[:, None], (kind == 1)[:, None], group, Resampling(repeats=200))
        held += found.low <= 0.05 <= found.high
    assert 0.92 <= held / 300 <= 0.99


def test_losses_and_gains_in_the_same_groups_cancel() -> None:
    """A group that loses one film and gains one says for sure that nothing is lost."""
    is_hit = np.arange(100) < 30
    lost, gained = (np.column_stack(pair).ravel() for pair in ((is_hit, ~is_hit & False), (~is_hit & False, is_hit)))
    together = np.array([f"g{place // 2}" for place in range(200)], object)
    apart = np.array([f"g{place}" for place in range(200)], object)
    (same,), (other,) = (
        paired_differences(lost[:, None], gained[:, None], group, DRAWING) for group in (together, apart)
    )
    assert same.value == other.value == 0
    assert same.high - same.low < 0.5 * (other.high - other.low)


def test_where_no_answer_changed_it_is_still_said_how_many_could_have() -> None:
    label = some_labels(60)
    twice = Twice.of(scores(label, label), [scores(label, label)])
    assert twice is not None
    (loss,), (flipped,) = twice.loss(DRAWING), twice.flipped(DRAWING)
    assert loss.value == 0 and loss.low < -0.03 and loss.high > 0.03
    assert flipped.low == 0 and flipped.high > 0.03


def test_films_without_a_label_or_a_score_are_left_out() -> None:
    label = some_labels(30)
    plain, changed = scores(label, label), scores(label, label)
    plain.table.loc[0, "label"] = ""
    changed.table.loc[1, ["logit_COVID", "logit_Normal", "logit_Opacity"]] = np.nan
    changed.table.loc[2, "status"] = "error"
    twice = Twice.of(plain, [changed])
    assert twice is not None and len(twice.group) == 27


def test_tables_of_other_films_are_refused() -> None:
    label = some_labels(30)
    other = scores(label, label)
    other.table["image_id"] = other.table["image_id"].to_numpy()[::-1].copy()
    with pytest.raises(ValueError, match="same films"):
        Twice.of(scores(label, label), [other])


# 3: the source --------------------------------------------------------------------------------------------------------


def sourced(
    films: int, apart: float, tie: float, seed: int = 0, classes: Sequence[str] = CLASSES
) -> tuple[NDArray[np.float64], list[str], list[str], list[str]]:
    """Films of two sources whose embeddings lie so far apart; a share `tie` of the first class is from the first source, and of
    the others from the second, beyond what an even mix gives."""
    rng = np.random.default_rng(seed)
    label = np.arange(films) % len(classes)
    from_first = rng.random(films) < np.where(label == 0, 0.5 + tie / 2, 0.5 - tie / 2)
    embedding = rng.normal(size=(films, 48)) + 1.5 * np.eye(48)[label]
    embedding[:, 5:9] += apart * from_first[:, None]
    source = np.where(from_first, "north", "south").tolist()
    return embedding, [classes[place] for place in label], source, [f"g{place // 2}" for place in range(films)]


def test_a_source_that_is_seen_and_tied_to_the_class_fails() -> None:
    found = whole(judge_source(*sourced(600, 1.5, 0.6), CLASSES, DRAWING))
    assert found.verdict == "fail"
    assert found.number is not None and found.number.low > 0.9
    assert found.evidence["tied"]["low"] > 0.3
    assert [row["label"] for row in found.evidence["rows"]] == list(CLASSES)


def test_the_tie_that_decides_is_shown() -> None:
    found = whole(judge_source(*sourced(600, 1.5, 0.6), CLASSES, DRAWING))
    most = found.evidence["most_tied"]
    assert most["label"] == "COVID" and most["v"]["low"] > 0.3
    assert any(f"COVID against the rest: V {most['v']['value']:.3f}" in sentence for sentence in found.told)


def test_a_small_source_beside_a_large_one_keeps_the_films_that_it_needs() -> None:
    source = np.array(["large"] * 4000 + ["small"] * 20, object)
    group = np.array([f"g{place}" for place in range(4020)], object)
    found = guess_source(np.random.default_rng(0).normal(size=(4020, 4)), source, group, 0)
    assert isinstance(found, Guessed) and np.bincount(found.index).tolist() == [1480, 20]


def test_a_source_that_is_seen_but_not_tied_is_told_and_not_accused() -> None:
    found = whole(judge_source(*sourced(600, 1.5, 0.0), CLASSES, DRAWING))
    assert found.verdict == "pass"
    assert found.number is not None and found.number.low > 0.9
    assert any("AUROC of 0.9" in sentence for sentence in found.told)


@pytest.mark.parametrize("seed", range(4))
def test_a_source_that_is_not_seen_is_never_accused(seed: int) -> None:
    found = whole(judge_source(*sourced(900, 0.0, 0.7, seed), CLASSES, DRAWING))
    assert found.verdict == "pass"
    assert found.number is not None and abs(found.number.value - 0.5) < 0.12


def test_sources_are_told_apart_about_as_well_as_scikit_learn_does() -> None:
    discriminant = pytest.importorskip("sklearn.discriminant_analysis").LinearDiscriminantAnalysis
    selection, metrics = pytest.importorskip("sklearn.model_selection"), pytest.importorskip("sklearn.metrics")
    embedding, label, source, group = sourced(900, 0.5, 0.0)
    found = judge_source(embedding, label, source, group, CLASSES, DRAWING)
    for row in found.evidence["rows"]:
        chosen = np.array(label) == row["label"]
        is_north = np.array(source)[chosen] == "north"
        probability = selection.cross_val_predict(
            discriminant(),
            embedding[chosen],
            is_north,
            groups=np.array(group)[chosen],
            cv=selection.GroupKFold(5),
            method="predict_proba",
        )
        assert row["auroc"]["value"] == pytest.approx(metrics.roc_auc_score(is_north, probability[:, 1]), abs=0.07)


def test_a_group_is_never_on_both_sides() -> None:
    """Each film stands there twice, and nothing tells the sources apart: whoever looks at the copy knows."""
    rng = np.random.default_rng(0)
    embedding = np.repeat(rng.normal(size=(150, 16)), 2, axis=0)
    source = np.repeat(np.where(rng.random(150) < 0.5, "north", "south"), 2).tolist()
    group = [f"g{place // 2}" for place in range(300)]
    found = judge_source(embedding, ["COVID"] * 300, source, group, CLASSES, DRAWING)
    assert found.number is not None and found.number.value < 0.62


def test_the_class_whose_source_is_seen_best_decides() -> None:
    """A mean over the classes would hide it."""
    embedding, label, source, group = sourced(900, 1.5, 0.6)
    of_one = np.array(label) == "Normal"
    embedding[~of_one, 5:9] = np.random.default_rng(1).normal(size=((~of_one).sum(), 4))
    found = whole(judge_source(embedding, label, source, group, CLASSES, DRAWING))
    assert found.verdict == "fail" and "Among films of Normal" in found.told[0]
    (row,) = (row for row in found.evidence["rows"] if row["label"] == "Normal")
    assert found.number is not None and found.number.value == row["auroc"]["value"]
    assert found.number.low < row["auroc"]["low"]  # it was picked among three


def test_the_tie_allows_for_having_picked_the_most_tied_class() -> None:
    """Of two classes, each against the rest is the whole table again, and was picked of two."""
    _, label, source, group = sourced(300, 0.0, 0.4, classes=("COVID", "Normal"))
    names = (np.array(column, object) for column in (label, source, group))
    tie = tie_of(*names, ("COVID", "Normal"), DRAWING)
    assert tie.whole is not None and tie.of_label is not None
    assert tie.of_label.value == pytest.approx(tie.whole.value)
    assert tie.of_label.low < tie.whole.low and tie.of_label.high > tie.whole.high


def test_where_each_class_has_its_own_source_it_says_that_nothing_can_be_measured() -> None:
    embedding, label, _, group = sourced(300, 0.0, 0.0)
    found = whole(judge_source(embedding, label, [f"only {name}" for name in label], group, CLASSES, DRAWING))
    assert found.verdict == "warn" and found.number is None
    assert set(found.evidence["skipped"]) == set(CLASSES)


@pytest.mark.parametrize("source", ["", "north"])
def test_without_sources_it_is_unknown(source: str) -> None:
    embedding, label, _, group = sourced(300, 0.0, 0.0)
    found = whole(judge_source(embedding, label, [source] * 300, group, CLASSES, DRAWING))
    assert found.verdict == "unknown" and found.evidence["tied"] is None


def test_classes_that_are_absent_or_too_small_and_films_without_numbers_are_left_out() -> None:
    embedding, label, source, group = sourced(300, 1.5, 0.0, classes=("COVID", "Normal"))
    embedding[:7] = np.nan
    label = [name if place < 250 or name == "COVID" else "Opacity" for place, name in enumerate(label)]
    found = whole(judge_source(embedding, label, source, group, (*CLASSES, "Absent"), DRAWING))
    assert set(found.evidence["skipped"]) == {"Opacity", "Absent"}
    films = sum(sum(row["sources"].values()) for row in found.evidence["rows"])
    assert films == sum(name in ("COVID", "Normal") for name in label[7:])


def test_sources_of_one_patient_each_say_nothing() -> None:
    embedding, label, source, _ = sourced(300, 1.5, 0.6)
    found = whole(judge_source(embedding, label, source, source, CLASSES, DRAWING))
    assert found.verdict in ("unknown", "warn") and found.number is None


def test_an_embedding_that_never_varies_is_chance() -> None:
    _, label, source, group = sourced(300, 0.0, 0.6)
    found = whole(judge_source(np.ones((300, 8)), label, source, group, CLASSES, DRAWING))
    assert found.verdict == "pass"


# 5: the file alone ----------------------------------------------------------------------------------------------------


def hints(level: str | None = None, low: float = 0.45) -> dict[str, Any]:
    area = {"value": low + 0.04, "low": low, "high": low + 0.08}
    score = {
        "accuracy": area,
        "balanced_accuracy": area,
        "macro_auroc": area,
        "auroc": dict.fromkeys(CLASSES, area),
    }
    finding = {
        "level": level,
        "by": "file",
        "classes": ["COVID"],
        "text": "without a look at the lungs, the file tells.",
    }
    file = {"films": 900, "commonest": "Normal", "commonest_accuracy": 0.5, "all": score, "without_lungs": score}
    return {"file": file, "findings": [finding] if level else []}


@pytest.mark.parametrize(("level", "verdict"), [(None, "pass"), ("warning", "warn"), ("failure", "fail")])
def test_the_file_is_accused_as_prepare_accuses_it(level: str | None, verdict: str) -> None:
    found = whole(judge_file(hints(level), None))
    assert found.verdict == verdict
    assert found.number is not None and found.number.low == 0.45
    assert found.evidence["run"] is None


def test_an_alarm_of_the_source_is_none_of_the_file() -> None:
    of_source = hints("failure")
    of_source["findings"][0]["by"] = "source"
    assert judge_file(of_source, None).verdict == "pass"


def test_the_run_stands_beside_the_file() -> None:
    def of(value: float) -> dict[str, Any]:
        interval = {"value": value, "low": value - 0.02, "high": value + 0.02}
        return {"metrics": {"accuracy": interval, "macro_auroc": interval}}

    found = whole(judge_file(hints(), {"splits": {"train": of(0.99), "val": of(0.96), "test": of(0.95)}}))
    assert found.evidence["run"]["accuracy"]["value"] == 0.95
    assert "by the run, 0.950 (0.930 to 0.970)" in found.told[0]


def test_where_nobody_measured_the_file_it_is_unknown() -> None:
    for nothing in (None, {}, {"file": {"reason": "too few films to say"}}):
        assert whole(judge_file(nothing, None)).verdict == "unknown"


def test_files_that_are_all_alike_pass() -> None:
    alike = hints()
    alike["file"] |= {"all": None, "without_lungs": None}
    assert whole(judge_file(alike, {"splits": {}})).verdict == "pass"


def test_it_reads_what_prepare_writes(manifest: Manifest) -> None:
    whole(judge_file(manifest.info.get("hints"), None))


# 6: stamps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 96, 224])
@pytest.mark.parametrize("stamp", STAMPS, ids=lambda stamp: stamp.key)
def test_a_stamp_lies_in_its_corner_and_nowhere_else(stamp: Any, size: int) -> None:
    films = np.random.default_rng(0).integers(20, 90, (3, size, size)).astype(np.uint8)
    kept = films.copy()
    drawn = stamp.draw(films)
    assert drawn.dtype == np.uint8 and drawn.shape == films.shape
    np.testing.assert_array_equal(films, kept)
    is_changed = (drawn != films).any(axis=0)
    rows, columns = np.nonzero(is_changed)
    assert rows.max() < 0.2 * size and rows.min() >= 0.02 * size
    inside = columns < 0.4 * size if stamp.corner == "upper left" else columns >= 0.6 * size
    assert inside.all()
    assert 0.0005 < is_changed.mean() < 0.03
    assert drawn.max() > 140  # lead is white, as far as the side resolves it


def test_a_stamp_looks_alike_at_every_size() -> None:
    for stamp in STAMPS:
        large, small = (stamp.draw(np.zeros((1, size, size), np.uint8))[0] for size in (256, 64))
        shrunk = cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA)
        assert np.corrcoef(shrunk.ravel(), small.ravel())[0, 1] > 0.85, stamp.key


def test_the_keys_of_stamps_and_changes_are_their_own() -> None:
    for keys in ([stamp.key for stamp in STAMPS], [change.key for change in CHANGES]):
        assert len(set(keys)) == len(keys)


def test_a_network_that_looks_at_the_corners_is_caught() -> None:
    """It says COVID where the upper right is bright, and what is right elsewhere."""
    label = some_labels()
    films = np.full((len(label), 64, 64), 30, np.uint8)

    def answers(seen: NDArray[np.uint8]) -> Predictions:
        is_bright = seen[:, :12, 40:].max(axis=(1, 2)) > 120
        return scores(np.where(is_bright, 0, label), label)

    found = whole(judge_stamps(answers(films), {s.key: answers(s.draw(films)) for s in STAMPS}, DRAWING))
    assert found.verdict == "fail"
    assert found.number is not None and found.number.value == pytest.approx(2 / 3)
    for row in found.evidence["rows"]:
        is_seen = row["corner"] == "upper right"
        assert row["toward"] == ("COVID" if is_seen else None)
        assert row["flipped"]["value"] == pytest.approx(2 / 3 if is_seen else 0)
    assert "COVID" in found.told[0] and "COVID" in found.advice


@pytest.mark.parametrize(("share", "verdict"), [(0.0, "pass"), (0.10, "pass"), (0.16, "warn"), (0.30, "fail")])
def test_how_many_answers_a_stamp_may_change(share: float, verdict: str) -> None:
    label = some_labels(600)
    stamped = {stamp.key: scores(label, label) for stamp in STAMPS}
    stamped[STAMPS[3].key] = scores(with_changed(label, share, to=2), label)
    found = whole(judge_stamps(scores(label, label), stamped, DRAWING))
    assert found.verdict == verdict
    shown = found.evidence["rows"][3]["flipped"]
    assert found.number is not None and found.number.value == pytest.approx(share)
    if share:
        assert found.number.low < shown["low"] and found.number.high > shown["high"]  # it was picked among ten


def test_stamps_on_films_of_one_group_or_of_no_label_say_nothing() -> None:
    label = some_labels(30)
    alike = scores(label, label, group=["one"] * 30)
    changed = scores(with_changed(label, 0.5), label, group=["one"] * 30)
    found = whole(judge_stamps(alike, {STAMPS[0].key: changed}, DRAWING))
    assert found.verdict == "unknown" and "too few groups" in found.told[0]
    unlabelled = Predictions(alike.table.assign(label=""), CLASSES)
    assert whole(judge_stamps(unlabelled, {STAMPS[0].key: unlabelled}, DRAWING)).verdict == "unknown"
    assert whole(judge_stamps(alike, {}, DRAWING)).verdict == "unknown"
    with pytest.raises(ValueError, match="unknown stamps: a hat"):
        judge_stamps(alike, {"a hat": alike}, DRAWING)


# 7: heatmaps ----------------------------------------------------------------------------------------------------------


def test_the_interval_of_a_mean_is_that_of_student() -> None:
    value = np.random.default_rng(0).normal(0.2, 0.3, 40)
    found = mean_interval(value, np.array([f"g{place}" for place in range(40)], object), 0.9)
    low, high = stats.t.interval(0.9, 39, value.mean(), stats.sem(value))
    assert (found.value, found.low, found.high) == pytest.approx((value.mean(), low, high), abs=1e-4)


def test_films_of_a_group_count_together_in_the_interval_of_a_mean() -> None:
    """Every film twice is no more than every film once."""
    value = np.random.default_rng(0).normal(size=40)
    once = mean_interval(value, np.array([f"g{place}" for place in range(40)], object), 0.95)
    twice = mean_interval(np.repeat(value, 2), np.array([f"g{place // 2}" for place in range(80)], object), 0.95)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


def shares_inside(gain: float, films: int = 90, seed: int = 0) -> tuple[list[str], Any, Any, list[str]]:
    rng = np.random.default_rng(seed)
    of_film = rng.uniform(0.2, 0.35, films)
    inside = np.clip(of_film + gain + rng.normal(0, 0.1, films), 0, 1)
    return [CLASSES[place % 3] for place in range(films)], inside, of_film, [f"g{place}" for place in range(films)]


@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.3, "pass"), (0.0, "pass"), (-0.02, "pass"), (-0.12, "warn"), (-0.2, "fail")]
)
def test_maps_that_shun_the_lungs_are_accused(gain: float, verdict: str) -> None:
    found = whole(judge_heatmaps(*shares_inside(gain), CLASSES, DRAWING))
    assert found.verdict == verdict
    assert [row["films"] for row in found.evidence["rows"]] == [30, 30, 30]
    row = found.evidence["rows"][0]
    assert row["share"]["value"] - row["lungs_share"]["value"] == pytest.approx(row["gain"]["value"])


def test_one_class_that_shuns_the_lungs_is_named() -> None:
    label, inside, of_film, group = shares_inside(0.3)
    inside = np.where(np.array(label) == "Normal", 0.02, inside)
    found = whole(judge_heatmaps(label, inside, of_film, group, CLASSES, DRAWING))
    assert found.verdict == "fail" and "Normal" in found.advice and "COVID" not in found.advice


def test_the_class_that_is_shown_is_the_one_that_decided() -> None:
    """COVID lies lower and varies so much that nothing is sure of it; Normal decides."""
    label, _, of_film, group = shares_inside(0.0)
    rng = np.random.default_rng(1)
    shift = {
        "COVID": -0.16 + rng.choice([-0.5, 0.5], 90),
        "Normal": -0.14 + rng.normal(0, 0.01, 90),
        "Opacity": np.zeros(90),
    }
    inside = np.array([of_film[place] + shift[name][place] for place, name in enumerate(label)])
    found = whole(judge_heatmaps(label, inside, of_film, group, CLASSES, DRAWING))
    lowest = min(found.evidence["rows"], key=lambda row: row["gain"]["value"])
    assert found.verdict == "fail" and lowest["label"] == "COVID"
    assert (
        found.number is not None and found.number.value == pytest.approx(-0.14, abs=0.01) and found.number.high < -0.10
    )


def test_maps_without_strength_and_films_without_lungs_are_left_out() -> None:
    label, inside, of_film, group = shares_inside(0.3)
    inside[0], of_film[3] = np.nan, 0
    of_film[4] = np.nan
    found = whole(judge_heatmaps(label, inside, of_film, group, (*CLASSES, "Absent"), DRAWING))
    assert [row["films"] for row in found.evidence["rows"]] == [28, 29, 30]
    assert found.evidence["unmapped"] == 1
    assert any("Absent (0 films)" in sentence for sentence in found.told)


def test_too_few_maps_say_nothing() -> None:
    label, inside, of_film, _ = shares_inside(-0.2)
    for group in (["one"] * 90, [f"g{place % 6}" for place in range(90)]):
        assert whole(judge_heatmaps(label, inside, of_film, group, CLASSES, DRAWING)).verdict == "unknown"
    nothing = np.full(90, np.nan)
    assert whole(judge_heatmaps(label, nothing, of_film, label, CLASSES, DRAWING)).verdict == "unknown"


# 8: robustness --------------------------------------------------------------------------------------------------------

BY_KEY = {change.key: change for change in CHANGES}


def smooth_film(size: int = 256, seed: int = 0) -> NDArray[np.uint8]:
    grain = np.random.default_rng(seed).normal(size=(size, size)).astype(np.float32)
    smooth = cv2.GaussianBlur(grain, (0, 0), size / 32)
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.key)
def test_a_change_gives_films_anew_and_the_same_for_the_same_seed(change: Any, size: int) -> None:
    films = np.stack([smooth_film(size, seed) for seed in range(3)])
    kept = films.copy()
    once, again = (change.apply(films, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(films, kept)
    np.testing.assert_array_equal(once, again)
    assert once.dtype == np.uint8 and once.shape == films.shape and once is not films
    if size == 256:  # a quarter of that is too small for what happens to files, and for the mild blur, to show
        assert (once != films).any()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.key)
def test_a_constant_film_stays_constant_but_for_noise(change: Any) -> None:
    film = change.apply(np.full((1, 96, 96), 100, np.uint8), np.random.default_rng(0))
    assert ("noise" in change.key) == (np.ptp(film) > 0)


def test_each_strong_change_is_stronger_than_its_mild_one() -> None:
    films = np.stack([smooth_film(256, seed) for seed in range(4)])
    rng = np.random.default_rng(0)

    def distance(key: str) -> float:
        return float(np.abs(BY_KEY[key].apply(films, rng).astype(float) - films).mean())

    for mild, strong in (
        ("rotation-3", "rotation-10"), ("shift-3", "shift-8"), ("blur-0.2", "blur-1"), ("noise-1", "noise-5"),
        ("gamma-0.9", "gamma-0.6"), ("gamma-1.1", "gamma-1.6"), ("jpeg-75", "jpeg-25"), ("resolution-75", "resolution-40"),
        ("bits-6", "bits-4"),
    ):  # fmt: skip
        assert distance(mild) < distance(strong)
        assert BY_KEY[mild].is_mild and not BY_KEY[strong].is_mild


def test_changes_are_as_strong_as_they_say() -> None:
    rng = np.random.default_rng(0)
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))[None]
    np.testing.assert_array_equal(BY_KEY["inversion"].apply(ramp, rng), 255 - ramp)
    six = BY_KEY["bits-6"].apply(ramp, rng)
    assert len(np.unique(six)) == 64 and six.min() == 0 and six.max() == 255
    assert BY_KEY["gamma-0.9"].apply(ramp, rng)[0, 0, 128] == round(255 * (128 / 255) ** 0.9)
    grey = np.full((1, 256, 256), 128, np.uint8)
    assert BY_KEY["noise-5"].apply(grey, rng).std() == pytest.approx(0.05 * 255, rel=0.02)
    assert BY_KEY["noise-5"].apply(grey[:, :64, :64], rng).std() == pytest.approx(
        0.05 * 255 / 4, rel=0.1
    )  # averaged over 4 x 4
    point = np.zeros((1, 201, 201), np.uint8)
    point[0, 100, 100] = 255
    shifted = BY_KEY["shift-8"].apply(point, rng)[0].astype(float)
    down, across = (np.average(np.arange(201), weights=shifted.sum(axis=axis)) - 100 for axis in (1, 0))
    assert np.hypot(down, across) == pytest.approx(0.08 * 201, abs=0.3)
    line = np.zeros((1, 201, 201), np.uint8)
    line[0, 100, 20:181] = 255
    rows, columns = np.nonzero(BY_KEY["rotation-10"].apply(line, rng)[0] > 60)
    assert abs(np.degrees(np.arctan(np.polyfit(columns, rows, 1)[0]))) == pytest.approx(10, abs=0.3)
    step = np.where(np.arange(201) < 100, 0, 250).astype(np.uint8)[None, None].repeat(201, axis=1)
    slope = np.diff(BY_KEY["blur-1"].apply(step, rng)[0, 100].astype(float))
    assert np.sqrt(np.average((np.arange(200) - 99) ** 2, weights=slope)) == pytest.approx(2.01, rel=0.05)


def changed_by(label: NDArray[np.int64], losses: dict[str, float]) -> dict[str, Predictions]:
    return {change.key: scores(with_changed(label, losses.get(change.key, 0)), label) for change in CHANGES}


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ({}, "pass"),
        ({"jpeg-75": 0.04}, "pass"),
        ({"jpeg-75": 0.1}, "warn"),
        ({"rotation-3": 0.25}, "fail"),
        ({"blur-1": 0.6, "noise-5": 0.7, "inversion": 0.9}, "pass"),
    ],
)
def test_only_mild_changes_are_held_against_a_network(losses: dict[str, float], verdict: str) -> None:
    label = some_labels(600)
    found = whole(judge_robustness(scores(label, label), changed_by(label, losses), DRAWING))
    assert found.verdict == verdict
    assert [row["is_mild"] for row in found.evidence["rows"]] == [change.is_mild for change in CHANGES]
    for change, row in zip(CHANGES, found.evidence["rows"], strict=True):
        assert row["loss"]["value"] == pytest.approx(losses.get(change.key, 0))
    if verdict in ("warn", "fail"):
        worst = next(row["loss"] for row in found.evidence["rows"] if row["is_mild"] and row["loss"]["value"] > 0)
        assert found.number is not None and found.number.low < worst["low"]  # it was picked among nine
    if verdict == "fail":
        assert "rotation (3 degrees)" in found.told[0]
        assert not any("So do" in sentence for sentence in found.told) and "--augment-rotation" in found.advice


def test_all_mild_changes_that_cost_too_much_are_named() -> None:
    label = some_labels(600)
    changed = changed_by(label, {"jpeg-75": 0.5, "noise-1": 0.3, "blur-0.2": 0.05})
    told = whole(judge_robustness(scores(label, label), changed, DRAWING)).told
    assert "JPEG (quality 75) costs most, 0.500" in told[0]
    assert "So do, beyond what is allowed, noise (sigma 1% of white) 0.300" in told[1] and "blur" not in told[1]


def test_every_option_that_is_advised_is_one_of_train() -> None:
    from plainfilm.core.config import TrainConfig
    from plainfilm.judge.audit.robustness import _AUGMENTATION

    assert set(_AUGMENTATION) == {change.title for change in CHANGES if change.is_mild}
    known = {f"--{name.replace('_', '-')}" for name in TrainConfig.__dataclass_fields__}
    for text in _AUGMENTATION.values():
        assert {word.strip(",") for word in text.split() if word.startswith("--")} <= known


def test_inverted_films_that_are_turned_away_are_said_to_be() -> None:
    label = some_labels(90)
    changed = changed_by(label, {"inversion": 0.9})
    found = judge_robustness(scores(label, label), changed, DRAWING)
    assert any("was not asked" in sentence for sentence in found.told)
    assert found.evidence["rows"][-1]["turned_away"]["value"] is None
    changed["inversion"] = changed["inversion"].with_reasons([""] * 90)
    found = judge_robustness(scores(label, label), changed, DRAWING)
    assert any("make sure that films are not inverted" in sentence for sentence in found.told)
    changed["inversion"] = changed["inversion"].with_reasons(["black and white are swapped"] * 80 + [""] * 10)
    found = whole(judge_robustness(scores(label, label), changed, DRAWING))
    assert any("88.9% of such films are turned away" in sentence for sentence in found.told)


def test_mild_changes_after_which_films_are_turned_away_are_told() -> None:
    label = some_labels(300)
    changed = changed_by(label, {})
    changed["noise-1"] = changed["noise-1"].with_reasons(["unlike the films of the training"] * 60 + [""] * 240)
    found = whole(judge_robustness(scores(label, label), changed, DRAWING))
    assert any("after noise (sigma 1% of white) 0.200" in sentence for sentence in found.told)


def test_robustness_of_one_group_or_without_mild_changes_is_unknown() -> None:
    label = some_labels(30)
    alike = scores(label, label, group=["one"] * 30)
    lost = scores(with_changed(label, 0.5), label, group=["one"] * 30)
    found = whole(judge_robustness(alike, {"jpeg-75": lost}, DRAWING))
    assert found.verdict == "unknown" and "too few groups" in found.told[0]
    assert whole(judge_robustness(alike, {"inversion": lost}, DRAWING)).verdict == "unknown"
    with pytest.raises(ValueError, match="unknown changes: rain"):
        judge_robustness(alike, {"rain": alike}, DRAWING)


def test_a_run_with_one_answer_for_every_film_has_nothing_to_lose() -> None:
    label = some_labels(300)
    stuck = scores(np.zeros(300, np.int64), label)
    robust = whole(judge_robustness(stuck, {"jpeg-75": stuck, "noise-1": stuck}, DRAWING))
    stamps = whole(judge_stamps(stuck, {STAMPS[0].key: stuck}, DRAWING))
    for found in (robust, stamps):
        assert found.verdict == "unknown" and "nothing to lose" in found.told[0] and "0.333" in found.told[0]


# 9: leaks -------------------------------------------------------------------------------------------------------------


def trouble(kind: str, level: str) -> dict[str, Any]:
    return {"kind": kind, "level": level, "title": f"A {kind}", "text": "2 films, a and b", "rows": ((1, 2),)}


def test_any_leak_fails_and_a_picture_under_two_labels_warns() -> None:
    notes = [trouble("film", "warning"), trouble("split", "warning")]
    assert whole(judge_leaks(notes, 200)).verdict == "pass"
    assert whole(judge_leaks([*notes, trouble("label", "warning")], 200)).verdict == "warn"
    found = whole(judge_leaks([trouble("label", "warning"), trouble("leak", "failure"), *notes], 200, 7))
    assert found.verdict == "fail"
    assert found.number is not None and found.number.value == pytest.approx(0.035)
    assert [row["title"] for row in found.evidence["rows"]] == ["A leak", "A label"]


def test_without_a_test_split_nothing_can_leak_into_it() -> None:
    for films in (None, 0):
        found = whole(judge_leaks([], films))
        assert found.verdict == "unknown" and found.number is None
    assert judge_leaks([trouble("leak", "failure")], 0).verdict == "fail"  # between train and val
    with pytest.raises(ValueError, match="leak"):
        judge_leaks([], 10, 11)


def test_a_leak_is_told_to_strangers_without_the_films_that_it_is_about(tmp_path: Path) -> None:
    """As `plainfilm check` words it now; a film's name may hold anything."""
    for side, name, seed in (
        ("train", "SMITH; the last: J. (1)", 1), ("test", "DOE_JANE", 1), ("train", "A", 2), ("test", "B", 3), ("val", "C", 4)
    ):  # fmt: skip
        for label in ("COVID", "Normal"):
            write_png(tmp_path / side / label / f"{name} {label}.png", seed=10 * seed + len(label), size=64)
    found = [one for one in inspect(tmp_path).findings if one.kind == "leak"]
    told = judge_leaks([one._asdict() for one in found], 4, 2).told
    assert any("SMITH" in sentence for sentence in told)
    given = [without_examples(sentence) for sentence in told]
    assert "Identical pictures on two sides: 2 pictures on two sides, 4 films." in given and given[0] == told[0]
    assert not any(name in sentence for sentence in given for name in ("SMITH", "DOE", "J."))
