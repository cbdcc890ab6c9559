"""The checklists: each status follows from the evidence, no compliance is claimed, no judgement is made for the author."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from conftest import rows
from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import Manifest
from plainfilm.core.page import page
from plainfilm.core.predictions import Predictions
from plainfilm.core.run import Run
from plainfilm.judge.card.checklists import (
    NO_CLAIM,
    OUTLINES,
    STATUSES,
    checklist_section,
    checklists,
    write_checklists,
)
from plainfilm.judge.card.known import known_facts, read_outline
from plainfilm.judge.evaluate import evaluate_predictions
from plainfilm.prepare.ingest import PrepareOptions, prepare
from test_model_card import HOSTILE, NOTES, make_case, untrusted, without
from test_report import Reader


def claim(case):
    """CLAIM's items by number."""
    return {item.number: item for item in checklists(known_facts(*case))[0].items}


def probast(case):
    """PROBAST+AI's items by part and number."""
    return {
        (part.title.partition(":")[0], item.number): item
        for part in checklists(known_facts(*case))[1].parts
        for item in part.items
    }


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return make_case(tmp_path_factory.mktemp("checklists"), calibrated=True)


@pytest.fixture(scope="module")
def known(case):
    return known_facts(*case)


def test_claim_has_its_44_items_in_order(known):
    assert [item.number for item in checklists(known)[0].items] == [str(number) for number in range(1, 45)]


def test_probast_ai_has_16_questions_on_development_and_18_on_evaluation_and_applicability_thrice_each(case):
    numbers = list(probast(case))
    for name, questions, by_domain in (("Development", 16, (3, 4, 4, 5)), ("Evaluation", 18, (3, 4, 4, 7))):
        own = [number for part, number in numbers if part == name]
        asked = [number for number in own if not number.startswith("A")]
        assert len(asked) == questions and [number for number in own if number.startswith("A")] == ["A1", "A2", "A3"]
        assert tuple(sum(number.startswith(f"{domain}.") for number in asked) for domain in range(1, 5)) == by_domain


def test_every_fact_is_used_and_every_used_fact_exists(known):
    items = [item for name in OUTLINES for part in read_outline(name)["part"] for item in part["item"]]
    parts = read_outline("model_card")["section"]
    used = {fact for one in (*items, *parts) for fact in one.get("facts", ())}
    assert used == set(known)


def test_an_item_says_something_or_asks_the_author(known):
    for checklist in checklists(known):
        assert all(item.known or item.author for item in checklist.items)


def test_with_all_evidence_the_items_of_the_machine_are_filled_in(case):
    items = claim(case)
    filled = {number for number, item in items.items() if item.status == "filled in"}
    assert filled >= {"9", "12", "19", "20", "22", "23", "24", "25", "27", "28", "29", "32", "35", "38"}
    assert {number for number, item in items.items() if item.status == "for the author"} >= {
        "2",
        "3",
        "4",
        "15",
        "16",
        "18",
        "44",
    }
    assert "Patients known: 200, with 400 films." in items["20"].known


def test_unknown_patients_leave_the_level_of_the_partition_open(tmp_path):
    def forget_some(films):
        films.loc[:99, "patient_id"] = ""
        return films

    items = claim(make_case(tmp_path, change=forget_some))
    assert (items["20"].status, items["35"].status) == ("in part", "in part")
    assert "the patient of 100 films is unknown" in items["20"].author[0]
    assert items["19"].status == "filled in"


def test_twins_that_nobody_looked_for_leave_it_open(tmp_path):
    item = claim(make_case(tmp_path, notes=["near twins were not looked for (--no-twins)", NOTES[1]]))["20"]
    assert item.status == "in part" and "near twins were not looked for" in item.author[0]


