"""The report: well-formed, offline, complete, escaped, and honest about what it does not know."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import COLUMNS, Manifest, typed
from plainfilm.core.page import film_png, page, paragraph, section, table, texts
from plainfilm.core.predictions import Predictions
from plainfilm.core.run import Run
from plainfilm.judge.doubts import find_doubts, scores_of_file
from plainfilm.judge.evaluate import evaluate_predictions
from plainfilm.judge.report import write_report
from plainfilm.judge.report_text import report_text

CLASSES = ("COVID", "Normal", "Viral Pneumonia")
VOID = {"meta", "img", "br", "wbr", "link", "hr", "input"}
SECTIONS = (
    "Data and split", "Training", "Classification report", "Confusion matrix", "ROC and precision-recall curves",
    "Calibration", "Abstention", "Subgroups", "Sample films", "Surest mistakes", "Model card", "Reporting checklists", "Provenance",
)  # fmt: skip


class Reader(HTMLParser):
    """Reads a page as a browser would, and minds what a browser forgives."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.problems, self.links, self.ids = [], [], [], []
        self.headings, self.images, self.headers, self.words = [], [], [], []
        self.feed(text)
        self.close()
        self.problems += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        self.links += [attributes[name] for name in ("src", "href", "srcset", "data") if name in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag == "img":
            self.images.append(attributes)
        if tag == "th":
            self.headers.append(attributes)
        if tag == "script" or any(name.startswith("on") for name in attributes):
            self.problems.append(f"<{tag}> runs something")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing")

    def handle_data(self, text):
        if not {"style", "title"} & set(self.open):
            self.words.append(text)
        if self.open and self.open[-1] == "h2":
            self.headings.append(text)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


def make_films(root, labels, sources, *, seed=0):
    """A manifest of small noise films that lie on the disk, two a group, split 6:2:2 by group."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, (label, source) in enumerate(zip(labels, sources, strict=True)):
        path = f"film-{i}.png"
        (root / path).write_bytes(film_png(rng.integers(0, 256, (24, 24), dtype=np.uint8), 24))
        split = ("train", "train", "train", "val", "test")[i // 2 % 5]
        digest = hashlib.sha256(path.encode()).hexdigest()
        known = {"image_id": f"film-{i}", "path": path, "label": label, "source": source, "split": split,
                 "group": f"g{i // 2}", "sha256": digest, "status": "ok"}  # fmt: skip
        rows.append(dict.fromkeys(COLUMNS, "") | known)
    return typed(pd.DataFrame(rows))


def make_run(tmp_path, *, films=200, classes=CLASSES, sources=("north", "south"), sure=2.0, splits=None, change=None,
             history=None, readings=1, complete=True):  # fmt: skip
    """A run with everything that a report is written from. change: edits the table of films before it is written."""
    root = tmp_path / "films"
    root.mkdir()
    rng = np.random.default_rng(2)
    table = make_films(root, rng.choice(classes, films).tolist(), rng.choice(sources, films).tolist())
    table = table if change is None else change(table)
    manifest = Manifest(table, tuple(classes), root).write(tmp_path / "data" / "manifest.csv")
    run = Run.create(tmp_path / "a run", TrainConfig(size=32, epochs=4, optimizer="sgd"), manifest)
    run.write_history(EPOCHS if history is None else history)
    if complete:
        run.mark_complete({"best_epoch": 3, "epochs": 4, "seconds": 3725.0, "something_new": 7, "nested": {"a": 1}})
    for _ in range(readings):
        run.record_test_reading("evaluate")
    rows = table if splits is None else table[table["split"].isin(splits)]
    logit = np.random.default_rng(1).normal(0, 1, (len(rows), len(classes)))
    for place, label in enumerate(rows["label"]):
        if label:
            logit[place, classes.index(label)] += sure
    logit[(rows["status"] == "error").to_numpy()] = np.nan
    predictions = Predictions.of(rows, logit, tuple(classes), "resnet18")
    return run, manifest, predictions, evaluate_predictions(predictions, repeats=40)


EPOCHS = [
    {"epoch": e, "size": 16 if e < 3 else 32, "train_loss": 1 / e, "val_loss": 1.1 / e, "train_accuracy": 0.6 + e / 10,
     "val_accuracy": 0.55 + e / 10, "val_macro_auroc": 0.8 + e / 25, "learning_rate": 0.1 / e, "seconds": 2.0}
    for e in range(1, 5)
]  # fmt: skip


def read_report(made):
    reader = Reader(write_report(*made).read_text(encoding="utf-8"))
    assert reader.problems == []
    return reader


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def reader(made):
    return read_report(made)


def test_the_report_is_one_offline_file(made, reader):
    assert reader.links
    assert all(link.startswith(("data:image/", "#")) for link in reader.links)
    assert {link[1:] for link in reader.links if link.startswith("#")} == set(reader.ids)
    text = (made[0] / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "@import" not in text and "url(" not in text.split("</style>")[0]
    assert len(text) < 4_000_000


def test_every_section_stands_in_order_and_the_notice_comes_first(reader):
    assert reader.headings == ["Result on the test split", *SECTIONS]
    assert reader.text.strip().startswith("Research and education only. Not a medical device.")


def test_the_headline_is_what_the_metrics_say(made, reader):
    test = made[3]["splits"]["test"]
    for name in ("accuracy", "balanced_accuracy", "macro_auroc"):
        low, value, high = (f"{test['metrics'][name][end]:.3f}" for end in ("low", "value", "high"))
        assert f"{value}{low} to {high}" in reader.text
    assert f"Test films{test['films']}in {test['groups']} groups" in reader.text
    assert "Test split read1time for this run" in reader.text


def test_classification_reports_of_all_splits_with_intervals(made, reader):
    for split in made[3]["splits"].values():
        for name in CLASSES:
            for measure in ("precision", "recall", "specificity", "f1", "auroc", "average_precision"):
                low, value, high = (split["metrics"][f"{measure}/{name}"][end] for end in ("low", "value", "high"))
                assert f"{value:.3f} ({low:.3f} to {high:.3f})" in reader.text
        assert split["metrics"]["weighted_precision"]["value"] is not None
    for words in ("Macro mean", "Weighted mean", "Sensitivity (recall)", "Brier score"):
        assert words in reader.text


def test_tables_and_pictures_speak_to_those_who_cannot_see(reader):
    assert all(header.get("scope") in ("col", "row") for header in reader.headers)
    assert all(len(image["alt"]) > 10 for image in reader.images)


def test_training_shows_time_epochs_settings_and_unknown_facts(reader):
    for words in ("1 h 2 min", "Weights kept from epoch3", "Something new7", "optimizersgdadamw"):
        assert words in reader.text.replace("Epochs4", "")


def test_figures_lie_in_the_run_as_png(made, reader):
    names = {
        "loss",
        "scores",
        "confusion_counts",
        "confusion_shares",
        "roc",
        "precision_recall",
        "reliability",
        "selective",
    }
    figures = {path.stem: path.read_bytes() for path in (made[0] / "figures").iterdir()}
    assert set(figures) == names
    assert all(content.startswith(b"\x89PNG") for content in figures.values())


def test_the_surest_mistakes_are_the_surest(made, reader):
    of_test = made[2].where(made[2].table["split"] == "test")
    logit = of_test.logit
    probability = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    wrong = probability.argmax(axis=1) != of_test.label_index
    surest = of_test.table["image_id"][wrong].iloc[probability[wrong].max(axis=1).argmax()]
    shown = reader.text.split("of which the network was surest.")[1]
    assert re.search(r"film-\d+", shown).group() == surest
    assert f"{wrong.sum()} of {len(wrong)} films" in reader.text


def test_nothing_in_the_data_becomes_markup(tmp_path):
    classes = ("<b>COVID</b> & $x$", "_hidden</td>", "日本\x07")

    def poison(films):
        films.loc[0, ["status", "error", "sha256", "group"]] = ["error", "<script>alert(1)</script>", "", ""]
        return films

    made = make_run(tmp_path, classes=classes, sources=('<img src="http://x">', "'\""), change=poison)
    reader = read_report(made)
    for words in ("<b>COVID</b> & $x$", "_hidden</td>", "日本\N{REPLACEMENT CHARACTER}", "<script>alert(1)</script>"):
        assert words in reader.text
    assert not any("http" in link for link in reader.links)


def test_without_the_test_split_validation_is_shown_and_it_says_so(tmp_path):
    made = make_run(tmp_path, splits=("train", "val"), readings=0, complete=False, history=[])
    reader = read_report(made)
    assert reader.headings[0] == "Result on the validation split"
    for words in ("The test split was not read", "The training is not finished", "No epoch is recorded"):
        assert words in reader.text
    assert report_text(made[3]).startswith("Validation split")


def test_a_test_split_that_an_audit_read_is_not_said_to_be_unread(tmp_path):
    run, manifest, _, metrics = make_run(tmp_path, splits=("train", "val"), readings=2)
    doubts = {doubt.title: doubt for doubt in find_doubts(run, manifest, metrics)}
    assert "The test split was not read" not in doubts
    assert "was read 2 times for this run" in doubts["These numbers are not of the test split"].sentences[1]


@pytest.fixture(scope="module")
def poor_reader(tmp_path_factory):
    """A report on films without a source: test lacks COVID, two of its films were never readable, and now none is."""

    def impoverish(films):
        films.loc[(films["split"] == "test") & (films["label"] == "COVID"), "split"] = "train"
        damaged = films.index[films["split"] == "test"][:2]
        films.loc[damaged, ["status", "error", "sha256"]] = ["error", "is cut off", ""]
        return films

    tmp_path = tmp_path_factory.mktemp("poor")
    made = make_run(tmp_path, change=impoverish, sources=("",))
    for place, path in enumerate((tmp_path / "films").iterdir()):
        path.unlink() if place % 2 else path.write_bytes(b"no film")
    return read_report(made)


def test_a_class_that_test_lacks_is_unknown(poor_reader):
    assert "Few films" in poor_reader.text
    assert "COVID (0)" in poor_reader.text
    assert "unknown" in poor_reader.text.split("Classification report")[-1]


def test_without_sources_the_report_says_that_nobody_can_tell(poor_reader):
    assert "Where the films come from is unknown" in poor_reader.text
    assert "The sources of the films are unknown." in poor_reader.text


def test_unreadable_films_are_counted_and_listed_with_their_reason(poor_reader):
    assert "In the test split, films that cannot be read and are left out of all numbers: 2." in poor_reader.text
    assert "is cut off" in poor_reader.text


def test_films_that_are_gone_leave_a_placeholder(poor_reader):
    assert "cannot be shown" in poor_reader.text
    assert not any("film-" in image["alt"] for image in poor_reader.images)


def test_metrics_that_were_read_back_do_as_well_and_drawing_leaves_matplotlib_as_it_was(made, reader):
    import matplotlib as mpl

    run, manifest, predictions, metrics = made
    before = dict(mpl.rcParams)
    again = read_report((run, manifest, predictions, json.loads(json.dumps(metrics))))
    assert dict(mpl.rcParams) == before
    assert again.text.split("Provenance")[0] == reader.text.split("Provenance")[0]


def test_without_a_mistake_it_says_so_and_does_not_promise_perfection(tmp_path):
    made = make_run(tmp_path, sure=50)
    reader = read_report(made)
    assert "0 of 40 films of the test split were misclassified." in reader.text
    found = made[3]["splits"]["test"]["metrics"]["recall/COVID"]
    assert found["value"] == found["high"] == 1
    assert 0.5 < found["low"] < 0.9
    assert f"1.000 ({found['low']:.3f} to 1.000)" in reader.text


@pytest.mark.slow
def test_many_classes_with_long_names(tmp_path):
    classes = tuple(f"a_rather_long_name_of_a_finding_number_{i}/left_lower_lobe" for i in range(12))
    reader = read_report(make_run(tmp_path, classes=classes, films=240))
    assert all(name in reader.text for name in classes)


def test_doubts_name_leaks_ties_and_unknown_sources(tmp_path):
    def leak_and_tie(films):
        films.loc[films["label"] == "COVID", "source"] = "covid clinic"
        films.loc[films["split"] == "test", "group"] = films.loc[0, "group"]
        return films

    run, manifest, _, metrics = make_run(tmp_path, change=leak_and_tie)
    doubts = {doubt.title: doubt for doubt in find_doubts(run, manifest, metrics)}
    assert next(iter(doubts)) == "The splits leak"
    tie = doubts["Class and source are one: COVID"]
    assert tie.level == "failure"
    assert "No source of COVID supplies another class (its sources: covid clinic)." in tie.sentences
    assert "Where the films come from is unknown" not in doubts


def _interval(value, low, high):
    return {"value": value, "low": low, "high": high}


def with_hints(manifest, macro_auroc, *, findings=(), classes=None):
    """The manifest as `prepare` writes it where the file alone reaches this macro AUROC."""
    score = {"accuracy": _interval(0.71, 0.68, 0.74), "balanced_accuracy": _interval(0.61, 0.58, 0.64)}
    values = {name: _interval(0.4, 0.35, 0.45) for name in manifest.classes}
    hints = {"classes": list(classes or manifest.classes), "source": {"cramers_v_of": values}, "findings": list(findings),
             "file": {"all": {**score, "macro_auroc": macro_auroc}}}  # fmt: skip
    return replace(manifest, info={**manifest.info, "hints": json.loads(json.dumps(hints))})


TELLS = {"level": "failure", "by": "file", "classes": ["COVID"], "text": "the file tells COVID from the rest."}


@pytest.mark.slow
def test_the_scores_stand_beside_those_of_the_file_alone(made):
    run, manifest, predictions, metrics = made
    reader = read_report((run, with_hints(manifest, _interval(0.6, 0.55, 0.65)), predictions, metrics))
    assert "Guessing from the file alone" in reader.text
    for number in ("0.710 (0.680 to 0.740)", "0.610 (0.580 to 0.640)", "0.600 (0.550 to 0.650)"):
        assert number in reader.text
    assert "Guessing from the file alone" not in read_report(made).text


@pytest.mark.parametrize(
    "reached, findings, level, title",
    [
        (
            _interval(0.97, 0.95, 0.99),
            (),
            "failure",
            "The network is not surely better than a guess from the file alone",
        ),
        (_interval(0.60, 0.55, 0.65), (TELLS,), "warning", "The file alone gives the class away in part"),
        (_interval(0.60, 0.55, 0.65), (), None, None),
        (_interval(None, None, None), (), None, None),
    ],
)
def test_a_network_is_held_against_the_file_alone(made, reached, findings, level, title):
    run, manifest, _, metrics = made
    doubts = {
        doubt.title: doubt for doubt in find_doubts(run, with_hints(manifest, reached, findings=findings), metrics)
    }
    about_files = [name for name in doubts if "file alone" in name]
    assert about_files == ([title] if title else [])
    if title:
        assert doubts[title].level == level
        assert f"{reached['value']:.3f} ({reached['low']:.3f}" in doubts[title].sentences[-1]
    if findings:
        assert doubts[title].sentences[0] == "The file tells COVID from the rest."


def test_a_guess_among_other_classes_is_no_measure(made):
    run, manifest, _, metrics = made
    partial = with_hints(manifest, _interval(0.99, 0.98, 1.0), classes=CLASSES[:2])
    assert not [doubt for doubt in find_doubts(run, partial, metrics) if "file alone" in doubt.title]


def test_a_source_that_foretells_without_a_full_tie_is_a_doubt(made):
    run, manifest, _, metrics = made
    found = {"level": "warning", "by": "source", "classes": ["Normal"], "text": ""}
    hinted = with_hints(manifest, _interval(0.6, 0.5, 0.7), findings=[found])
    doubts = {doubt.title: doubt for doubt in find_doubts(run, hinted, metrics)}
    assert doubts["The source foretells Normal"].level == "warning"
    assert "Normal 0.400 (0.350 to 0.450)" in doubts["The source foretells Normal"].sentences[0]


def test_the_text_for_the_terminal_names_the_file_alone_where_it_was_measured(made):
    _, manifest, _, metrics = made
    reached = scores_of_file(with_hints(manifest, _interval(0.6, 0.55, 0.65)))
    assert "From the file alone" not in report_text(metrics)
    assert "accuracy 0.710 (0.680 to 0.740), macro AUROC 0.600" in report_text({**metrics, "file_alone": reached})


def test_a_guess_that_rests_on_compression_and_grey_levels_is_not_said_to_see_no_lung(made):
    run, manifest, _, metrics = made
    hinted = with_hints(manifest, _interval(0.97, 0.95, 0.99))
    text = report_text({**metrics, "file_alone": scores_of_file(hinted)})
    assert "From the file alone (its size, compression and grey levels): accuracy" in text
    told = [text, *(sentence for doubt in find_doubts(run, hinted, metrics) for sentence in doubt.sentences)]
    assert not any("look at a lung" in one for one in told)


def test_sources_that_supply_several_classes_raise_no_alarm(made):
    run, manifest, _, metrics = made
    assert not [doubt for doubt in find_doubts(run, manifest, metrics) if doubt.level == "failure"]


def test_another_manifest_and_several_readings_are_told(tmp_path):
    run, manifest, _, metrics = make_run(tmp_path, readings=3)
    films = manifest.films.copy()
    films.loc[0, "label"] = "Normal"
    titles = [doubt.title for doubt in find_doubts(run, Manifest(films, manifest.classes, manifest.root), metrics)]
    assert "The test split was read 3 times" in titles
    assert "Judged on another manifest than the run was trained on" in titles


def test_the_text_for_the_terminal_is_a_table_that_lines_up(made):
    lines = report_text(made[3]).splitlines()
    assert lines[0] == "Test split: 40 films in 20 groups"
    header, *rows = lines[4:9]
    assert [row.split("  ")[0] for row in rows] == [*CLASSES, "macro"]
    for row in rows:
        assert re.match(r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)", row[header.index("sensitivity") :])
    accuracy = made[3]["splits"]["test"]["metrics"]["accuracy"]
    assert f"{accuracy['value']:.3f} ({accuracy['low']:.3f} to {accuracy['high']:.3f})" in lines[1]


def test_a_page_escapes_text_and_keeps_pieces():
    built = page("<title>", [section("A & B", paragraph("1 < 2", " and ", paragraph("inner")))], lead='"quoted"')
    assert "<title>&lt;title&gt;</title>" in built
    assert "1 &lt; 2 and <p>inner</p>" in built
    assert Reader(built).problems == []


def test_a_table_refuses_a_row_of_another_length():
    with pytest.raises(ValueError, match="has 1 cells, expected 2"):
        table("Films", texts("Class", "Films"), [["COVID"]])
