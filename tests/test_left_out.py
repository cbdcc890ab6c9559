"""Splits that leave one source out: whole groups, no class emptied, refused with the reason; and the trainings on them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import TINY, rows
from plainfilm.core.calibration import Calibration
from plainfilm.core.manifest import Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.errors import BadManifest, BadRun
from plainfilm.judge.judged import Resampling
from plainfilm.judge.outside.left_out import judge_left_out, left_out_json, left_out_page, left_out_sentences
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.left_out import leave_sources_out
from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms
from warm import command

pytestmark = pytest.mark.usefixtures("in_little")

CLASSES = ("COVID", "Normal")


def manifest_of(films: pd.DataFrame, classes: tuple[str, ...] = CLASSES) -> Manifest:
    return Manifest(films, classes, Path())


def balanced(*sources: str, films: int = 20, **columns: object) -> pd.DataFrame:
    """So many films of each source, half of each class."""
    count = films * len(sources)
    return rows(
        [CLASSES[place % 2] for place in range(count)],
        source=[name for name in sources for _ in range(films)],
        **columns,
    )


def test_each_source_is_the_test_of_a_network_that_never_saw_it():
    films = balanced("rsna", "Rome, Italy", "cohen")
    plan = leave_sources_out(manifest_of(films))
    assert [split.column for split in plan.splits] == [
        "split_without_rome_italy",
        "split_without_cohen",
        "split_without_rsna",
    ]
    for split in plan.splits:
        places = plan.manifest.films[split.column]
        assert set(films.loc[places == "test", "source"]) == {split.source}
        assert (places[films["source"] == split.source] == "test").all()
        for name in ("train", "val"):
            inside = films[places == name]
            assert split.source not in set(inside["source"]) and set(inside["label"]) == set(CLASSES)
        assert (split.films, split.classes, split.note) == (20, CLASSES, "")
    assert plan.manifest.check([split.column for split in plan.splits]) == []
    assert set(plan.manifest.split_columns) == {"split", *(split.column for split in plan.splits)}


def test_no_group_is_torn_and_what_it_drags_along_trains_nothing():
    films = balanced("a", "b", "c")
    films.loc[[0, 25], "group"] = "one patient"  # of a and b
    films.loc[[41, 43, 45], "group"] = "another"
    plan = leave_sources_out(manifest_of(films))
    for split in plan.splits:
        places = plan.manifest.films[split.column]
        placed = films[places != ""]
        assert (places[placed.index].groupby(placed["group"]).nunique() == 1).all()
    dropped = {split.source: split.dropped for split in plan.splits}
    assert dropped == {"a": 1, "b": 1, "c": 0}
    (of_a,) = [split for split in plan.splits if split.source == "a"]
    assert plan.manifest.films.loc[25, of_a.column] == "" and "train nothing" in of_a.note


def test_films_of_unknown_source_unreadable_and_unlabelled_ones_are_in_no_such_split():
    films = balanced("a", "b", "")
    films.loc[0, ["status", "error"]] = ["error", "is cut off"]
    films.loc[1, "label"] = ""
    plan = leave_sources_out(manifest_of(films))
    assert plan.unknown == 20
    for split in plan.splits:
        places = plan.manifest.films[split.column]
        assert (places[films["source"] == ""] == "").all() and (places[[0, 1]] == "").all()


def test_a_class_of_one_source_alone_cannot_be_tried_without_it():
    films = balanced("rsna", "cohen", films=20)
    films = pd.concat([films, rows(["Viral Pneumonia"] * 30, source="kermany").assign(
        image_id=[f"child-{place}" for place in range(30)], group=[f"child-{place}" for place in range(30)],
        sha256=[f"{place + 500:064x}" for place in range(30)],
    )], ignore_index=True)  # fmt: skip
    plan = leave_sources_out(manifest_of(films, (*CLASSES, "Viral Pneumonia")))
    assert plan.refused == {"kermany": "Viral Pneumonia comes from kermany alone: class and source are one"}
    assert [split.source for split in plan.splits] == ["cohen", "rsna"]


def test_where_no_source_can_be_left_out_all_reasons_are_named():
    films = rows(["COVID"] * 20 + ["Normal"] * 20, source=["hannover"] * 20 + ["rsna"] * 20)
    with pytest.raises(BadManifest, match="no source that can be left out") as caught:
        leave_sources_out(manifest_of(films))
    assert caught.value.problems == (
        "hannover: COVID comes from hannover alone: class and source are one",
        "rsna: Normal comes from rsna alone: class and source are one",
    )


@pytest.mark.parametrize(("source", "said"), [("", "names no source"), ("rsna", "one source alone .rsna.")])
def test_fewer_than_two_sources_are_refused(source, said):
    with pytest.raises(BadManifest, match=said):
        leave_sources_out(manifest_of(rows(["COVID", "Normal"] * 20, source=source)))


def test_a_small_source_is_skipped_and_one_of_one_class_is_said_to_be():
    films = balanced("a", "b")
    films = pd.concat([films, balanced("tiny", films=9), rows(["COVID"] * 12, source="ward")], ignore_index=True)
    films["image_id"] = films["group"] = [f"f{place}" for place in range(len(films))]
    films["sha256"] = [f"{place:064x}" for place in range(len(films))]
    plan = leave_sources_out(manifest_of(films))
    assert plan.refused == {"tiny": "has 9 films, fewer than 10"}
    (ward,) = [split for split in plan.splits if split.source == "ward"]
    assert ward.classes == ("COVID",) and "COVID alone" in ward.note and "sensitivity" in ward.note


def test_the_draw_is_that_of_the_seed():
    films = balanced("a", "b", films=60)
    first, again, other = (leave_sources_out(manifest_of(films), seed).manifest for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_sources_of_one_slug_keep_their_own_columns():
    plan = leave_sources_out(manifest_of(balanced("St. Mary", "St Mary", "東京")))
    assert sorted(split.column for split in plan.splits) == [
        "split_without_source",
        "split_without_st_mary",
        "split_without_st_mary_2",
    ]


def test_the_judgement_holds_the_source_against_validation_of_the_same_classes():
    labels = ["COVID", "Normal"] * 30 + ["COVID"] * 30
    films = rows(labels, source=["a"] * 60 + ["ward"] * 30, split=["val"] * 60 + ["test"] * 30)
    logit = np.zeros((90, 2))
    said = ["COVID", "Normal"] * 30 + ["Normal"] * 20 + ["COVID"] * 10
    for row, name in enumerate(said):
        logit[row, CLASSES.index(name)] = 3
    predictions = Predictions.of(films, logit, CLASSES, "tiny")
    found = judge_left_out(
        predictions, Calibration.none(CLASSES), "ward", "it supplies COVID alone", Resampling(repeats=50)
    )
    assert found["own_films"] == 30 and found["classes"] == ["COVID"]  # validation films of COVID alone
    assert found["accuracy"]["own"]["value"] == 1
    assert found["accuracy"]["there"]["value"] == pytest.approx(1 / 3)
    assert found["recall"]["COVID"]["value"] == pytest.approx(1 / 3) and found["auroc"] == {"COVID": None}
    whole = left_out_json(CLASSES, [{**found, "run": "runs/x"}], {"kermany": "is one"}, 4)
    told = " ".join(left_out_sentences(whole))
    assert "Without ward: accuracy 1.000 on 30 validation films" in told and "a loss of 0.667" in told
    assert "kermany was not left out: is one." in told and "4 films of unknown source" in told
    page = left_out_page(whole, "<runs>")
    assert "never saw, the network loses up to 0.67" in page and "&lt;runs&gt;" in page


def test_what_cannot_be_judged_is_said_with_its_reason_and_spoils_no_title():
    labels = ["COVID", "Normal"] * 20 + ["Normal"] * 40
    films = rows(labels, source=["a"] * 40 + ["ward"] * 40, split=["val"] * 40 + ["test"] * 40)
    logit = np.eye(2)[[CLASSES.index(name) for name in labels]] * 3
    fit, drawing = Calibration.none(CLASSES), Resampling(repeats=50)

    def judged(source: str, table: pd.DataFrame) -> dict[str, object]:
        found = judge_left_out(Predictions.of(table, logit[table.index], CLASSES, "tiny"), fit, source, "", drawing)
        return {**found, "run": f"runs/{source}"}

    good = judged("ward", films)
    lacking = judged("clinic", films[(films["split"] == "test") | (films["label"] == "COVID")])
    alone = judged("home", films.assign(group=films["group"].where(films["split"] == "val", "one")))
    whole = left_out_json(CLASSES, [good, lacking, alone], {}, 0)
    told, page = left_out_sentences(whole), left_out_page(whole, "runs")
    reason = "no validation film of the other sources is of Normal"
    assert f"Without clinic: a loss cannot be judged: {reason}." in told and f"cannot be judged: {reason}" in page
    assert any(one.startswith("Without home: a loss cannot be judged: its 40 films are of one group") for one in told)
    assert "No loss is shown on a source never seen; it may be up to 0." in page and "nan" not in page
    nothing = left_out_page(left_out_json(CLASSES, [lacking, alone], {}, 0), "runs")
    assert "On a source never seen, the loss cannot be judged" in nothing and "up to" not in nothing


def test_a_source_of_one_group_is_not_left_out_and_named():
    films = balanced("a", "b", "c")
    films.loc[films["source"] == "b", "group"] = "one"
    plan = leave_sources_out(manifest_of(films))
    assert [split.source for split in plan.splits] == ["a", "c"] and "of one group" in plan.refused["b"]
    assert "split_without_b" not in plan.manifest.split_columns
    films["group"] = films["source"]
    with pytest.raises(BadManifest, match=r"has no source that can be left out\. .*a: its films are of one group"):
        leave_sources_out(manifest_of(films))


@pytest.fixture(scope="module")
def three_sources(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("three")
    phantoms = make_phantoms(folder / "set", 15, seed=4, options=PhantomOptions(sources=2))
    return prepare(phantoms, folder / "data", PrepareOptions(metadata=phantoms / "metadata.csv"))


@pytest.mark.slow
def test_the_trainings_write_all_they_found_and_go_on_where_they_stopped(
    three_sources: Manifest, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from plainfilm.outside_jobs import train_left_out

    config, place = replace(TINY, epochs=1), tmp_path / "runs"
    result = train_left_out(three_sources, place, config, repeats=20)
    found = json.loads((place / "left_out.json").read_text())
    sources = set(three_sources.films["source"]) - {""}
    assert {one["source"] for one in found["sources"]} == sources and len(sources) == 2
    for evaluation, one in zip(result.evaluations, found["sources"], strict=True):
        assert evaluation.run.test_readings == 1
        scores = Predictions.open(evaluation.run / "predictions.csv").table
        assert set(scores.loc[scores["split"] == "test", "source"]) == {one["source"]}
        assert one["source"] not in set(scores.loc[scores["split"] == "train", "source"])
    assert "What is left on a source never seen" in result.page.read_text()
    with pytest.raises(BadRun, match="--resume"):
        train_left_out(three_sources, place, config)
    with pytest.raises(BadRun, match="other films or with another --seed"):
        train_left_out(three_sources, place, replace(config, seed=9), resume=True)
    (place / "left_out.json").unlink()
    again = train_left_out(three_sources, place, config, resume=True, repeats=20)
    assert again.found["sources"][0]["accuracy"] == found["sources"][0]["accuracy"]


def test_on_the_command_line_mistakes_are_one_line_and_nothing_is_begun(
    three_sources: Manifest, tmp_path: Path
) -> None:
    assert three_sources.path is not None
    for more, said in (
        (["--splits", "all"], "draws its own splits"),
        (["--seeds", "2"], "draws its own splits"),
        (["--resume"], "nothing to go on with"),
    ):
        done = command("train", three_sources.path, "-o", tmp_path / "r", "--leave-one-source-out", *more)
        assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "r").exists()