def test_prepare_notes_its_search_for_twins_as_the_checklist_reads_it(manifest, phantoms, tmp_path):
    options = PrepareOptions(metadata=phantoms / "metadata.csv", twins=False)
    for number, (made, is_sought) in enumerate(
        ((manifest, True), (prepare(phantoms, tmp_path / "no twins", options), False))
    ):
        run = Run.create(tmp_path / f"run-{number}", TrainConfig(), made)
        logit = np.random.default_rng(0).normal(0, 1, (len(made.ok), len(made.classes)))
        metrics = evaluate_predictions(Predictions.of(made.ok, logit, made.classes, "none"), repeats=20)
        item = claim((run, made, metrics))["20"]
        assert any("Near twins were looked for" in text for text in item.known) == is_sought
        assert any("near twins were not looked for" in text for text in item.author) != is_sought
        assert claim((run, made, metrics))["19"].status == "filled in"


def test_a_leak_is_told_and_nothing_is_called_disjoint(tmp_path):
    def leak(films):
        films.loc[1, "split"] = "val" if films.loc[0, "split"] != "val" else "test"
        return films

    item = claim(make_case(tmp_path, change=leak))["20"]
    assert item.status == "in part" and item.known[0].startswith("The splits are not disjoint: 1 group")
    assert "Whole groups" not in " ".join(item.known)


def test_without_a_reading_of_the_test_split_internal_testing_is_not_filled_in(tmp_path):
    items = claim(make_case(tmp_path, splits=("train", "val")))
    assert items["32"].status == "in part" and not any("Test split" in text for text in items["32"].known)
    assert "the test split was not read" in items["32"].author[0]
    assert {items[number].status for number in ("37", "38", "39")} == {"in part"}


def test_external_data_are_told_where_they_were_judged(tmp_path):
    case = make_case(tmp_path)
    assert claim(case)["33"].status == "for the author"
    place = case[0] / "on" / "cohen"
    place.mkdir(parents=True)
    (place / "metrics.json").write_text(json.dumps({"scores": case[2]["splits"]["val"], "counts": {"left_out": 3}}))
    item = claim(case)["33"]
    assert item.status == "in part" and item.known[0].startswith("On cohen: 80 films in 40 groups, accuracy 0.")
    assert "3 films that the run may know left out" in item.known[0] and "where those films come from" in item.author[0]


def test_external_data_of_which_none_could_be_judged_are_told_too(tmp_path):
    case = make_case(tmp_path)
    (case[0] / "on" / "cats").mkdir(parents=True)
    (case[0] / "on" / "cats" / "metrics.json").write_text(json.dumps({"scores": None}))
    assert claim(case)["33"].known == ("On cats: no film could be judged.",)


def test_diagnostic_accuracy_wants_calibration_too(case):
    assert claim(case)["38"].status == "filled in"
    item = claim(untrusted(case))["38"]
    assert item.status == "in part" and "calibration was not measured" in item.author


def test_weights_of_unknown_descent_leave_the_start_open(tmp_path):
    item = claim(make_case(tmp_path, config=TrainConfig(weights="/somewhere/else.safetensors")))["24"]
    assert item.status == "in part" and "else.safetensors" in item.known[0] and "no test film" in item.author[0]
    assert "/somewhere" not in item.known[0]


def test_people_of_whom_nothing_is_known_are_the_authors(tmp_path, case):
    assert claim(case)["36"].status == "in part"
    assert claim(make_case(tmp_path, change=without("sex", "age", "view")))["36"].status == "for the author"


def test_unreadable_and_unlabelled_films_are_counted(tmp_path):
    def spoil(films):
        films.loc[0, ["status", "error", "split", "group", "sha256"]] = ["error", "truncated", "", "", ""]
        films.loc[[2, 3], ["label", "split"]] = ""
        return films

    text = " ".join(claim(make_case(tmp_path, change=spoil))["12"].known)
    assert "1 film could not be read and 2 readable films had no label" in text
    assert (
        "400 films in the manifest; 1 unreadable; 2 readable in no split"
        in claim(make_case(tmp_path / "b", change=spoil))["35"].known[0]
    )


