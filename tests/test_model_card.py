"""The model card: every sentence from the files, unknown said as unknown, what only an author knows left to the author."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from conftest import rows
from plainfilm.core.audit import Audit, Finding
from plainfilm.core.calibration import Calibration
from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import SPLITS, Manifest
from plainfilm.core.page import page
from plainfilm.core.predictions import Predictions
from plainfilm.core.run import Run
from plainfilm.errors import BadConfig, BadRun
from plainfilm.judge.calibrate import Wishes, calibrate
from plainfilm.judge.card import known_trust
from plainfilm.judge.card.author import open_answers, with_answers
from plainfilm.judge.card.exported import card_for_strangers, note_for_strangers, with_lead
from plainfilm.judge.card.known import known_facts
from plainfilm.judge.card.model_card import TO_FILL_IN, card_section, model_card, write_model_card
from plainfilm.judge.doubts import find_doubts
from plainfilm.judge.evaluate import evaluate_predictions
from test_report import Reader

CLASSES = ("COVID", "Normal")
NOTES = [
    "3 pairs of near twins and 1 of identical pictures were found (twins.csv) and grouped",
    "the split was drawn by class, whole groups only",
]
FILE_ALONE = {
    name: {"value": 0.61, "low": 0.5, "high": 0.7} for name in ("accuracy", "balanced_accuracy", "macro_auroc")
}


def make_case(
    folder, *, change=None, notes=NOTES, splits=SPLITS, classes=CLASSES, config=None, calibrated=False, complete=True
):
    """Run, manifest and metrics of 400 films, two a patient and a group, of which everything is known.

    change: edits the table of films. splits: those that were judged. calibrated: whether anything was fitted on validation.
    """
    place = np.arange(400)
    films = rows(
        [classes[i // 2 % len(classes)] for i in place],
        patient_id=[f"p{i // 2}" for i in place],
        group=[f"g{i // 2}" for i in place],
        source=[("north", "south")[i // 4 % 2] for i in place],
        view=[("PA", "AP")[i // 2 % 2] for i in place],
        sex=[("F", "M")[i // 6 % 2] for i in place],
        age=[float(20 + i // 2 % 60) for i in place],
        width=256,
        height=256,
        split=[("train", "train", "train", "val", "test")[i // 8 % 5] for i in place],
    )
    films = films if change is None else change(films)
    made = {"command": "plainfilm prepare films", "made_at": "2026-01-01T00:00:00+00:00"}
    info = {"layout": "classes", "notes": notes, "provenance": made}
    manifest = Manifest(films, tuple(classes), folder, info).write(folder / "data" / "manifest.csv")
    run = Run.create(folder / "a run", config or TrainConfig(weights="scratch", size=64, epochs=4), manifest)
    if complete:
        run.mark_complete(
            {
                "epochs": 4,
                "best_epoch": 3,
                "ended_by": "the planned epochs",
                "device": "cpu",
                "weights_sha256": "ab" * 32,
            }
        )
    if "test" in splits:
        run.record_test_reading("evaluate")
    judged = films[films["split"].isin(splits)]
    logit = np.random.default_rng(1).normal(0, 1, (len(judged), len(classes)))
    logit[np.arange(len(judged)), [classes.index(label) if label else 0 for label in judged["label"]]] += 1.5
    logit[(judged["status"] == "error").to_numpy()] = np.nan
    predictions = Predictions.of(judged, logit, tuple(classes), "resnet18")
    fitted = None
    if calibrated:
        train, val = (predictions.where(predictions.table["split"] == name) for name in ("train", "val"))
        fitted = calibrate(train, val, Wishes())
        fitted.write(run / "calibration.json")
    metrics = evaluate_predictions(predictions, fitted, films, repeats=40)
    return run, manifest, {**metrics, "file_alone": FILE_ALONE}


def without(*columns):
    """An edit that makes these columns unknown."""

    def forget(films):
        for name in columns:
            films[name] = pd.array([pd.NA] * len(films), dtype="Float64") if name == "age" else ""
        return films

    return forget


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return make_case(tmp_path_factory.mktemp("card"))


@pytest.fixture(scope="module")
def card(case):
    return model_card(case[0], known_facts(*case))


def part(card, title, *, is_known=True):
    statements = next(one.statements for one in card.parts if one.title == title)
    return " ".join(statement.text for statement in statements if statement.is_known == is_known)


def test_the_parts_are_those_of_mitchell_and_ours(card):
    titles = [one.title for one in card.parts]
    assert titles == [
        "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Quantitative analyses",
        "Calibration and abstention", "Doubts and limits", "Ethical considerations", "Caveats and recommendations",
    ]  # fmt: skip
    assert all(one.statements for one in card.parts)


def test_the_model_is_described_as_its_files_say(case, card):
    told, environment = part(card, "Model details"), json.loads((case[0] / "environment.json").read_text())
    assert "resnet18" in told and "64 × 64 pixels" in told and "COVID, Normal" in told
    assert (
        "random, drawn with seed 0" in told and "epochs 4" in told and "best macro AUROC on validation, epoch 3" in told
    )
    assert all(f"{name} {version}" in told for name, version in environment["versions"].items())
    assert environment["made_at"] in told and "ab" * 32 in told


def test_it_says_what_it_is_not_for_and_leaves_the_use_to_the_author(card):
    assert "Not a medical device" in part(card, "Intended use")
    assert "who is meant to use it" in part(card, "Intended use", is_known=False)


def test_the_scores_are_those_of_the_metrics_with_their_intervals(case, card):
    told = part(card, "Quantitative analyses")
    for split in case[2]["splits"].values():
        value = split["metrics"]["accuracy"]
        assert f"accuracy {value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})" in told
    sensitivity = case[2]["splits"]["test"]["metrics"]["recall/COVID"]
    assert f"Test split, COVID: sensitivity {sensitivity['value']:.3f}" in told
    assert "source north" in told and "0.610 (0.500 to 0.700)" in told


def test_training_films_are_counted_by_class_and_patient(case, card):
    told = part(card, "Training data")
    train = case[1].split("train")
    assert f"COVID {(train['label'] == 'COVID').sum()}" in told and f"{len(train)} films in all" in told
    assert (
        "Patients known: 200, with 400 films" in told
        and case[1].fingerprint in told
        and "3 pairs of near twins" in told
    )
    assert not part(card, "Training data", is_known=False).replace("licence and citation of each source", "")


def test_ages_sexes_and_views_are_told_by_split(card):
    told = part(card, "Factors")
    assert all(f"{name}, in films: age" in told for name in ("Training", "Validation", "Test"))
    assert "sex F 40, M 40" in told and "view AP 40, PA 40" in told and "below 18: 0" in told


def test_what_is_unknown_is_said_to_be_and_never_guessed(tmp_path):
    case = make_case(tmp_path, change=without("sex", "age", "view", "source", "patient_id"))
    card = model_card(case[0], known_facts(*case))
    assert "sex" not in part(card, "Factors") and "age" not in part(card, "Factors").replace("image", "")
    left = part(card, "Factors", is_known=False)
    assert "sex, age, view" in left and "names no source" in left
    assert "the patient of 400 films is unknown" in part(card, "Training data", is_known=False)
    assert "Patients known" not in part(card, "Training data")


def test_a_child_among_the_films_is_counted(tmp_path):
    def younger(films):
        films.loc[films["split"] == "train", "age"] = 9.0
        return films

    case = make_case(tmp_path, change=younger)
    assert "below 18: 240 (known for 240 of 240)" in part(model_card(case[0], known_facts(*case)), "Factors")


def test_the_doubts_stand_there_with_their_titles(tmp_path):
    def tie(films):
        films["source"] = films["label"]
        return films

    case = make_case(tmp_path, change=tie)
    doubts = find_doubts(*case)
    told = part(model_card(case[0], known_facts(*case)), "Doubts and limits")
    assert doubts and all(doubt.title in told for doubt in doubts)
    assert "Alarm: Class and source are one: COVID, Normal" in told


def untrusted(case):
    """The same case as an earlier plainfilm judged it: scores alone."""
    run, manifest, metrics = case
    splits = {
        name: {key: value for key, value in split.items() if key != "trust"}
        for name, split in metrics["splits"].items()
    }
    return run, manifest, {**metrics, "splits": splits}


def test_what_was_not_measured_is_said(case):
    card = model_card(case[0], known_facts(*untrusted(case)))
    told = part(card, "Calibration and abstention")
    assert told == "Probabilities are the softmax of the logits; nothing was fitted after the training."
    left = part(card, "Calibration and abstention", is_known=False)
    assert all(
        f"{what} measured" in left
        for what in ("calibration was not", "prediction sets were not", "turning films away was not")
    )


def test_probabilities_that_nobody_scaled_are_told_as_they_are(case, card):
    value = case[2]["splits"]["test"]["trust"]["calibration"]["before"]["ece"]["value"]
    told = part(card, "Calibration and abstention")
    assert f"as the network gives them: expected calibration error {value:.3f}" in told and "scaling:" not in told


def test_where_no_scaling_was_fitted_none_is_said_to_be(tmp_path):
    case = make_case(tmp_path)
    replace(Calibration.none(CLASSES), films=40, groups=20).write(case[0] / "calibration.json")
    told = part(model_card(case[0], known_facts(*case)), "Calibration and abstention")
    assert "no scaling was fitted." in told and "fitted on 40" not in told


def test_calibration_thresholds_and_sets_are_told_where_they_were_measured(tmp_path):
    case = make_case(tmp_path, calibrated=True)
    card = model_card(case[0], known_facts(*case))
    assert "these very" not in part(card, "Calibration and abstention")
    trust = case[2]["splits"]["test"]["trust"]
    told = part(card, "Calibration and abstention")
    for when in ("before", "after"):
        assert f"{when} scaling: expected calibration error {trust['calibration'][when]['ece']['value']:.3f}" in told
    assert "fitted on 80 validation films in 40 groups" in told
    assert f"hold the true class {trust['prediction_sets']['coverage']['value']:.3f}" in told
    points = trust["operating_points"]
    assert points and all(
        f"threshold {point['threshold']:.3g} from validation" in part(card, "Metrics") for point in points
    )


def test_a_reading_of_the_test_split_is_counted(case, card):
    assert "The test split was read 1 time for this run" in part(card, "Evaluation data")


def test_a_test_split_that_was_not_read_is_not_told_of(tmp_path):
    case = make_case(tmp_path, splits=("train", "val"))
    card = model_card(case[0], known_facts(*case))
    assert "Judged: test" not in part(card, "Evaluation data") and "Test split" not in part(
        card, "Quantitative analyses"
    )
    assert "the test split was not read" in part(card, "Evaluation data", is_known=False)


def test_a_test_split_that_an_audit_read_is_said_to_be_read(tmp_path):
    case = make_case(tmp_path, splits=("train", "val"), calibrated=True)
    case[0].record_test_reading("audit")
    card = model_card(case[0], known_facts(*case))
    assert "The test split was read 1 time for this run" in part(card, "Evaluation data")
    left = part(card, "Evaluation data", is_known=False)
    assert "not of the test split, which was read 1 time" in left and "was not read" not in left
    told = part(card, "Calibration and abstention")
    assert "The scaling was fitted on these very validation films" in told
    assert "Prediction sets and refusals were fitted on these very validation films" in told


def test_an_unfinished_training_and_lost_versions_are_said(tmp_path):
    case = make_case(tmp_path, complete=False)
    (case[0] / "environment.json").unlink()
    left = part(model_card(case[0], known_facts(*case)), "Model details", is_known=False)
    assert "the training is not finished" in left and "versions of the software are not recorded" in left


def test_another_manifest_says_nothing_of_the_training_films(tmp_path, case):
    run, manifest, metrics = case
    card = model_card(run, known_facts(run, replace(manifest, films=manifest.films.iloc[:-2]), metrics))
    assert part(card, "Training data") == ""
    assert "not the one that the run was trained on" in part(card, "Training data", is_known=False)


def test_a_damaged_calibration_is_an_error_that_names_the_file(tmp_path):
    case = make_case(tmp_path)
    (case[0] / "calibration.json").write_text("{}")
    with pytest.raises(BadRun, match=r"calibration\.json"):
        known_facts(*case)


def test_the_markdown_lies_in_the_run_and_marks_what_is_the_authors(case, card):
    path = write_model_card(case[0], known_facts(*case))
    text = path.read_text(encoding="utf-8")
    assert path == case[0] / "model_card.md" and text == card.to_markdown()
    assert text.startswith("# Model card: a run\n\n**Research and education only. Not a medical device.**")
    open_ = sum(not statement.is_known for one in card.parts for statement in one.statements)
    assert text.count(f"- *{TO_FILL_IN}: ") == open_ > 8


def test_json_holds_the_same_statements(card):
    values = json.loads(json.dumps(card.to_json()))
    assert values["format_version"] == 1 and values["name"] == "a run"
    assert [one["title"] for one in values["parts"]] == [one.title for one in card.parts]
    assert values["parts"][0]["statements"][0] == {"text": card.parts[0].statements[0].text, "is_known": True}


HOSTILE = ("<script>alert(1)</script>", "a|b\n## [x](javascript:1) *c*")


def test_names_of_classes_stay_text_in_markdown_and_on_the_page(tmp_path):
    case = make_case(tmp_path, classes=HOSTILE)
    known = known_facts(*case)
    text = model_card(case[0], known).to_markdown()
    assert "<script" not in text and "\n## [x]" not in text and "a\\|b \\#\\# \\[x\\]" in text
    reader = Reader(page("Card", [card_section(case[0], known)]))
    assert reader.problems == [] and "<script>alert(1)</script>" in reader.text


def test_the_section_folds_every_part(case, card):
    section = card_section(case[0], known_facts(*case))
    assert section.title == "Model card" and section.content.count("<details>") == len(card.parts)
    reader = Reader(page("Card", [section]))
    assert reader.problems == [] and all(one.title in reader.text for one in card.parts)


def test_an_answer_holds_for_other_counts_and_for_no_other_question():
    asked = "the patient of 3,798 films is unknown"
    card = f"- *For the author to fill in: {asked}*\n- *For the author to fill in: 2 of 3*\n"
    filled = with_answers(card, {"the patient of 248 films is unknown": "true"}, "author.toml")
    assert f"By the author, on {asked}:* true" in filled and "fill in: 2 of 3" in filled
    twice = card + "- *For the author to fill in: 5 of 9*\n"
    for question in ("1 of 1", "the patient of two films is unknown"):
        with pytest.raises(BadConfig, match="does not ask"):
            with_answers(twice, {question: "true"}, "author.toml")


def test_an_author_fills_in_what_the_card_asks(card, tmp_path):
    text = card.to_markdown()
    path = tmp_path / "author.toml"
    question = "who is meant to use it, and for which question"
    path.write_text(f'[answers]\n"{question}" = "Students; *nobody* else"\n')
    filled = with_answers(text, open_answers(path), str(path))
    assert f"- *By the author, on {question}:* Students; \\*nobody\\* else" in filled
    assert filled.count("For the author to fill in: ") == text.count("For the author to fill in: ") - 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            '[answers]\n"who is ment to use it, and for which question" = "Students"\n',
            'did you mean "who is meant to use it',
        ),
        ('[answers]\nwhy = ""\n', "expected a text"),
        ('why = "so"\n', "expected one section, [answers]"),
        ("[answers", "is no TOML file"),
    ],
)
def test_answers_that_fit_no_question_are_refused(card, tmp_path, content, told):
    path = tmp_path / "author.toml"
    path.write_text(content)
    with pytest.raises(BadConfig, match=re.escape(told)):
        with_answers(card.to_markdown(), open_answers(path), str(path))
    with pytest.raises(BadConfig, match="is missing"):
        open_answers(tmp_path / "none.toml")


def test_a_card_for_strangers_keeps_the_counts_and_names_no_folder_and_no_film(tmp_path):
    def torn(films):
        films.loc[films.index[:2], ["image_id", "split"]] = [["SMITH_JOHN (1)", "train"], ["DOE_JANE", "test"]]
        return films  # one patient, one group

    notes = [
        *NOTES,
        "2 films: declares 12 bits (more than it uses) (SMITH_JOHN (1).png, DOE_JANE.png)",
        "the split was drawn anew by plainfilm check --fix from /home/anna/my study/manifest.csv",
    ]
    run, manifest, metrics = make_case(tmp_path, change=torn, notes=notes)
    told = "Patients on two sides: 1 patient on two sides, 2 films; the first: SMITH_JOHN (1) (train), DOE_JANE (test)."
    leaks = Finding("leaks", "fail", "share", None, "any", ("1 of 80 test films leaks.", told), "Split again.")
    Audit("run", "a run", "0.9", (leaks,), {"weights_sha256": "ab" * 32}).write(run / "audit.json")
    card = model_card(run, known_facts(run, manifest, metrics)).to_markdown()
    for name in ("SMITH", "DOE", "/home/anna/my study"):
        assert name in card
    given = card_for_strangers(card, run, manifest)
    for name in ("SMITH", "DOE", "anna", "my study"):
        assert name not in given
    for kept in (
        "Patients on two sides: 1 patient on two sides, 2 films.",
        "The splits are not disjoint: 1 group in more than one split.",
        "check --fix from manifest.csv",
        "2 films: declares 12 bits",
    ):
        assert kept in given, kept
    assert given.count("\n") == card.count("\n")


@pytest.mark.parametrize(
    ("note", "told"),
    [
        (
            "drawn by plainfilm check --fix from data/a b/manifest.csv",
            "drawn by plainfilm check --fix from manifest.csv",
        ),
        ("joined by /home/anna/table.csv: 3 films", "joined by table.csv: 3 films"),
        ("train/COVID: 3 films of PA/AP view", "train/COVID: 3 films of PA/AP view"),
        ("none", "none"),
        (
            'its column "Age (years)" is not read; if it is age, say so',
            'its column "Age" is not read; if it is age, say so',
        ),
        ("2 films: declares 12 bits (a (1).png, b.png); and so on", "2 films: declares 12 bits; and so on"),
        ("the value is unknown (label of a.png: X or Y, b (1).png: X or Y)", "the value is unknown"),
        ("the value is unknown: label of a.png (X, Y), b.png (X, Y)", "the value is unknown"),
        ("2 films: declares 12 bits (a).png, b(.png)", "2 films: declares 12 bits"),
    ],
)
def test_a_note_is_told_without_folders(note, told):
    assert note_for_strangers(note) == told


def test_what_a_bundle_adds_stands_before_the_first_heading():
    assert with_lead("# Card\n\nAbout.\n\n## Details\n", "So.") == "# Card\n\nAbout.\n\nSo.\n\n## Details\n"
    assert with_lead("# Card\n", "So.") == "# Card\n\nSo.\n"


def test_how_its_classes_are_told_from_those_that_it_does_not_know_stands_in_the_card():
    found = [
        {
            "class": "COVID",
            "label": "Other Pneumonia",
            "films": [94, 142],
            "auroc": {"value": 0.67, "low": 0.58, "high": 0.75},
        },
        {"class": "COVID", "label": "Other", "films": [94, 3], "auroc": {"value": 0.9, "low": 0.1, "high": 1.0}},
    ]
    metrics = {"scores": {"films": 98, "groups": 65, "metrics": {}}, "foreign_auroc": found}
    told = known_trust._elsewhere("external", metrics)
    assert told.endswith(
        " Its classes told from those that it does not know: COVID from Other Pneumonia, 94 and 142 films: "
        "AUROC 0.670 (0.580 to 0.750)."
    ), "of three films nothing can be said"
    assert "does not know" not in known_trust._elsewhere("external", {**metrics, "foreign_auroc": []})