def test_another_manifest_fills_in_nothing_about_films(case):
    run, manifest, metrics = case
    other = Manifest(rows(["COVID", "Normal"] * 20, split=["train", "val"] * 20), manifest.classes, manifest.root)
    items = claim((run, other, metrics))
    assert {items[number].status for number in ("12", "19", "20", "35")} == {"for the author"}
    assert "not the one that the run was trained on" in items["19"].author[0]


def test_the_scores_of_subgroups_are_told_where_they_are_known(tmp_path, case):
    item = claim(case)["37"]
    women = next(row for row in case[2]["splits"]["test"]["subgroups"]["sex"] if row["value"] == "F")
    told = f"F: {women['accuracy']['value']:.3f} ({women['accuracy']['low']:.3f} to {women['accuracy']['high']:.3f}) on 40 films"
    assert any(text.startswith("Test split, accuracy by sex. ") and told in text for text in item.known)
    assert sum("source north" in text for text in item.known) == 1 and item.status == "filled in"
    items = claim(make_case(tmp_path, change=without("sex", "age", "view")))
    assert items["37"].status == "in part"
    assert items["37"].author == ("scores by sex, age, view were not measured or are not known",)
    assert (
        "Looked at: scores by source" in items["30"].known[0] and "scores by sex, age or view" in items["30"].author[0]
    )


def test_probast_ai_is_never_filled_in_and_rates_nothing(case):
    items = probast(case)
    assert {item.status for item in items.values()} == {"in part", "for the author"}
    text = " ".join(sentence for item in items.values() for sentence in (*item.known, *item.author)).lower()
    assert "low risk" not in text and "high risk" not in text and "probably yes" not in text
    assert items["Evaluation", "4.5"].status == "in part" and items["Evaluation", "4.5"].author[0].startswith(
        "how many other trainings"
    )


def test_unequal_classes_evened_out_want_recalibration(tmp_path, case):
    assert "Nothing was done about unequal classes" in probast(case)["Development", "4.4"].known[0]
    item = probast(make_case(tmp_path, config=TrainConfig(imbalance=("sampling",))))["Development", "4.4"]
    assert "sampling" in item.known[0] and item.author == ("the probabilities were not recalibrated after it",)


def test_the_section_claims_nothing_counts_and_lists_every_item(known):
    reader = Reader(page("Lists", [checklist_section(known)]))
    assert reader.problems == [] and reader.headings == ["Reporting checklists"]
    assert "claims no compliance" in NO_CLAIM and reader.text.index(NO_CLAIM) < reader.text.index("CLAIM checklist")
    for checklist in checklists(known):
        assert sum(checklist.counts().values()) == len(checklist.items)
        assert all(f"{number} of {len(checklist.items)}" in reader.text for number in checklist.counts().values())
        assert all(f"{item.number}. {item.asks}" in reader.text for item in checklist.items)
        assert checklist.source in reader.text


def test_the_markdown_is_one_row_an_item_with_five_cells(case, known):
    path = write_checklists(case[0], known)
    text = path.read_text(encoding="utf-8")
    assert path == case[0] / "checklists.md" and text.count(NO_CLAIM) == len(OUTLINES)
    rows_found = [
        line
        for line in text.splitlines()
        if line.startswith("| ") and any(f"| {status} |" in line for status in STATUSES)
    ]
    assert len(rows_found) == 44 + 40
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows_found} == {6}


def test_names_of_classes_break_no_table_and_run_nothing(tmp_path):
    case = make_case(tmp_path, classes=HOSTILE)
    known = known_facts(*case)
    text = write_checklists(case[0], known).read_text(encoding="utf-8")
    cells = [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")]
    assert set(cells) == {6} and "<script" not in text
    assert Reader(page("Lists", [checklist_section(known)])).problems == []
